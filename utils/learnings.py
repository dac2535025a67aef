"""The archive of what was learned: write it, load it, predict with it.

learnings.zip stands alone.  It holds

    learnings.json           class names in order, preprocessing, calibration,
                             metrics, settings, seed, versions, and the
                             SHA-256 of the next three
    model.tflite             the network, images to all an answer is made of
    model_float32.tflite     the same in 32-bit floats, for processors that
                             prefer these; nothing here reads it
    familiarity.npz          what the images learned from are like
    augmented_directory/     those images

From Python, in any number of threads:

    learnings = Learnings.load("learnings.zip")
    for prediction in learnings.predict([rgb_img]):
        print(prediction.class_name, prediction.confidence, prediction.known)
"""

import hashlib
import json
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from utils import cli
from utils.cli import UserError
from utils.familiarity import Familiarity
from utils.files import whole_file
from utils.images import preprocess, read_for
from utils.litert import Network
from utils.places import path_of

# Raised when an older program could not read the archive rightly.
FORMAT = 2
DESCRIPTION, IMAGES = "learnings.json", "augmented_directory"
MODEL, FLOAT_MODEL, FAMILIARITY = (
    "model.tflite", "model_float32.tflite", "familiarity.npz")
SIGNATURE = "signature.txt"
# What a person is told of an image that is not known.
UNKNOWN = "not like any leaf it has learned: no diagnosis"
# Side of what is looked at more closely where an image is not known.
NEARER = 0.8
# More than a true archive ever has; checked before a member is read.
MOST_BYTES = {DESCRIPTION: 10 * 2**20, MODEL: 200 * 2**20,
              FAMILIARITY: 50 * 2**20}
# Zip's first day: no date of today, so that equal content is equal bytes.
NO_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Prediction:
    """What the network says of one image.

    probabilities: float (classes,), calibrated, sum 1.
    familiarity: how much the image is like those learned from.  known: it
    is enough.  class_maps: float32 (h, w, classes), the logits of each
    place, coarse, from left to right and top to bottom of the image.
    """

    class_names: tuple[str, ...]
    probabilities: np.ndarray
    familiarity: float
    known: bool
    class_maps: np.ndarray

    @property
    def class_name(self) -> str:
        """The most probable class."""
        return self.class_names[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """The probability of the most probable class, 0..1."""
        return float(self.probabilities.max())

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the `count` most probable classes with probabilities."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.class_names[index], float(self.probabilities[index]))
                for index in order]


@dataclass(frozen=True)
class Description:
    """All that a prediction needs besides network and familiarity.

    size: side of the preprocessed image, pixels.  temperature: by which
    logits are divided (Guo et al. 2017).  threshold: familiarity below
    which an image is unknown; strange_temperature: of its logits.  details:
    settings, metrics, versions, for people.
    """

    class_names: tuple[str, ...]
    size: int
    temperature: float
    threshold: float
    strange_temperature: float
    details: dict = field(default_factory=dict)


class Learnings:
    """A network and its description, ready to predict."""

    def __init__(self, description: Description, model: bytes,
                 familiarity: Familiarity, checksum: str = "") -> None:
        """Prepare to predict.  checksum: SHA-256 of the description."""
        self.description = description
        self.network = Network(model)
        self.familiarity = familiarity
        self.checksum = checksum

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the network's outputs."""
        return self.description.class_names

    def predict(self, images: Iterable[np.ndarray]) -> list[Prediction]:
        """Return a Prediction for each image, RGB uint8 (H, W, 3)."""
        return [self.predict_image(rgb_img) for rgb_img in images]

    def predict_image(self, rgb_img: np.ndarray) -> Prediction:
        """Return the Prediction for an image, RGB uint8 (H, W, 3).

        One image goes through the network at a time, on one core: so what
        lies between two layers stays in the core's cache.  An image that is
        not known is looked at three times more, and the mean of what is
        seen is more often right, and less sure (docs/field.md).
        """
        first, *others = looks(rgb_img)
        logits, maps, features = self._look(first)
        score = float(self.familiarity.scores(features)[0])
        is_known = score >= self.description.threshold
        temperature = self.description.temperature
        if not is_known:
            logits = np.concatenate([logits] + [
                self._look(other)[0] for other in others])
            temperature = self.description.strange_temperature
        return Prediction(
            self.class_names, softmax(logits / temperature).mean(axis=0),
            score, is_known, maps)

    def predict_file(self, path: Path) -> Prediction:
        """Return the Prediction for a file; UserError: it can't be read."""
        return self.predict_image(read_for(path, self.description.size))

    def _look(self, rgb_img: np.ndarray) -> tuple:
        """Return logits (1, classes), class maps and features of one look."""
        pixels = preprocess(rgb_img, self.description.size)
        logits, maps, *features = self.network(pixels[np.newaxis])
        return logits, maps[0], np.hstack(features)

    @classmethod
    def load(cls, path: Path | str, verify: bool = True) -> "Learnings":
        """Return the learnings in an archive, without unpacking it.

        verify: compare it with signature.txt beside it, if that is there.
        Raises UserError where it is missing, damaged, not the one that was
        signed, or of another format.
        """
        path = path_of(path)
        try:
            with path.open("rb") as stream:
                if verify:
                    verify_signature(path, stream)
                text, fields, content = _read_parts(path, stream)
            learnings = cls(
                _read_description(fields), content[MODEL],
                Familiarity.from_bytes(content[FAMILIARITY]),
                hashlib.sha256(text).hexdigest())
            learnings.check()
            return learnings
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; train.py makes it"
                            ) from None
        except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError,
                NotImplementedError, EOFError, RuntimeError, OverflowError,
                zlib.error) as error:
            raise UserError(f"{path}: not a readable archive of learnings "
                            f"({error})") from None

    def check(self) -> None:
        """Predict a grey image; ValueError where the parts do not fit."""
        side = self.description.size
        grey = np.full((side, side, 3), 128, np.uint8)
        count = len(self.class_names)
        prediction = self.predict_image(grey)
        if (prediction.probabilities.shape != (count,)
                or prediction.class_maps.shape[2:] != (count,)
                or len(self.familiarity.class_means) != count):
            raise ValueError(f"the network does not have {count} classes")


def looks(rgb_img: np.ndarray) -> list[np.ndarray]:
    """Return the four views in which a strange image is looked at.

    The whole first, then mirrored, its middle, and that mirrored.
    """
    nearer = middle(rgb_img, NEARER)
    return [rgb_img, rgb_img[:, ::-1], nearer, nearer[:, ::-1]]


def middle(rgb_img: np.ndarray, part: float) -> np.ndarray:
    """Return the middle of an image: of each side `part` of it, 0..1."""
    height, width = rgb_img.shape[:2]
    top, left = (round(side * (1 - part) / 2) for side in (height, width))
    return rgb_img[top:height - top, left:width - left]


def _read_parts(path: Path, stream: BinaryIO) -> tuple[bytes, dict, dict]:
    """Return an open archive's description as text and as JSON, and parts.

    Raises UserError where it has another format or was changed.
    """
    with zipfile.ZipFile(stream) as archive:
        text = _read_member(archive, DESCRIPTION)
        fields = json.loads(text)
        if fields["format"] != FORMAT:
            raise UserError(
                f"{path}: has format {fields['format']}, this program reads "
                f"format {FORMAT}; " + (
                    "use a newer version of it" if fields["format"] > FORMAT
                    else "train again, or use the version that wrote it"))
        content = {}
        for name in (MODEL, FAMILIARITY):
            content[name] = _read_member(archive, name)
            digest = hashlib.sha256(content[name]).hexdigest()
            if digest != fields["sha256"][name]:
                raise UserError(f"{path}: damaged, {name} was changed")
    return text, fields, content


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member's content; ValueError where it is no true one."""
    found = archive.getinfo(name)
    if found.file_size > MOST_BYTES[name]:
        raise ValueError(f"{name} is too large")
    # Ours are stored, a user may deflate them.  The others' decompressors
    # have errors of their own.
    if found.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed in an unknown way")
    return archive.read(name)


def _read_description(fields: dict) -> Description:
    """Return the Description in a JSON object; ValueError for nonsense."""
    names = fields["class_names"]
    description = Description(
        tuple(names), int(fields["size"]), float(fields["temperature"]),
        float(fields["threshold"]),
        # Archives of an earlier version have but one temperature.
        float(fields.get("strange_temperature", fields["temperature"])),
        fields["details"])
    if (not isinstance(names, list) or len(set(names)) < len(names)
            or not all(isinstance(name, str) and name for name in names)):
        raise ValueError("class_names are not names")
    if not 1 <= description.size <= cli.LARGEST_SIZE:
        raise ValueError(f"size {description.size}")
    if not (0 < description.temperature < math.inf
            and 0 < description.strange_temperature < math.inf
            and math.isfinite(description.threshold)):
        raise ValueError("temperature or threshold is no such number")
    return description


def verify_signature(path: Path, content: BinaryIO) -> None:
    """Raise UserError where signature.txt beside an archive is not its.

    content: the archive's, open at its beginning.
    One that names another file, or none at all, says nothing of it.
    """
    signature = path.with_name(SIGNATURE)
    try:
        with signature.open("rb") as opened:
            line = opened.read(10_000)
    except FileNotFoundError:
        return
    # As sha1sum prints it: a backslash marks an escaped name.
    found = re.fullmatch(rb"\\?([0-9a-f]{40}) [ *]([^\n]+)\n?", line)
    if found is None:
        raise UserError(f"{signature}: is not what sha1sum prints; "
                        "--no-verify leaves it unread")
    if os.fsdecode(found[2]) == path.name and hashlib.file_digest(
            content, "sha1").hexdigest() != found[1].decode():
        raise UserError(f"{path}: is not the archive that {signature} was "
                        "made for; --no-verify takes it nevertheless")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities for logits, both (..., classes)."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def write_archive(path: Path, description: Description,
                  models: dict[str, bytes], root: Path,
                  files: Iterable[Path]) -> None:
    """Write an archive; the same content gives the same bytes.

    models: content of MODEL, FLOAT_MODEL and FAMILIARITY.
    root, files: the augmented images and the folder they are relative to.
    Raises UserError where it can't be written.
    """
    fields = {"format": FORMAT, **asdict(description),
              "sha256": {name: hashlib.sha256(content).hexdigest()
                         for name, content in models.items()}}
    members = {DESCRIPTION: json.dumps(fields, indent=1, sort_keys=True,
                                       allow_nan=False).encode(), **models}
    for file in files:
        # A zip's names are UTF-8, a file's may be any bytes.
        name = file.as_posix().encode("utf-8", "backslashreplace").decode()
        members[f"{IMAGES}/{name}"] = root / file
    with whole_file(path) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            for name in cli.progress(sorted(members), len(members),
                                     "Archive"):
                content = members[name]
                if isinstance(content, Path):
                    content = content.read_bytes()
                info = zipfile.ZipInfo(name, NO_DATE)
                info.external_attr = 0o644 << 16
                # Stored: JPEGs and weights do not get smaller.
                archive.writestr(info, content)


def file_sha1(path: Path) -> str:
    """Return the SHA-1 of a file's content, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha1").hexdigest()


def sign(path: Path, signature: Path) -> str:
    """Write a file's SHA-1 as `sha1sum` prints it, and return the line."""
    line = f"{file_sha1(path)}  {path.name}\n"
    with whole_file(signature) as partial:
        partial.write_bytes(os.fsencode(line))
    return line
