"""Make docs/views.png: a drawn leaf of each class, in all views.

    python -m docs.views [LEAVES]

LEAVES, a folder of class folders, takes the place of the drawn leaves; the
page is then written to the working directory, as views.png.
"""

import sys
from pathlib import Path

import numpy as np

from leaffliction.transformation.mask import find_leaves, number_leaves
from leaffliction.transformation.views import VIEWS
from leaffliction.utils.figures import open_pyplot, renderable, save_figure
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import read_image
from samples.__main__ import CLASS_COUNTS, draw_leaf

CELL = 1.4    # inches of a view; the histogram takes two of them
SIZE = 256    # pixels of a drawn leaf


def read_leaves(folder: Path) -> dict[str, np.ndarray]:
    """Return the first leaf of each class below a folder."""
    leaves = {}
    for file in find_images(folder):
        if file.parent.name not in leaves:
            leaves[file.parent.name] = read_image(folder / file)
    return leaves


def draw_leaves() -> dict[str, np.ndarray]:
    """Return a drawn leaf of each class."""
    return {name: draw_leaf(name, np.random.default_rng(number), SIZE)
            for number, name in enumerate(CLASS_COUNTS)}


def main() -> None:
    """Draw the page."""
    leaves = read_leaves(Path(sys.argv[1])) if sys.argv[1:] else draw_leaves()
    widths = [2 if name == "Histogram" else 1 for name in VIEWS]
    pyplot = open_pyplot(True)
    figure, grid = pyplot.subplots(
        len(leaves), len(VIEWS), width_ratios=widths, layout="constrained",
        figsize=(CELL * sum(widths), CELL * (len(leaves) + 0.2)))
    for axes, (title, _) in zip(grid[0], VIEWS.values()):
        axes.set_title(title, fontsize=11)
    for row, (class_name, rgb_img) in zip(grid, leaves.items()):
        labels = number_leaves(find_leaves(rgb_img), rgb_img.shape[:2])
        row[0].set_ylabel(renderable(class_name))
        for axes, (_, view) in zip(row, VIEWS.values()):
            axes.imshow(view(rgb_img, labels))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    save_figure(figure, Path("views.png") if sys.argv[1:]
                else Path(__file__).parent / "views.png")


if __name__ == "__main__":
    main()
