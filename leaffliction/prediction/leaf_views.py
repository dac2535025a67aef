"""The views of one photograph: leaf on white, lesions, class map.

The figure, the report and the page show them.  The leaves are found once.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from leaffliction.model.classifier import Prediction
from leaffliction.transformation.analysis import ImageAnalysis, analyse_image
from leaffliction.transformation.annotations import draw_outlines
from leaffliction.transformation.lesions import count_spots
from leaffliction.transformation.mask import on_white
from leaffliction.utils.images import shrink

# Longer side in pixels: a figure or a page shows no more.
MAX_SIDE = 800
LESION = (255, 0, 200)   # RGB: a colour that no leaf has
MAP_OPACITY = 0.45       # of the class map over the grey leaf


@dataclass(frozen=True)
class LesionSummary:
    """The lesions of all leaves in a photograph.

    leaves: number of leaves, at least 1.
    share: area of the lesions as a fraction of the leaves' area, 0..1.
    spots: number of connected lesions.
    """

    leaves: int
    share: float
    spots: int


@dataclass(frozen=True, eq=False)
class LeafViews:
    """The views of one photograph, each RGB uint8 (H, W, 3) of one size.

    photograph: as it is.  leaf: the leaves on white.  lesions: the same
    with the lesions outlined.  class_map: the regions that speak for the
    predicted class.
    leaf, lesions and summary are None where no leaf is found.
    """

    photograph: np.ndarray
    leaf: np.ndarray | None
    lesions: np.ndarray | None
    class_map: np.ndarray
    summary: LesionSummary | None


def leaf_views(rgb_img: np.ndarray, prediction: Prediction) -> LeafViews:
    """Return the views of RGB uint8 (H, W, 3) and its lesions.

    The longer side of the views is at most MAX_SIDE pixels.  The leaves are
    found at this size too, so that the figure, the report and the page give
    the same numbers.
    """
    rgb_img = shrink(rgb_img, MAX_SIDE)
    image = analyse_image(rgb_img)
    leaf = lesions = None
    if image.leaves:
        leaf = on_white(rgb_img, image.labels > 0)
        lesions = outline_lesions(leaf.copy(), image)
    return LeafViews(rgb_img, leaf, lesions,
                     overlay_class_map(rgb_img, prediction),
                     summarize_lesions(image))


def measure_lesions(rgb_img: np.ndarray) -> LesionSummary | None:
    """Return what leaf_views says of the lesions, without the views."""
    return summarize_lesions(analyse_image(shrink(rgb_img, MAX_SIDE)))


def summarize_lesions(image: ImageAnalysis) -> LesionSummary | None:
    """Return the lesions of all leaves, or None where there is no leaf."""
    if not image.leaves:
        return None
    lesion_area = sum(np.count_nonzero(leaf.lesions)
                      for leaf in image.leaves)
    return LesionSummary(
        len(image.leaves),
        lesion_area / sum(leaf.area for leaf in image.leaves),
        sum(count_spots(leaf.lesions) for leaf in image.leaves))


def outline_lesions(view: np.ndarray, image: ImageAnalysis) -> np.ndarray:
    """Outline each leaf's lesions in place; return the view.

    view: RGB uint8 (H, W, 3), of the photograph's size.
    """
    for leaf in image.leaves:
        # 3 pixels wide on a leaf that fills the figure; on each of twelve
        # leaves that would cover the tissue between the lesions.
        draw_outlines(view, leaf.lesions, leaf.box[:2], LESION,
                      max(1, leaf.longer_side // 200))
    return view


def overlay_class_map(rgb_img: np.ndarray, prediction: Prediction
                      ) -> np.ndarray:
    """Return the grey image under the map of its class, RGB uint8 (H, W, 3).

    The class activation map (Zhou et al. 2016) of the predicted class, minus
    the mean map of the other classes: what speaks for all classes speaks for
    none.  Red regions support the class most, blue ones least.
    """
    maps = prediction.class_maps
    chosen = maps[..., prediction.probabilities.argmax()]
    evidence = chosen - (maps.sum(axis=2) - chosen) / max(
        1, maps.shape[2] - 1)
    height, width = rgb_img.shape[:2]
    low, high = float(evidence.min()), float(evidence.max())
    scaled = (evidence - low) / max(high - low, 1e-9)
    scaled = cv2.resize(scaled.astype(np.float32), (width, height),
                        interpolation=cv2.INTER_CUBIC)
    colours = cv2.applyColorMap(
        np.uint8(np.clip(scaled, 0, 1) * 255), cv2.COLORMAP_TURBO)
    grey = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2GRAY)
    # In OpenCV, four times as fast as the same in NumPy.
    return cv2.addWeighted(
        cv2.cvtColor(colours, cv2.COLOR_BGR2RGB), MAP_OPACITY,
        cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), 1 - MAP_OPACITY, 0)
