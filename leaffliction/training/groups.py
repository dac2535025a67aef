"""Which photographs show one leaf: from a CSV, from names, from the pixels.

All three are taken together: photographs that any of them puts on one leaf
must never be learned from and tested on.
"""

import csv
import io
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leaffliction.utils.console import print_note
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.storage import common_folder
from leaffliction.utils.tables import cell

if TYPE_CHECKING:
    from leaffliction.utils.labels import Dataset

# Spreadsheets write commas, semicolons (where a comma is decimal) or tabs.
SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Row:
    """A line of the CSV: its number, the file that it names, and the leaf."""

    line: int
    file: str
    leaf: str


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV with the columns file,leaf, without blanks.

    UTF-8, UTF-16 as spreadsheets write "Unicode text", or Windows-1252 as
    they write a plain CSV; separated by any of SEPARATORS; the names of the
    columns in any case.
    Raises UserError where it can't be read or lacks a column.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"PK":
            raise UserError(f"{path}: a workbook (or another archive); save "
                            "it as CSV")
        is_wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        try:
            text = content.decode("utf-16" if is_wide else "utf-8-sig")
        except UnicodeDecodeError:
            if is_wide:
                raise
            # Of another code page only names with accents match no image.
            text = content.decode("cp1252")
        lines = text.splitlines(keepends=True)
        # A spreadsheet's own way to name the separator.
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
        file_at, leaf_at = names.index("file"), names.index("leaf")
        reader = csv.reader(io.StringIO("".join(lines[skipped + 1:]),
                                        newline=""), delimiter=separator)
        rows = []
        for values in reader:
            file, leaf = ((values[place].strip() if place < len(values)
                           else "") for place in (file_at, leaf_at))
            if file:
                rows.append(Row(reader.line_num + skipped + 1, file, leaf))
        return rows
    except (OSError, UnicodeError, csv.Error) as error:
        raise UserError(f"{path}: not readable as a CSV file "
                        f"({error})") from None


def read_groups(path: Path, parts: "Sequence[Dataset]"
                ) -> list[list[str | None]]:
    """Return the leaf of each image of each part from a CSV, or None.

    Its files are relative to a part's root, or nearly so (see _matches).
    Rows that match no image are counted and printed, and images without one
    that names their leaf.
    A leaf of which a row names images of several parts is one in each.
    Raises UserError where the CSV can't be read, names no image or no leaf of
    one, or puts an image on two leaves.
    """
    rows = read_rows(path)
    often: Counter[int] = Counter()     # in how many parts a row names one
    leaves, without = [], []
    for part in parts:
        found = _matches(rows, part)
        often.update(found.keys())
        leaf_of: dict[int, Row] = {}
        for index, image in found.items():
            row = rows[index]
            other = leaf_of.setdefault(image, row)
            if other.leaf != row.leaf:
                raise UserError(
                    f"{path}: line {other.line} puts {part.files[image]} on "
                    f"leaf {other.leaf!r}, line {row.line} on leaf "
                    f"{row.leaf!r}")
        leaves.append([leaf_of[image].leaf or None if image in leaf_of
                       else None for image in range(len(part.files))])
        copies = augmented_copies(part.files, part.classes())
        named = {part.files[image] for image, row in leaf_of.items()
                 if row.leaf}
        without += [file for file in part.files
                    if file not in named and copies.get(file) not in named]
    apart = {rows[index].leaf for index, count in often.items() if count > 1}
    if apart:
        top = common_folder([part.root for part in parts])
        leaves = [[f"{part.root.relative_to(top).as_posix()}: {leaf}"
                   if leaf in apart else leaf for leaf in found]
                  for part, found in zip(parts, leaves)]
    unmatched = set(range(len(rows))) - set(often)
    images = sum(len(part.files) for part in parts)
    if len(unmatched) == len(rows):
        row = f"a row is {rows[0].file!r}" if rows else "it has no rows"
        raise UserError(
            f"{path}: names no image of "
            + ", ".join(str(part.root) for part in parts)
            + f": {row}, an image {str(parts[0].files[0])!r}")
    if len(without) == images:
        raise UserError(f"{path}: the column leaf is empty for all images "
                        f"(line {rows[0].line}: {rows[0].file!r})")
    if unmatched:
        print_note(
            f"{path}: {len(unmatched)} of {len(rows)} rows match no image "
            f"(line {rows[min(unmatched)].line}: "
            f"{rows[min(unmatched)].file!r})")
    if without:
        print_note(
            f"{path}: {len(without)} of {images} images have no row "
            f"with a leaf ({str(without[0])!r}); near-identical ones count as "
            "one leaf")
    return leaves


def _folded(name: str) -> tuple[str, ...]:
    """Return a path's parts, equal for all usual ways to write it."""
    name = unicodedata.normalize("NFC", name).casefold().replace("\\", "/")
    return tuple(part.strip() for part in name.split("/")
                 if part.strip() not in ("", "."))


def _matches(rows: Sequence[Row], part: "Dataset") -> dict[int, int]:
    """Return {index of a row: index of the image that it names}.

    A row matches as it stands, or as our own tables write a name; capitals
    and kinds of slash do not count where no two images differ in nothing
    else.  Or all rows have another root, from which most of them match; or
    they end as exactly one image does each.
    """
    exact = {cell(file.as_posix()): image
             for image, file in enumerate(part.files)}
    images = [_folded(file.as_posix()) for file in part.files]
    names = [_folded(row.file) for row in rows]
    found = _unique(images, names)
    for index, row in enumerate(rows):
        # Path takes "./" away.
        image = exact.get(cell(Path(row.file).as_posix()))
        if image is not None:
            found[index] = image
    for root in _roots(names, part.root):
        if len(found) == len(names):
            break
        other = _unique(images, [
            name[len(root):] if name[:len(root)] == root else None
            for name in names])
        found = max(found, other, key=len)
    if not found:
        ends = defaultdict(list)
        for image, name in enumerate(images):
            for start in range(len(name)):
                ends[name[start:]].append(image)
        candidates = {index: ends[name] for index, name in enumerate(names)
                      if name in ends}
        if all(len(fitting) == 1 for fitting in candidates.values()):
            found = {index: image for index, (image,) in candidates.items()}
    return found


def _unique(images: Sequence[tuple], names: Sequence[tuple | None]
            ) -> dict[int, int]:
    """Return {index of a name: index of the one image of that name}."""
    often = Counter(images)
    image_of = {name: image for image, name in enumerate(images)
                if often[name] == 1}
    return {index: image_of[name] for index, name in enumerate(names)
            if name in image_of}


def _roots(names: Sequence[tuple], folder: Path) -> Iterator[tuple]:
    """Yield what may stand in front of a CSV's paths, and is not needed.

    The end of the data set's own path; or folders that all rows have in
    common, if another one is left: file names alone are alike in all
    classes; or both, where the rows are of several data sets.
    """
    own = _folded(str(folder.resolve()))
    for start in range(len(own)):
        yield own[start:]
    if names:
        first, last = min(names), max(names)
        shared = len(os.path.commonprefix([first, last]))
        for length in range(1, min(shared, min(map(len, names)) - 2) + 1):
            for start in range(len(own), -1, -1):
                yield first[:length] + own[start:]


def join_groups(clusters: np.ndarray, leaves: Sequence[str | None],
                files: Sequence[Path]) -> list[str]:
    """Return the name of each image's leaf, by all that is known together.

    clusters: int (N,), for each image the index of one that shows the same.
    leaves: of each image by a CSV, or None.  A leaf without a name there is
    called after its first file.  Leaves of the CSV that share a photograph
    are joined, and counted in a note.
    """
    name_of: dict = {}      # of each cluster or leaf one that it belongs to

    def top(item):
        while name_of.setdefault(item, item) != item:
            name_of[item] = item = name_of[name_of[item]]
        return item

    joined = []
    for cluster, leaf in zip(clusters.tolist(), leaves):
        if leaf is not None and top(leaf) != top(cluster):
            # A cluster's top is a leaf as soon as it has one.
            if isinstance(top(cluster), str):
                joined.append((top(cluster), leaf))
            name_of[top(cluster)] = top(leaf)
    if joined:
        print_note(
            f"{len(joined)} times two leaves of the CSV share a photograph "
            "(near-identical, turned, or an augmented copy): they are one leaf "
            "({!r} and {!r})".format(*joined[0]))
    found = [top(cluster) for cluster in clusters.tolist()]
    return [files[leaf].as_posix() if isinstance(leaf, int) else leaf
            for leaf in found]


def note_shared(leaves: Sequence[str | None], classes: Sequence[str]) -> None:
    """Say which leaves of the CSV are in several classes.

    leaves: of each image by a CSV, or None; classes: its class.
    """
    found = defaultdict(dict)
    for leaf, class_name in zip(leaves, classes):
        if leaf is not None:
            found[leaf][class_name] = True
    if shared := [leaf for leaf, names in found.items() if len(names) > 1]:
        print_note(
            f"{len(shared)} leaves of the CSV are in several classes "
            f"({shared[0]!r} in {', '.join(found[shared[0]])}), and stay on "
            "one side of the split; if each class numbers its leaves anew, "
            "put the class before the number")


def check_split(parts: np.ndarray, groups: Sequence[str],
                sides: Sequence[str]) -> None:
    """Raise UserError where a leaf is in several of the parts named sides.

    parts, groups: of each image.
    """
    part_of: dict[str, str] = {}
    for part, leaf in zip(parts.tolist(), groups):
        if part in sides and part_of.setdefault(leaf, part) != part:
            raise UserError(f"the split has failed: leaf {leaf!r} is in "
                            f"{part_of[leaf]} and in {part}")


def contradictions(clusters: np.ndarray, labels: np.ndarray
                   ) -> list[np.ndarray]:
    """Return the images of each cluster that lies in several classes."""
    order = np.argsort(clusters, kind="stable")
    _, starts = np.unique(clusters[order], return_index=True)
    return [members for members in np.split(order, starts[1:])
            if len(set(labels[members].tolist())) > 1]
