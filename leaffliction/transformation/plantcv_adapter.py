"""The only way to PlantCV, whose settings and results are global variables.

PlantCV (Gehan et al. 2017, doi:10.7717/peerj.4088) works on BGR images, and
writes its measurements into one dictionary for the whole process.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from leaffliction.utils.figures import import_matplotlib

# A worker of a cluster may have several threads.
_LOCK = threading.Lock()


@contextmanager
def plantcv(line_thickness: int = 1) -> Iterator:
    """Give PlantCV's module, to one thread at a time, in a clean state.

    Inside the block no measurement of an earlier one is present; after it
    none remains.
    line_thickness: of the lines that PlantCV draws, in pixels.
    """
    import_matplotlib()       # PlantCV imports it.
    with _LOCK:
        from plantcv import plantcv as pcv
        pcv.params.debug = None
        pcv.params.verbose = False
        pcv.params.line_thickness = line_thickness
        pcv.outputs.clear()
        try:
            yield pcv
        finally:
            pcv.outputs.clear()


def measure_size(rgb_img: np.ndarray, mask: np.ndarray, line_thickness: int
                 ) -> tuple[np.ndarray, dict]:
    """Return PlantCV's drawing of a leaf's size and shape, and the values.

    rgb_img: RGB uint8 (H, W, 3); it is not changed.
    mask: one leaf, uint8 (H, W), 1 on the leaf.
    The values are {PlantCV's name: value}; center_of_mass is (x, y).
    """
    with plantcv(line_thickness) as pcv:
        drawing = pcv.analyze.size(swap_red_and_blue(rgb_img), mask)
        observed = pcv.outputs.observations["default_1"]
    return (swap_red_and_blue(drawing),
            {name: entry["value"] for name, entry in observed.items()})


def swap_red_and_blue(image: np.ndarray) -> np.ndarray:
    """Return an RGB image as BGR, or a BGR image as RGB."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
