"""Tables and lists for the terminal, and CSV files, about a data set."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leaffliction.distribution.class_facts import (ClassFacts, Counts,
                                                   imbalance, ratio, shares)
from leaffliction.utils.console import printable
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import write_error
from leaffliction.utils.tables import (first_lines, is_stdout, text_table,
                                       write_csv)

if TYPE_CHECKING:
    from leaffliction.distribution.duplicates import Repeat

# Sizes (or modes) of a class, and files of a repeat, that are printed; --csv
# writes all of them.
MAX_VALUES, MAX_FILES = 2, 6
# Columns of the CSV file of the images that repeat.
REPEAT_COLUMNS = ("group", "kind", "class", "file", "sha256")


@dataclass(frozen=True)
class ClassTable:
    """The table of the classes: the names of its columns, and its rows.

    A value is a number, a text, or a Counter (of sizes or modes).
    """

    columns: list[str]
    rows: list[list]


def class_table(counts: Counts, facts: dict[str, ClassFacts] | None
                ) -> ClassTable:
    """Return the table of the classes.

    facts: by class name; None if the images were only counted.
    """
    columns = ["plant", "class", "count", "share", "imbalance"]
    if facts is not None:
        columns += ["unreadable", "identical", "near_identical",
                    "other_classes", "sizes", "modes"]
    rows = []
    for plant, classes in counts.items():
        largest = max(classes.values())
        for (name, count), share in zip(classes.items(), shares(classes)):
            row = [plant, name, count, share, ratio(largest, count)]
            if facts is not None:
                of_class = facts[name]
                row += [of_class.unreadable, of_class.identical,
                        of_class.near_identical, of_class.other_classes,
                        of_class.sizes, of_class.modes]
            rows.append(row)
    return ClassTable(columns, rows)


def format_table(table: ClassTable) -> str:
    """Return a table as lines of text, numbers aligned to the right."""
    texts = [[name.replace("_", " ") for name in table.columns]]
    texts += [[_format(name, value)
               for name, value in zip(table.columns, row)]
              for row in table.rows]
    return text_table(texts, [isinstance(value, (str, Counter))
                              for value in table.rows[0]])


def _format(column: str, value: object) -> str:
    """Return a value as the table shows it."""
    if isinstance(value, Counter):
        texts = [text if len(value) == 1 else f"{text} ({count:,})"
                 for text, count in value.most_common(MAX_VALUES)]
        if len(value) > MAX_VALUES:
            texts.append(f"{len(value) - MAX_VALUES} more")
        return ", ".join(texts) or "-"
    if isinstance(value, float):
        return f"{value:.1%}" if column == "share" else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else printable(value)


def summary(counts: Counts) -> str:
    """Return one line per plant, and one for all plants together."""
    sizes = {plant: list(classes.values())
             for plant, classes in counts.items()}
    lines = [_summary_line(plant, sizes[plant]) for plant in counts]
    if len(counts) > 1:
        lines.append(_summary_line("all", sum(sizes.values(), [])))
    return "\n".join(lines)


def _summary_line(title: str, sizes: list[int]) -> str:
    """Return a line about the classes of these sizes."""
    classes = "class" if len(sizes) == 1 else "classes"
    return (f"{printable(title)}: {sum(sizes):,} images in {len(sizes)} "
            f"{classes}, imbalance {imbalance(sizes):.2f} "
            "(largest / smallest)")


def repeat_lines(repeats: "list[Repeat]") -> list[str]:
    """Return one line per repeat.

    "a = b" stands for identical files, "a ~ b" for near-identical ones.
    """
    lines = []
    for repeat in repeats:
        files = [printable(file) for file in repeat.files[:MAX_FILES]]
        text = files[0]
        for file, sha256, previous in zip(files[1:], repeat.sha256s[1:],
                                          repeat.sha256s):
            text += f" {'=' if sha256 == previous else '~'} {file}"
        if len(repeat.files) > MAX_FILES:
            text += f" and {len(repeat.files) - MAX_FILES} more"
        where = ("in several classes" if repeat.crosses_classes()
                 else "in one class")
        lines.append(f"{repeat.kind()}, {where}: {text}")
    return first_lines(lines, "and {} more groups of images that repeat "
                              "(--csv writes all)")


def repeats_path(path: Path) -> Path:
    """Return the CSV file of the repeats, beside the table at path.

    Raises UserError if a file of that name is not a table of repeats.
    """
    path = path.with_stem(f"{path.stem}_repeats")
    if path.is_file():
        with path.open("rb") as stream:
            if ",".join(REPEAT_COLUMNS).encode() not in stream.readline():
                raise UserError(
                    f"{path}: is not a table that this program wrote, and "
                    "--csv would overwrite it; choose another name")
    return path


def write_tables(path: Path, table: ClassTable, repeats: "list[Repeat]"
                 ) -> Iterator[Path]:
    """Write the table and, if there are any, the repeats; yield each path.

    path: "-" writes the table alone, to stdout, and yields nothing.
    The repeats of an earlier run are deleted first, so that an interrupted
    run does not leave them beside a table of other images.
    """
    if is_stdout(path):
        _write_table(path, table)
        return
    beside = repeats_path(path)
    try:
        beside.unlink(missing_ok=True)
    except NotADirectoryError:
        pass        # Writing the table raises the same error, as a UserError.
    except OSError as error:
        raise write_error(beside, error) from None
    _write_table(path, table)
    yield path
    if repeats:
        write_csv(beside, REPEAT_COLUMNS, (
            (number, repeat.kind(), *member)
            for number, repeat in enumerate(repeats, 1) for member in zip(
                repeat.class_names, repeat.files, repeat.sha256s)))
        yield beside


def _write_table(path: Path, table: ClassTable) -> None:
    """Write a table as CSV; a Counter as "256x256:9;128x128:1"."""
    write_csv(path, table.columns, [[
        f"{value:.6f}" if isinstance(value, float) else
        ";".join(f"{text}:{count}" for text, count in value.most_common())
        if isinstance(value, Counter) else value for value in row]
        for row in table.rows])
