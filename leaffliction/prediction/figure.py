"""What a person sees of an answer: the leaf, its lesions, and the reason."""

from pathlib import Path

import cv2
import numpy as np

from leaffliction.model.classifier import UNKNOWN, Prediction
from leaffliction.transformation.lesions import find_lesions
from leaffliction.transformation.mask import (find_leaves, number_leaves,
                                              on_white)
from leaffliction.utils.figures import renderable, truncate
from leaffliction.utils.images import read_reduced, shrink

BARS = 5                 # classes with a bar, at most
LONGEST_SIDE = 800       # pixels; a figure shows no more of an image
LESION = (255, 0, 200)   # RGB: no leaf has it
LOOKED_AT = 0.45         # of the map's colour over the leaf's


def draw_predictions(pyplot, results: list[tuple[Path, Prediction]]):
    """Return a figure with a row for each image.

    The image as it is; the leaf on white with its lesions outlined; where
    the network saw the class; and bars of the most probable classes.
    """
    figure = pyplot.figure(figsize=(13, 3.9 * len(results)),
                           layout="constrained", facecolor="white")
    parts = figure.subfigures(len(results), 1, squeeze=False)[:, 0]
    for part, (path, prediction) in zip(parts, results):
        rgb_img = shrink(read_reduced(path, LONGEST_SIDE), LONGEST_SIDE)
        looked = looked_at(rgb_img, prediction)
        *images, bars = part.subplots(
            1, 4, gridspec_kw={"width_ratios": (1, 1, 1, 1.1)})
        for ax, image, title in zip(
                images, (rgb_img, outlined(rgb_img), looked),
                ("Original", "Transformed: lesions", "What it looked at")):
            ax.imshow(image)
            ax.set_title(title)
            ax.axis("off")
        draw_bars(bars, prediction)
        words = renderable(prediction.class_name)
        if prediction.known:
            words += f"   {prediction.confidence:.1%}"
        else:
            words = f"{UNKNOWN} (nearest: {words})"
        part.suptitle(renderable(path.name), fontsize=11)
        part.supxlabel(words, fontsize=16, fontweight="bold",
                       color="darkgreen" if prediction.known else "firebrick")
    return figure


def outlined(rgb_img: np.ndarray) -> np.ndarray:
    """Return the leaves on white with the lesions of each outlined.

    The image itself where no leaf is found in it.
    """
    labels = number_leaves(find_leaves(rgb_img), rgb_img.shape[:2])
    if not labels.any():
        return rgb_img
    view = on_white(rgb_img, labels > 0)
    for number in range(1, int(labels.max()) + 1):
        leaf = labels == number
        outlines, _ = cv2.findContours(
            find_lesions(rgb_img, leaf).astype(np.uint8),
            cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        # 3 pixels on a leaf that fills the figure; on one of twelve they
        # would cover all between the spots.
        side = max(cv2.boundingRect(leaf.astype(np.uint8))[2:])
        cv2.drawContours(view, outlines, -1, LESION, max(1, side // 200))
    return view


def looked_at(rgb_img: np.ndarray, prediction: Prediction) -> np.ndarray:
    """Return the image, grey, with what spoke for its class in colour.

    The class activation map (Zhou et al. 2016): the logits of each place,
    as far as they are above those of the other classes together.  Red spoke
    for the class, blue did not.
    """
    maps = prediction.class_maps
    chosen = maps[..., prediction.probabilities.argmax()]
    evidence = chosen - (maps.sum(axis=2) - chosen) / max(
        1, maps.shape[2] - 1)
    height, width = rgb_img.shape[:2]
    low, high = float(evidence.min()), float(evidence.max())
    share = (evidence - low) / max(high - low, 1e-9)
    share = cv2.resize(share.astype(np.float32), (width, height),
                       interpolation=cv2.INTER_CUBIC)
    colours = cv2.applyColorMap(
        np.uint8(np.clip(share, 0, 1) * 255), cv2.COLORMAP_TURBO)
    grey = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    return np.uint8(LOOKED_AT * colours[..., ::-1] + (1 - LOOKED_AT) * grey)


def draw_bars(ax, prediction: Prediction) -> None:
    """Draw the most probable classes as bars, the first on top."""
    top = prediction.top(BARS)
    colours = ["darkgreen" if prediction.known else "firebrick"]
    shares = [share for _, share in top]
    places = range(len(top))
    ax.barh(places, shares, 0.45, color=colours + ["grey"] * (len(top) - 1))
    for place, (name, share) in enumerate(top):
        ax.text(0, place - 0.32, renderable(truncate(name, 34)),
                va="bottom", fontsize=10)
        inside = share > 0.8
        ax.text(share + (-0.02 if inside else 0.02), place, f"{share:.1%}",
                va="center", ha="right" if inside else "left", fontsize=10,
                color="white" if inside else "black")
    ax.set_xlim(0, 1)
    ax.set_ylim(BARS - 0.4, -0.7)
    ax.set_title("Most probable classes")
    ax.axis("off")
