"""Pictures for the tests of thumbnails and of near-identical images."""

import cv2
import numpy as np

from leaffliction.distribution.thumbnails import (LEAF_IMAGE_SIDE,
                                                  find_small_leaf,
                                                  thumbnail_of)
from leaffliction.utils.images import shrink


def picture(seed, size=256):
    """Return a smooth random picture with discs, RGB uint8 (size, size, 3)."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 256, (4, 4, 3), np.uint8),
                       (size, size), interpolation=cv2.INTER_CUBIC)
    for centre in rng.integers(0, size, (6, 2)).tolist():
        cv2.circle(image, centre, size // 10, rng.integers(0, 256, 3).tolist(),
                   -1)
    return image


def saved_again(image, quality):
    """Return an image after JPEG compression."""
    return cv2.imdecode(cv2.imencode(
        ".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1],
        cv2.IMREAD_COLOR)


def make_thumbnail(image):
    """Return the thumbnail of an image, as inspect_image makes it."""
    image = shrink(image, 2 * LEAF_IMAGE_SIDE)
    return thumbnail_of(image, find_small_leaf(image))


def eight_views(images):
    """Return images (..., H, W, 3) in all orientations, themselves first."""
    transposed = np.swapaxes(images, -3, -2)
    return [view[..., ::down, ::right, :] for view in (images, transposed)
            for down in (1, -1) for right in (1, -1)]
