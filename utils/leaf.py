"""Where the leaf is: its mask, how sure that is, and the leaf on white.

Transformation shows it, predict and train may use it, so it is plain
OpenCV and NumPy: deterministic, and 3 ms for 256x256 pixels.
"""

import cv2
import numpy as np

from utils.images import reduced_size

# The frame's width from which the ground's colour is taken, in parts of the
# shorter side.
FRAME = 0.03
# Pixels of the longer side beyond which an image is reduced first: 12
# megapixels take 0.2 s, and the edge moves by 2 of 4000.
LARGEST_SIDE = 1024
# The longer side of the image over the width of what still counts as leaf:
# 3 pixels of 256.  It removes grain of paper; stems are wider.
FINEST_PART = 85
# Deviation of the blur that takes the pixels' noise away, 0.7 of 256.
SMOOTHING = 365
# A part counts as leaf if it has this share of the largest part's area: some
# leaves are cut in two by a fold or a shadow.
LEAST_PART = 0.25
# A hole is filled, for it is a lesion, unless it shows the ground: if its
# mean colour is no further from it than this (levels of L, a and b), and it
# is no speck (parts of the image).
GROUND_GAP, LEAST_HOLE = (24, 6, 6), 0.0003
# The discriminant's coefficients, in hundreds of levels (see `leafness`),
# fitted to half of 480 reference masks by `python -m benchmarks.mask --fit`.
CONSTANT = (-4.87, 2.14, -1.44)             # times 1, G, GG
LINEAR = ((2.49, -3.73), (-23.8, -12.5), (11.4, 9.21))   # L, a, b: 1 and G
SQUARE = (-2.04, 176.0, 64.9)               # times LL, aa, bb
MIXED = (-17.8, 12.0, 227.0)                # times La, Lb, ab
# Least b less a of a leaf's difference from the ground, in hundreds of
# levels; and the logarithm of the odds that is as good as certain (150:1).
LEAST_WARMTH, CERTAIN = -0.03, 5.0
# Below this quality what was found is no leaf: noise has 0.00, the worst of
# 480 leaves 0.39.
LEAST_QUALITY = 0.25


def leaf_mask(rgb_img: np.ndarray) -> np.ndarray:
    """Return where the leaf is: bool (H, W) for RGB uint8 (H, W, 3).

    All False where nothing looks like a leaf.
    """
    return find_leaf(rgb_img)[0]


def find_leaf(rgb_img: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the leaf's mask, bool (H, W), and its quality, 0..1.

    The ground is what the image's frame shows.  A pixel is leaf if its
    colour, compared with the ground's, is that of a leaf and not that of a
    shadow (`leafness`).  Of what is found, the largest connected part is
    the leaf, with others not much smaller; its holes are filled, for these
    are lesions, unless they show the ground.

    The quality is the product of three shares: of the leaf's area of which
    the discriminant is sure, of its outline that the frame does not cut,
    and of the largest part in all that looks like a leaf.  It is 0 without
    a leaf, 0.9 for most leaves on a table, and low in a crown of leaves.
    """
    height, width = rgb_img.shape[:2]
    if max(height, width) > LARGEST_SIDE:
        mask, quality = find_leaf(cv2.resize(
            rgb_img, reduced_size(height, width, LARGEST_SIDE),
            interpolation=cv2.INTER_AREA))
        return cv2.resize(mask.astype(np.uint8) * 255,
                          (width, height)) > 127, quality
    lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB).astype(np.float32)
    ground = ground_colour(lab_img)
    score = cv2.GaussianBlur(leafness(lab_img, ground), (0, 0),
                             max(height, width) / SMOOTHING)
    found = (score > 0).astype(np.uint8)
    finest = max(height, width) // FINEST_PART
    if finest > 1:
        found = cv2.morphologyEx(found, cv2.MORPH_OPEN,
                                 cv2.getStructuringElement(
                                     cv2.MORPH_ELLIPSE, (finest, finest)))
    outlines, _ = cv2.findContours(found, cv2.RETR_EXTERNAL,
                                   cv2.CHAIN_APPROX_NONE)
    areas = [cv2.contourArea(outline) for outline in outlines]
    if not areas or not max(areas):
        return np.zeros((height, width), bool), 0.0
    leaf = [outline for outline, area in zip(outlines, areas)
            if area >= LEAST_PART * max(areas)]
    mask = np.zeros_like(found)
    cv2.drawContours(mask, leaf, -1, 1, cv2.FILLED)
    # How much the discriminant is in doubt, of every other pixel in every
    # other row; lesions inside the leaf are certain by their place.
    doubt = 2 / (1 + np.exp(np.abs(score[::2, ::2])))
    doubtful = 4 * float(doubt[mask[::2, ::2] == found[::2, ::2]].sum())
    area = np.count_nonzero(mask)
    certain = area / (area + doubtful)
    x, y = np.concatenate(leaf)[:, 0].T
    inside = np.mean((x > 0) & (y > 0) & (x < width - 1) & (y < height - 1))
    alone = max(areas) / sum(areas)
    quality = float(certain * inside * alone)
    if quality < LEAST_QUALITY:
        return np.zeros((height, width), bool), 0.0
    open_holes(mask, found, lab_img, ground)
    return mask.astype(bool), quality


def ground_colour(lab_img: np.ndarray) -> np.ndarray:
    """Return the median colour of the frame, float32 (3,), as in lab_img."""
    width = max(1, round(FRAME * min(lab_img.shape[:2])))
    within = lab_img[width:-width]
    return np.median(np.concatenate([part.reshape(-1, 3) for part in (
        lab_img[:width], lab_img[-width:], within[:, :width],
        within[:, -width:])]), axis=0)


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


def open_holes(mask: np.ndarray, found: np.ndarray, lab_img: np.ndarray,
               ground: np.ndarray) -> None:
    """Take out of a mask, in place, the holes that show the ground.

    mask, found: uint8 (H, W), with and without its holes filled.
    """
    unfilled = mask & ~found & 1
    if np.count_nonzero(unfilled) < LEAST_HOLE * mask.size:
        return
    count, holes, facts, _ = cv2.connectedComponentsWithStats(
        unfilled, connectivity=4)
    areas = facts[:, cv2.CC_STAT_AREA]
    inside = holes > 0
    numbers, colours = holes[inside], lab_img[inside]
    means = np.stack([np.bincount(numbers, colours[:, channel], count)
                      for channel in range(3)], axis=1) / areas[:, None]
    shows = ((np.abs(means - ground) <= GROUND_GAP).all(axis=1)
             & (areas >= LEAST_HOLE * mask.size))
    shows[0] = False    # all that is no hole
    mask[shows[holes]] = 0


def on_white(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the leaf alone on white, RGB uint8 (H, W, 3).

    mask: bool (H, W), True on the leaf.
    """
    return np.where(mask[..., np.newaxis], rgb_img, np.uint8(255))
