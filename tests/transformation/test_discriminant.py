"""transformation/discriminant.py: background colour and log odds."""

import cv2
import numpy as np
import pytest

from leaffliction.transformation.discriminant import (MAX_LOG_ODDS,
                                                      background_colour,
                                                      leaf_log_odds)


def lab(rgb):
    """Return an RGB colour in OpenCV's CIE Lab, float32 (3,)."""
    return cv2.cvtColor(np.uint8([[rgb]]), cv2.COLOR_RGB2LAB)[0, 0].astype(
        np.float32)


def test_background_colour_is_the_median_of_the_frame():
    image = np.full((100, 200, 3), 7, np.float32)
    # The frame is 3 % of 100 pixels wide.
    image[3:-3, 3:-3] = 90
    image[0, :50] = 200
    assert background_colour(image).tolist() == [7, 7, 7]


def test_background_colour_takes_all_four_sides():
    # Left 198 pixels of 1, right 198 and above and below 60 of 9.
    image = np.full((200, 30, 3), 9, np.float32)
    image[1:-1, 0] = 1
    assert background_colour(image).tolist() == [9, 9, 9]
    assert background_colour(image[:, ::-1]).tolist() == [9, 9, 9]


def test_background_colour_excludes_the_leaf_unless_too_little_remains():
    image = np.full((100, 100, 3), 7, np.float32)
    leaf = np.zeros((100, 100), bool)
    image[:, 30:], leaf[:, 30:] = 90, True
    assert background_colour(image, leaf).tolist() == [7, 7, 7]
    assert background_colour(image, leaf | True) is None


@pytest.mark.parametrize("background", [
    (255, 255, 255), (0, 0, 0), (150, 150, 150)])
def test_green_is_leaf_and_shadow_is_not(background):
    shadow = np.uint8(background) // 2
    pixels = np.stack([[lab((60, 130, 50)), lab(shadow), lab(background),
                        lab((255, 0, 255))]])
    log_odds = leaf_log_odds(pixels, lab(background))[0]
    assert log_odds[0] > 2
    # Magenta is far from the background, but never leaf.
    assert (log_odds[1:] < -0.8).all() and log_odds[3] == -MAX_LOG_ODDS
    assert np.abs(log_odds).max() <= MAX_LOG_ODDS
