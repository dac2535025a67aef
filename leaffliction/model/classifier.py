"""The classifier: from images of leaves to classes with probabilities.

From Python, in any number of threads:

    from leaffliction import Classifier
    classifier = Classifier.load("learnings.zip")   # or "apple-grape"
    for prediction in classifier.predict([rgb_img]):
        print(prediction.class_name, prediction.confidence, prediction.known)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaffliction.model.bundle import Description, archive_errors, read_archive
from leaffliction.model.metrics import softmax
from leaffliction.model.ood import OODDetector
from leaffliction.model.released import find_archive, released_name
from leaffliction.model.runtime import Network
from leaffliction.utils.images import preprocess, read_for_network

# Confidence below which a known image gets test-time augmentation, too.
SURE = 0.9
# Sides of the centre crop in test-time augmentation, as a fraction of the
# image's sides.
TTA_CROP = 0.8


@dataclass(frozen=True)
class Prediction:
    """What the network predicts for one image.

    probabilities: float (classes,), calibrated, sum 1.
    ood_score: high where the image differs from the training images: a
    relative Mahalanobis distance, or outdoors an energy (ood.py).
    known: the score is at most the threshold of the classifier.
    class_maps: float32 (h, w, classes), the logits of each region of the
    image; a coarse grid, with the top left region at [0, 0].
    """

    class_names: tuple[str, ...]
    probabilities: np.ndarray
    ood_score: float
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
    """A network, its OOD detector and its description, ready to predict.

    Any number of threads may use one classifier.
    """

    def __init__(self, description: Description, model: bytes,
                 ood_detector: OODDetector, checksum: str = "",
                 archive: str = "") -> None:
        """Prepare the network.

        model: content of a .tflite file.  checksum, archive: identify the
        bundle in predict.py's JSON; "" where there is none.
        Raises ValueError where LiteRT cannot read the model.
        """
        self.description = description
        self.network = Network(model)
        self.ood_detector = ood_detector
        self.checksum = checksum
        self.archive = archive

    @classmethod
    def load(cls, path: Path | str, verify: bool = False) -> "Classifier":
        """Return the classifier in an archive, or in a folder that holds it.

        path: of either, or the name of a released model ("apple-grape"); see
        released.find_archive.
        The checksums of what is read are always verified.  verify: also
        compare the whole archive with signature.txt beside it, which reads
        all images in it.
        Raises UserError where the archive is missing, damaged, of another
        format, or, with verify, not the one that was signed.
        """
        bundle = read_archive(find_archive(path), verify)
        with archive_errors(bundle.path):
            classifier = cls(bundle.description, bundle.model,
                             OODDetector.from_bytes(bundle.ood_detector),
                             bundle.checksum,
                             released_name(bundle.path) or str(bundle.path))
            classifier.check()
        return classifier

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the network's outputs."""
        return self.description.class_names

    def predict(self, images: Iterable[np.ndarray]) -> list[Prediction]:
        """Return the prediction for each image, RGB uint8 (H, W, 3)."""
        return [self.predict_image(rgb_img) for rgb_img in images]

    def predict_file(self, path: Path) -> Prediction:
        """Return the prediction for an image file.

        Raises UserError, with the path, where it cannot be read.
        """
        return self.predict_image(self.read(path))

    def read(self, path: Path) -> np.ndarray:
        """Return an image file as RGB uint8 (H, W, 3), for predict_image.

        A large JPEG is decoded at a half or a quarter of its size, where
        that is enough for this network.  Raises UserError, with the path,
        where the file cannot be read.
        """
        return read_for_network(path, self.description.size)

    def predict_image(self, rgb_img: np.ndarray) -> Prediction:
        """Return the prediction for an image, RGB uint8 (H, W, 3).

        The network gets one image at a time, on one core, so that the
        activations between two layers stay in that core's cache.  Where it
        is unsure (SURE), or the image is out of distribution, the
        probabilities are the mean over four views (test-time augmentation):
        they are more often right, and less confident
        (docs/explanation/training.md, field.md).
        """
        original, *others = tta_views(rgb_img)
        logits, class_maps, features = self._forward(original)
        ood_score = float(self.ood_detector.judge(features, logits)[0])
        known = ood_score <= self.description.ood_threshold
        temperature = (self.description.temperature if known else
                       self.description.ood_temperature)
        if not known or softmax(logits / temperature).max() < SURE:
            logits = np.concatenate([logits] + [
                self._forward(view)[0] for view in others])
        return Prediction(
            self.class_names, softmax(logits / temperature).mean(axis=0),
            ood_score, known, class_maps)

    def _forward(self, rgb_img: np.ndarray
                 ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the network's outputs for one image.

        Logits (1, classes), class maps (h, w, classes), features (1, F).
        """
        pixels = preprocess(rgb_img, self.description.size)
        logits, class_maps, *features = self.network(pixels[np.newaxis])
        return logits, class_maps[0], np.hstack(features)

    def check(self) -> None:
        """Predict a grey image; ValueError where the parts do not match."""
        side = self.description.size
        count = len(self.class_names)
        prediction = self.predict_image(
            np.full((side, side, 3), 128, np.uint8))
        if (prediction.probabilities.shape != (count,)
                or prediction.class_maps.shape[2:] != (count,)
                or not self._describes(count)):
            raise ValueError(f"the network does not have {count} classes")

    def _describes(self, count: int) -> bool:
        """Return whether the OOD detector fits `count` classes.

        Where photographs outdoors have a rule of their own, a class may
        have no others, and is not described.
        """
        described = len(self.ood_detector.class_means)
        return described == count or (
            described < count and self.ood_detector.outdoors is not None)


def tta_views(rgb_img: np.ndarray) -> list[np.ndarray]:
    """Return four views of an image, for test-time augmentation.

    The image, its mirror image, its centre crop, and that mirrored.
    """
    crop = centre_crop(rgb_img, TTA_CROP)
    return [rgb_img, rgb_img[:, ::-1], crop, crop[:, ::-1]]


def centre_crop(rgb_img: np.ndarray, fraction: float) -> np.ndarray:
    """Return the centre of an image, `fraction` (0..1) of each side."""
    height, width = rgb_img.shape[:2]
    top, left = (round(side * (1 - fraction) / 2) for side in (height, width))
    return rgb_img[top:height - top, left:width - left]
