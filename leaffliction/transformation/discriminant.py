"""Estimate how likely each pixel is leaf, from its colour alone.

The median colour of the image's frame is the background's.  A logistic
regression turns the difference between a pixel and that colour, in CIE Lab,
into the logarithm of the odds that the pixel is leaf.
"""

import cv2
import numpy as np

# Width of the frame that shows the background, as a fraction of the shorter
# side.
FRAME_WIDTH = 0.03
# A crop around one leaf supplies its background colour only if at least this
# fraction of its frame shows no leaf.
MIN_BACKGROUND_SHARE = 0.2
# Coefficients of the logistic regression, in units of 100 Lab levels (see
# `leaf_log_odds`).  `python -m benchmarks.mask --fit` fitted them to half of
# 480 reference masks.
INTERCEPT = (-4.87, 2.14, -1.44)            # of 1, G, GG
LINEAR = ((2.49, -3.73), (-23.8, -12.5), (11.4, 9.21))   # L, a, b: of 1, G
SQUARES = (-2.04, 176.0, 64.9)              # of LL, aa, bb
PRODUCTS = (-17.8, 12.0, 227.0)             # of La, Lb, ab
# A pixel whose b less a is lower than the background's by more than this (in
# 100 Lab levels) is bluer or more purple than the background: never leaf.
MIN_YELLOW_LESS_MAGENTA = -0.03
# The log odds are clipped to +-5, which are odds of 150 to 1.
MAX_LOG_ODDS = 5.0


def background_colour(lab_img: np.ndarray, leaf: np.ndarray | None = None
                      ) -> np.ndarray | None:
    """Return the median colour of the image's frame, float32 (3,).

    lab_img: float32 (H, W, 3).
    leaf: bool (H, W), pixels to leave out.  With it the result is None if
    less than MIN_BACKGROUND_SHARE of the frame remains.
    """
    colours = frame_pixels(lab_img)
    if leaf is not None:
        is_background = ~frame_pixels(leaf)
        if is_background.mean() < MIN_BACKGROUND_SHARE:
            return None
        colours = colours[is_background]
    return np.median(colours, axis=0)


def frame_pixels(image: np.ndarray) -> np.ndarray:
    """Return the pixels of an image's frame: (N, ...) for (H, W, ...).

    The frame is FRAME_WIDTH of the shorter side wide, and no less than a
    pixel.
    """
    width = max(1, round(FRAME_WIDTH * min(image.shape[:2])))
    middle = image[width:-width]
    return np.concatenate([side.reshape(-1, *image.shape[2:]) for side in
                           (image[:width], image[-width:],
                            middle[:, :width], middle[:, -width:])])


def leaf_log_odds(lab_img: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)), p the probability of leaf: float32 (H, W).

    lab_img: CIE Lab as OpenCV scales it to 0..255, float32 (H, W, 3).
    background: the background's colour in the same scale, (3,).
    The regression's terms are the pixel's differences from the background in
    L, a and b, the squares and products of these, and the background's
    lightness G, because a shadow differs from white by more than from black.

    A pixel that is bluer or more purple than the background is never leaf,
    although its squared terms are large.  The result is clipped to
    +-MAX_LOG_ODDS, so that the blur which follows does not let one extreme
    pixel outweigh its neighbours.
    """
    g = float(background[0]) / 100
    d_l, d_a, d_b = cv2.split(
        (lab_img - background.astype(np.float32)) / np.float32(100))
    by_l, by_a, by_b = (np.float32(constant + slope * g)
                        for constant, slope in LINEAR)
    l_l, a_a, b_b = map(np.float32, SQUARES)
    l_a, l_b, a_b = map(np.float32, PRODUCTS)
    by_1, by_g, by_gg = INTERCEPT
    log_odds = np.float32(by_1 + by_g * g + by_gg * g ** 2)
    log_odds = (log_odds + d_b * (by_b + b_b * d_b)
                + d_a * (by_a + a_a * d_a + a_b * d_b)
                + d_l * (by_l + l_l * d_l + l_a * d_a + l_b * d_b))
    log_odds[d_b - d_a < MIN_YELLOW_LESS_MAGENTA] = -MAX_LOG_ODDS
    return np.clip(log_odds, -MAX_LOG_ODDS, MAX_LOG_ODDS)
