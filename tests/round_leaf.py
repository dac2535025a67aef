"""A round leaf with round lesions, of which every pixel is known."""

import cv2
import numpy as np

GREEN, BROWN = (60, 120, 50), (150, 70, 40)


def round_leaf(lesions=(), side=120, colour=GREEN):
    """Return a round leaf on grey, RGB uint8, with lesions at (x, y)."""
    rgb_img = np.full((side, side, 3), 170, np.uint8)
    cv2.circle(rgb_img, (side // 2, side // 2), side // 3, colour, -1)
    for x, y in lesions:
        cv2.circle(rgb_img, (x, y), side // 15, BROWN, -1)
    return rgb_img


def is_brown(rgb_img):
    """Return where an image is redder than green, bool (H, W)."""
    return rgb_img[..., 0].astype(int) - rgb_img[..., 1] > 20
