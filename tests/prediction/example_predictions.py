"""Predictions made by hand, and a drawn leaf with one lesion."""

import cv2
import numpy as np

from leaffliction.model.classifier import Prediction


def make_prediction(known=True, region=(0, 1), classes=7):
    """Return a prediction of class 1, which one of 2 x 2 regions supports."""
    maps = np.zeros((2, 2, classes), np.float32)
    maps[region][1] = 8
    shares = np.full(classes, 0.1 / (classes - 1))
    shares[1] = 0.9
    names = tuple(f"class {number}" for number in range(classes))
    return Prediction(names, shares, 1.0, known, maps)


def draw_leaf():
    """Return a green leaf with a brown spot, RGB uint8 (200, 300, 3)."""
    rgb_img = np.full((200, 300, 3), 225, np.uint8)
    cv2.ellipse(rgb_img, (150, 100), (110, 70), 0, 0, 360, (60, 130, 50), -1)
    cv2.circle(rgb_img, (190, 110), 14, (120, 80, 40), -1)
    return rgb_img
