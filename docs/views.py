"""Make docs/views.png: a drawn leaf of each class, in all views.

    python -m docs.views
    python -m docs.views LEAVES

With LEAVES, a folder of class folders, the page shows the first leaf of each
class in it, and goes to views.png in the working directory.
"""

import sys
from pathlib import Path

import numpy as np

from leaffliction.transformation.analysis import analyse_image
from leaffliction.transformation.views import VIEWS
from leaffliction.utils.figures import open_pyplot, renderable, save_figure
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import read_image
from samples.dataset import CLASS_COUNTS
from samples.drawing import draw_leaf

VIEW_SIDE = 1.4   # inches of a view; a chart is twice as wide
LEAF_SIDE = 256   # pixels of a drawn leaf


def read_leaves(folder: Path) -> dict[str, np.ndarray]:
    """Return the first leaf of each class below a folder."""
    leaves = {}
    for file in find_images(folder):
        if file.parent.name not in leaves:
            leaves[file.parent.name] = read_image(folder / file)
    return leaves


def draw_leaves() -> dict[str, np.ndarray]:
    """Return a drawn leaf of each class."""
    return {name: draw_leaf(name, np.random.default_rng(number), LEAF_SIDE)
            for number, name in enumerate(CLASS_COUNTS)}


def main() -> None:
    """Draw the page and save it."""
    leaves = read_leaves(Path(sys.argv[1])) if sys.argv[1:] else draw_leaves()
    widths = [2 if view.is_chart else 1 for view in VIEWS.values()]
    pyplot = open_pyplot(True)
    figure, grid = pyplot.subplots(
        len(leaves), len(VIEWS), width_ratios=widths, layout="constrained",
        figsize=(VIEW_SIDE * sum(widths), VIEW_SIDE * (len(leaves) + 0.2)))
    for axes, view in zip(grid[0], VIEWS.values()):
        axes.set_title(view.title, fontsize=11)
    for row, (class_name, rgb_img) in zip(grid, leaves.items()):
        image = analyse_image(rgb_img)
        row[0].set_ylabel(renderable(class_name))
        for axes, view in zip(row, VIEWS.values()):
            axes.imshow(view.draw(image))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    save_figure(figure, Path("views.png") if sys.argv[1:]
                else Path(__file__).parent / "views.png")


if __name__ == "__main__":
    main()
