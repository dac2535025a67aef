"""The views of a leaf: pictures that separate it and show what is measured.

Blur, mask, ROI, size analysis and landmarks come from PlantCV (Gehan et al.
2017, doi:10.7717/peerj.4088).  VIEWS, at the end, says what each view shows
and why that helps; `Transformation.py -h` prints it.

Each function takes the analysis of a photograph, in which there may be one
leaf, several or none, and returns the view, RGB uint8 (H, W, 3).
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from leaffliction.transformation.analysis import ImageAnalysis
from leaffliction.transformation.annotations import (BLUE, GREEN, MAGENTA,
                                                     ORANGE, draw_outlines,
                                                     line_width)
from leaffliction.transformation.histogram import draw_histogram
from leaffliction.transformation.plantcv_adapter import (plantcv,
                                                         swap_red_and_blue)

# The shorter side of an image that the leaf fills, divided by the width of the
# blur's kernel: 5 pixels at 256 remove grain and preserve veins.
BLURS_PER_SIDE = 51
# Rows that PlantCV masks at a time: it lists each pixel of the background in
# 16 bytes, which are 190 MB for 12 megapixels at once.
MASKED_ROWS = 256
# PlantCV divides a leaf into 20 slices of int(height / 21) pixels.  They
# cover 95 % of a height of 6 x 21 pixels, but only half of 41 pixels.
LANDMARK_SIDE = 6 * 21


@dataclass(frozen=True)
class View:
    """A kind of picture of a leaf.

    title: its heading on the page.
    shows: what the view extracts.  reason: why that helps.
    draw: the function that makes it.
    is_chart: whether it is a chart, which has a size of its own; the other
    views have the photograph's.
    """

    title: str
    shows: str
    reason: str
    draw: Callable[[ImageAnalysis], np.ndarray]
    is_chart: bool = False


def draw_original(image: ImageAnalysis) -> np.ndarray:
    """Return the photograph itself."""
    return image.rgb_img


def draw_blur(image: ImageAnalysis) -> np.ndarray:
    """Return the green pixels of each leaf, blurred.

    The threshold between green and magenta is each leaf's own, by Otsu's
    method (1979).
    """
    if not image.leaves:
        return np.zeros_like(image.rgb_img)
    with plantcv() as pcv:
        magenta = pcv.rgb2gray_lab(swap_red_and_blue(image.rgb_img), "a")
        green = np.zeros(magenta.shape, np.uint8)
        for leaf in image.leaves:
            levels = magenta[leaf.window]
            threshold, _ = cv2.threshold(levels[leaf.mask], 0, 255,
                                         cv2.THRESH_OTSU)
            green[leaf.window][leaf.mask & (levels <= threshold)] = 255
        # A leaf that fills an image has 4/5 of its side.
        largest = max(leaf.longer_side for leaf in image.leaves)
        side = min(*green.shape, 5 * largest // 4)
        kernel = side // BLURS_PER_SIDE | 1
        blurred = pcv.gaussian_blur(green, (kernel, kernel))
    return cv2.cvtColor(blurred, cv2.COLOR_GRAY2RGB)


def draw_mask(image: ImageAnalysis) -> np.ndarray:
    """Return the leaves on white."""
    view = np.empty_like(image.rgb_img)
    with plantcv() as pcv:
        for top in range(0, len(view), MASKED_ROWS):
            rows = np.s_[top:top + MASKED_ROWS]
            view[rows] = pcv.apply_mask(image.rgb_img[rows],
                                        image.labels[rows], "white")
    return view


def draw_roi(image: ImageAnalysis) -> np.ndarray:
    """Return the leaves filled with green, each in a blue rectangle."""
    view = image.rgb_img.copy()
    view = cv2.copyTo(np.full_like(view, GREEN), image.labels, view)
    for leaf in image.leaves:
        x, y, width, height = leaf.box
        with plantcv() as pcv:
            roi = pcv.roi.rectangle(img=view, x=x, y=y, h=height, w=width)
        cv2.drawContours(view, roi.contours[0], -1, BLUE,
                         line_width(view, leaf.longer_side))
    return image.write_numbers(view)


def draw_size_analysis(image: ImageAnalysis) -> np.ndarray:
    """Return PlantCV's drawing of the leaves' size and shape."""
    return image.size.drawing


def draw_landmarks(image: ImageAnalysis) -> np.ndarray:
    """Return the photograph with each leaf's landmarks as discs."""
    view = image.rgb_img.copy()
    for leaf in image.leaves:
        radius = round(line_width(view, leaf.longer_side) * 1.5)
        for points, colour in zip(landmarks(leaf.mask) + leaf.box[:2],
                                  (BLUE, MAGENTA, ORANGE)):
            for x, y in np.rint(points).astype(int).tolist():
                cv2.circle(view, (x, y), radius, colour, cv2.FILLED,
                           cv2.LINE_AA)
    return image.write_numbers(view)


def landmarks(mask: np.ndarray) -> np.ndarray:
    """Return left, right and middle points of a leaf, float (3, 20, 2).

    mask: bool (H, W), which the leaf's bounding box fills.
    The points are (x, y) in pixels of the mask, from above.  They lie along
    the y axis: PlantCV 4.11's function for the x axis takes its middle
    points from rows instead of columns.
    """
    # INTER_AREA > 0 preserves thin parts: in an empty row PlantCV would
    # repeat a point.
    leaf = (cv2.resize(mask.astype(np.uint8) * 255,
                       (LANDMARK_SIDE, LANDMARK_SIDE),
                       interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    with plantcv() as pcv:
        points = pcv.homology.y_axis_pseudolandmarks(leaf, leaf)
    scale = np.array(mask.shape[::-1]) / LANDMARK_SIDE
    return np.reshape(points, (3, -1, 2)) * scale


def draw_lesions(image: ImageAnalysis) -> np.ndarray:
    """Return the photograph with the lesions half covered and outlined."""
    view = image.rgb_img.copy()
    for leaf in image.leaves:
        pixels = view[leaf.window]
        pixels[leaf.lesions] = (pixels[leaf.lesions] // 2
                                + np.array(MAGENTA, np.uint8) // 2)
        width = max(1, line_width(view, leaf.longer_side) // 2)
        draw_outlines(view, leaf.lesions, leaf.box[:2], MAGENTA, width)
    return image.write_numbers(view)


def draw_color_histogram(image: ImageAnalysis) -> np.ndarray:
    """Return the chart of the colours of all leaves together."""
    return draw_histogram(image.proportions)


# The keys are parts of file names (leaf_Mask.jpg), and in lower case the
# command's flags (-mask).
VIEWS = {
    "Original": View(
        "Original",
        "The photograph itself, upright, in 8-bit RGB.",
        "All other views are compared with it. A mistake in one of them, "
        "such as a shadow that counts as leaf, is visible only beside the "
        "photograph.",
        draw_original),
    "Blur": View(
        "Gaussian blur",
        "White where the leaf is green, black elsewhere, then blurred.",
        "On the axis from green to magenta (a of CIE Lab), lesions and veins "
        "differ from green tissue in light and in shade alike; Otsu's method "
        "(1979) chooses the threshold from the leaf's own pixels. Lesions "
        "stand out as holes. The Gaussian blur removes single pixels, so "
        "that only structure remains.",
        draw_blur),
    "Mask": View(
        "Mask",
        "The leaf alone, on white.",
        "Table, shadow and light say nothing about a disease, but they "
        "differ from one series of photographs to the next. A model that "
        "sees the leaf alone cannot learn from them.",
        draw_mask),
    "ROI": View(
        "ROI objects",
        "The leaf filled with green, in a blue frame, its region of interest "
        "(ROI).",
        "The frame is the region to analyse, and the green is what counts as "
        "leaf in it. One look shows whether the mask covers the whole leaf "
        "and nothing but the leaf.",
        draw_roi),
    "Analyze": View(
        "Analyze object",
        "The leaf's outline (blue), and its convex hull, width, height, "
        "longest axis and centre of mass (magenta).",
        "They describe the leaf's shape in numbers: area, solidity, "
        "eccentricity and others, which --json and --csv write. A bitten or "
        "curled leaf fills less of its convex hull, and plants differ in the "
        "ratio of length to width.",
        draw_size_analysis),
    "Landmarks": View(
        "Pseudolandmarks",
        "20 points each on the left edge (blue), in the middle (orange) and "
        "on the right edge (magenta).",
        "Every leaf is reduced to the same 60 points, at the same fractions "
        "of its height. So leaves of any size and outline can be compared "
        "point by point, and their left side with their right; a bent middle "
        "line shows that a leaf curls.",
        draw_landmarks),
    "Lesions": View(
        "Lesions",
        "The diseased tissue (magenta), recognised by its colour, over the "
        "photograph.",
        "Tissue is diseased where it is further from green than the leaf's "
        "own healthy tissue in the same light. Its share of the leaf and the "
        "number of spots, which --json and --csv write, say how severe the "
        "disease is, and whether it makes many small spots or a few large "
        "ones.",
        draw_lesions),
    "Histogram": View(
        "Color histogram",
        "How the leaf's pixels are distributed over nine colour channels.",
        "Diseases change a leaf's colour before its shape: pale leaves move "
        "the blue-yellow curve, dead tissue the green-magenta one, rust the "
        "hue, black rot the lightness. The width of a curve tells one even "
        "colour from spots on green.",
        draw_color_histogram, is_chart=True)}
