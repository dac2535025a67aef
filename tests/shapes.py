"""Shapes whose area, extent and colours are known in closed form."""

import cv2
import numpy as np


def ellipse(a=90, b=50, size=(240, 320)):
    """Return a green ellipse on grey, RGB uint8 (H, W, 3), and its bool mask.

    a, b: its horizontal and vertical semi-axis in pixels.  size: (H, W).
    """
    mask = np.zeros(size, np.uint8)
    cv2.ellipse(mask, (150, 110), (a, b), 0, 0, 360, 1, -1)
    image = np.full((*size, 3), 150, np.uint8)
    image[mask > 0] = (60, 130, 50)
    return image, mask > 0


def two_leaves(scale=1):
    """Return an image of two ellipses, and each pixel's leaf: 0, 1 or 2.

    scale: pixels for one of an ellipse's image of (240, 320).
    """
    image, mask = ellipse()
    return tuple(
        cv2.resize(np.hstack(pair), None, fx=scale, fy=scale,
                   interpolation=cv2.INTER_NEAREST)
        for pair in ((image, image), (mask, mask * np.uint8(2))))
