"""What can be seen of a leaf, separated and measured: views of it.

Made with PlantCV (Gehan et al. 2017, doi:10.7717/peerj.4088).  The text in
each view's function says what it extracts and why that helps.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from utils.figures import hush_matplotlib
from utils.files import is_whole
from utils.histogram import CHANNELS, draw_histogram, proportions
from utils.images import SUFFIXES, read_image, write_image
from utils.leaf import LEAST_QUALITY, find_leaf
from utils.lesions import count_spots, find_lesions
from utils.marks import mark_line

GREEN, BLUE, MAGENTA, ORANGE = (    # RGB
    (0, 200, 0), (0, 0, 255), (255, 0, 255), (255, 120, 0))
# The image's shorter side over a line's width: 2 pixels of 256, 31 of 4000;
# and over the blur's kernel: 5 pixels of 256, grain goes and veins stay.
LINES_ACROSS, BLURS_ACROSS = 128, 51
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


def line_width(rgb_img: np.ndarray) -> int:
    """Return the pixels of a line that reads alike at any size."""
    return max(1, round(min(rgb_img.shape[:2]) / LINES_ACROSS))


# The views.  Each takes the image, RGB uint8 (H, W, 3), and the leaf's mask,
# bool (H, W), which may be all False, and returns RGB uint8 (H, W, 3).

def original(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The photograph as it is, upright and in 8-bit RGB.

    It is what all other views are compared with: an error of theirs, such
    as a shadow taken for leaf, shows only beside it.
    """
    return rgb_img


def gaussian_blur(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """White where the leaf is green, black where it is not, blurred.

    The axis from green to magenta (a of CIE Lab), split in two over the
    leaf alone (Otsu 1979), makes lesions and veins stand out as holes, in
    light and in shade; the Gaussian blur then removes single pixels, so that
    only structure remains.
    """
    def blur(pcv):
        magenta = pcv.rgb2gray_lab(swapped(rgb_img), "a")
        level, _ = cv2.threshold(magenta[mask], 0, 255, cv2.THRESH_OTSU)
        green = (mask & (magenta <= level)).astype(np.uint8) * 255
        side = min(mask.shape) // BLURS_ACROSS | 1
        return pcv.gaussian_blur(green, (side, side))
    if not mask.any():
        return np.zeros_like(rgb_img)
    return cv2.cvtColor(through_plantcv(blur)[0], cv2.COLOR_GRAY2RGB)


def masked(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The leaf alone, on white.

    Table, shadow and light say nothing about a disease, but differ from one
    camera series to the next: without them, nothing is learned from them.
    """
    return through_plantcv(lambda pcv: pcv.apply_mask(
        rgb_img, mask.astype(np.uint8), "white"))[0]


def roi_objects(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The leaf filled green in a blue frame, its region of interest (ROI).

    The frame is where to look, the green is what counts there: it shows at
    a glance whether the mask has the whole leaf and nothing but the leaf.
    """
    view = rgb_img.copy()
    if mask.any():
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        roi, _ = through_plantcv(lambda pcv: pcv.roi.rectangle(
            img=rgb_img, x=x, y=y, h=height, w=width))
        view = cv2.copyTo(np.full_like(view, GREEN), mask.astype(np.uint8),
                          view)
        cv2.drawContours(view, roi.contours[0], -1, BLUE, line_width(view))
    return view


def analyze_object(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Outline (blue); hull, width, height, longest axis, centre (magenta).

    They put a leaf's shape in numbers (area, solidity, eccentricity, ...;
    see --json and --csv): a bitten or curled leaf fills less of its hull,
    and plants differ in length to width.
    """
    return analyze(rgb_img, mask)[0]


def analyze(rgb_img: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, dict]:
    """Return PlantCV's drawing of its measurements, and the measurements."""
    if not mask.any():
        return rgb_img.copy(), {}
    # PlantCV draws in BGR.
    view, observed = through_plantcv(lambda pcv: pcv.analyze.size(
        swapped(rgb_img), mask.astype(np.uint8)),
        line_width(rgb_img))
    view = swapped(view)
    # PlantCV's circle of 10 pixels can't be seen in a large image.
    centre = tuple(map(int, observed["center_of_mass"]))
    cv2.circle(view, centre, 3 * line_width(view), MAGENTA, cv2.FILLED)
    return view, observed


def pseudolandmarks(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Left edge (blue), middle (orange), right edge (magenta), 20 times.

    Each leaf is reduced to the same 60 points, at the same shares of its
    height: so leaves of any size and outline can be compared point by point
    and side with side, and a bent middle shows curl.
    """
    view = rgb_img.copy()
    radius = round(line_width(view) * 1.5)
    for points, colour in zip(landmarks(mask), (BLUE, MAGENTA, ORANGE)):
        for x, y in np.rint(points).astype(int).tolist():
            cv2.circle(view, (x, y), radius, colour, cv2.FILLED, cv2.LINE_AA)
    return view


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


def color_histogram(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How the leaf's pixels are spread over nine colour channels.

    Diseases change colours before shapes: pale leaves move blue-yellow,
    dead tissue green-magenta, rust the hue, black rot the lightness; and
    the spread tells one even colour from spots on green.
    """
    return draw_histogram(proportions(rgb_img, mask))


def lesions(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Diseased tissue (magenta), by its colour, over the original.

    What is further from green than the leaf's own healthy tissue, in the
    same light.  Its share of the leaf and the number of spots (see --json
    and --csv) say how ill the leaf is, and whether it has many small spots
    or a few large ones.
    """
    view = rgb_img.copy()
    found = find_lesions(rgb_img, mask)
    if found.any():
        # Half of the original shines through.
        view[found] = view[found] // 2 + np.array(MAGENTA, np.uint8) // 2
        outlines, _ = cv2.findContours(
            found.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(view, outlines, -1, MAGENTA,
                         max(1, line_width(view) // 2))
    return view


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
    """Return the leaf's measurements, a value for each name in UNITS.

    Without a leaf area and quality are 0, and all else None.
    """
    _, values = analyze(rgb_img, mask)
    if not values:
        return dict.fromkeys(UNITS) | {"area": 0, "mask_quality": 0.0}
    diseased = find_lesions(rgb_img, mask)
    values["mask_quality"] = quality
    values["lesion_share"] = float(100 * diseased.sum() / mask.sum())
    values["spot_count"] = count_spots(diseased)
    for axis, value in zip("xy", values["center_of_mass"]):
        values[f"center_of_mass_{axis}"] = value
    levels = np.arange(256)
    shares = proportions(rgb_img, mask)
    for name in shares:
        values[f"{name}_mean"] = float(shares[name] @ levels) / 100
    # Red lies on both ends of the scale, so the mean of hue is a direction.
    mean = np.angle(shares["hue"] @ np.exp(1j * np.deg2rad(2 * levels)))
    values["hue_circular_mean"] = float(np.rad2deg(mean)) % 360
    return {name: values[name] for name in UNITS}


def transform_file(paths: tuple[Path, Path], views: list[str],
                   measured: bool, force: bool) -> dict:
    """Write the views of one image; return its measurements, if wanted.

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
        return {}
    rgb_img = read_image(source)
    mask, quality = find_leaf(rgb_img)
    for name, file in missing.items():
        write_image(file, VIEWS[name][1](rgb_img, mask),
                    mark_line(source.name))
    return measure(rgb_img, mask, quality) if measured else {}


def is_newer(file: Path, source: Path) -> bool:
    """Tell whether a file was written whole, and after its source."""
    return (is_whole(file) and source.exists()
            and file.stat().st_mtime >= source.stat().st_mtime)
