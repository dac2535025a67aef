"""What is wrong with a leaf: the diseased tissue, by its colour alone."""

import cv2
import numpy as np

from utils.images import reduced_size

# Levels of a (CIE Lab, green to magenta) by which diseased tissue is further
# from green than the leaf's own healthy tissue; less are veins and light.
REDDER = 10
# The greenest part of a leaf, which is taken for healthy.
HEALTHY = 0.25
# Levels of lightness above the healthy tissue's, and share of its yellow
# below which, so bright a pixel is a reflection of the sky.
GLARE_LIGHTER, GLARE_PALER = 15, 0.6
# In the shade colours are weaker, but not by more than this.
DARKEST = 0.4
# Of an image of 256 pixels: what the opening takes for a stem (pixels), the
# leaf's edge that is mixed with the ground, grain, and the blur's deviation.
STEM, EDGE, GRAIN, BLUR = 13, 2, 3, 0.7
# Area of the smallest spot, in parts of the leaf: 10 of 25,000 pixels.
LEAST_SPOT = 4e-4
# Pixels of the longer side beyond which an image is reduced first.
LARGEST_SIDE = 512


def find_lesions(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the diseased tissue: bool (H, W).

    rgb_img: RGB uint8 (H, W, 3).  mask: the leaf, bool (H, W).
    The leaf itself says what healthy is: the median colour of its greenest
    quarter.  Tissue is diseased where it is further from green than healthy
    tissue would be in the same light, since shade weakens the colours and
    the lightness alike.  Stem and edge are left out; reflections are not
    diseased.  So a leaf that is brown all over has no lesions to this.
    """
    height, width = mask.shape
    if max(height, width) > LARGEST_SIDE:
        size = reduced_size(height, width, LARGEST_SIDE)
        small = find_lesions(
            cv2.resize(rgb_img, size, interpolation=cv2.INTER_AREA),
            cv2.resize(mask.astype(np.uint8), size,
                       interpolation=cv2.INTER_NEAREST) > 0)
        large = cv2.resize(small.astype(np.uint8) * 255, (width, height))
        return (large > 127) & mask
    unit = max(height, width) / 256
    leaf = mask.astype(np.uint8)
    blade = cv2.erode(cv2.morphologyEx(leaf, cv2.MORPH_OPEN,
                                       _disc(STEM * unit)),
                      _disc((2 * EDGE + 1) * unit)) > 0
    if not blade.any():
        return np.zeros_like(mask)
    lab_img = cv2.GaussianBlur(
        cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB).astype(np.float32), (0, 0),
        max(0.3, BLUR * unit))
    light, red, yellow = cv2.split(lab_img - np.float32((0, 128, 128)))
    greenest = blade & (red <= np.quantile(red[blade], HEALTHY))
    healthy_light, healthy_red, healthy_yellow = (
        np.median(channel[greenest]) for channel in (light, red, yellow))
    expected = healthy_red * np.clip(light / max(healthy_light, 1), DARKEST,
                                     1)
    glare = ((light > healthy_light + GLARE_LIGHTER)
             & (yellow < GLARE_PALER * healthy_yellow))
    diseased = blade & (red - expected > REDDER) & ~glare
    diseased = cv2.morphologyEx(diseased.astype(np.uint8), cv2.MORPH_OPEN,
                                _disc(GRAIN * unit))
    _, spots, facts, _ = cv2.connectedComponentsWithStats(diseased)
    is_spot = (facts[:, cv2.CC_STAT_AREA]
               >= LEAST_SPOT * np.count_nonzero(mask))
    is_spot[0] = False    # all the rest
    return is_spot[spots]


def count_spots(lesions: np.ndarray) -> int:
    """Return the number of separate spots in a mask of lesions."""
    return cv2.connectedComponents(lesions.astype(np.uint8))[0] - 1


def _disc(diameter: float) -> np.ndarray:
    """Return a round kernel of about that many pixels across."""
    side = max(1, round(diameter))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
