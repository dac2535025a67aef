"""Tables: aligned text for people, CSV for programs."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from leaffliction.utils.console import printable
from leaffliction.utils.files import atomic_write
from leaffliction.utils.overwrite import refuse_folder
from leaffliction.utils.storage import path_of

# First characters by which a spreadsheet takes a text for a formula.
FORMULA_STARTS = ("=", "+", "-", "@")
# Lines of a list that a program prints.
MAX_LINES = 20
# No byte order mark is written: with one, most programs that read CSV would
# give the first column another name.
CSV_HELP = ("as UTF-8; Excel shows its accents if it is opened by Data > From "
            "Text/CSV")


def text_table(rows: Sequence[Sequence[str]],
               left_aligned: Sequence[bool]) -> str:
    """Return rows of texts as aligned lines.

    left_aligned: for each column; the others are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(
        f"{text:{width}}" if is_left else f"{text:>{width}}"
        for text, width, is_left in zip(row, widths, left_aligned)).rstrip()
        for row in rows)


def first_lines(lines: list[str], rest: str) -> list[str]:
    """Return at most MAX_LINES lines, and one more that counts the others.

    rest: the text of that last line, with {} for their number.
    """
    if len(lines) <= MAX_LINES:
        return lines
    return [*lines[:MAX_LINES], rest.format(len(lines) - MAX_LINES)]


def csv_value(value: object) -> object:
    """Return a value as it is written into a CSV file.

    In texts, control characters and lone surrogates are escaped, as in
    messages.  A text that a spreadsheet would take for a formula gets an
    apostrophe in front: "=1+1.jpg" becomes "'=1+1.jpg".
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def format_csv(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Return a header and rows as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(map(csv_value, row) for row in rows)
    return text.getvalue()


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOBase]:
    """Yield a stream to a text file that appears whole or not at all.

    Raises UserError if it cannot be written.
    """
    refuse_folder(path)
    with atomic_write(path) as partial:
        with open(partial, "w", encoding="utf-8", newline="") as stream:
            yield stream


def is_stdout(target: Path | str) -> bool:
    """Return whether an output is stdout: "-", or the system's names for it.

    If stdout is redirected to a file, opening /dev/stdout would start again
    at the file's beginning and overwrite what was printed before.
    """
    return str(target) in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


@contextmanager
def open_output(target: Path | str) -> Iterator[io.TextIOBase]:
    """Yield a text stream to a file, as open_text does, or to stdout."""
    if is_stdout(target):
        yield sys.stdout
        return
    with open_text(path_of(target)) as stream:
        yield stream


def write_csv(path: Path | str, header: Sequence[str],
              rows: Iterable[Sequence]) -> None:
    """Write a CSV file or to stdout; UserError if it cannot be written."""
    with open_output(path) as stream:
        stream.write(format_csv(header, rows))
