"""Thumbnails: of the whole image, or of a small leaf on a plain table."""

import cv2
import numpy as np
import pytest
from pictures import make_thumbnail, picture
from PIL import Image

from leaffliction.distribution.duplicates import near_identical
from leaffliction.distribution.inspection import inspect_image


def on_table(leaf, side, level):
    """Return a round leaf in the middle of a plain table of 1600x1200.

    side: width and height of the leaf in pixels.  level: of the table, grey.
    """
    image = np.full((1200, 1600, 3), level, np.uint8)
    small = cv2.resize(leaf, (side, side), interpolation=cv2.INTER_AREA)
    mask = cv2.circle(np.zeros((side, side), np.uint8),
                      (side // 2, side // 2), side // 2, 1, -1) > 0
    top, left = (1200 - side) // 2, (1600 - side) // 2
    image[top:top + side, left:left + side][mask] = small[mask]
    return image


@pytest.mark.parametrize("side, level", [
    (300, 235), (160, 120), (100, 20), (60, 235)])
def test_small_leaves_on_a_plain_table_are_distinguished(
        side, level, tmp_path):
    thumbnails = []
    for seed in range(4):
        leaf = picture(seed)
        image = on_table(leaf, side, level)
        turned = np.ascontiguousarray(np.rot90(image, seed)[:, ::-1])
        half = cv2.resize(image, (800, 600), interpolation=cv2.INTER_AREA)
        for number, (view, quality) in enumerate((
                (image, 95), (turned, 60), (half, 60))):
            path = tmp_path / f"{seed}_{number}.jpg"
            # At 30 pixels and quality 60 a JPEG keeps too little colour.
            Image.fromarray(view).save(path, quality=(
                90 if side == 60 and number == 2 else quality))
            thumbnails.append(inspect_image(path).thumbnail)
    groups = near_identical(np.stack(thumbnails))
    assert groups.tolist() == np.repeat(groups[::3], 3).tolist()
    assert len(set(groups)) == 4


def test_other_images_are_reduced_as_a_whole():
    for seed in range(20):
        image = picture(seed)
        assert (make_thumbnail(image) == cv2.resize(
            image, (16, 16), interpolation=cv2.INTER_AREA).ravel()).all()
    blank = np.full((90, 70, 3), 7, np.uint8)
    assert (make_thumbnail(blank) == 7).all()
