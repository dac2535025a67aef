"""Does the same leaf have the same lesions at any size, in any frame?

    python -m benchmarks.leaf_sizes LEAVES

LEAVES contains CLASS/name.JPG, each filled by one leaf.  The benchmark
resizes each photograph and lays it on a frame of the background's colour, in
the middle or in a corner.  It prints, for each size in pixels and each frame,
by how much the share of lesions differs from the photograph's own: relative
to it for leaves with lesions on at least 1 %, in percentage points for the
others.
"""

import sys
from operator import attrgetter
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation.analysis import analyse_image
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import read_image

SIZES = (60, 100, 200, 300, 800)
# Width and height; None: the photograph itself, resized.
FRAMES = (None, (1600, 1200), (900, 2000), (4000, 3000))
# Where the photograph lies in its frame: x and y as fractions of the room.
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


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    root = Path(sys.argv[1])
    by_class = {}
    for file in find_images(root):
        by_class.setdefault(file.parent, []).append(file)
    images = [read_image(root / file) for files in by_class.values()
              for file in files[::max(1, len(files) // PER_CLASS)][:PER_CLASS]]
    expected = np.array(list(map(lesion_share, images)))
    diseased = expected >= DISEASED
    print(f"{len(images)} leaves, {diseased.sum()} with lesions on {DISEASED} "
          "% or more\n"
          f"{'':37}diseased leaves: difference{'':15}others: points\n"
          "size  frame      position  no leaf  median     90 %  largest  "
          "within a tenth         at most")
    for size in SIZES:
        for frame in FRAMES:
            for position in POSITIONS[:1] if frame is None else POSITIONS:
                shares = np.array([
                    lesion_share(lay_on_frame(image, size, frame, position))
                    for image in images])
                found = ~np.isnan(shares)
                relative = np.abs(shares / np.maximum(expected, 1e-9) - 1)[
                    diseased & found]
                points = np.abs(shares - expected)[~diseased & found]
                name = "itself" if frame is None else "x".join(
                    map(str, frame))
                print(f"{size:4}  {name:9}  {position[0]:4.1f},"
                      f"{position[1]:3.1f}  {(~found).sum():7}  "
                      f"{np.median(relative):6.1%}  "
                      f"{np.quantile(relative, 0.9):7.1%}  "
                      f"{relative.max():7.1%}  "
                      f"{np.mean(relative < 0.1):14.0%}  "
                      f"{points.max():14.2f}", flush=True)


if __name__ == "__main__":
    main()
