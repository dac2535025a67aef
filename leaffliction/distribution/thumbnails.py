"""Make the thumbnails that are compared to find near-identical images.

The thumbnail of most images is the whole image at 16x16 pixels.  At that size
small leaves on a plain background cannot be distinguished, so the thumbnail of
such an image shows the leaf alone.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 16                # pixels of a thumbnail
# Largest radius of a small leaf, as a fraction of the image's shorter side.
MAX_RADIUS = 0.3
# Grey levels by which the grain of a plain background differs from its median.
BACKGROUND_GRAIN = 24
# A leaf is not small if more of the image than this differs from the
# background.
MAX_FOREGROUND = 0.5
# Pixels of the shorter side of an image that shows a small leaf well enough.
LEAF_IMAGE_SIDE = 512
# Contrast of a small leaf's thumbnail, relative to the image's.  At 60 of 1600
# pixels a leaf differs by at most 12 levels from itself saved again, by at
# least 18 from another leaf.  A third of these are 4 and 6, on either side of
# duplicates.MAX_DIFFERENCE.
LEAF_CONTRAST = 1 / 3


@dataclass(frozen=True)
class Circle:
    """Centre and radius, in pixels."""

    x: float
    y: float
    radius: float


def thumbnail_of(rgb_img: np.ndarray, leaf: Circle | None) -> np.ndarray:
    """Return a thumbnail of the leaf, or of the whole image if leaf is None.

    rgb_img: RGB uint8 (H, W, 3).  The thumbnail is uint8 (3 * 16 * 16,); that
    of a leaf has reduced contrast.
    """
    if leaf is None:
        return cv2.resize(rgb_img, (SIDE, SIDE),
                          interpolation=cv2.INTER_AREA).ravel()
    # Each pixel of the thumbnail is the mean of 4x4 points.
    step = 2 * leaf.radius / (4 * SIDE)
    matrix = np.array([[step, 0, leaf.x - leaf.radius + step / 2],
                       [0, step, leaf.y - leaf.radius + step / 2]])
    samples = cv2.warpAffine(
        rgb_img, matrix, (4 * SIDE, 4 * SIDE),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE)
    thumbnail = cv2.resize(samples, (SIDE, SIDE),
                           interpolation=cv2.INTER_AREA)
    return np.rint(128 + LEAF_CONTRAST * (thumbnail.ravel() - 128.0)
                   ).astype(np.uint8)


def find_small_leaf(rgb_img: np.ndarray) -> Circle | None:
    """Return a circle around what differs from a plain background.

    rgb_img: RGB uint8 (H, W, 3).  Returns None if what differs is not small,
    or if nothing differs.
    Each pixel is weighted by its difference from the background, so the
    circle of an image saved again, scaled or rotated is the same to a
    fraction of a pixel.
    """
    reduced = _foreground_weights(cv2.resize(
        rgb_img, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    if np.count_nonzero(reduced) > MAX_FOREGROUND * reduced.size:
        return None    # For most images this quick test is enough.
    weights = _foreground_weights(rgb_img)
    total = float(weights.sum())
    if not total:
        return None
    height, width = weights.shape
    by_column, by_row = weights.sum(axis=0), weights.sum(axis=1)
    x, y = (float(np.arange(len(sums)) @ sums) / total
            for sums in (by_column, by_row))
    variance = ((np.arange(width) - x) ** 2 @ by_column
                + (np.arange(height) - y) ** 2 @ by_row) / total / 2
    # A round leaf ends at two standard deviations.
    radius = 2.2 * float(variance) ** 0.5
    return (Circle(x, y, radius)
            if 1 < radius < MAX_RADIUS * min(height, width) else None)


def _foreground_weights(rgb_img: np.ndarray) -> np.ndarray:
    """Return how much each pixel differs from the background.

    float32 (H, W), in grey levels above BACKGROUND_GRAIN, at most twice that.
    The background is the median colour of the image's border.
    """
    # Not np.median, which takes three times as long.
    border = np.sort(np.concatenate(
        [rgb_img[0], rgb_img[-1], rgb_img[:, 0], rgb_img[:, -1]]), axis=0)
    middle = len(border) // 2
    background = border[middle - 1:middle + 1].mean(axis=0)
    return np.clip(
        np.abs(rgb_img - background.astype(np.float32)).max(axis=2)
        - BACKGROUND_GRAIN, 0, 2 * BACKGROUND_GRAIN)
