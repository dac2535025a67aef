"""The archive of what was learned: write it, load it, predict with it.

learnings.zip stands alone.  It holds

    learnings.json           class names in order, preprocessing, calibration,
                             metrics, settings, seed, versions
    model.tflite             the network, images to logits
    augmented_directory/     the images it has learned from
"""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from utils import cli
from utils.cli import UserError
from utils.images import whole_file
from utils.litert import Network

# Raised when an older program could not read the archive rightly.
FORMAT = 1
DESCRIPTION, MODEL, IMAGES = (
    "learnings.json", "model.tflite", "augmented_directory")
# More than a true archive ever has; checked before a member is read.
MAX_DESCRIPTION, MAX_MODEL = 10 * 2**20, 200 * 2**20
# Zip's first day: no date of today, so that equal content is equal bytes.
NO_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Prediction:
    """What the network says of one image.

    probabilities: float (classes,), calibrated, sum 1.
    energy: log of the summed exponentials of the logits (Liu et al. 2020);
    high for images like those learned from.  known: it is high enough.
    """

    class_names: tuple[str, ...]
    probabilities: np.ndarray
    energy: float
    known: bool

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
    """All that a prediction needs besides the network.

    size: side of the preprocessed image, pixels.  temperature: by which
    logits are divided (Guo et al. 2017).  threshold: energy below which an
    image is unknown.  details: settings, metrics, versions, for people.
    """

    class_names: tuple[str, ...]
    size: int
    temperature: float
    threshold: float
    details: dict = field(default_factory=dict)


class Learnings:
    """A network and its description, ready to predict."""

    def __init__(self, description: Description, model: bytes) -> None:
        self.description = description
        self.model = model
        self._network = Network(model)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the network's outputs."""
        return self.description.class_names

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32 (N, classes) for preprocessed (N, size, size, 3)."""
        return self._network(images)[0]

    def predict(self, images: np.ndarray) -> list[Prediction]:
        """Return a Prediction for each of the preprocessed images.

        images: float32 (N, size, size, 3) from `images.preprocess`.
        """
        logits = self.logits(images)
        probabilities = softmax(logits / self.description.temperature)
        return [Prediction(self.class_names, row, energy,
                           energy >= self.description.threshold)
                for row, energy in zip(probabilities, energies(logits))]

    @classmethod
    def load(cls, path: Path) -> "Learnings":
        """Return the learnings in an archive, without unpacking it.

        Raises UserError where it is missing, damaged or of another format.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                text = _read_member(archive, DESCRIPTION, MAX_DESCRIPTION)
                model = _read_member(archive, MODEL, MAX_MODEL)
            fields = json.loads(text)
            if fields["format"] != FORMAT:
                raise UserError(
                    f"{path}: has format {fields['format']}, this program "
                    f"reads format {FORMAT}; train again, or use the version "
                    "of the program that wrote it")
            if hashlib.sha256(model).hexdigest() != fields["model_sha256"]:
                raise UserError(f"{path}: damaged, {MODEL} was changed")
            description = Description(
                tuple(map(str, fields["class_names"])), int(fields["size"]),
                float(fields["temperature"]), float(fields["threshold"]),
                fields["details"])
            return cls(description, model)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; train.py makes it"
                            ) from None
        except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError,
                NotImplementedError, EOFError, RuntimeError, OverflowError,
                zlib.error) as error:
            raise UserError(f"{path}: not a readable archive of learnings "
                            f"({error})") from None


def _read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Return a member's content; ValueError where it is over the limit."""
    if archive.getinfo(name).file_size > limit:
        raise ValueError(f"{name} is too large")
    return archive.read(name)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (N, classes) for logits (N, classes)."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def energies(logits: np.ndarray) -> np.ndarray:
    """Return the log of the summed exponentials, (N,), for (N, classes)."""
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, np.newaxis]).sum(axis=1))


def write_archive(path: Path, description: Description, model: bytes,
                  root: Path, files: Iterable[Path]) -> None:
    """Write an archive; the same content gives the same bytes.

    root, files: the augmented images and the folder they are relative to.
    Raises UserError where it can't be written.
    """
    fields = {"format": FORMAT,
              "model_sha256": hashlib.sha256(model).hexdigest(),
              **asdict(description)}
    members = {DESCRIPTION: json.dumps(fields, indent=1, sort_keys=True,
                                       allow_nan=False).encode(),
               MODEL: model}
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


def sign(path: Path, signature: Path) -> str:
    """Write a file's SHA-1 as `sha1sum` prints it, and return the line."""
    with open(path, "rb") as content:
        digest = hashlib.file_digest(content, "sha1").hexdigest()
    line = f"{digest}  {path.name}\n"
    with whole_file(signature) as partial:
        partial.write_bytes(os.fsencode(line))
    return line
