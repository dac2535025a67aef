"""What is wrong with a leaf: the diseased tissue, by its colour alone."""

import math

import cv2
import numpy as np

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
# The leaf's scale: each is looked at as if its area were that of a square of
# so many pixels, as most have that fill a photograph of 256; but at no more
# than LARGEST_SIDE pixels, for a thin one is long.
SIDE, LARGEST_SIDE = 176, 512
# At that scale: what the opening takes for a stem (pixels), the leaf's edge
# that is mixed with the ground, grain, the blur's deviation, and the margin
# round the leaf that it needs.
STEM, EDGE, GRAIN, BLUR, MARGIN = 13, 2, 3, 0.7, 4
# The edge in pixels of the photograph, where these are the larger ones; and
# the deviation of what a pixel blurs, a square's.
MIXED, PIXEL = 0.75, 0.29
# Enlarged by more than this, a leaf is sharpened: by how much, and over which
# deviation (pixels of the photograph).  Without it leaves of 60 pixels have
# 14 % less lesions than the same leaves at 256, for their spots are pale.
ENLARGED, SHARPER, SHARPER_OVER = 1.3, 0.5, 0.4
# Area of the smallest spot, in parts of the leaf: 10 of 25,000 pixels.
LEAST_SPOT = 4e-4


def find_lesions(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the diseased tissue: bool (H, W).

    rgb_img: RGB uint8 (H, W, 3).  mask: one leaf, bool (H, W).
    The leaf itself says what healthy is: the median colour of its greenest
    quarter.  Tissue is diseased where it is further from green than healthy
    tissue would be in the same light, since shade weakens the colours and
    the lightness alike.  Stem and edge are left out; reflections are not
    diseased.  So a leaf that is brown all over has no lesions to this.

    The leaf is cut out and resized to one area, so that the result depends
    neither on the image around it nor on its size: from 200 pixels on 98 %
    of leaves stay within a tenth, at 100 pixels 85 %, at 60 62 %.
    """
    lesions = np.zeros_like(mask)
    area = np.count_nonzero(mask)
    if not area:
        return lesions
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    zoom = min(SIDE / area ** 0.5, LARGEST_SIDE / max(width, height))
    margin = math.ceil(MARGIN / zoom)
    box = np.s_[max(0, y - margin):y + height + margin,
                max(0, x - margin):x + width + margin]
    height, width = mask[box].shape
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    leaf = cv2.resize(mask[box].astype(np.uint8) * 255, size,
                      interpolation=cv2.INTER_AREA if zoom < 1
                      else cv2.INTER_LINEAR)
    found = lesions_at_scale(
        cv2.resize(rgb_img[box], size, interpolation=cv2.INTER_AREA
                   if zoom < 1 else cv2.INTER_CUBIC),
        (leaf > 127).astype(np.uint8), zoom)
    lesions[box] = unzoomed(found, (width, height), zoom) & mask[box]
    return lesions


def unzoomed(found: np.ndarray, size: tuple[int, int], zoom: float
             ) -> np.ndarray:
    """Return a mask, bool, at the size (width, height) of the photograph.

    Where pixels become larger, those that it covers most are taken, so many
    that its area stays: half of a pixel as limit would lose small spots.
    """
    if zoom < 1:
        return cv2.resize(found.astype(np.uint8) * 255, size) > 127
    covered = cv2.resize(found.astype(np.float32), size,
                         interpolation=cv2.INTER_AREA)
    some = covered[covered > 0]
    count = min(len(some), round(np.count_nonzero(found) / zoom ** 2))
    if not count:
        return np.zeros_like(covered, bool)
    return covered >= np.partition(some, -count)[-count]


def lesions_at_scale(rgb_img: np.ndarray, leaf: np.ndarray, zoom: float
                     ) -> np.ndarray:
    """Return the diseased tissue of a leaf at its scale: bool (H, W).

    rgb_img: RGB uint8 (H, W, 3).  leaf: uint8 (H, W), 1 on the leaf.
    zoom: pixels here for one of the photograph.
    """
    unit = np.count_nonzero(leaf) ** 0.5 / SIDE
    blade = cv2.erode(cv2.morphologyEx(leaf, cv2.MORPH_OPEN,
                                       _disc(STEM * unit)),
                      _disc(2 * max(EDGE * unit, MIXED * zoom) + 1)) > 0
    if not blade.any():
        return blade
    lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB).astype(np.float32)
    # Large pixels have blurred the leaf already.
    blur = (BLUR * unit) ** 2 - PIXEL ** 2 * (max(zoom, 1) ** 2 - 1)
    if blur > 0:
        lab_img = cv2.GaussianBlur(lab_img, (0, 0), max(0.3, blur ** 0.5))
    if zoom > ENLARGED:
        lab_img += SHARPER * min(1, zoom - ENLARGED) * (
            lab_img - cv2.GaussianBlur(lab_img, (0, 0), SHARPER_OVER * zoom))
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
               >= LEAST_SPOT * np.count_nonzero(leaf))
    is_spot[0] = False    # all the rest
    return is_spot[spots]


def count_spots(lesions: np.ndarray) -> int:
    """Return the number of separate spots in a mask of lesions."""
    return cv2.connectedComponents(lesions.astype(np.uint8))[0] - 1


def _disc(diameter: float) -> np.ndarray:
    """Return a round kernel of about that many pixels across, an odd number.

    An even one would move what it opens or erodes.
    """
    side = 2 * round((diameter - 1) / 2) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
