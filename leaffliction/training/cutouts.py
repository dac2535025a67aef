"""Leaves cut out of photographs, recoloured, and warped to be pasted.

The building blocks of synthetic field images: see field_images.py.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation.lesions import find_lesions
from leaffliction.transformation.mask import leaf_mask
from leaffliction.utils.images import read_reduced, shrink

CUTOUT_SIDE = 256        # pixels of the longer side of a photograph, at most
# Share of the leaf's area.  The mask of a healthy leaf holds a few pixels of
# lesions by chance; below this share a leaf counts as healthy.
MIN_LESION_SHARE = 0.002
# Ranges of a random tone in L, a and b, as OpenCV scales them to 0..255.
TONE_RANGES = ((60, 190), (96, 120), (132, 173))
OTHER_LEAF_TONE = 0.5    # probability that a tone is taken from another leaf
# Redness is the level of a (green to magenta) above the mean of the healthy
# tissue.  Up to LESION_REDNESS tissue is healthy, and from LESION_RAMP levels
# higher it is diseased; in between it is mixed.
LESION_REDNESS, LESION_RAMP = 6, 8
# Share of the difference in lightness between two leaves by which lesions
# change when they move from one to the other.
LIGHTNESS_SHARE = 0.7
# Longer side of a pasted leaf, as a fraction of the image's side; some leaves
# are close-ups, larger than the image.
LEAF_SIZES, CLOSE_UP_SIZES = (0.3, 1.0), (1.2, 2.2)
CLOSE_UP_PROBABILITY = 0.15
# Standard deviation of a pasted leaf's centre, as a fraction of the side.
CENTRE_STD, CLOSE_UP_CENTRE_STD = 0.10, 0.25


@dataclass(frozen=True)
class Cutout:
    """A leaf, cut out of its photograph.

    lab_img: CIE Lab as OpenCV scales it to 0..255, uint8 (H, W, 3).
    mask, lesions: bool (H, W).
    tone: mean and standard deviation of the healthy tissue in L, a and b,
    float32 (2, 3).
    """

    lab_img: np.ndarray
    mask: np.ndarray
    lesions: np.ndarray
    tone: np.ndarray

    @property
    def is_diseased(self) -> bool:
        """Whether the leaf has more lesions than are found by chance."""
        return (np.count_nonzero(self.lesions)
                > MIN_LESION_SHARE * np.count_nonzero(self.mask))

    def to_rgb(self) -> np.ndarray:
        """Return the photograph, RGB uint8 (H, W, 3)."""
        return cv2.cvtColor(self.lab_img, cv2.COLOR_LAB2RGB)


def cut_out(rgb_img: np.ndarray) -> Cutout | None:
    """Return the leaf of an image, or None if no healthy tissue is found.

    rgb_img: RGB uint8 (H, W, 3); reduced to CUTOUT_SIDE if it is larger.
    """
    rgb_img = shrink(rgb_img, CUTOUT_SIDE)
    mask = leaf_mask(rgb_img)
    lesions = find_lesions(rgb_img, mask)
    healthy = mask & (cv2.dilate(lesions.astype(np.uint8),
                                 np.ones((5, 5), np.uint8)) == 0)
    if not healthy.any():
        return None
    lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB)
    # Every seventh pixel is enough for a mean and a standard deviation.
    colours = lab_img[healthy][::7].astype(np.float32)
    return Cutout(lab_img, mask, lesions,
                  np.stack([colours.mean(axis=0), colours.std(axis=0)]))


def cut_out_file(path: Path) -> Cutout | None:
    """Return the leaf in a file; UserError if it cannot be read."""
    return cut_out(read_reduced(path, 2 * CUTOUT_SIDE))


def transplant_lesions(source: Cutout, target: Cutout,
                       rng: np.random.Generator) -> Cutout:
    """Return the target leaf with the lesions of the source leaf.

    The lesions are turned by a random angle and scaled like the leaves.
    They keep their colour, because it is a sign of the disease, but become
    lighter or darker with the leaf.  Returns the source leaf if the lesions
    would fall outside the target leaf.
    """
    height, width = target.mask.shape
    matrix = align_leaves(source.mask, target.mask, rng.uniform(0, 2 * np.pi))
    lesions = cv2.dilate(source.lesions.astype(np.uint8) * 255,
                         np.ones((5, 5), np.uint8))
    moved = cv2.warpAffine(lesions, matrix, (width, height)) * target.mask
    if (np.count_nonzero(moved)
            < MIN_LESION_SHARE * np.count_nonzero(target.mask)):
        return source
    alpha = cv2.GaussianBlur(moved, (0, 0), 1.0)[..., np.newaxis] / 255
    alpha = alpha * target.mask[..., np.newaxis]
    lab_img = source.lab_img.astype(np.float32)
    lab_img[..., 0] += LIGHTNESS_SHARE * (target.tone[0, 0]
                                          - source.tone[0, 0])
    lab_img = cv2.warpAffine(lab_img, matrix, (width, height))
    lab_img = paste(target.lab_img, lab_img, alpha)
    return Cutout(np.clip(lab_img, 0, 255).astype(np.uint8), target.mask,
                  moved > 127, target.tone)


def align_leaves(source: np.ndarray, target: np.ndarray, angle: float
                 ) -> np.ndarray:
    """Return the affine matrix (2, 3) that maps one leaf onto another.

    source, target: masks of the leaves, bool (H, W).  Their bounding boxes
    get the same centre and the same longer side.  angle: in radians, by
    which the source is turned.
    """
    (x, y, width, height), (to_x, to_y, to_width, to_height) = (
        cv2.boundingRect(mask.astype(np.uint8)) for mask in (source, target))
    scale = max(to_width, to_height) / max(width, height)
    matrix = cv2.getRotationMatrix2D((x + width / 2, y + height / 2),
                                     np.degrees(angle), scale)
    matrix[:, 2] += (to_x + to_width / 2 - x - width / 2,
                     to_y + to_height / 2 - y - height / 2)
    return matrix


def sample_tone(leaf: Cutout, tones: np.ndarray, rng: np.random.Generator
                ) -> np.ndarray:
    """Return a tone for a leaf, float (2, 3), as in Cutout.

    tones: those of other leaves, (N, 2, 3).  One of them, or a random one
    with about the leaf's own standard deviation.
    """
    if len(tones) and rng.random() < OTHER_LEAF_TONE:
        return tones[rng.integers(len(tones))]
    return np.array([[rng.uniform(*bounds) for bounds in TONE_RANGES],
                     leaf.tone[1] * np.exp(rng.normal(0, 0.2))])


def change_tone(leaf: Cutout, tone: np.ndarray) -> np.ndarray:
    """Return the leaf's Lab image, uint8, with its healthy tissue in a tone.

    Mean and standard deviation are matched in Lab (Reinhard et al. 2001).
    Tissue that is redder than the leaf's own green keeps its colour.
    """
    (mean, deviation), tone = leaf.tone, tone.astype(np.float32)
    lab_img = leaf.lab_img.astype(np.float32)
    factor = np.clip(tone[1] / np.maximum(deviation, 1), 0.6, 1.6)
    changed = (lab_img - mean) * factor + tone[0]
    redness = cv2.GaussianBlur(lab_img[..., 1], (0, 0), 1) - mean[1]
    diseased = np.clip((redness - LESION_REDNESS) / LESION_RAMP, 0, 1)
    changed[..., 1:] += diseased[..., np.newaxis] * (
        lab_img[..., 1:] - changed[..., 1:])
    return np.clip(changed, 0, 255).astype(np.uint8)


def sample_pose(mask: np.ndarray, size: int, rng: np.random.Generator,
                leaf_sizes: tuple[float, float] | None = None
                ) -> tuple[np.ndarray, float]:
    """Return a random perspective matrix (3, 3) for a leaf, and its scale.

    It scales, turns, mirrors, stretches, tilts and shifts a leaf (mask, bool
    (H, W)) into an image of size x size pixels.  leaf_sizes: range of the
    leaf's longer side, as a fraction of `size`; None: LEAF_SIZES, or
    sometimes CLOSE_UP_SIZES.
    """
    is_close_up = leaf_sizes is None and rng.random() < CLOSE_UP_PROBABILITY
    longer_side = rng.uniform(*(
        leaf_sizes or (CLOSE_UP_SIZES if is_close_up else LEAF_SIZES)))
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    scale = longer_side * size / max(width, height)
    angle, stretch = rng.uniform(0, 2 * np.pi), np.exp(rng.normal(0, 0.12))
    rotation = scale * np.array([
        [np.cos(angle) * stretch, -np.sin(angle) / stretch],
        [np.sin(angle) * stretch, np.cos(angle) / stretch]])
    centre = size * (0.5 + rng.normal(
        0, CLOSE_UP_CENTRE_STD if is_close_up else CENTRE_STD, 2))
    matrix = np.eye(3)
    matrix[:2, :2] = rotation * [rng.choice((-1, 1)), 1]
    matrix[:2, 2] = centre - matrix[:2, :2] @ (x + width / 2, y + height / 2)
    matrix[2, :2] = rng.normal(0, 0.04 / CUTOUT_SIDE, 2)
    return matrix, scale


def warp_leaf(rgb_img: np.ndarray, mask: np.ndarray, size: int,
              rng: np.random.Generator,
              leaf_sizes: tuple[float, float] | None = None
              ) -> tuple[np.ndarray, np.ndarray]:
    """Return a leaf in a random pose, and its alpha channel with soft edges.

    Parameters are those of sample_pose, and rgb_img, RGB uint8 (H, W, 3).
    Returns RGB uint8 (size, size, 3) and float32 (size, size, 1), 0..1.
    """
    matrix, scale = sample_pose(mask, size, rng, leaf_sizes)
    # Detail finer than a pixel of the result would turn into noise.
    if scale < 0.6:
        rgb_img = cv2.GaussianBlur(rgb_img, (0, 0), 0.25 / scale)
    alpha = cv2.GaussianBlur(cv2.erode(
        mask.astype(np.uint8) * 255, np.ones((3, 3), np.uint8)), (0, 0), 0.8)
    warped = cv2.warpPerspective(rgb_img, matrix, (size, size),
                                 borderMode=cv2.BORDER_REFLECT_101)
    alpha = cv2.warpPerspective(alpha, matrix, (size, size))
    return warped, alpha[..., np.newaxis].astype(np.float32) / 255


def paste(background: np.ndarray, foreground: np.ndarray | float,
          alpha: np.ndarray) -> np.ndarray:
    """Return background, (H, W, 3), with foreground where alpha is 1.

    alpha: (H, W, 1), 0..1; mixes the two in between.
    """
    return background + alpha * (foreground - background)
