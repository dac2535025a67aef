"""Segment an image into leaf and background, and group its parts into leaves.

`segment` marks the pixels that have a leaf's colour, `connected_parts`
outlines their connected components, and `group_parts` decides which of these
are leaves and which are pieces of the same leaf.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from leaffliction.transformation.discriminant import (background_colour,
                                                      leaf_log_odds)

# The image's longer side divided by the width of the opening: 3 pixels at
# 256, which removes the grain of paper but no stems, as these are wider.
OPENINGS_PER_SIDE = 85
# The image's longer side divided by the standard deviation of the blur that
# removes the noise of single pixels: 0.7 pixels at 256.
BLURS_PER_SIDE = 365

# The shares below are fractions of the area of the image's largest part.
# A piece of a leaf that a fold or a shadow cuts has at least this share.
MIN_PIECE_SHARE = 0.25
# A separate leaf has at least this share and this many pixels (of an image
# reduced to 1024 pixels).  A labelled mask of uint8 has room for 255 leaves.
MIN_LEAF_SHARE, MIN_LEAF_AREA, MAX_LEAVES = 0.02, 40, 255
# Least solidity of a leaf (its area divided by its convex hull's), least
# solidity of one with less than MIN_PIECE_SHARE, and least ratio of a leaf's
# shorter to its longer side.
MIN_SOLIDITY, MIN_SOLIDITY_SMALL, MIN_ASPECT = 0.6, 0.75, 0.25
# Least mean of the absolute log odds inside a leaf, and inside one whose
# solidity is below RAGGED, as of a leaf that is partly in a shadow.
MIN_CERTAINTY, MIN_CERTAINTY_RAGGED, RAGGED = 1.0, 2.0, 0.85

# Two parts are pieces of one leaf if the gap between them (within their
# convex hull) is not certain to be background.  The mean log odds of the gap
# are above -1.8 in leaves cut in two, below -2.6 between two leaves.
MAX_BACKGROUND_LOG_ODDS = -2.2
# They are also pieces of one leaf if the gap is no wider than MAX_GAP times
# the smaller part's side (the square root of its area), both together fill
# MIN_HULL_FILL of their convex hull, and either MIN_SHARED_EDGE of the smaller
# outline runs along the gap, or the gap's mean log odds are above
# SHADOW_LOG_ODDS, as in a shadow.
MAX_GAP, MIN_HULL_FILL, MIN_SHARED_EDGE, SHADOW_LOG_ODDS = 0.2, 0.78, 0.2, -3.3

# x, y, width and height in pixels, as OpenCV's bounding boxes.
Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The pixels of an image, classified as leaf or background.

    lab_img: CIE Lab as OpenCV scales it, float32 (H, W, 3).
    background: the background's colour in that scale, (3,).
    log_odds: blurred log odds that a pixel is leaf, float32 (H, W).
    leaf_pixels: uint8 (H, W), 1 on leaf, 0 on background.
    """

    lab_img: np.ndarray
    background: np.ndarray
    log_odds: np.ndarray
    leaf_pixels: np.ndarray


def segment(rgb_img: np.ndarray, opening: int | None = None,
            leaf: np.ndarray | None = None,
            background: np.ndarray | None = None) -> Segmentation:
    """Classify each pixel of RGB uint8 (H, W, 3) as leaf or background.

    opening: width of the morphological opening in pixels, odd; None: as for
    a leaf that fills the image.
    leaf: bool (H, W), pixels of the frame that are not background.
    background: the colour to use if the frame shows too little background.
    """
    side = max(rgb_img.shape)
    lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB).astype(np.float32)
    frame_colour = background_colour(lab_img, leaf)
    background = background if frame_colour is None else frame_colour
    # Odd: an opening with an even kernel would move the leaf by a pixel.
    opening = opening or side // OPENINGS_PER_SIDE | 1
    blur = min(side, (opening + 1) * OPENINGS_PER_SIDE) / BLURS_PER_SIDE
    log_odds = cv2.GaussianBlur(leaf_log_odds(lab_img, background), (0, 0),
                                blur)
    leaf_pixels = (log_odds > 0).astype(np.uint8)
    if opening > 1:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE,
                                           (opening, opening))
        leaf_pixels = cv2.morphologyEx(leaf_pixels, cv2.MORPH_OPEN, kernel)
    return Segmentation(lab_img, background, log_odds, leaf_pixels)


def connected_parts(leaf_pixels: np.ndarray) -> list[np.ndarray]:
    """Return the outlines of the connected parts, the largest first.

    leaf_pixels: uint8 (H, W).  Each outline is int32 (N, 1, 2), points
    (x, y) as OpenCV's contours.
    """
    outlines, _ = cv2.findContours(leaf_pixels, cv2.RETR_EXTERNAL,
                                   cv2.CHAIN_APPROX_NONE)
    return sorted(filter(cv2.contourArea, outlines), key=cv2.contourArea,
                  reverse=True)


def group_parts(parts: list[np.ndarray], segmentation: Segmentation
                ) -> list[list[np.ndarray]]:
    """Return for each leaf the outlines of its parts, the largest leaf first.

    parts: outlines, the largest first.  The largest is a leaf in any case.
    """
    leaves = [[part] for part in parts[:1]]
    for part in parts[1:]:
        share = cv2.contourArea(part) / cv2.contourArea(parts[0])
        if share < MIN_LEAF_SHARE or len(leaves) == MAX_LEAVES:
            break
        is_small = share < MIN_PIECE_SHARE
        whole = next((leaf for leaf in leaves
                      if is_piece(part, leaf, segmentation)), None)
        if whole is None:
            if is_leaf(part, segmentation, is_small):
                leaves.append([part])
        elif not is_small:
            whole.append(part)
    return leaves


def is_leaf(part: np.ndarray, segmentation: Segmentation, is_small: bool
            ) -> bool:
    """Return whether a part has a leaf's shape and, certainly, its colour."""
    area = cv2.contourArea(part)
    sides = cv2.minAreaRect(part)[1]
    solidity = area / cv2.contourArea(cv2.convexHull(part))
    if (area < MIN_LEAF_AREA or min(sides) < MIN_ASPECT * max(sides)
            or solidity < (MIN_SOLIDITY_SMALL if is_small else MIN_SOLIDITY)):
        return False
    x, y, width, height = box = cv2.boundingRect(part)
    inside = fill_outlines([part], box) > 0
    log_odds = segmentation.log_odds[y:y + height, x:x + width]
    certainty = float(np.abs(log_odds[inside]).mean())
    return certainty >= (MIN_CERTAINTY_RAGGED if solidity < RAGGED
                         else MIN_CERTAINTY)


def is_piece(part: np.ndarray, leaf: list[np.ndarray],
             segmentation: Segmentation) -> bool:
    """Return whether a part is a piece of a larger leaf.

    Two leaves are separated by background.  Two pieces of one leaf are
    separated by leaf in a dark shadow or in bright light, or by a narrow gap
    along a long edge.
    """
    side = cv2.contourArea(part) ** 0.5
    outline = np.concatenate(leaf)
    if box_distance(cv2.boundingRect(part), cv2.boundingRect(outline)) > side:
        return False
    both = np.concatenate([part, *leaf])
    hull = cv2.convexHull(both)
    x, y, width, height = box = cv2.boundingRect(both)
    whole = fill_outlines(leaf, box)
    window = np.s_[y:y + height, x:x + width]
    # A third leaf may lie between the two: its pixels are no gap.
    gap = (fill_outlines([hull], box) > 0) & (
        whole | fill_outlines([part], box) | segmentation.leaf_pixels[window]
        == 0)
    gap_log_odds = (float(segmentation.log_odds[window][gap].mean())
                    if gap.any() else 0)
    if gap_log_odds > MAX_BACKGROUND_LOG_ODDS:
        return True
    area = sum(map(cv2.contourArea, [part, *leaf]))
    to_leaf = cv2.distanceTransform(1 - whole, cv2.DIST_L2, 5)
    points = part[:, 0] - (x, y)
    distances = to_leaf[points[:, 1], points[:, 0]]
    if (distances.min() > MAX_GAP * side
            or area < MIN_HULL_FILL * cv2.contourArea(hull)):
        return False
    along_gap = distances <= 1.2 * distances.min() + 0.02 * side
    return bool(along_gap.mean() >= MIN_SHARED_EDGE
                or gap_log_odds > SHADOW_LOG_ODDS)


def box_distance(one: Box, other: Box) -> int:
    """Return the larger of the gaps in x and in y between two boxes.

    It is negative where the boxes overlap.
    """
    return max(max(start - other_start - other_length,
                   other_start - start - length)
               for start, length, other_start, other_length in zip(
                   one[:2], one[2:], other[:2], other[2:]))


def fill_outlines(outlines: list[np.ndarray], box: Box) -> np.ndarray:
    """Return 1 inside the outlines, 0 elsewhere in the box: uint8 (H, W)."""
    x, y, width, height = box
    mask = np.zeros((height, width), np.uint8)
    cv2.drawContours(mask, outlines, -1, 1, cv2.FILLED, offset=(-x, -y))
    return mask
