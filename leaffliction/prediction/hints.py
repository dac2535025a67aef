"""Hints: what is wrong with a photograph, so that a better one can be taken.

`find_hints` looks at the photograph reduced to 128 pixels and less, so that a
photograph of a phone and the same photograph at 256 pixels get the same
hints, in 0.4 ms.  Its rules and their thresholds were measured on real
photographs: `python -m benchmarks.hints`, docs/explanation/hints.md.

The rules about one leaf, its size, its edges and its neighbours, apply only
to leaves laid on a plain ground.  In the crown of a tree leaves cannot be
told from each other, and these rules would be wrong more often than right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from leaffliction.model.classifier import Prediction
from leaffliction.transformation.discriminant import frame_pixels
from leaffliction.transformation.mask import (PLAIN_RANGE, Leaf, find_leaves,
                                              number_leaves)
from leaffliction.utils.class_names import plant_of_class
from leaffliction.utils.images import shrink

# All codes, in their order.
CODES = ("blurred", "too_dark", "burnt_out", "no_leaf", "several_leaves",
         "small_leaf", "cut_leaf", "not_like_learned")

# Longer side in pixels of the image in which fine detail is looked for, and of
# the one in which leaves are.  Finding leaves takes half the time there.
DETAIL_SIDE, SIDE = 128, 64
# Blurred: the variance within FINE pixels, less ROUNDING, is less than this
# fraction of that within COARSE pixels, where that is at least
# MIN_COARSE_VARIANCE (all in levels squared).  Half of the photographs get
# there by a blur whose standard deviation is 0.7 % of the longer side; of
# 1,607 sharp ones none is below 0.089.  ROUNDING is the variance of what is
# lost in whole levels.
FINE, COARSE, ROUNDING = (3, 3), (9, 9), 0.1
MIN_FINE_SHARE, MIN_COARSE_VARIANCE = 0.055, 0.2
# Too dark: less than this fraction of the pixels, of the photograph and of
# its leaves, has a channel of at least this level.
DARK_LEVEL, MIN_BRIGHT_SHARE = 120, 0.1
# Burnt out: more than this fraction of the pixels has a channel of at least
# BURNT_LEVEL.  White paper may be burnt out, so of a laid leaf the leaf
# counts, and otherwise all pixels that have a channel below WHITE_LEVEL.
BURNT_LEVEL, WHITE_LEVEL, MAX_BURNT_SHARE = 250, 225, 0.33
# Leaves are laid on a plain ground if at least this fraction of the frame
# shows no leaf, this fraction of that has one colour (within PLAIN_RANGE),
# and the best leaf has this quality.
MIN_GROUND, MIN_PLAIN, MIN_LAID_QUALITY = 0.2, 0.75, 0.4
# Small: a laid leaf of this quality covers less than this fraction of the
# photograph.  What passes for a small leaf in a crown has at most 0.54.
MIN_SMALL_QUALITY, MIN_LEAF_SHARE = 0.6, 0.08
# Cut: a laid leaf touches an edge of the photograph along more than this
# fraction of its own length in that direction.
MAX_CUT = 0.8
# Several: of laid leaves, those count that have at least this fraction of
# the largest one's area.
MIN_SHARE_OF_LARGEST = 0.2
# No leaf: in less than this fraction of the pixels is 2 G - R - B (excess
# green; Woebbecke et al. 1995) above GREEN_LEVEL, and the network does not
# know the photograph.
GREEN_LEVEL, MIN_GREEN_SHARE = 20, 0.1

# The code of the hint that says what the network knows.
NOT_LIKE_LEARNED = "not_like_learned"


@dataclass(frozen=True)
class Hint:
    """What could be better about a photograph.

    code: one of CODES; a key of "hints" in a language's texts
    (languages.py).
    values: of the sentence's fields.  Plants are in English, with ", "
    between them; each is a key of "plants" in the texts, or shown as it is.
    """

    code: str
    values: dict[str, int | str]


@dataclass(frozen=True, eq=False)
class _Scene:
    """A photograph, reduced, and what the rules need to know of it.

    rgb_img: RGB uint8 (H, W, 3).  brightest: uint8 (H, W), of each pixel the
    brightest channel.  leaves: laid on a plain ground; else there are none.
    subject: bool (H, W), True on these leaves; None without any.
    """

    rgb_img: np.ndarray
    brightest: np.ndarray
    leaves: list[Leaf]
    subject: np.ndarray | None


def find_hints(rgb_img: np.ndarray, prediction: Prediction
               ) -> tuple[Hint, ...]:
    """Return what could be better about a photograph, for its prediction.

    rgb_img: RGB uint8 (H, W, 3), any size.
    The hints come in the order in which to act on them.  A photograph that
    the network does not know has at least `not_like_learned`, which says
    what it does know.
    """
    small_img = shrink(rgb_img, DETAIL_SIDE)
    scene = _read_scene(shrink(small_img, SIDE))
    hints = []
    if is_blurred(small_img):
        hints.append(Hint("blurred", {}))
    if _is_dark(scene):
        hints.append(Hint("too_dark", {}))
    elif _is_burnt_out(scene):
        hints.append(Hint("burnt_out", {}))
    elif not prediction.known and not _shows_green(scene):
        return *hints, Hint("no_leaf", {}), not_like_learned(
            prediction.class_names)
    hints += _leaf_hints(scene)
    if not prediction.known:
        hints.append(not_like_learned(prediction.class_names))
    return tuple(hints)


def _read_scene(small_img: np.ndarray) -> _Scene:
    """Return what there is to know of an image of at most SIDE pixels."""
    red, green, blue = cv2.split(small_img)
    leaves = find_leaves(small_img)
    labels = number_leaves(leaves, small_img.shape[:2])
    if not _are_laid(small_img, leaves, labels):
        leaves = []
    return _Scene(small_img, cv2.max(cv2.max(red, green), blue), leaves,
                  labels > 0 if leaves else None)


def _are_laid(small_img: np.ndarray, leaves: Sequence[Leaf],
              labels: np.ndarray) -> bool:
    """Return whether there are leaves, on a plain ground.

    labels: uint8 (H, W), 0 where there is no leaf.
    """
    if max((leaf.quality for leaf in leaves), default=0) < MIN_LAID_QUALITY:
        return False
    near_leaves = cv2.dilate(labels, np.ones((3, 3), np.uint8))
    # Every fourth pixel of the frame is enough.
    is_ground = frame_pixels(near_leaves)[::4] == 0
    if np.count_nonzero(is_ground) < MIN_GROUND * is_ground.size:
        return False
    ground = cv2.cvtColor(frame_pixels(small_img)[np.newaxis, ::4],
                          cv2.COLOR_RGB2LAB)[0, is_ground].astype(np.int16)
    is_plain = (np.abs(ground - np.median(ground, axis=0))
                <= PLAIN_RANGE).all(axis=1)
    return bool(is_plain.mean() >= MIN_PLAIN)


def is_blurred(small_img: np.ndarray) -> bool:
    """Return whether an image of at most DETAIL_SIDE pixels lacks detail.

    small_img: RGB uint8 (H, W, 3).  The ratio of two variances does not
    depend on contrast or light.
    """
    grey = cv2.cvtColor(small_img, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, coarse = (
        cv2.norm(grey, cv2.blur(grey, size), cv2.NORM_L2SQR) / grey.size
        for size in (FINE, COARSE))
    return (coarse >= MIN_COARSE_VARIANCE
            and fine - ROUNDING < MIN_FINE_SHARE * coarse)


def _is_dark(scene: _Scene) -> bool:
    """Return whether the photograph and its leaves are too dark."""
    is_bright = scene.brightest >= DARK_LEVEL
    return is_bright.mean() < MIN_BRIGHT_SHARE and (
        scene.subject is None
        or is_bright[scene.subject].mean() < MIN_BRIGHT_SHARE)


def _is_burnt_out(scene: _Scene) -> bool:
    """Return whether the leaves, or else all but white areas, are."""
    subject = scene.subject
    if subject is None:
        subject = (scene.rgb_img < WHITE_LEVEL).any(axis=2)
    burnt = np.count_nonzero((scene.brightest >= BURNT_LEVEL) & subject)
    return burnt > MAX_BURNT_SHARE * np.count_nonzero(subject)


def _shows_green(scene: _Scene) -> bool:
    """Return whether the leaves, or else the photograph, are green enough."""
    red, green, blue = cv2.split(scene.rgb_img.astype(np.int16))
    is_green = 2 * green - red - blue > GREEN_LEVEL
    if scene.subject is not None:
        is_green = is_green[scene.subject]
    return is_green.mean() >= MIN_GREEN_SHARE


def _leaf_hints(scene: _Scene) -> list[Hint]:
    """Return the hints about the number, size and position of the leaves."""
    if not scene.leaves:
        return []
    areas = [np.count_nonzero(leaf.mask) for leaf in scene.leaves]
    leaves = [leaf for leaf, area in zip(scene.leaves, areas)
              if area >= MIN_SHARE_OF_LARGEST * max(areas)]
    if len(leaves) > 1:
        return [Hint("several_leaves", {"count": len(leaves)})]
    leaf, share = leaves[0], max(areas) / scene.subject.size
    if share < MIN_LEAF_SHARE and leaf.quality >= MIN_SMALL_QUALITY:
        return [Hint("small_leaf", {"share": max(1, round(100 * share))})]
    if cut_share(leaf, scene.subject.shape) > MAX_CUT:
        return [Hint("cut_leaf", {})]
    return []


def cut_share(leaf: Leaf, shape: tuple[int, int]) -> float:
    """Return how much of a leaf's side an edge of the photograph cuts, 0..1.

    The length along which they touch, as a fraction of the leaf's length in
    that direction; of the four edges, the one where it is largest.
    shape: height and width of the photograph.
    """
    x, y, width, height = leaf.box
    edges = ((leaf.mask[0], y == 0), (leaf.mask[-1], y + height == shape[0]),
             (leaf.mask[:, 0], x == 0),
             (leaf.mask[:, -1], x + width == shape[1]))
    return max(float(pixels.mean()) * touches for pixels, touches in edges)


def not_like_learned(class_names: Sequence[str]) -> Hint:
    """Return the hint that names the plants of these classes.

    A class whose name begins with no plant is named itself.
    """
    plants = {plant_of_class(name) or name for name in class_names}
    return Hint(NOT_LIKE_LEARNED, {"plants": ", ".join(sorted(plants))})
