"""Tables: lines of text for people, CSV for programs."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from leaffliction.utils.console import printable
from leaffliction.utils.storage import path_of

# What a spreadsheet takes a text for a formula by.
FORMULA = ("=", "+", "-", "@")
# There is no byte order mark: with one, the first column has another name
# for most programs that read a CSV.
CSV_HELP = ("as UTF-8; Excel shows its accents if it is opened by Data > From "
            "Text/CSV")


def text_table(rows: Sequence[Sequence[str]], left: Sequence[bool]) -> str:
    """Return rows of texts as lines, in columns.

    left: for each column, whether its texts stand to the left.
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(
        f"{text:{width}}" if is_left else f"{text:>{width}}"
        for text, width, is_left in zip(row, widths, left)).rstrip()
        for row in rows)


def cell(value: object) -> object:
    """Return a value as it stands in a CSV file.

    Texts without control characters or half letters, as in messages; and no
    spreadsheet takes one for a formula: "=1+1.jpg" gets a ' in front.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_text(names: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Return a header and rows as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(map(cell, row) for row in rows)
    return text.getvalue()


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOBase]:
    """Give a stream to a text file, which is there whole or not at all.

    Raises UserError where it can't be written.
    """
    from leaffliction.utils.files import atomic_write
    from leaffliction.utils.overwrite import refuse_folder
    refuse_folder(path)
    with atomic_write(path) as partial:
        with open(partial, "w", encoding="utf-8", newline="") as stream:
            yield stream


def is_stdout(target: Path | str) -> bool:
    """Tell whether an output's name stands for stdout: "-".

    Or the system's names of it.  Opened by them, a file to which stdout goes
    is written to from its beginning, over what is printed.
    """
    return str(target) in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


@contextmanager
def open_target(target: Path | str) -> Iterator[io.TextIOBase]:
    """Give a text stream to write to: open_text's, or stdout for "-"."""
    if is_stdout(target):
        yield sys.stdout
        return
    with open_text(path_of(target)) as stream:
        yield stream


def write_csv(path: Path | str, names: Sequence[str],
              rows: Iterable[Sequence]) -> None:
    """Write a CSV file, or to stdout; UserError where it can't be done."""
    with open_target(path) as stream:
        stream.write(csv_text(names, rows))
