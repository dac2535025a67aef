"""Read the CSV of --groups: which image shows which leaf.

Its columns are file and leaf.  People write it with spreadsheets and scripts,
on other computers and for other folders, so encoding, separator, slashes and
leading folders vary.  read_rows reads the rows; match_rows finds the image
that each row names; read_groups does both for the images to learn from.
"""

import codecs
import csv
import io
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaffliction.utils.console import print_note
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset
from leaffliction.utils.storage import common_folder
from leaffliction.utils.tables import csv_value

# Spreadsheets write commas, tabs, or, where a comma is the decimal mark,
# semicolons.
SEPARATORS = ",;\t|"
# The first bytes of a zip archive, and so of an Excel workbook.
ZIP_MAGIC = b"PK"
UTF_16_MARKS = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


@dataclass(frozen=True)
class Row:
    """A row of the CSV: its line number, file and leaf ("" if missing)."""

    line: int
    file: str
    leaf: str


def read_groups(path: Path, datasets: Sequence[Dataset]
                ) -> list[list[str | None]]:
    """Return the leaf of each image, for each dataset; None where unknown.

    The files in the CSV are relative to a dataset's root, or nearly so: see
    match_rows.  A row may match an image in several datasets.  Its leaf is
    then another one in each of them, and the dataset's folder is put in
    front of its name.
    Notes count the rows that match no image and the images without a leaf.
    Raises UserError where the CSV can't be read, matches no image, gives no
    image a leaf, or gives one image two.
    """
    rows = read_rows(path)
    matches = [match_rows(rows, dataset) for dataset in datasets]
    row_of = [_row_of_each_image(path, rows, found, dataset)
              for found, dataset in zip(matches, datasets)]
    match_counts = Counter(index for found in matches for index in found)
    unmatched = [row for index, row in enumerate(rows)
                 if index not in match_counts]
    without_leaf = [file for dataset, row_of_image in zip(datasets, row_of)
                    for file in _without_leaf(dataset, row_of_image)]
    _report_gaps(path, rows, unmatched, without_leaf, datasets)
    leaves = [[row_of_image[image].leaf or None if image in row_of_image
               else None for image in range(len(dataset.files))]
              for row_of_image, dataset in zip(row_of, datasets)]
    ambiguous = {rows[index].leaf for index, count in match_counts.items()
                 if count > 1}
    if not ambiguous:
        return leaves
    common = common_folder([dataset.root for dataset in datasets])
    folders = [dataset.root.relative_to(common).as_posix()
               for dataset in datasets]
    return [[f"{folder}: {leaf}" if leaf in ambiguous else leaf
             for leaf in leaves_of_dataset]
            for folder, leaves_of_dataset in zip(folders, leaves)]


def _row_of_each_image(path: Path, rows: Sequence[Row],
                       matches: dict[int, int], dataset: Dataset
                       ) -> dict[int, Row]:
    """Return {image: its row}; UserError where two rows give two leaves."""
    row_of_image: dict[int, Row] = {}
    for index, image in matches.items():
        row = rows[index]
        first = row_of_image.setdefault(image, row)
        if first.leaf != row.leaf:
            raise UserError(
                f"{path}: line {first.line} puts {dataset.files[image]} on "
                f"leaf {first.leaf!r}, line {row.line} on leaf {row.leaf!r}")
    return row_of_image


def _without_leaf(dataset: Dataset, row_of_image: dict[int, Row]
                  ) -> list[Path]:
    """Return the files without a leaf; a copy has that of its original."""
    originals = augmented_copies(dataset.files, dataset.classes())
    with_leaf = {dataset.files[image] for image, row in row_of_image.items()
                 if row.leaf}
    return [file for file in dataset.files
            if file not in with_leaf and originals.get(file) not in with_leaf]


def _report_gaps(path: Path, rows: Sequence[Row], unmatched: Sequence[Row],
                 without_leaf: Sequence[Path], datasets: Sequence[Dataset]
                 ) -> None:
    """Print notes on rows without an image and on images without a leaf.

    Raises UserError where these are all rows or all images.
    """
    images = sum(len(dataset.files) for dataset in datasets)
    if len(unmatched) == len(rows):
        row = f"a row is {rows[0].file!r}" if rows else "it has no rows"
        raise UserError(
            f"{path}: names no image of "
            + ", ".join(str(dataset.root) for dataset in datasets)
            + f": {row}, an image {str(datasets[0].files[0])!r}")
    if len(without_leaf) == images:
        raise UserError(f"{path}: the column leaf is empty for all images "
                        f"(line {rows[0].line}: {rows[0].file!r})")
    if unmatched:
        print_note(
            f"{path}: {len(unmatched)} of {len(rows)} rows match no image "
            f"(line {unmatched[0].line}: {unmatched[0].file!r})")
    if without_leaf:
        print_note(
            f"{path}: {len(without_leaf)} of {images} images have no row with "
            f"a leaf ({str(without_leaf[0])!r}); of these, near-identical "
            "images count as one leaf")


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV that name a file, white space stripped.

    It may be in UTF-8, UTF-16 (a spreadsheet's "Unicode text") or
    Windows-1252 (its plain CSV), use any of SEPARATORS, and have the column
    names in capitals.
    Raises UserError where it can't be read or lacks a column.
    """
    try:
        content = path.read_bytes()
        if content.startswith(ZIP_MAGIC):
            raise UserError(f"{path}: a workbook (or another archive); save "
                            "it as CSV")
        return _parse_rows(path, _decode(content))
    except (OSError, UnicodeError, csv.Error) as error:
        raise UserError(f"{path}: not readable as a CSV file "
                        f"({error})") from None


def _decode(content: bytes) -> str:
    """Return the text of a CSV; UnicodeDecodeError where it is none."""
    if content.startswith(UTF_16_MARKS):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Where the code page is another one, names with accents come out
        # wrong and match no image; all other rows are read correctly.
        return content.decode("cp1252")


def _parse_rows(path: Path, text: str) -> list[Row]:
    """Return the rows of a CSV's text: see read_rows."""
    lines = text.splitlines(keepends=True)
    # Excel names the separator in a first line such as "sep=;".
    skipped = int(bool(lines) and lines[0].lower().startswith("sep="))
    while skipped < len(lines) and not lines[skipped].strip():
        skipped += 1
    header = lines[skipped] if len(lines) > skipped else ""
    for separator in SEPARATORS:
        names = [name.strip().casefold() for name in
                 next(csv.reader([header], delimiter=separator), [])]
        if {"file", "leaf"} <= set(names):
            break
    else:
        raise UserError(f"{path}: needs the columns file,leaf; its first "
                        f"line is {header.strip()[:60]!r}")
    columns = names.index("file"), names.index("leaf")
    reader = csv.reader(
        io.StringIO("".join(lines[skipped + 1:]), newline=""),
        delimiter=separator)
    rows = []
    for values in reader:
        file, leaf = (values[column].strip() if column < len(values) else ""
                      for column in columns)
        if file:
            rows.append(Row(reader.line_num + skipped + 1, file, leaf))
    return rows


def match_rows(rows: Sequence[Row], dataset: Dataset) -> dict[int, int]:
    """Return {index of a row: index of the image that it names}.

    A row names an image
    1. by its path, as it is or as write_csv writes it;
    2. by a path that differs in nothing but capitals, kind of slash or
       encoding of accents, where only one image has such a path;
    3. by such a path with other folders in front, where removing them from
       all rows matches more rows: see _leading_folders;
    4. where none of these matches any row: by the end of its path, if no
       row's end fits several images.
    """
    image_of_path = {csv_value(file.as_posix()): image
                     for image, file in enumerate(dataset.files)}
    image_keys = [_path_key(file.as_posix()) for file in dataset.files]
    row_keys = [_path_key(row.file) for row in rows]
    matches = _match_unique(image_keys, row_keys)
    for index, row in enumerate(rows):
        # Path removes a "./" in front.
        image = image_of_path.get(csv_value(Path(row.file).as_posix()))
        if image is not None:
            matches[index] = image
    for folders in _leading_folders(row_keys, dataset.root):
        if len(matches) == len(rows):
            break
        shortened = _match_unique(image_keys, [
            key[len(folders):] if key[:len(folders)] == folders else None
            for key in row_keys])
        matches = max(matches, shortened, key=len)
    return matches or _match_ends(image_keys, row_keys)


def _path_key(path: str) -> tuple[str, ...]:
    """Return a path's parts, the same for all usual ways to write it."""
    path = unicodedata.normalize("NFC", path).casefold().replace("\\", "/")
    return tuple(part.strip() for part in path.split("/")
                 if part.strip() not in ("", "."))


def _match_unique(image_keys: Sequence[tuple],
                  row_keys: Sequence[tuple | None]) -> dict[int, int]:
    """Return {row: image} for the rows whose key exactly one image has."""
    counts = Counter(image_keys)
    image_of = {key: image for image, key in enumerate(image_keys)
                if counts[key] == 1}
    return {row: image_of[key] for row, key in enumerate(row_keys)
            if key in image_of}


def _match_ends(image_keys: Sequence[tuple], row_keys: Sequence[tuple]
                ) -> dict[int, int]:
    """Return {row: image} for rows that are the end of an image's path.

    Empty where one row is the end of several images' paths.
    """
    images_of_end = defaultdict(list)
    for image, key in enumerate(image_keys):
        for start in range(len(key)):
            images_of_end[key[start:]].append(image)
    candidates = {row: images_of_end[key] for row, key in enumerate(row_keys)
                  if key in images_of_end}
    if any(len(images) > 1 for images in candidates.values()):
        return {}
    return {row: image for row, (image,) in candidates.items()}


def _leading_folders(row_keys: Sequence[tuple], root: Path
                     ) -> Iterator[tuple]:
    """Yield folders that may precede a dataset's files in the CSV.

    First the ends of the dataset's own path: "home/me/images", "me/images",
    "images".  Then the folders that all rows have in common ("C:/photos"),
    alone or, for a CSV of several datasets, followed by an end of the own
    path.  A folder and a file name remain of each row at least: file names
    alone ("1.jpg") are often the same in all classes.
    """
    own = _path_key(str(root.resolve()))
    for start in range(len(own)):
        yield own[start:]
    if row_keys:
        # The first and the last in order share what all have in common.
        first, last = min(row_keys), max(row_keys)
        common = len(os.path.commonprefix([first, last]))
        most = min(common, min(map(len, row_keys)) - 2)
        for length in range(1, most + 1):
            for start in range(len(own), -1, -1):
                yield first[:length] + own[start:]
