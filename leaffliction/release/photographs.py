"""The photographs that a released model is judged by, kind by kind.

A folder of photographs has a subfolder for each kind.  Of leaves/, orchard/
and strangers/ the model has learned; the CSV of the split names their
validation part, and only that is judged by.  All others judge whole.  Where
the split names photographs of wild/, the model has learned from all of these,
and networks that left out a fold of them are judged instead (folds.py).
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from leaffliction.training.split import SETS, TRAINING, VALIDATION
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.folders import search_images
from leaffliction.utils.path_hints import missing_error
from leaffliction.utils.storage import natural_key

COLUMNS = ("file", "leaf", "class", "domain", "part")
FOLD = "fold "           # and a number: the part of a photograph of the web
# The kinds, with their folders.  Those of which the model has learned have the
# name of their domain in the split.
LABORATORY, ORCHARD, STRANGERS = "laboratory", "orchard", "strangers"
WEB, FIELD = "web", "field"
DOMAINS = {LABORATORY: "leaves", ORCHARD: "orchard", STRANGERS: "strangers"}
CLASS_FOLDERS = {WEB: "wild", FIELD: "field"}
EVERYDAY, CROPS, DISEASES = "everyday", "crops", "diseases"
IMAGE_FOLDERS = {EVERYDAY: "other/everyday", CROPS: "other/crops",
                 DISEASES: "other/diseases"}
FOLDERS = DOMAINS | CLASS_FOLDERS | IMAGE_FOLDERS


@dataclass(frozen=True)
class Photographs:
    """The photographs of one kind.

    groups: for each path its true class, or its plant where it shows a plant
    that the model does not know; "" where only the kind is known.
    """

    paths: tuple[Path, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class SplitRow:
    """A row of the split: a photograph, and what it was used for.

    file: relative to the folder of photographs.  leaf: photographs of one
    leaf are in one part.  domain: one of DOMAINS, or WEB.
    part: one of SETS, or the fold of a photograph from the web.
    """

    file: str
    leaf: str
    class_name: str
    domain: str
    part: str


def read_split(path: Path) -> list[SplitRow]:
    """Return the rows of the split's CSV, in their order.

    Raises UserError where it can't be read, lacks one of COLUMNS, or has a
    domain or a part that does not exist.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            rows = list(reader)
    except FileNotFoundError:
        raise missing_error(path) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a readable CSV file ({error})"
                        ) from None
    missing = [name for name in COLUMNS if name not in (
        reader.fieldnames or ())]
    if missing:
        raise UserError(f"{path}: has no column {missing[0]}; the columns "
                        f"of a split are {','.join(COLUMNS)}")
    return [_split_row(path, number, row)
            for number, row in enumerate(rows, 2)]


def _split_row(path: Path, number: int, row: dict) -> SplitRow:
    """Return one row; number: its line in the file, for the error."""
    for column, known in (("domain", (*DOMAINS, WEB)), ("part", SETS)):
        is_fold = (column == "part" and row["domain"] == WEB
                   and str(row["part"]).startswith(FOLD))
        if row[column] not in known and not is_fold:
            raise UserError(f"{path}, line {number}: {column} "
                            f"{row[column]!r} is none of {', '.join(known)}")
    if not row["file"]:
        raise UserError(f"{path}, line {number}: names no file")
    return SplitRow(*(row[column] or "" for column in COLUMNS))


def count_parts(rows: list[SplitRow]) -> dict[str, dict[str, int]]:
    """Return the number of photographs of each part, {domain: {part: N}}.

    All photographs from the web count as training.
    """
    return {domain: {part: sum(
        row.domain == domain and part == (
            TRAINING if row.part.startswith(FOLD) else row.part)
        for row in rows) for part in SETS} for domain in (*DOMAINS, WEB)}


def read_photographs(data: Path, rows: list[SplitRow]
                     ) -> tuple[dict[str, Photographs], dict[str, str]]:
    """Return the photographs to judge by, and why some kinds are absent.

    data: the folder of photographs; one without some of the subfolders is
    judged by the others.  rows: of the split.  Both results are by kind.
    Raises UserError where data is no folder or holds none of the kinds.
    """
    if not data.is_dir():
        raise missing_error(data, "folder")
    found, absent = {}, {}
    for kind, folder in FOLDERS.items():
        if not (data / folder).is_dir():
            absent[kind] = f"no folder {folder}"
            continue
        if kind == WEB and any(row.domain == WEB for row in rows):
            absent[kind] = "learned from"
            continue
        photographs = _photographs_of(kind, data, rows)
        if photographs.paths:
            found[kind] = photographs
        else:
            absent[kind] = ("the split has no validation part of it"
                            if kind in DOMAINS else f"no images in {folder}")
    if not found:
        raise UserError(f"{data}: has no photographs to judge a model by; "
                        "these are in " + ", ".join(FOLDERS.values()))
    return found, absent


def _photographs_of(kind: str, data: Path, rows: list[SplitRow]
                    ) -> Photographs:
    """Return the photographs of one kind, whose folder exists."""
    folder = data / FOLDERS[kind]
    if kind in DOMAINS:
        chosen = sorted((row for row in rows if row.domain == kind
                         and row.part == VALIDATION),
                        key=lambda row: natural_key(Path(row.file)))
        # A stranger's class in the split may be "another plant": its plant
        # is the name of the folder that it is in.
        return Photographs(
            tuple(data / row.file for row in chosen),
            tuple(Path(row.file).parent.name if kind == STRANGERS
                  else row.class_name for row in chosen))
    files = search_images(folder).files
    if kind in CLASS_FOLDERS and files:
        dataset = read_dataset(folder)
        return Photographs(tuple(dataset.paths()), tuple(dataset.classes()))
    return Photographs(tuple(folder / file for file in files),
                       ("",) * len(files))
