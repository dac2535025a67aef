"""The figure of predictions: the leaf, its lesions, the class map, bars."""

import cv2
import numpy as np

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.text import NO_DIAGNOSIS
from leaffliction.transformation.analysis import analyse_image
from leaffliction.transformation.annotations import draw_outlines
from leaffliction.transformation.mask import on_white
from leaffliction.utils.figures import renderable, truncate

BARS = 5                 # classes with a bar, at most
LESION = (255, 0, 200)   # RGB: a colour that no leaf has
MAP_OPACITY = 0.45       # of the class map over the grey leaf


def draw_predictions(pyplot, results: list[PredictedFile]):
    """Return a figure with a row for each result; each must carry pixels.

    A row has the image as it is; the leaf on white with its lesions
    outlined; the class map; and bars of the most probable classes.
    """
    figure = pyplot.figure(figsize=(13, 3.9 * len(results)),
                           layout="constrained", facecolor="white")
    rows = figure.subfigures(len(results), 1, squeeze=False)[:, 0]
    for row, result in zip(rows, results):
        _draw_row(row, result)
    return figure


def _draw_row(row, result: PredictedFile) -> None:
    """Draw one result into a subfigure."""
    prediction, rgb_img = result.prediction, result.rgb_img
    overlay = overlay_class_map(rgb_img, prediction)
    *images, bars = row.subplots(
        1, 4, gridspec_kw={"width_ratios": (1, 1, 1, 1.1)})
    for ax, image, title in zip(
            images, (rgb_img, outline_lesions(rgb_img), overlay),
            ("Original", "Transformed: lesions", "What it looked at")):
        ax.imshow(image)
        ax.set_title(title)
        ax.axis("off")
    draw_bars(bars, prediction)
    caption = renderable(prediction.class_name)
    if prediction.known:
        caption += f"   {prediction.confidence:.1%}"
    else:
        caption = f"{NO_DIAGNOSIS} (nearest: {caption})"
    row.suptitle(renderable(result.path.name), fontsize=11)
    row.supxlabel(caption, fontsize=16, fontweight="bold",
                  color="darkgreen" if prediction.known else "firebrick")


def outline_lesions(rgb_img: np.ndarray) -> np.ndarray:
    """Return the leaves on white, with the lesions of each outlined.

    rgb_img: RGB uint8 (H, W, 3); returned as it is where no leaf is found.
    """
    image = analyse_image(rgb_img)
    if not image.leaves:
        return rgb_img
    view = on_white(rgb_img, image.labels > 0)
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
    grey = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    return np.uint8(MAP_OPACITY * colours[..., ::-1]
                    + (1 - MAP_OPACITY) * grey)


def draw_bars(ax, prediction: Prediction) -> None:
    """Draw the most probable classes as bars, the first on top."""
    top = prediction.top(BARS)
    colours = ["darkgreen" if prediction.known else "firebrick"]
    colours += ["grey"] * (len(top) - 1)
    ax.barh(range(len(top)), [share for _, share in top], 0.45, color=colours)
    for row, (name, share) in enumerate(top):
        ax.text(0, row - 0.32, renderable(truncate(name, 34)),
                va="bottom", fontsize=10)
        is_long = share > 0.8       # with room for the number inside it
        ax.text(share + (-0.02 if is_long else 0.02), row, f"{share:.1%}",
                va="center", ha="right" if is_long else "left", fontsize=10,
                color="white" if is_long else "black")
    ax.set_xlim(0, 1)
    ax.set_ylim(BARS - 0.4, -0.7)
    ax.set_title("Most probable classes")
    ax.axis("off")
