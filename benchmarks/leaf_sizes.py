"""Does the same leaf have the same lesions at any size, in any frame?

    python -m benchmarks.leaf_sizes LEAVES

LEAVES contains CLASS/name.JPG, each filled by one leaf; PER_CLASS photographs
of each class are used.  Resizes each and lays it on a frame of the
background's colour, in the middle or in a corner.  Prints for each size in
pixels and each frame by how much the share of lesions differs from that of
the photograph: relative to it for leaves with lesions on at least 1 %, in
percentage points for the others.
"""

import argparse
import sys
from operator import attrgetter
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation.analysis import analyse_image
from leaffliction.utils import cli
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import read_image

SIZES = (60, 100, 200, 300, 800)
# Width and height; None: the photograph itself, resized.
FRAMES = (None, (1600, 1200), (900, 2000), (4000, 3000))
# Where the photograph is in its frame: fractions of the space left and above.
POSITIONS = ((0.5, 0.5), (0, 1))
PER_CLASS = 6       # photographs of each class
BORDER = 8          # pixels along the edges that show the background
DISEASED = 1        # % of lesions from which a leaf counts as diseased


def lay_on_frame(rgb_img: np.ndarray, size: int,
                 frame: tuple[int, int] | None,
                 position: tuple[float, float]) -> np.ndarray:
    """Return a photograph resized, on a frame of its background's colour."""
    border = np.ones(rgb_img.shape[:2], bool)
    border[BORDER:-BORDER, BORDER:-BORDER] = False
    small = cv2.resize(rgb_img, (size, size), interpolation=cv2.INTER_AREA
                       if size < len(rgb_img) else cv2.INTER_CUBIC)
    if frame is None:
        return small
    width, height = frame
    whole = np.empty((height, width, 3), np.uint8)
    whole[:] = np.median(rgb_img[border], axis=0)
    x = round((width - size) * position[0])
    y = round((height - size) * position[1])
    whole[y:y + size, x:x + size] = small
    return whole


def lesion_share(rgb_img: np.ndarray) -> float:
    """Return the % of lesions on the largest leaf; NaN without a leaf."""
    leaf = max(analyse_image(rgb_img).leaves, key=attrgetter("area"),
               default=None)
    return 100 * leaf.lesions.sum() / leaf.area if leaf else np.nan


def read_leaves(root: Path) -> list[np.ndarray]:
    """Return PER_CLASS photographs of each class, RGB uint8 (H, W, 3)."""
    by_class = {}
    for file in find_images(root):
        by_class.setdefault(file.parent, []).append(file)
    return [read_image(root / file) for files in by_class.values()
            for file in files[::max(1, len(files) // PER_CLASS)][:PER_CLASS]]


def print_row(size: int, frame: tuple[int, int] | None,
              position: tuple[float, float], shares: np.ndarray,
              expected: np.ndarray) -> None:
    """Print how shares differ from the expected ones, % (N,), in a line.

    shares: measured at this size and in this frame; NaN without a leaf.
    """
    diseased, has_leaf = expected >= DISEASED, ~np.isnan(shares)
    relative = np.abs(shares / np.maximum(expected, 1e-9) - 1)[
        diseased & has_leaf]
    points = np.abs(shares - expected)[~diseased & has_leaf]
    name = "itself" if frame is None else "x".join(map(str, frame))
    print(f"{size:4}  {name:9}  {position[0]:4.1f},{position[1]:3.1f}  "
          f"{(~has_leaf).sum():7}  {np.median(relative):6.1%}  "
          f"{np.quantile(relative, 0.9):7.1%}  {relative.max():7.1%}  "
          f"{np.mean(relative < 0.1):14.0%}  {points.max():14.2f}",
          flush=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("leaves", type=Path, help="folder of class folders")
    images = read_leaves(parser.parse_args().leaves)
    cv2.setNumThreads(1)
    expected = np.array(list(map(lesion_share, images)))
    print(f"{len(images)} leaves, {(expected >= DISEASED).sum()} with "
          f"lesions on {DISEASED} % or more\n"
          f"{'':37}diseased leaves: difference{'':15}others: points\n"
          "size  frame      position  no leaf  median     90 %  largest  "
          "within a tenth         at most")
    for size in SIZES:
        for frame in FRAMES:
            for position in POSITIONS[:1] if frame is None else POSITIONS:
                shares = np.array([
                    lesion_share(lay_on_frame(image, size, frame, position))
                    for image in images])
                print_row(size, frame, position, shares, expected)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
