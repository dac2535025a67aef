"""Photographs whose class a person has named: a folder to learn from.

    corrections/Apple_scab/3f2a9c01d4e5b677.jpg     a class that train.py reads
    corrections/.not_a_leaf/0b1c...jpg              what shows no leaf
    corrections/.undone/Apple_scab/3f2a...jpg       taken back
    corrections/corrections.csv                     what was said, and when

A file is named after its content, so a photograph is never in two classes:
naming another class moves it.  Nothing is ever deleted.  train.py skips
folders whose names begin with a dot.
"""

import hashlib
import os
import shlex
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leaffliction.model.classifier import Prediction
from leaffliction.utils.class_names import (SEGMENTATION_WORDS, class_key,
                                            is_neutral, is_qualifier,
                                            words_of)
from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import IMAGE_HEAD_BYTES, image_kind
from leaffliction.utils.files import atomic_write, write_error
from leaffliction.utils.tables import format_csv

FOLDER = "corrections"
TABLE = "corrections.csv"
# What a person says of a photograph without a leaf, instead of a class.
NOT_A_LEAF = "not_a_leaf"
NOT_A_LEAF_FOLDER, UNDONE_FOLDER = ".not_a_leaf", ".undone"
COLUMNS = ("time", "said", "file", "name", "predicted", "confidence",
           "known", "model", "model_sha256")
UNDONE = "undone"       # said, in the row of a correction taken back
# Photographs of each class from which on learning from them pays: with ten
# of each of four classes, accuracy in the orchard rose from 56 to 84 %
# (docs/how-to/own-photographs.md).
ENOUGH = 10
MAX_NAME = 80           # characters of a class name
ID_DIGITS = 16          # of the SHA-256 of a photograph
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "TIFF": ".tif",
            "WEBP": ".webp", "BMP": ".bmp", "JXL": ".jxl", "AVIF": ".avif",
            "HEIF": ".heic"}


@dataclass(frozen=True)
class Said:
    """What a person says of a photograph.

    class_name: a class, or NOT_A_LEAF.  name: of the photograph's file, as
    the browser gave it.  model, checksum: the archive that predicted.
    """

    class_name: str
    name: str
    prediction: Prediction
    model: str
    checksum: str


class Corrections:
    """The folder of corrections.  Any number of threads may use it."""

    def __init__(self, folder: Path, class_names: tuple[str, ...],
                 weights: str) -> None:
        """Nothing is written before the first correction.

        class_names: those of the models, whose spelling a new name gets
        where it means the same class.
        weights: the archive or model that training is to start from.
        """
        self.folder = folder
        self._class_names = class_names
        self._weights = weights
        self._lock = threading.Lock()

    def add(self, content: bytes, said: Said) -> str:
        """Copy a photograph into the folder of its class; return its id.

        content: the file.  An earlier correction of the same photograph is
        replaced.
        Raises UserError for a name that no class can have, and where the
        folder cannot be written.
        """
        folder = self._folder_of(said.class_name)
        identity = hashlib.sha256(content).hexdigest()[:ID_DIGITS]
        suffix = SUFFIXES.get(image_kind(content[:IMAGE_HEAD_BYTES]), ".img")
        path = folder / (identity + suffix)
        with self._lock:
            with atomic_write(path) as partial:
                partial.write_bytes(content)
            for earlier in self._find(identity):
                if earlier != path:
                    self._put_aside(earlier)
            self._append(
                self._spoken(said.class_name), path, said.name,
                said.prediction.class_name,
                f"{said.prediction.confidence:.6f}",
                "yes" if said.prediction.known else "no",
                said.model, said.checksum)
        return identity

    def undo(self, identity: str) -> None:
        """Take a correction back; without one of this id, do nothing.

        Raises UserError where the file cannot be moved.
        """
        with self._lock:
            for path in self._find(identity):
                self._append(UNDONE, self._put_aside(path))

    def close(self) -> None:
        """Finish the correction that is being written; allow no other."""
        self._lock.acquire()

    def state(self) -> dict:
        """Return how many photographs there are, and how to learn from them.

        As the page's JSON: folder; counts, {class: photographs}; not_a_leaf;
        enough, photographs of each class from which on learning from them
        pays; command, for train.py.
        """
        counts = {}
        for folder in sorted(_visible_folders(self.folder)):
            count = len(_files(folder))
            if count:
                counts[folder.name] = count
        # The exercise's folder of images, where there is one.
        images = ["images"] if Path("images").is_dir() else []
        return {"folder": str(self.folder), "counts": counts,
                "not_a_leaf": len(_files(self.folder / NOT_A_LEAF_FOLDER)),
                "enough": ENOUGH, "command": shlex.join(
                    ["python", "train.py", *images, str(self.folder),
                     "--weights", self._weights,
                     "--output", "corrected.zip"])}

    def _folder_of(self, class_name: str) -> Path:
        """Return the folder for a class; UserError for an unusable name."""
        if class_key(class_name) == NOT_A_LEAF:
            return self.folder / NOT_A_LEAF_FOLDER
        return self.folder / check_class_name(self._spoken(class_name))

    def _spoken(self, class_name: str) -> str:
        """Return a class name as the models or the folders spell it."""
        known = [NOT_A_LEAF, *self._class_names, *(
            folder.name for folder in _visible_folders(self.folder))]
        key = class_key(class_name)
        return next((name for name in known if class_key(name) == key),
                    class_name)

    def _find(self, identity: str) -> list[Path]:
        """Return where the photograph of an id lies; in one place at most."""
        folders = [*_visible_folders(self.folder),
                   self.folder / NOT_A_LEAF_FOLDER]
        return [path for folder in folders for path in _files(folder)
                if path.stem == identity]

    def _put_aside(self, path: Path) -> Path:
        """Move a photograph to the undone ones; return where it is then."""
        aside = (self.folder / UNDONE_FOLDER / path.parent.name.lstrip(".")
                 / path.name)
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, aside)
        except OSError as error:
            raise write_error(aside, error) from None
        return aside

    def _append(self, said: str, path: Path, *values: str) -> None:
        """Append a row to the table, and its header where it is new."""
        table = self.folder / TABLE
        row = [datetime.now().astimezone().isoformat(timespec="seconds"),
               said, str(path.relative_to(self.folder)), *values]
        row += [""] * (len(COLUMNS) - len(row))
        text = format_csv(COLUMNS, [row])
        try:
            with open(table, "a", encoding="utf-8", newline="") as stream:
                # One write, so that a killed program leaves no half row.
                stream.write(text.partition("\n")[2] if stream.tell()
                             else text)
        except OSError as error:
            raise write_error(table, error) from None


def check_class_name(name: str) -> str:
    """Return a class name that can be the name of a folder.

    Raises UserError for one that cannot, or that train.py would not take
    for a class ("images", "2021") or would for another picture of one
    ("Apple segmented").
    """
    if (not name or len(name) > MAX_NAME or not name.isprintable()
            or name != name.strip() or name.startswith(".")
            or any(character in name for character in '/\\:*?"<>|')
            or is_neutral(name) or is_qualifier(name)
            or not SEGMENTATION_WORDS.isdisjoint(words_of(name))):
        raise UserError(f"{name!r:.100} cannot be the name of a class; "
                        "give one such as Apple_scab")
    return name


def _visible_folders(folder: Path) -> list[Path]:
    """Return the folders of classes; none where the folder is missing."""
    try:
        return [path for path in folder.iterdir()
                if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    """Return the photographs in a folder; none where it is missing."""
    try:
        return [path for path in folder.iterdir()
                if len(path.stem) == ID_DIGITS and path.is_file()]
    except OSError:
        return []
