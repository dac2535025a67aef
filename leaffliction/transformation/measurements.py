"""The measurements of a leaf: its size, shape, quality, lesions and colours.

`Transformation.py --json` and `--csv` write them.
"""

import numpy as np

from leaffliction.transformation.analysis import ImageAnalysis, LeafAnalysis
from leaffliction.transformation.histogram import CHANNELS, LEVELS
from leaffliction.transformation.lesions import count_spots
from leaffliction.transformation.mask import MIN_QUALITY

POSITION = "pixels from the upper left corner"
# Each measurement's unit by its name.  Those of size and shape have PlantCV's
# names.
UNITS = {
    "area": "square pixels", "convex_hull_area": "square pixels",
    "solidity": "ratio", "perimeter": "pixels", "width": "pixels",
    "height": "pixels", "longest_path": "pixels",
    "center_of_mass_x": POSITION, "center_of_mass_y": POSITION,
    "ellipse_major_axis": "pixels", "ellipse_minor_axis": "pixels",
    "ellipse_angle": "degrees", "ellipse_eccentricity": "ratio",
    "in_bounds": "true if the leaf touches no edge of the image",
    "mask_quality": f"0-1; below {MIN_QUALITY} there is no leaf",
    "lesion_share": "% of the area", "spot_count": "spots",
    **{f"{name}_mean": "0-255" for name in CHANNELS if name != "hue"},
    "hue_circular_mean": "degrees"}
# The measurements of an image without a leaf.
NO_LEAF = dict.fromkeys(UNITS) | {"area": 0, "mask_quality": 0.0}


def measure(image: ImageAnalysis) -> list[dict]:
    """Return each leaf's measurements, a value for each name in UNITS."""
    return [measure_leaf(leaf, size)
            for leaf, size in zip(image.leaves, image.size.values)]


def measure_leaf(leaf: LeafAnalysis, size: dict) -> dict:
    """Return a leaf's measurements, a value for each name in UNITS.

    size: {PlantCV's name: value} of its size and shape.
    """
    center_x, center_y = size["center_of_mass"]
    values = size | {
        "center_of_mass_x": center_x, "center_of_mass_y": center_y,
        "mask_quality": leaf.quality,
        "lesion_share": float(100 * leaf.lesions.sum() / leaf.mask.sum()),
        "spot_count": count_spots(leaf.lesions)}
    shares = leaf.proportions
    levels = np.arange(LEVELS)
    for name in shares:
        values[f"{name}_mean"] = float(shares[name] @ levels) / 100
    # Red lies on both ends of the hue scale, so the mean is a direction.  A
    # level is 2 degrees.
    mean = np.angle(shares["hue"] @ np.exp(1j * np.deg2rad(2 * levels)))
    values["hue_circular_mean"] = float(np.rad2deg(mean)) % 360
    return {name: values[name] for name in UNITS}
