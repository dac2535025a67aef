"""Find the diseased tissue of a leaf by its colour alone.

The colour of healthy tissue is the median colour of the leaf's greenest
quarter.  Tissue is diseased where it is further from green (a of CIE Lab)
than healthy tissue would be in the same light.  The leaf is first resized to
a fixed area, so that sizes in pixels mean the same for every photograph.
"""

import math

import cv2
import numpy as np

from leaffliction.transformation.segmentation import Box

# Tissue is diseased if its a (CIE Lab, green to magenta) exceeds that of
# healthy tissue by these levels; veins and uneven light differ by less.
MIN_REDNESS = 10
# The greenest tissue, this fraction of the leaf, is taken for healthy.
HEALTHY_SHARE = 0.25
# A pixel this much lighter than healthy tissue, and with less than this
# fraction of its yellow (b of CIE Lab), is a reflection of the sky.
GLARE_LIGHTNESS, GLARE_YELLOW = 15, 0.6
# Colours are weaker in the shade, but not by more than this factor.
MIN_SHADE = 0.4
# The leaf is resized to the area of a square with a side of 176 pixels, the
# area of most leaves that fill a photograph of 256; but the longer side of a
# thin leaf to at most MAX_SIDE pixels.
LEAF_SIDE, MAX_SIDE = 176, 512
# In pixels at that size: the diameter of the opening that removes the stem,
# the width of the edge whose colour is mixed with the background's, the
# diameter of the opening that removes grain, the standard deviation of the
# blur, and the margin around the leaf that these need.
STEM, EDGE, GRAIN, BLUR, MARGIN = 13, 2, 3, 0.7, 4
# For a leaf that is enlarged: the width of the mixed edge in pixels of the
# photograph, and the standard deviation of the blur that a pixel itself is (a
# square of side 1 has 1 / sqrt(12)).
PHOTO_EDGE, PIXEL_BLUR = 0.75, 0.29
# A leaf enlarged by more than MIN_SHARPENED is sharpened (unsharp mask) by at
# most SHARPEN, with a blur of SHARPEN_BLUR pixels of the photograph.  Without
# it the lesions of a leaf of 60 pixels are 14 % smaller than at 256, as its
# spots are pale.
MIN_SHARPENED, SHARPEN, SHARPEN_BLUR = 1.3, 0.5, 0.4
# Area of the smallest spot as a fraction of the leaf: 10 of 25,000 pixels.
MIN_SPOT_SHARE = 4e-4


def find_lesions(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the diseased tissue of a leaf: bool (H, W).

    rgb_img: RGB uint8 (H, W, 3).  mask: one leaf, bool (H, W).
    """
    lesions = np.zeros_like(mask)
    x, y, width, height = box = cv2.boundingRect(mask.astype(np.uint8))
    window = np.s_[y:y + height, x:x + width]
    lesions[window] = find_lesions_in_box(rgb_img, mask[window], box)
    return lesions


def find_lesions_in_box(rgb_img: np.ndarray, mask: np.ndarray,
                        box: Box) -> np.ndarray:
    """Return the diseased tissue of a leaf: bool (height, width).

    rgb_img: the whole image, RGB uint8 (H, W, 3).
    mask: one leaf, bool (height, width), within its box (x, y, width,
    height).

    The result does not depend on the image around the leaf, and hardly on
    the leaf's size: from 200 pixels on, the share of lesions stays within a
    tenth for 98 % of leaves; at 100 pixels for 85 %, at 60 pixels for 62 %.
    Stem, edge and reflections never count as diseased.  A leaf that is brown
    all over has no lesions, because the tissue taken for healthy is brown as
    well.
    """
    area = np.count_nonzero(mask)
    if not area:
        return np.zeros_like(mask)
    x, y, width, height = box
    zoom = min(LEAF_SIDE / area ** 0.5, MAX_SIDE / max(width, height))
    margin = math.ceil(MARGIN / zoom)
    # The margin, as far as the image has room for it.
    left, upper = min(x, margin), min(y, margin)
    right = min(rgb_img.shape[1] - x - width, margin)
    lower = min(rgb_img.shape[0] - y - height, margin)
    crop_img = rgb_img[y - upper:y + height + lower,
                       x - left:x + width + right]
    crop_mask = np.pad(mask.astype(np.uint8) * 255,
                       ((upper, lower), (left, right)))
    crop_size = crop_mask.shape[::-1]
    size = tuple(max(1, round(side * zoom)) for side in crop_size)
    leaf_img = cv2.resize(crop_img, size, interpolation=cv2.INTER_AREA
                          if zoom < 1 else cv2.INTER_CUBIC)
    leaf = cv2.resize(crop_mask, size, interpolation=cv2.INTER_AREA
                      if zoom < 1 else cv2.INTER_LINEAR) > 127
    lesions = resize_to_photograph(
        lesions_at_fixed_area(leaf_img, leaf.astype(np.uint8), zoom),
        crop_size, zoom)
    return lesions[upper:upper + height, left:left + width] & mask


def resize_to_photograph(lesions: np.ndarray, size: tuple[int, int],
                         zoom: float) -> np.ndarray:
    """Return a mask, bool, at the size (width, height) of the photograph.

    zoom: pixels of the given mask for one of the photograph.
    Where the photograph has fewer pixels than the mask, the pixels that the
    lesions cover most become lesions, as many as keep the area.  A threshold
    of half a pixel would lose small spots.
    """
    if zoom < 1:
        return cv2.resize(lesions.astype(np.uint8) * 255, size) > 127
    coverage = cv2.resize(lesions.astype(np.float32), size,
                          interpolation=cv2.INTER_AREA)
    covered = coverage[coverage > 0]
    count = min(len(covered), round(np.count_nonzero(lesions) / zoom ** 2))
    if not count:
        return np.zeros_like(coverage, bool)
    return coverage >= np.partition(covered, -count)[-count]


def lesions_at_fixed_area(rgb_img: np.ndarray, leaf: np.ndarray, zoom: float
                          ) -> np.ndarray:
    """Return the diseased tissue of a leaf of fixed area: bool (H, W).

    rgb_img: RGB uint8 (H, W, 3).  leaf: uint8 (H, W), 1 on the leaf.
    zoom: pixels here for one of the photograph.
    """
    # A thin leaf is smaller than the fixed area: sizes in pixels shrink.
    unit = np.count_nonzero(leaf) ** 0.5 / LEAF_SIDE
    without_stem = cv2.morphologyEx(leaf, cv2.MORPH_OPEN, _disc(STEM * unit))
    edge = max(EDGE * unit, PHOTO_EDGE * zoom)
    blade = cv2.erode(without_stem, _disc(2 * edge + 1)) > 0
    if not blade.any():
        return blade
    lightness, a, b = cv2.split(
        smoothed_lab(rgb_img, unit, zoom) - np.float32((0, 128, 128)))
    greenest = blade & (a <= np.quantile(a[blade], HEALTHY_SHARE))
    healthy_lightness, healthy_a, healthy_b = (
        np.median(channel[greenest]) for channel in (lightness, a, b))
    # Shade weakens colour and lightness alike.
    expected_a = healthy_a * np.clip(
        lightness / max(healthy_lightness, 1), MIN_SHADE, 1)
    glare = ((lightness > healthy_lightness + GLARE_LIGHTNESS)
             & (b < GLARE_YELLOW * healthy_b))
    diseased = blade & (a - expected_a > MIN_REDNESS) & ~glare
    diseased = cv2.morphologyEx(diseased.astype(np.uint8), cv2.MORPH_OPEN,
                                _disc(GRAIN * unit))
    _, spots, stats, _ = cv2.connectedComponentsWithStats(diseased)
    is_spot = (stats[:, cv2.CC_STAT_AREA]
               >= MIN_SPOT_SHARE * np.count_nonzero(leaf))
    is_spot[0] = False    # component 0 is everything that is not diseased
    return is_spot[spots]


def smoothed_lab(rgb_img: np.ndarray, unit: float, zoom: float) -> np.ndarray:
    """Return the image in CIE Lab, equally sharp for all photographs.

    As OpenCV scales it to 0..255, float32 (H, W, 3).  unit and zoom: as in
    `lesions_at_fixed_area`.
    """
    lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB).astype(np.float32)
    # The pixels of a leaf that was enlarged have blurred it already.
    variance = (BLUR * unit) ** 2 - PIXEL_BLUR ** 2 * (max(zoom, 1) ** 2 - 1)
    if variance > 0:
        lab_img = cv2.GaussianBlur(lab_img, (0, 0), max(0.3, variance ** 0.5))
    if zoom > MIN_SHARPENED:
        lab_img += SHARPEN * min(1, zoom - MIN_SHARPENED) * (
            lab_img - cv2.GaussianBlur(lab_img, (0, 0), SHARPEN_BLUR * zoom))
    return lab_img


def count_spots(lesions: np.ndarray) -> int:
    """Return the number of separate spots in a mask of lesions."""
    return cv2.connectedComponents(lesions.astype(np.uint8))[0] - 1


def _disc(diameter: float) -> np.ndarray:
    """Return a round kernel whose diameter is the nearest odd number.

    An even one would move what it opens or erodes by half a pixel.
    """
    side = 2 * round((diameter - 1) / 2) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
