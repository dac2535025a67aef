"""What can be seen of a leaf, separated and measured: views of it.

Made with PlantCV (Gehan et al. 2017, doi:10.7717/peerj.4088).  The text in
each view's function says what it extracts and why that helps.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation.histogram import (CHANNELS, draw_histogram,
                                                   proportions)
from leaffliction.transformation.lesions import count_spots, find_lesions
from leaffliction.transformation.mask import (LEAST_QUALITY, Leaf, find_leaves,
                                              number_leaves)
from leaffliction.utils.figures import hush_matplotlib
from leaffliction.utils.files import is_nonempty_file
from leaffliction.utils.images import SUFFIXES, read_image, write_image
from leaffliction.utils.marks import mark_line

GREEN, BLUE, MAGENTA, ORANGE = (    # RGB
    (0, 200, 0), (0, 0, 255), (255, 0, 255), (255, 120, 0))
# The image's shorter side over a line's width: 2 pixels of 256, 31 of 4000;
# and over the blur's kernel: 5 pixels of 256, grain goes and veins stay.
LINES_ACROSS, BLURS_ACROSS = 128, 51
# The leaf's longer side over a line's width at least: a small leaf in a large
# image is not drawn over.  And the image's shorter side over the height of a
# leaf's number, which has this many pixels at least.
LINES_A_LEAF, NUMBERS_ACROSS, LEAST_NUMBER = 32, 24, 11
# Pixels around a leaf that PlantCV's drawing needs.
AROUND = 12
# PlantCV cuts a leaf in 20 slices of int(height / 21) pixels.  Of a height
# of 6 x 21 they cover 95 %, of 41 pixels they would cover half.
LANDMARK_SIDE = 6 * 21
# What is measured, by PlantCV's own names, and its unit.
POSITION = "pixels from the upper left corner"
UNITS = {
    "area": "square pixels", "convex_hull_area": "square pixels",
    "solidity": "ratio", "perimeter": "pixels", "width": "pixels",
    "height": "pixels", "longest_path": "pixels",
    "center_of_mass_x": POSITION, "center_of_mass_y": POSITION,
    "ellipse_major_axis": "pixels", "ellipse_minor_axis": "pixels",
    "ellipse_angle": "degrees", "ellipse_eccentricity": "ratio",
    "in_bounds": "true if the leaf touches no edge of the image",
    "mask_quality": f"0-1; below {LEAST_QUALITY} there is no leaf",
    "lesion_share": "% of the area", "spot_count": "spots",
    **{f"{name}_mean": "0-255" for name in CHANNELS if name != "hue"},
    "hue_circular_mean": "degrees"}
# The measurements of an image without a leaf.
NO_LEAF = dict.fromkeys(UNITS) | {"area": 0, "mask_quality": 0.0}
# A worker of a cluster may have several threads.
PLANTCV = threading.Lock()


def through_plantcv(call: Callable, line_px: int = 1) -> tuple:
    """Return call(PlantCV)'s result, and {name: value} of what it observed.

    The one door to PlantCV, whose settings and observations are global: they
    are set and emptied here, so that no call knows of another.
    """
    hush_matplotlib()       # PlantCV brings it along.
    with PLANTCV:
        from plantcv import plantcv as pcv
        pcv.params.debug = None
        pcv.params.verbose = False
        pcv.params.line_thickness = line_px
        pcv.outputs.clear()
        result = call(pcv)
        found = pcv.outputs.observations.get("default_1", {})
        pcv.outputs.clear()
    return result, {name: entry["value"] for name, entry in found.items()}


def swapped(image: np.ndarray) -> np.ndarray:
    """Return an RGB image as BGR, in which PlantCV works, or the reverse."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)


def line_width(rgb_img: np.ndarray, leaf_side: float | None = None) -> int:
    """Return the pixels of a line that reads alike at any size.

    leaf_side: the longer side, in pixels, of the leaf on which it is drawn.
    """
    side = min(rgb_img.shape[:2]) / LINES_ACROSS
    if leaf_side:
        side = min(side, leaf_side / LINES_A_LEAF)
    return max(1, round(side))


def boxes(labels: np.ndarray) -> list[tuple[int, int, int, int, int]]:
    """Return number, x, y, width and height of each leaf in its labels."""
    labels = labels.astype(np.uint8)
    count = int(cv2.minMaxLoc(labels)[1])
    found = [(number, *cv2.boundingRect(
        labels if count == 1 else cv2.inRange(labels, number, number)))
        for number in range(1, count + 1)]
    return [leaf for leaf in found if leaf[3]]


def add_numbers(view: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Write each leaf's number beside it, in place, if there are several.

    Above its left upper corner where the image has room, else inside.
    """
    found = boxes(labels)
    if len(found) < 2:
        return view
    tall = max(LEAST_NUMBER, round(min(view.shape[:2]) / NUMBERS_ACROSS))
    thick = max(1, round(tall / 9))
    font = cv2.FONT_HERSHEY_SIMPLEX
    scale = cv2.getFontScaleFromHeight(font, tall, thick)
    for number, x, y, *_ in found:
        (wide, _), _ = cv2.getTextSize(str(number), font, scale, thick)
        pad = max(2, tall // 6)
        x = max(0, min(x, view.shape[1] - wide - 2 * pad))
        y = max(0, y - tall - 2 * pad)
        cv2.rectangle(view, (x, y), (x + wide + 2 * pad, y + tall + 2 * pad),
                      (255, 255, 255), cv2.FILLED)
        cv2.putText(view, str(number), (x + pad, y + tall + pad), font, scale,
                    (0, 0, 0), thick, cv2.LINE_AA)
    return view


# The views.  Each takes the image, RGB uint8 (H, W, 3), and each pixel's leaf,
# from 1 on, or 0, (H, W), as number_leaves returns it; one leaf's mask will
# do.  There may be none.  It returns RGB uint8 (H, W, 3).

def original(rgb_img: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The photograph as it is, upright and in 8-bit RGB.

    It is what all other views are compared with: an error of theirs, such
    as a shadow taken for leaf, shows only beside it.
    """
    return rgb_img


def gaussian_blur(rgb_img: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """White where the leaf is green, black where it is not, blurred.

    The axis from green to magenta (a of CIE Lab), split in two over the
    leaf alone (Otsu 1979), makes lesions and veins stand out as holes, in
    light and in shade; the Gaussian blur then removes single pixels, so that
    only structure remains.
    """
    leaves = boxes(labels)

    def blur(pcv):
        magenta = pcv.rgb2gray_lab(swapped(rgb_img), "a")
        green = np.zeros(labels.shape, np.uint8)
        for number, x, y, width, height in leaves:
            box = np.s_[y:y + height, x:x + width]
            mask = labels[box] == number
            level, _ = cv2.threshold(magenta[box][mask], 0, 255,
                                     cv2.THRESH_OTSU)
            green[box][mask & (magenta[box] <= level)] = 255
        # A leaf fills 4/5 of an image's side.
        side = min(*labels.shape, 5 * max(max(leaf[3:]) for leaf in leaves)
                   // 4) // BLURS_ACROSS | 1
        return pcv.gaussian_blur(green, (side, side))
    if not leaves:
        return np.zeros_like(rgb_img)
    return cv2.cvtColor(through_plantcv(blur)[0], cv2.COLOR_GRAY2RGB)


def masked(rgb_img: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The leaf alone, on white.

    Table, shadow and light say nothing about a disease, but differ from one
    camera series to the next: without them, nothing is learned from them.
    """
    return through_plantcv(lambda pcv: pcv.apply_mask(
        rgb_img, (labels > 0).astype(np.uint8), "white"))[0]


def roi_objects(rgb_img: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The leaf filled green in a blue frame, its region of interest (ROI).

    The frame is where to look, the green is what counts there: it shows at
    a glance whether the mask has the whole leaf and nothing but the leaf.
    """
    view = rgb_img.copy()
    view = cv2.copyTo(np.full_like(view, GREEN), labels.astype(np.uint8),
                      view)
    for _, x, y, width, height in boxes(labels):
        roi, _ = through_plantcv(lambda pcv: pcv.roi.rectangle(
            img=rgb_img, x=x, y=y, h=height, w=width))
        cv2.drawContours(view, roi.contours[0], -1, BLUE,
                         line_width(view, max(width, height)))
    return add_numbers(view, labels)


def analyze_object(rgb_img: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Outline (blue); hull, width, height, longest axis, centre (magenta).

    They put a leaf's shape in numbers (area, solidity, eccentricity, ...;
    see --json and --csv): a bitten or curled leaf fills less of its hull,
    and plants differ in length to width.
    """
    return add_numbers(analyze(rgb_img, labels)[0], labels)


def analyze(rgb_img: np.ndarray, labels: np.ndarray
            ) -> tuple[np.ndarray, list[dict]]:
    """Return PlantCV's drawing of its measurements, and each leaf's.

    Leaf by leaf in what is around it: with n_labels PlantCV looks through
    the whole image for each, 10 s instead of 0.4 for 12 leaves on 12
    megapixels.
    """
    view, measured = rgb_img.copy(), []
    for number, x, y, width, height in boxes(labels):
        line = line_width(rgb_img, max(width, height))
        left, upper = max(0, x - AROUND - line), max(0, y - AROUND - line)
        box = np.s_[upper:y + height + AROUND + line,
                    left:x + width + AROUND + line]
        mask = (labels[box] == number).astype(np.uint8)
        # PlantCV draws in BGR.
        drawn, observed = through_plantcv(lambda pcv: pcv.analyze.size(
            swapped(view[box]), mask), line)
        view[box] = swapped(drawn)
        observed["center_of_mass"] = tuple(np.add(
            observed["center_of_mass"], (left, upper)).tolist())
        # PlantCV's circle of 10 pixels can't be seen in a large image.
        cv2.circle(view, tuple(map(int, observed["center_of_mass"])),
                   3 * line, MAGENTA, cv2.FILLED)
        measured.append(observed)
    return view, measured


def pseudolandmarks(rgb_img: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Left edge (blue), middle (orange), right edge (magenta), 20 times.

    Each leaf is reduced to the same 60 points, at the same shares of its
    height: so leaves of any size and outline can be compared point by point
    and side with side, and a bent middle shows curl.
    """
    view = rgb_img.copy()
    for number, *box in boxes(labels):
        radius = round(line_width(view, max(box[2:])) * 1.5)
        for points, colour in zip(landmarks(labels == number),
                                  (BLUE, MAGENTA, ORANGE)):
            for x, y in np.rint(points).astype(int).tolist():
                cv2.circle(view, (x, y), radius, colour, cv2.FILLED,
                           cv2.LINE_AA)
    return add_numbers(view, labels)


def landmarks(mask: np.ndarray) -> np.ndarray:
    """Return left, right and middle points of a leaf, float (3, 20, 2).

    In pixels (x, y), from above; of shape (3, 0, 2) without a leaf.  The
    y axis serves, for PlantCV 4.11's x axis takes its middle points from
    rows instead of columns.
    """
    if not mask.any():
        return np.zeros((3, 0, 2))
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    leaf = mask[y:y + height, x:x + width].astype(np.uint8) * 255
    # Nothing thin gets lost: PlantCV would repeat a point in an empty row.
    leaf = (cv2.resize(leaf, (LANDMARK_SIDE, LANDMARK_SIDE),
                       interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    points, _ = through_plantcv(
        lambda pcv: pcv.homology.y_axis_pseudolandmarks(leaf, leaf))
    scale = np.array([width, height]) / LANDMARK_SIDE
    return np.reshape(points, (3, -1, 2)) * scale + (x, y)


def color_histogram(rgb_img: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How the leaf's pixels are spread over nine colour channels.

    Diseases change colours before shapes: pale leaves move blue-yellow,
    dead tissue green-magenta, rust the hue, black rot the lightness; and
    the spread tells one even colour from spots on green.
    """
    return draw_histogram(proportions(rgb_img, labels > 0))


def lesions(rgb_img: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Diseased tissue (magenta), by its colour, over the original.

    What is further from green than the leaf's own healthy tissue, in the
    same light.  Its share of the leaf and the number of spots (see --json
    and --csv) say how ill the leaf is, and whether it has many small spots
    or a few large ones.
    """
    view = rgb_img.copy()
    for number, x, y, width, height in boxes(labels):
        box = np.s_[y:y + height, x:x + width]
        found = find_lesions(rgb_img, labels == number)[box]
        # Half of the original shines through.
        part = view[box]
        part[found] = part[found] // 2 + np.array(MAGENTA, np.uint8) // 2
        outlines, _ = cv2.findContours(
            found.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(view, outlines, -1, MAGENTA, max(
            1, line_width(view, max(width, height)) // 2), offset=(x, y))
    return add_numbers(view, labels)


# By the part of a file's name, which in small letters is the flag as well.
HISTOGRAM = "Histogram"
VIEWS = {"Original": ("Original", original),
         "Blur": ("Gaussian blur", gaussian_blur),
         "Mask": ("Mask", masked),
         "ROI": ("ROI objects", roi_objects),
         "Analyze": ("Analyze object", analyze_object),
         "Landmarks": ("Pseudolandmarks", pseudolandmarks),
         "Lesions": ("Lesions", lesions),
         HISTOGRAM: ("Color histogram", color_histogram)}


def measure(rgb_img: np.ndarray, mask: np.ndarray, quality: float) -> dict:
    """Return a leaf's measurements, a value for each name in UNITS.

    Without a leaf area and quality are 0, and all else None.
    """
    if not mask.any():
        return dict(NO_LEAF)
    return measure_all(rgb_img, mask, [quality])[0]


def measure_leaves(rgb_img: np.ndarray, leaves: list[Leaf]) -> list[dict]:
    """Return the measurements of each leaf, a value for each name in UNITS.
    """
    return measure_all(rgb_img, number_leaves(leaves, rgb_img.shape[:2]),
                       [leaf.quality for leaf in leaves])


def measure_all(rgb_img: np.ndarray, labels: np.ndarray,
                qualities: list[float]) -> list[dict]:
    """Return each leaf's measurements; labels: as the views take them."""
    levels, rows = np.arange(256), []
    for (number, x, y, width, height), values in zip(
            boxes(labels), analyze(rgb_img, labels)[1]):
        box = np.s_[y:y + height, x:x + width]
        mask = labels == number
        diseased = find_lesions(rgb_img, mask)[box]
        mask = mask[box]
        values["mask_quality"] = qualities[number - 1]
        values["lesion_share"] = float(100 * diseased.sum() / mask.sum())
        values["spot_count"] = count_spots(diseased)
        for axis, value in zip("xy", values["center_of_mass"]):
            values[f"center_of_mass_{axis}"] = value
        shares = proportions(rgb_img[box], mask)
        for name in shares:
            values[f"{name}_mean"] = float(shares[name] @ levels) / 100
        # Red lies on both ends of the scale, so the mean of hue is a
        # direction.
        mean = np.angle(shares["hue"] @ np.exp(1j * np.deg2rad(2 * levels)))
        values["hue_circular_mean"] = float(np.rad2deg(mean)) % 360
        rows.append({name: values[name] for name in UNITS})
    return rows


def transform_file(paths: tuple[Path, Path], views: list[str],
                   measured: bool, force: bool) -> list[dict] | None:
    """Write the views of one image; return its leaves' measurements.

    An empty list: no leaf.  None: none wanted, and all views there already.

    paths: the image, and the views' path without `_View.ext`.
    force: write views that are there already, and newer than the image, too.
    Raises UserError where the image can't be read or a view not be written.
    """
    source, target = paths
    missing = {}
    for name in views:
        # A chart's thin lines and letters are nothing for JPEG.
        suffix = (source.suffix if source.suffix.lower() in SUFFIXES
                  and name != HISTOGRAM else ".png")
        file = target.with_name(f"{target.name}_{name}{suffix}")
        if force or not is_newer(file, source):
            missing[name] = file
    if not missing and not measured:
        return None
    rgb_img = read_image(source)
    leaves = find_leaves(rgb_img)
    labels = number_leaves(leaves, rgb_img.shape[:2])
    for name, file in missing.items():
        write_image(file, VIEWS[name][1](rgb_img, labels),
                    mark_line(source.name))
    return (measure_leaves(rgb_img, leaves) if measured
            else [{}] * len(leaves))


def is_newer(file: Path, source: Path) -> bool:
    """Tell whether a file was written whole, and after its source."""
    try:
        return (is_nonempty_file(file)
                and file.stat().st_mtime >= source.stat().st_mtime)
    except OSError:
        return False    # The source is gone: whoever reads it says so.
