"""The shortcut audit: does the network read the leaf, or its background?

All photographs of a class were often taken in one session, on one table.  A
network may then learn the table instead of the disease, and its accuracy
does not show it, because the validation images lie on the same table.

So the audit hides one part of each validation image and counts how often the
network is still right: with the leaf alone, and with the background alone
(Xiao et al. 2021).  As a measure of the data set itself, a random forest
names the class from eight pixels of the image's border (Noyan 2022).
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from leaffliction.model.metrics import wilson_interval
from leaffliction.model.runtime import Network
from leaffliction.transformation.mask import leaf_mask
from leaffliction.utils.images import preprocess, read_reduced, shrink
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers, raise_errors
from leaffliction.utils.progress import progress

MAX_IMAGES = 500         # of each part; the 95 % interval is then +-4 %
# What is hidden becomes grey, nearly 0 in the network's input (-1..1).
GREY = np.uint8(128)
# By how much the leaf's mask is widened, as a fraction of the longer side:
# its edge is exact to a few pixels of 256.
MASK_MARGIN = 0.03
# Pixels of the longer side at which leaves are masked, at most; 4 times the
# side of the network's input, if that is more.
MASK_SIDE = 512
# Eight border pixels, as (row, column) fractions of the image's sides.
BORDER_POINTS = ((0, 0), (0, 0.5), (0, 1), (0.5, 0), (0.5, 1), (1, 0),
                 (1, 0.5), (1, 1))
BORDER_SIDE = 256        # pixels of the longer side, at most
TREES = 100              # of the random forest
# A part of the image counts as read from this share on of what the whole
# image gives beyond guessing (Audit.share_of_gain).
LEAF_READ, BACKGROUND_READ = 0.8, 0.2


@dataclass(frozen=True)
class Audit:
    """Number of right predictions, of `images`, by what is visible.

    whole: the whole image.  leaf_alone: the background is hidden.
    background_alone: the leaf is hidden.  border_alone: eight border pixels,
    seen by a random forest instead of the network.  most_frequent: images of
    the most frequent class, which guessing names rightly.
    without_leaf: images without a leaf that could be found; they are not
    among `images`.
    """

    images: int
    whole: int
    leaf_alone: int
    background_alone: int
    border_alone: int
    most_frequent: int
    without_leaf: int

    def share_of_gain(self, right: int) -> float:
        """Return the share of the whole image's gain over guessing.

        1: as many right predictions as with the whole image; 0: as many as
        by guessing the most frequent class; less than 0: fewer.
        """
        return (right - self.most_frequent) / max(
            1, self.whole - self.most_frequent)

    @property
    def verdict(self) -> str:
        """One sentence that says what the figures mean."""
        if self.whole <= self.most_frequent:
            return "the network is no better than guessing"
        leaf = self.share_of_gain(self.leaf_alone) >= LEAF_READ
        background = (self.share_of_gain(self.background_alone)
                      >= BACKGROUND_READ)
        if leaf and not background:
            return "the network reads the leaf"
        if leaf:
            return ("the network reads the leaf, but for a part of the "
                    "images the background alone is enough")
        if background:
            return "the network reads the background as well as the leaf"
        return "the network needs leaf and background together"

    def as_dict(self) -> dict:
        """Return everything as plain values, for JSON."""
        figures = {
            name: {"right": right, "accuracy": right / self.images,
                   "interval_95": list(wilson_interval(right, self.images))}
            for name, right in (
                ("whole_image", self.whole), ("leaf_alone", self.leaf_alone),
                ("background_alone", self.background_alone),
                ("border_pixels_alone", self.border_alone),
                ("most_frequent_class", self.most_frequent))
            } if self.images else {}
        return {"images": self.images, "without_leaf": self.without_leaf,
                **figures, "verdict": self.verdict}

    def table(self) -> str:
        """Return the figures and the verdict, as text."""
        if not self.images:
            return ("shortcut audit: no leaf was found in any validation "
                    "image")
        lines = [f"shortcut audit: accuracy on {self.images} validation "
                 "images when only a part is visible"]
        for name, right in (
                ("the whole image", self.whole),
                ("the leaf alone", self.leaf_alone),
                ("the background alone", self.background_alone),
                (f"{len(BORDER_POINTS)} border pixels (a random forest)",
                 self.border_alone),
                ("nothing (the most frequent class)", self.most_frequent)):
            low, high = wilson_interval(right, self.images)
            lines.append(f"  {name:<34} {right / self.images:7.2%}  "
                         f"({low:.1%} to {high:.1%})")
        if self.without_leaf:
            lines.append(f"  ({self.without_leaf} images in which no leaf "
                         "was found are left out)")
        return "\n".join([*lines, self.verdict])


def audit(model: bytes, size: int, training: Dataset, validation: Dataset,
          seed: int, workers: Workers) -> Audit:
    """Return how often a network is right when only a part is visible.

    model: a LiteRT file's content; its first output are the logits.  size:
    side of its input, in pixels.  training: what the random forest learns
    from.  Of each part at most MAX_IMAGES, sampled, are used.
    Raises UserError for an image that cannot be read.
    """
    rng = np.random.default_rng(seed)
    training, validation = (part.sample(MAX_IMAGES, rng)
                            for part in (training, validation))
    labels = validation.labels
    predict = partial(predict_masked, network=Network(model), size=size)
    has_leaf, predicted = zip(*raise_errors(progress(
        workers.map(predict, validation.paths(), in_threads=True),
        len(labels), "Audit")))
    has_leaf = np.array(has_leaf)
    right = np.array(predicted) == labels[:, np.newaxis]
    forest = border_forest(training, seed, workers)
    border = forest.predict(border_colours(validation, workers)) == labels
    return Audit(
        images=int(has_leaf.sum()),
        whole=int(right[has_leaf, 0].sum()),
        leaf_alone=int(right[has_leaf, 1].sum()),
        background_alone=int(right[has_leaf, 2].sum()),
        border_alone=int(border[has_leaf].sum()),
        most_frequent=int(np.bincount(labels[has_leaf]).max(initial=0)),
        without_leaf=int((~has_leaf).sum()))


def predict_masked(path: Path, network: Network, size: int
                   ) -> tuple[bool, np.ndarray]:
    """Return whether an image shows a leaf, and three predictions.

    The predictions are class indices, int (3,), for the three images of
    mask_parts.
    """
    longest = max(MASK_SIDE, 4 * size)
    rgb_img = shrink(read_reduced(path, longest), longest)
    mask = leaf_mask(rgb_img)
    logits, *_ = network(np.stack([preprocess(image, size) for image in
                                   mask_parts(rgb_img, mask)]))
    return bool(mask.any()), logits.argmax(axis=1)


def mask_parts(rgb_img: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """Return the whole image, the leaf alone and the background alone.

    rgb_img: RGB uint8 (H, W, 3).  mask: of the leaf, bool (H, W).  What is
    hidden is GREY.  The outline of the leaf remains visible in both.
    """
    width = 2 * max(1, round(MASK_MARGIN * max(mask.shape))) + 1
    wide = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(
        cv2.MORPH_ELLIPSE, (width, width))).astype(bool)[..., np.newaxis]
    return [rgb_img, np.where(wide, rgb_img, GREY),
            np.where(wide, GREY, rgb_img)]


def border_colours(part: Dataset, workers: Workers) -> np.ndarray:
    """Return the border pixels of each image, uint8 (N, 24)."""
    colours = workers.map(border_pixels, part.paths(), in_threads=True)
    return np.stack(list(raise_errors(
        progress(colours, len(part.files), "Border pixels"))))


def border_pixels(path: Path) -> np.ndarray:
    """Return the colours of an image's BORDER_POINTS, uint8 (24,).

    A large image is reduced to BORDER_SIDE first, because a single pixel of
    12 million is mostly noise.
    """
    rgb_img = shrink(read_reduced(path, 2 * BORDER_SIDE), BORDER_SIDE)
    last = np.array(rgb_img.shape[:2]) - 1
    rows, columns = np.rint(np.array(BORDER_POINTS) * last).astype(int).T
    return rgb_img[rows, columns].ravel()


def border_forest(training: Dataset, seed: int, workers: Workers):
    """Return a random forest (Breiman 2001) fitted to border pixels alone."""
    from sklearn.ensemble import RandomForestClassifier
    forest = RandomForestClassifier(TREES, n_jobs=workers.jobs,
                                    random_state=seed)
    return forest.fit(border_colours(training, workers), training.labels)
