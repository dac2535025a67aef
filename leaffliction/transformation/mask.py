"""Find the leaves of an image: the mask of each, and the mask's quality.

The method, in the order in which `find_leaves` applies it:

1. Background colour: the median colour of the image's frame.
2. Discriminant: a logistic regression on the difference between each pixel
   and the background, in CIE Lab, gives the log odds that the pixel is leaf
   (`discriminant.leaf_log_odds`).  Where they are above 0 the pixel is leaf;
   a morphological opening removes grain.
3. Connected components: each connected part of these pixels is a leaf if it
   has a leaf's shape, or a piece of a larger leaf (`segmentation`).
4. Refinement: a leaf that does not fill the image is cut out of the
   photograph at full resolution and outlined again there.
5. Holes in the outline are lesions and are filled, unless they show the
   background.  The quality says how certain the result is, from 0 to 1.

Training and prediction use it as well as the views, so it needs no more than
OpenCV and NumPy: it is deterministic, and takes 3 ms for 256x256 pixels.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from leaffliction.transformation.segmentation import (MIN_PIECE_SHARE, Box,
                                                      Segmentation,
                                                      connected_parts,
                                                      fill_outlines,
                                                      group_parts, segment)
from leaffliction.utils.images import shrink

# An image whose longer side has more pixels is reduced first: 12 megapixels
# then take 0.2 s, and the outline moves by 2 pixels in 4000.
MAX_SIDE = 1024
# A leaf fills the image if its box has this fraction of the image's longer
# side; all of 5,775 photographs of one leaf reach it.
MIN_FILLING_SIDE = 0.5
# For smaller leaves: width in pixels of the opening, and the margin of the
# crop around each, as a fraction of the leaf's longer side.
FINE_OPENING, CROP_MARGIN = 3, 0.15
# A crop shows a leaf if the leaf's quality, times the fraction of the
# background around it that has one colour (within these levels of L, a and
# b), reaches MIN_CROP_QUALITY.  Without this, green areas in a crown or in a
# street would be leaves.
MIN_CROP_QUALITY, PLAIN_RANGE = 0.35, (40, 8, 8)
# A hole shows the background if its mean colour is within these levels of L,
# a and b from the background's, and its area has this fraction of the image.
HOLE_RANGE, MIN_HOLE_SHARE = (24, 6, 6), 0.0003
# Below this quality there is no leaf: noise has 0.00, the worst of 480 leaves
# 0.39.
MIN_QUALITY = 0.25
# Several leaves count only if the best of them has this quality.  In 47
# orchard photographs, several patches of one crown passed for leaves: the
# best patch has at most 0.55 in 37 of these photographs, and at most 0.69 in
# all.  The best leaf on a tray has 0.9.
MIN_BEST_OF_SEVERAL = 0.55


@dataclass(frozen=True, eq=False)
class Leaf:
    """One leaf of an image.

    box: x, y, width and height in pixels, as OpenCV's bounding boxes.
    mask: bool (height, width), True on the leaf, within its box.
    quality: 0..1, how certain it is that this is a leaf, and all of it.
    """

    box: Box
    mask: np.ndarray
    quality: float


def leaf_mask(rgb_img: np.ndarray) -> np.ndarray:
    """Return where leaves are: bool (H, W) for RGB uint8 (H, W, 3).

    All False if there is no leaf.
    """
    return number_leaves(find_leaves(rgb_img), rgb_img.shape[:2]) > 0


def number_leaves(leaves: list[Leaf], shape: tuple[int, int]) -> np.ndarray:
    """Return the number of each pixel's leaf: uint8 (H, W).

    The leaves are numbered from 1; 0 is background.  PlantCV calls this a
    labeled mask.
    """
    labels = np.zeros(shape, np.uint8)
    for number, leaf in enumerate(leaves, 1):
        x, y, width, height = leaf.box
        labels[y:y + height, x:x + width][leaf.mask] = number
    return labels


def find_leaves(rgb_img: np.ndarray) -> list[Leaf]:
    """Return the leaves of RGB uint8 (H, W, 3), in reading order.

    The method is described at the top of this file.  Leaves that touch or
    overlap are one leaf.

    The quality is the product of three fractions: how much of the leaf's
    area the discriminant is certain of, how much of its outline the image's
    edge does not cut, and how much of the area of all connected parts the
    leaves have.  It is 0.9 for most leaves on a table, and low in a crown of
    leaves.
    """
    small_img = shrink(rgb_img, MAX_SIDE)
    segmentation = segment(small_img)
    parts = connected_parts(segmentation.leaf_pixels)
    fills_image = bool(parts) and (
        max(cv2.boundingRect(parts[0])[2:])
        >= MIN_FILLING_SIDE * max(segmentation.leaf_pixels.shape))
    if not fills_image:
        segmentation = segment(small_img, FINE_OPENING)
        parts = connected_parts(segmentation.leaf_pixels)
    groups = group_parts(parts, segmentation)
    refined = []
    if not fills_image or len(groups) > 1:
        refined = [(group, leaf) for group in groups if (
            leaf := refine_at_full_resolution(rgb_img, group, segmentation))]
    # A leaf that fills the image is the only one, unless the refinement
    # confirms it and another leaf.
    if fills_image:
        is_confirmed = any(group is groups[0] for group, _ in refined)
        if not is_confirmed or len(refined) < 2:
            refined = [(groups[0], outline_at_reduced_resolution(
                groups[0], segmentation, rgb_img.shape[:2]))]
    share_of_parts = (sum(cv2.contourArea(part) for group, _ in refined
                          for part in group)
                      / max(1, sum(map(cv2.contourArea, parts))))
    return in_reading_order(good_leaves(
        [replace(leaf, quality=leaf.quality * share_of_parts)
         for _, leaf in refined]))


def good_leaves(leaves: list[Leaf]) -> list[Leaf]:
    """Return the leaves of at least MIN_QUALITY.

    If there are several, and none of them reaches MIN_BEST_OF_SEVERAL,
    return no leaf at all.
    """
    leaves = [leaf for leaf in leaves if leaf.quality >= MIN_QUALITY]
    if len(leaves) > 1 and max(
            leaf.quality for leaf in leaves) < MIN_BEST_OF_SEVERAL:
        return []
    return leaves


def outline_at_reduced_resolution(
        group: list[np.ndarray], segmentation: Segmentation,
        shape: tuple[int, int]) -> Leaf:
    """Return the leaf that these outlines make, scaled to the photograph.

    shape: height and width of the photograph.
    """
    mask, quality = mask_and_quality(group, segmentation)
    if mask.shape != shape:
        mask = cv2.resize(mask * 255, shape[::-1]) > 127
    return crop_leaf(mask, (0, 0), quality)


def refine_at_full_resolution(
        rgb_img: np.ndarray, group: list[np.ndarray], coarse: Segmentation
        ) -> Leaf | None:
    """Return a leaf, segmented again in the part of the photograph around it.

    The mask then depends neither on the size of the photograph nor on the
    other leaves in it.
    group: the leaf's outlines in the coarse segmentation, which may be of
    the photograph reduced.
    Returns None if the crop does not show one leaf on a plain background.
    """
    height, width = rgb_img.shape[:2]
    left, upper, right, lower = crop_bounds(group, coarse, (height, width))
    full_size = right - left, lower - upper
    crop_img = shrink(rgb_img[upper:lower, left:right], MAX_SIDE)
    rows = coarse_indices(crop_img.shape[0], (upper, lower), height,
                          coarse.leaf_pixels.shape[0])
    columns = coarse_indices(crop_img.shape[1], (left, right), width,
                             coarse.leaf_pixels.shape[1])
    pixels = np.ix_(rows, columns)
    this_leaf = fill_outlines(
        group, (0, 0, *coarse.leaf_pixels.shape[::-1]))[pixels]
    any_leaf = cv2.dilate(coarse.leaf_pixels,
                          np.ones((3, 3), np.uint8))[pixels]
    fine = segment(crop_img, leaf=any_leaf > 0, background=coarse.background)
    parts = parts_of_leaf(connected_parts(fine.leaf_pixels), this_leaf)
    if not parts:
        return None
    mask, quality = mask_and_quality(parts, fine, (
        left == 0, upper == 0, right == width, lower == height))
    background = (fine.leaf_pixels == 0) & (any_leaf == 0)
    plain = (np.abs(fine.lab_img - fine.background)
             <= PLAIN_RANGE).all(axis=2)
    if quality * np.count_nonzero(plain & background) < (
            MIN_CROP_QUALITY * max(1, np.count_nonzero(background))):
        return None
    if mask.shape[::-1] != full_size:
        mask = (cv2.resize(mask * 255, full_size) > 127).astype(np.uint8)
    return crop_leaf(mask, (left, upper), quality)


def crop_bounds(group: list[np.ndarray], coarse: Segmentation,
                shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, upper, right and lower end of the crop around a leaf.

    They are in pixels of the photograph.
    shape: height and width of the photograph.
    """
    size = np.array(shape[::-1])
    scale = size / coarse.leaf_pixels.shape[::-1]
    x, y, *leaf_size = cv2.boundingRect(np.concatenate(group))
    margin = CROP_MARGIN * max(leaf_size)
    low = np.floor(np.maximum((x, y) * scale - margin * scale - 1, 0))
    high = np.ceil(np.minimum(
        (np.add((x, y), leaf_size) + margin) * scale + 1, size))
    return *low.astype(int), *high.astype(int)


def coarse_indices(count: int, bounds: tuple[int, int], length: int,
                   coarse_length: int) -> np.ndarray:
    """Return, for each pixel of a crop, its index in the coarse segmentation.

    Along one axis: count is the crop's pixels, bounds where it begins and
    ends in the photograph, length the photograph's pixels, coarse_length the
    segmentation's.
    """
    start, end = bounds
    centres = (np.arange(count) + 0.5) * (end - start) / count + start
    return np.minimum(centres / (length / coarse_length),
                      coarse_length - 1).astype(int)


def parts_of_leaf(parts: list[np.ndarray], leaf: np.ndarray
                  ) -> list[np.ndarray]:
    """Return the parts that lie on a leaf, without crumbs.

    A part lies on the leaf if more than half of its outline or of its area
    does.  A crumb has less than MIN_PIECE_SHARE of the largest part's area.
    leaf: uint8 (H, W), 1 on the leaf.
    """
    def lies_on_leaf(part: np.ndarray) -> bool:
        if leaf[part[:, 0, 1], part[:, 0, 0]].mean() > 0.5:
            return True
        x, y, width, height = box = cv2.boundingRect(part)
        common = (fill_outlines([part], box)
                  & leaf[y:y + height, x:x + width]).sum()
        return common > 0.5 * cv2.contourArea(part)
    parts = list(filter(lies_on_leaf, parts))
    return [part for part in parts if cv2.contourArea(part)
            >= MIN_PIECE_SHARE * cv2.contourArea(parts[0])]


def mask_and_quality(
        outlines: list[np.ndarray], segmentation: Segmentation,
        cuts: tuple[bool, bool, bool, bool] = (True,) * 4
        ) -> tuple[np.ndarray, float]:
    """Return a leaf's mask, uint8 (H, W), and its quality, 0..1.

    cuts: whether the left, upper, right and lower edge of the segmentation
    are edges of the photograph, which cut a leaf that touches them.
    """
    height, width = segmentation.leaf_pixels.shape
    mask = fill_outlines(outlines, (0, 0, width, height))
    # Twice the probability that a pixel is on the wrong side: 0..1.  Every
    # second pixel of every second row is enough.  Filled holes are excluded,
    # because leaf surrounds them.
    doubt = 2 / (1 + np.exp(np.abs(segmentation.log_odds[::2, ::2])))
    doubtful_area = 4 * float(doubt[
        mask[::2, ::2] == segmentation.leaf_pixels[::2, ::2]].sum())
    area = np.count_nonzero(mask)
    x, y = np.concatenate(outlines)[:, 0].T
    left, upper, right, lower = cuts
    is_cut = ((x == 0) & left | (y == 0) & upper | (x == width - 1) & right
              | (y == height - 1) & lower)
    open_holes(mask, segmentation)
    return mask, float(area / (area + doubtful_area) * np.mean(~is_cut))


def open_holes(mask: np.ndarray, segmentation: Segmentation) -> None:
    """Remove from a mask, uint8 (H, W), the holes that show the background.

    The other holes are lesions and remain filled.
    """
    filled = mask & ~segmentation.leaf_pixels & 1
    if np.count_nonzero(filled) < MIN_HOLE_SHARE * mask.size:
        return
    count, holes, stats, _ = cv2.connectedComponentsWithStats(
        filled, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    inside = holes > 0
    numbers, colours = holes[inside], segmentation.lab_img[inside]
    means = np.stack([np.bincount(numbers, colours[:, channel], count)
                      for channel in range(3)], axis=1) / areas[:, None]
    is_background = (
        (np.abs(means - segmentation.background) <= HOLE_RANGE).all(axis=1)
        & (areas >= MIN_HOLE_SHARE * mask.size))
    is_background[0] = False    # component 0 is everything but the holes
    mask[is_background[holes]] = 0


def crop_leaf(mask: np.ndarray, corner: tuple[int, int], quality: float
              ) -> Leaf:
    """Return the leaf of a mask, reduced to its bounding box.

    mask: uint8 or bool.  corner: x and y of its first pixel in the image.
    """
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return Leaf((int(corner[0] + x), int(corner[1] + y), width, height),
                mask[y:y + height, x:x + width].astype(bool), quality)


def in_reading_order(leaves: list[Leaf]) -> list[Leaf]:
    """Return the leaves row by row, each row from left to right.

    A row begins with the highest leaf that remains, and contains all leaves
    whose centre is not below the lower end of that leaf.
    """
    remaining, ordered = sorted(leaves, key=lambda leaf: leaf.box[1]), []
    while remaining:
        _, top, _, row_height = remaining[0].box
        row, below = [], []
        for leaf in remaining:
            _, y, _, height = leaf.box
            is_in_row = y + height / 2 <= top + row_height
            (row if is_in_row else below).append(leaf)
        ordered += sorted(row, key=lambda leaf: leaf.box[0])
        remaining = below
    return ordered


def on_white(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the leaf on a white background, RGB uint8 (H, W, 3).

    mask: bool (H, W), True on the leaf.
    """
    return np.where(mask[..., np.newaxis], rgb_img, np.uint8(255))
