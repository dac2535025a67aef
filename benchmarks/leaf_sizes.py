"""Does the same leaf have the same lesions at any size, in any frame?

    python -m benchmarks.leaf_sizes LEAVES

LEAVES holds CLASS/name.JPG, a leaf that fills each.  Each photograph is
resized and laid on a frame of its own ground's colour, in the middle or in a
corner.  Prints, for each size in pixels and each frame, by how much the
share of lesions differs from that of the photograph itself: of leaves with
at least 1 % as a share of it, of the others in points.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation.lesions import find_lesions
from leaffliction.transformation.mask import find_leaves, number_leaves
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import read_image

SIZES = (60, 100, 200, 300, 800)
# Width and height; None: the photograph itself, resized.
FRAMES = (None, (1600, 1200), (900, 2000), (4000, 3000))
PLACES = ((0.5, 0.5), (0, 1))    # of the room that is left
A_CLASS, BORDER = 6, 8    # photographs, and pixels that show the ground
LEAST_SHARE = 1    # %


def lay(rgb_img: np.ndarray, size: int, frame: tuple[int, int] | None,
        place: tuple[float, float]) -> np.ndarray:
    """Return a photograph resized, on a frame of its ground's colour."""
    within = np.ones(rgb_img.shape[:2], bool)
    within[BORDER:-BORDER, BORDER:-BORDER] = False
    small = cv2.resize(rgb_img, (size, size), interpolation=cv2.INTER_AREA
                       if size < len(rgb_img) else cv2.INTER_CUBIC)
    if frame is None:
        return small
    width, height = frame
    whole = np.empty((height, width, 3), np.uint8)
    whole[:] = np.median(rgb_img[within], axis=0)
    x, y = round((width - size) * place[0]), round((height - size) * place[1])
    whole[y:y + size, x:x + size] = small
    return whole


def share(rgb_img: np.ndarray) -> float:
    """Return the % of lesions on the largest leaf; NaN without one."""
    leaves = find_leaves(rgb_img)
    if not leaves:
        return np.nan
    leaf = max(leaves, key=lambda leaf: np.count_nonzero(leaf.mask))
    mask = number_leaves([leaf], rgb_img.shape[:2]) > 0
    return 100 * np.count_nonzero(find_lesions(rgb_img, mask)) / mask.sum()


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    root = Path(sys.argv[1])
    by_class = {}
    for file in find_images(root):
        by_class.setdefault(file.parent, []).append(file)
    images = [read_image(root / file) for files in by_class.values()
              for file in files[::max(1, len(files) // A_CLASS)][:A_CLASS]]
    apart = np.array(list(map(share, images)))
    ill = apart >= LEAST_SHARE
    print(f"{len(images)} leaves, {ill.sum()} with {LEAST_SHARE} % or more\n"
          "size  frame      place   no leaf  ill: median     90 %  largest  "
          "within a tenth  else: points at most")
    for size in SIZES:
        for frame in FRAMES:
            for place in PLACES[:1] if frame is None else PLACES:
                found = np.array([share(lay(image, size, frame, place))
                                  for image in images])
                there = ~np.isnan(found)
                off = np.abs(found / np.maximum(apart, 1e-9) - 1)[ill & there]
                points = np.abs(found - apart)[~ill & there]
                name = "itself" if frame is None else "x".join(
                    map(str, frame))
                print(f"{size:4}  {name:9}  {place[0]:3.1f},{place[1]:3.1f}  "
                      f"{(~there).sum():6}  {np.median(off):11.1%}  "
                      f"{np.quantile(off, 0.9):7.1%}  {off.max():7.1%}  "
                      f"{np.mean(off < 0.1):13.0%}  {points.max():18.2f}",
                      flush=True)


if __name__ == "__main__":
    main()
