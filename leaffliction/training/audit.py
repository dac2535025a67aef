"""The shortcut audit: does the network read the leaf, or its ground?

Each class of a data set was often photographed in one session, on one
table.  A network may then learn the table, and nothing in its accuracy
tells: the validation images lay on that table, too.
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

GREY = np.uint8(128)     # what is masked: all but 0 to the network (-1..1)
# How much wider than the leaf its mask is, in parts of the longer side: at
# its edge the mask is good to a few pixels of 256.
MARGIN = 0.03
MOST = 500               # images looked at: their interval is +-4 % at most
BORDER = ((0, 0), (0, 0.5), (0, 1), (0.5, 0), (0.5, 1), (1, 0), (1, 0.5),
          (1, 1))        # places of the border pixels, in parts of the sides
BORDER_SIDE = 256        # pixels of the longer side, at most
LONGEST = 512            # likewise, where leaf and ground are masked
TREES = 100              # of the random forest that sees the border alone
# Shares of what the whole image gives beyond chance, from which on a part
# of it counts as read.
LEAF_READ, GROUND_READ = 0.8, 0.2


@dataclass(frozen=True)
class Audit:
    """Accuracy on what is left of an image; right answers of `images`.

    whole: nothing masked.  leaf: all but the leaf masked.  ground: the leaf
    masked.  border: a random forest that sees 8 border pixels and is no
    part of the network.  largest: images of the most frequent class, which
    is what guessing gives.  without_leaf: images in which no leaf was
    found; they are not among `images`.
    """

    images: int
    whole: int
    leaf: int
    ground: int
    border: int
    largest: int
    without_leaf: int

    def share(self, right: int) -> float:
        """Return how much of what the whole image gives beyond chance."""
        return (right - self.largest) / max(1, self.whole - self.largest)

    @property
    def verdict(self) -> str:
        """What the figures say, in a sentence."""
        if self.whole <= self.largest:
            return "the network is no better than guessing"
        leaf = self.share(self.leaf) >= LEAF_READ
        ground = self.share(self.ground) >= GROUND_READ
        if leaf and not ground:
            return "the network reads the leaf"
        if leaf:
            return ("the network reads the leaf, but the ground would do "
                    "for a part of the answers")
        if ground:
            return "the network reads the ground as well as the leaf"
        return "the network needs leaf and ground together"

    def as_dict(self) -> dict:
        """Return everything as plain values, for JSON."""
        shares = {
            name: {"right": right, "accuracy": right / self.images,
                   "interval_95": list(wilson_interval(right, self.images))}
            for name, right in (
                ("whole_image", self.whole), ("leaf_alone", self.leaf),
                ("ground_alone", self.ground),
                ("border_pixels_alone", self.border),
                ("most_frequent_class", self.largest))} if self.images else {}
        return {"images": self.images, "without_leaf": self.without_leaf,
                **shares, "verdict": self.verdict}

    def table(self) -> str:
        """Return the figures and the verdict, as text."""
        if not self.images:
            return ("what the answers rest on: no leaf was found in any "
                    "validation image")
        lines = [f"what the answers rest on: accuracy on {self.images} "
                 "validation images of which is seen"]
        for name, right in (
                ("the whole image", self.whole),
                ("the leaf, its ground masked", self.leaf),
                ("the ground, the leaf masked", self.ground),
                (f"{len(BORDER)} border pixels (a random forest)",
                 self.border),
                ("nothing (the most frequent class)", self.largest)):
            low, high = wilson_interval(right, self.images)
            lines.append(f"  {name:<34} {right / self.images:7.2%}  "
                         f"({low:.1%} to {high:.1%})")
        if self.without_leaf:
            lines.append(f"  ({self.without_leaf} images in which no leaf "
                         "was found are left out)")
        return "\n".join([*lines, self.verdict])


def audit(model: bytes, size: int, training: Dataset, validation: Dataset,
          seed: int, workers: Workers) -> Audit:
    """Return how far the network gets on what is not the leaf.

    model: images to logits, its first output, as LiteRT.  training: what
    the random forest learns from.  At most MOST images of each part are
    drawn.
    """
    rng = np.random.default_rng(seed)
    training, validation = (part.sample(MOST, rng)
                            for part in (training, validation))
    labels = validation.labels
    look = partial(look_at_parts, network=Network(model), size=size)
    found, said = zip(*raise_errors(progress(
        workers.map(look, validation.paths(), in_threads=True),
        len(labels), "Audit")))
    found = np.array(found)
    right = np.array(said) == labels[:, np.newaxis]
    forest = border_forest(training, seed, workers)
    border = forest.predict(border_colours(validation, workers)) == labels
    return Audit(
        int(found.sum()), *map(int, right[found].sum(axis=0)),
        int(border[found].sum()),
        int(np.bincount(labels[found]).max(initial=0)), int((~found).sum()))


def look_at_parts(path: Path, network: Network, size: int
                  ) -> tuple[bool, np.ndarray]:
    """Return whether there is a leaf, and what each of masked_views is said
    to be: int (3,).
    """
    longest = max(LONGEST, 4 * size)
    rgb_img = shrink(read_reduced(path, longest), longest)
    mask = leaf_mask(rgb_img)
    logits, *_ = network(np.stack([preprocess(view, size) for view in
                                   masked_views(rgb_img, mask)]))
    return bool(mask.any()), logits.argmax(axis=1)


def masked_views(rgb_img: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """Return the image whole, its leaf alone, and its ground alone.

    RGB uint8 (H, W, 3), mask bool (H, W).  The rest is GREY.  The leaf's
    outline can still be seen in both.
    """
    width = 2 * max(1, round(MARGIN * max(mask.shape))) + 1
    wide = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(
        cv2.MORPH_ELLIPSE, (width, width))).astype(bool)
    return [rgb_img, np.where(wide[..., np.newaxis], rgb_img, GREY),
            np.where(wide[..., np.newaxis], GREY, rgb_img)]


def border_colours(part: Dataset, workers: Workers) -> np.ndarray:
    """Return the colours of each image's BORDER, uint8 (N, 24)."""
    return np.stack(list(raise_errors(progress(workers.map(border_of, part.paths(), in_threads=True),
                                                 len(part.files), "Border pixels"))))


def border_of(path: Path) -> np.ndarray:
    """Return the colours of an image's BORDER, uint8 (24,).

    Of a large image that of BORDER_SIDE pixels: one pixel of 12 million is
    noise for the most part.
    """
    rgb_img = shrink(read_reduced(path, 2 * BORDER_SIDE), BORDER_SIDE)
    last = np.array(rgb_img.shape[:2]) - 1
    rows, columns = np.rint(np.array(BORDER) * last).astype(int).T
    return rgb_img[rows, columns].ravel()


def border_forest(training: Dataset, seed: int, workers: Workers):
    """Return a random forest (Breiman 2001) that knows only borders."""
    from sklearn.ensemble import RandomForestClassifier
    forest = RandomForestClassifier(TREES, n_jobs=workers.jobs,
                                    random_state=seed)
    return forest.fit(border_colours(training, workers), training.labels)
