"""What colour the ground has, and how much each pixel looks like leaf."""

import cv2
import numpy as np

# The frame's width from which the ground's colour is taken, in parts of the
# shorter side.
FRAME = 0.03
# A close-up's own ground is taken if this share of its frame shows no leaf.
LEAST_CLEAR = 0.2
# The discriminant's coefficients, in hundreds of levels (see `leafness`),
# fitted to half of 480 reference masks by `python -m benchmarks.mask --fit`.
CONSTANT = (-4.87, 2.14, -1.44)             # times 1, G, GG
LINEAR = ((2.49, -3.73), (-23.8, -12.5), (11.4, 9.21))   # L, a, b: 1 and G
SQUARE = (-2.04, 176.0, 64.9)               # times LL, aa, bb
MIXED = (-17.8, 12.0, 227.0)                # times La, Lb, ab
# Least b less a of a leaf's difference from the ground, in hundreds of
# levels; and the logarithm of the odds that is as good as certain (150:1).
LEAST_WARMTH, CERTAIN = -0.03, 5.0


def ground_colour(lab_img: np.ndarray, leaf: np.ndarray | None = None
                  ) -> np.ndarray | None:
    """Return the median colour of the frame, float32 (3,), as in lab_img.

    leaf: bool (H, W), pixels to leave out; None where too few are left.
    """
    width = max(1, round(FRAME * min(lab_img.shape[:2])))

    def frame(image: np.ndarray) -> np.ndarray:
        within = image[width:-width]
        return np.concatenate([part.reshape(-1, *image.shape[2:]) for part in
                               (image[:width], image[-width:],
                                within[:, :width], within[:, -width:])])
    colours = frame(lab_img)
    if leaf is not None:
        clear = ~frame(leaf)
        if clear.mean() < LEAST_CLEAR:
            return None
        colours = colours[clear]
    return np.median(colours, axis=0)


def leafness(lab_img: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Return how much each pixel looks like leaf, float32 (H, W).

    lab_img: CIE Lab as OpenCV scales it to 0..255, float32 (H, W, 3).
    ground: the ground's colour in it, (3,).
    The logarithm of the odds that it is leaf, from a logistic regression on
    the squares and products of its difference from the ground in L, a and
    b, and of the ground's lightness G: for the same shadow is another
    difference on white than on black.
    What is bluer or more purple than the ground is never leaf, though its
    squares are large; and CERTAIN is enough, lest one pixel outweigh many.
    """
    light = float(ground[0]) / 100
    lightness, green, yellow = cv2.split(
        (lab_img - ground.astype(np.float32)) / np.float32(100))
    by_l, by_a, by_b = (np.float32(alone + times * light)
                        for alone, times in LINEAR)
    l_l, a_a, b_b = map(np.float32, SQUARE)
    l_a, l_b, a_b = map(np.float32, MIXED)
    score = np.float32(CONSTANT[0] + CONSTANT[1] * light
                       + CONSTANT[2] * light ** 2)
    score = (score + yellow * (by_b + b_b * yellow)
             + green * (by_a + a_a * green + a_b * yellow)
             + lightness * (by_l + l_l * lightness + l_a * green
                            + l_b * yellow))
    score[yellow - green < LEAST_WARMTH] = -CERTAIN
    return np.clip(score, -CERTAIN, CERTAIN)
