"""The analysis of the leaves of one photograph, each result computed once.

The views and the measurements of a photograph need the same results: masks,
lesions, colour counts, and PlantCV's analysis of size and shape.  They read
them here.  Each is computed when it is first needed, and stored.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from leaffliction.transformation.annotations import (MAGENTA, line_width,
                                                     write_numbers)
from leaffliction.transformation.histogram import (add_counts, count_levels,
                                                   proportions)
from leaffliction.transformation.lesions import find_lesions_in_box
from leaffliction.transformation.mask import find_leaves, number_leaves
from leaffliction.transformation.plantcv_adapter import measure_size
from leaffliction.transformation.segmentation import Box

# Pixels around a leaf that PlantCV's drawing needs, besides a line's width.
DRAWING_MARGIN = 12


@dataclass(frozen=True, eq=False)
class LeafAnalysis:
    """One leaf of a photograph.

    rgb_img: the whole photograph, RGB uint8 (H, W, 3).
    number: of the leaf in the photograph, from 1.
    box: x, y, width and height in pixels.
    mask: bool (height, width), True on the leaf, within its box.
    quality: 0..1, how certain it is that this is a leaf, and all of it.
    """

    rgb_img: np.ndarray
    number: int
    box: Box
    mask: np.ndarray
    quality: float

    @property
    def window(self) -> tuple[slice, slice]:
        """Return the box as an index into the photograph."""
        x, y, width, height = self.box
        return np.s_[y:y + height, x:x + width]

    @property
    def longer_side(self) -> int:
        """Return the longer side of the box, in pixels."""
        return max(self.box[2:])

    @cached_property
    def area(self) -> int:
        """Return the number of the leaf's pixels."""
        return np.count_nonzero(self.mask)

    @cached_property
    def lesions(self) -> np.ndarray:
        """Return the diseased tissue: bool (height, width), in the box."""
        return find_lesions_in_box(self.rgb_img, self.mask, self.box)

    @cached_property
    def level_counts(self) -> dict[str, np.ndarray]:
        """Return {channel: pixels at each level}, as `count_levels`."""
        return count_levels(self.rgb_img[self.window], self.mask)

    @property
    def proportions(self) -> dict[str, np.ndarray]:
        """Return {channel: % of the leaf at each level}, float (256,)."""
        return proportions(self.level_counts, self.area)


@dataclass(frozen=True, eq=False)
class SizeAnalysis:
    """PlantCV's analysis of the leaves' size and shape.

    drawing: the photograph with each leaf's outline, hull and axes, and its
    number if there are several; RGB uint8 (H, W, 3).
    values: for each leaf {PlantCV's name: value}.
    """

    drawing: np.ndarray
    values: list[dict]


@dataclass(frozen=True, eq=False)
class ImageAnalysis:
    """A photograph and the analysis of each leaf in it.

    rgb_img: RGB uint8 (H, W, 3).
    labels: uint8 (H, W), the number of each pixel's leaf, or 0.
    leaves: in the order of their numbers; there may be none.
    """

    rgb_img: np.ndarray
    labels: np.ndarray
    leaves: tuple[LeafAnalysis, ...]

    @cached_property
    def size(self) -> SizeAnalysis:
        """Return PlantCV's analysis of all leaves, drawn on one image.

        PlantCV gets each leaf in a crop.  Its own option n_labels searches
        the whole image for each leaf, which takes 10 s instead of 0.4 for 12
        leaves on 12 megapixels.
        """
        drawing = self.rgb_img.copy()
        values = [draw_size(drawing, leaf) for leaf in self.leaves]
        return SizeAnalysis(self.write_numbers(drawing), values)

    @property
    def proportions(self) -> dict[str, np.ndarray]:
        """Return {channel: % of all leaves at each level}, float (256,)."""
        return proportions(
            add_counts([leaf.level_counts for leaf in self.leaves]),
            sum(leaf.area for leaf in self.leaves))

    def write_numbers(self, view: np.ndarray) -> np.ndarray:
        """Write each leaf's number beside it, in place; return the view."""
        return write_numbers(
            view, [(leaf.number, *leaf.box[:2]) for leaf in self.leaves])


def analyse_image(rgb_img: np.ndarray) -> ImageAnalysis:
    """Return the analysis of the leaves in RGB uint8 (H, W, 3)."""
    leaves = find_leaves(rgb_img)
    return analyse_labels(rgb_img, number_leaves(leaves, rgb_img.shape[:2]),
                          [leaf.quality for leaf in leaves])


def analyse_labels(rgb_img: np.ndarray, labels: np.ndarray,
                   qualities: list[float]) -> ImageAnalysis:
    """Return the analysis of RGB uint8 (H, W, 3) whose leaves are known.

    labels: (H, W), the number of each pixel's leaf, from 1, or 0; for one
    leaf also its mask, bool (H, W).
    qualities: of the leaves 1, 2, ...
    """
    labels = labels.astype(np.uint8, copy=False)
    count = int(cv2.minMaxLoc(labels)[1])
    leaves = []
    for number in range(1, count + 1):
        box = cv2.boundingRect(labels if count == 1 else
                               cv2.inRange(labels, number, number))
        x, y, width, height = box
        # Another leaf's pixels may cover all of this one's.
        if width:
            mask = labels[y:y + height, x:x + width] == number
            leaves.append(LeafAnalysis(rgb_img, number, box, mask,
                                       qualities[number - 1]))
    return ImageAnalysis(rgb_img, labels, tuple(leaves))


def draw_size(drawing: np.ndarray, leaf: LeafAnalysis) -> dict:
    """Draw a leaf's outline, hull and axes in place; return PlantCV's values.

    drawing: RGB uint8 (H, W, 3), of the photograph's size.
    """
    x, y, width, height = leaf.box
    line = line_width(drawing, leaf.longer_side)
    margin = DRAWING_MARGIN + line
    left, upper = min(x, margin), min(y, margin)
    window = np.s_[y - upper:y + height + margin, x - left:x + width + margin]
    crop = drawing[window]
    mask = np.zeros(crop.shape[:2], np.uint8)
    mask[upper:upper + height, left:left + width] = leaf.mask
    drawing[window], values = measure_size(crop, mask, line)
    values["center_of_mass"] = tuple(np.add(
        values["center_of_mass"], (x - left, y - upper)).tolist())
    # PlantCV's circle of 10 pixels is too small to see in a large image.
    cv2.circle(drawing, tuple(map(int, values["center_of_mass"])), 3 * line,
               MAGENTA, cv2.FILLED)
    return values
