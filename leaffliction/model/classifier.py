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

    learnings = Classifier.load("learnings.zip")
    for prediction in learnings.predict([rgb_img]):
        print(prediction.class_name, prediction.confidence, prediction.known)
"""

import hashlib
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaffliction.model.bundle import (FAMILIARITY, MODEL, Description,
                                       _archive_in, _read_description,
                                       _read_parts, verify_signature)
from leaffliction.model.metrics import softmax
from leaffliction.model.ood import OODDetector
from leaffliction.model.runtime import Network
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import preprocess, read_for
from leaffliction.utils.path_hints import hint
from leaffliction.utils.storage import path_of

# What a person is told of an image that is not known.
NOT_LIKE = "not like any leaf it has learned"
UNKNOWN = f"{NOT_LIKE}: no diagnosis"
# Side of what is looked at more closely where an image is not known.
NEARER = 0.8


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


class Classifier:
    """A network and its description, ready to predict."""

    def __init__(self, description: Description, model: bytes,
                 familiarity: OODDetector, checksum: str = "") -> None:
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
        first, *others = tta_views(rgb_img)
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
    def load(cls, path: Path | str, verify: bool = True) -> "Classifier":
        """Return the learnings in an archive, without unpacking it.

        verify: compare it with signature.txt beside it, if that is there.
        Raises UserError where it is missing, damaged, not the one that was
        signed, or of another format.
        """
        path = path_of(path)
        if path.is_dir():
            path = _archive_in(path)
        try:
            with path.open("rb") as stream:
                if verify:
                    verify_signature(path, stream)
                text, fields, content = _read_parts(path, stream)
            learnings = cls(
                _read_description(fields), content[MODEL],
                OODDetector.from_bytes(content[FAMILIARITY]),
                hashlib.sha256(text).hexdigest())
            learnings.check()
            return learnings
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"{path}: no such file; train.py makes it"
                            f"{hint(path)}") from None
        except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError,
                NotImplementedError, EOFError, RuntimeError, OverflowError,
                zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{path}: not a readable archive of learnings "
                            f"({reason})") from None

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


def tta_views(rgb_img: np.ndarray) -> list[np.ndarray]:
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
