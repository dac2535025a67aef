"""Photographs with their answers, one figure to look at.

Photographs are never published: the figure is for whoever trains a model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.release.evaluation import LAID, LayLeaf, pair_laid
from leaffliction.release.photographs import (LABORATORY, ORCHARD, STRANGERS,
                                              WEB, Photographs)
from leaffliction.release.tables import TITLES
from leaffliction.utils.class_names import class_key
from leaffliction.utils.figures import renderable, truncate

PER_CLASS = {LABORATORY: 2, ORCHARD: 2, WEB: 2}
LAID_SHOWN, STRANGERS_SHOWN = 3, 6
COLUMNS = 10                # two of each of five classes in one row
TILE_INCHES = 2.2, 2.75     # width, and height with two lines of caption
NAME_LENGTH = 24            # characters that fit on a tile
RIGHT, WRONG, REFUSED = "darkgreen", "firebrick", "dimgrey"


@dataclass(frozen=True)
class Tile:
    """A photograph to show.

    read: returns its pixels, RGB uint8 (H, W, 3).  truth: its class, or its
    plant where the model does not know it.
    """

    read: Callable[[], np.ndarray]
    truth: str


def draw_answers(pyplot, classifier: Classifier,
                 found: dict[str, Photographs],
                 lay_leaf: LayLeaf | None = None):
    """Return a figure: a block of photographs for each kind, with answers.

    found: those of photographs.read_photographs.  Above each photograph is
    its class, below it the answer: green where right, red where wrong, grey
    where refused.  lay_leaf: see evaluation.evaluate_release.
    Raises UserError where a photograph can't be read.
    """
    blocks = {kind: tiles for kind, tiles in choose_tiles(
        classifier, found, lay_leaf).items() if tiles}
    heights = [-(-len(tiles) // COLUMNS) for tiles in blocks.values()]
    figure = pyplot.figure(
        figsize=(COLUMNS * TILE_INCHES[0],
                 sum(heights) * TILE_INCHES[1] + 0.4 * len(blocks)),
        layout="constrained", facecolor="white")
    parts = figure.subfigures(len(blocks), 1, squeeze=False,
                              height_ratios=heights)[:, 0]
    for part, (kind, tiles), rows in zip(parts, blocks.items(), heights):
        part.suptitle(TITLES[kind], fontsize=14, fontweight="bold")
        axes = part.subplots(rows, COLUMNS, squeeze=False).ravel()
        for ax in axes:
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_frame_on(False)
        for ax, tile in zip(axes, tiles):
            rgb_img = tile.read()
            draw_tile(ax, rgb_img, tile.truth,
                      classifier.predict_image(rgb_img))
    return figure


def choose_tiles(classifier: Classifier, found: dict[str, Photographs],
                 lay_leaf: LayLeaf | None) -> dict[str, list[Tile]]:
    """Return the photographs to show, by kind: the middle ones of each group.

    Neighbours in a folder are often of one leaf, so two of a group are taken
    from a third and two thirds of the way through it.
    """
    blocks = {kind: [tile for group in sorted(set(found[kind].groups))
                     for tile in _of_group(classifier, found[kind], group,
                                           count)]
              for kind, count in PER_CLASS.items() if kind in found}
    if lay_leaf is not None:
        blocks[LAID] = [
            Tile(lambda pair=pair: lay_leaf(*pair[1:]), pair[0])
            for pair in pair_laid(found)[:LAID_SHOWN]]
    if STRANGERS in found:
        plants = sorted(set(found[STRANGERS].groups))
        chosen = [plants[index] for index in _spread(len(plants),
                                                     STRANGERS_SHOWN)]
        blocks[STRANGERS] = [
            tile for plant in chosen
            for tile in _of_group(classifier, found[STRANGERS], plant, 1)]
    return blocks


def _of_group(classifier: Classifier, photographs: Photographs, group: str,
              count: int) -> list[Tile]:
    """Return tiles of at most `count` photographs of a group."""
    paths = [path for path, name in zip(photographs.paths, photographs.groups)
             if name == group]
    return [Tile(lambda path=path: classifier.read(path), group)
            for path in (paths[index]
                         for index in _spread(len(paths), count))]


def _spread(length: int, count: int) -> list[int]:
    """Return at most `count` different indices, evenly spread, ascending."""
    if length <= count:
        return list(range(length))
    return [(number + 1) * length // (count + 1) for number in range(count)]


def draw_tile(ax, rgb_img: np.ndarray, truth: str, prediction: Prediction
              ) -> None:
    """Draw one photograph with its class and the answer."""
    is_right = class_key(prediction.class_name) == class_key(truth)
    if not prediction.known:
        colour, verdict = REFUSED, "refused"
    else:
        colour, verdict = ((RIGHT, "known") if is_right
                           else (WRONG, "known, wrong"))
    ax.imshow(pad_to_square(rgb_img))
    ax.set_title(_caption(truth), fontsize=9)
    # The label of an axis, which counts in the layout, unlike a free text.
    ax.set_xlabel(f"{_caption(prediction.class_name)}\n"
                  f"{prediction.confidence:.0%}, {verdict}",
                  fontsize=9, color=colour)


def pad_to_square(rgb_img: np.ndarray) -> np.ndarray:
    """Return an image in the middle of a white square, so that captions align.
    """
    height, width = rgb_img.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top:top + height, left:left + width] = rgb_img
    return square


def _caption(name: str) -> str:
    """Return a name that fits on a tile."""
    return renderable(truncate(name, NAME_LENGTH))
