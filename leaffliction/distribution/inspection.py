"""What an image file is: size, mode, digest, and which are one photograph."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from leaffliction.utils.console import print_error
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import file_digest
from leaffliction.utils.images import draft, fetch, open_image, shrink, to_rgb
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import MIN_ITEMS_PER_PROCESS, Workers
from leaffliction.utils.progress import progress

# Side of the thumbnail, in pixels.
THUMBNAIL = 16
# A leaf that is small before a plain ground is looked at closely, else any
# two would count as one.  SMALL: radius of what differs from the ground, in
# parts of the shorter side.  PLAIN: levels by which grain differs from it.
# At 60 pixels of 1600 the same leaf, saved again, differs by 12 levels at
# most and another by 18 at least, so differences count CLOSE times.
SMALL, PLAIN, CLOSE = 0.3, 24, 1 / 3
# Share of an image that differs from the ground where a leaf isn't small.
MOST_UNLIKE = 0.5
# Pixels of the shorter side of an image that is looked at closely.
CLOSE_SIDE = 512


@dataclass(frozen=True)
class Inspection:
    """What is known of a readable image file.

    size: (width, height) in pixels, as stored.  mode: Pillow's name for the
    kind of pixels ("RGB", "L", "CMYK", "I;16").  digest: SHA-256, in hex.
    thumbnail: uint8 (3 * 16 * 16,).
    """

    size: tuple[int, int]
    mode: str
    digest: str
    thumbnail: np.ndarray


def inspect_image(path: Path) -> Inspection:
    """Read an image once, whole; UserError where it can't be read."""
    content = fetch(path)
    with open_image(path, content) as image:
        size, mode = image.size, image.mode
        # A JPEG is decoded at a quarter of its size where that is enough;
        # all of the file is gone through nevertheless.
        draft(image, (4 * THUMBNAIL, 4 * THUMBNAIL))
        image.load()
        rgb_img = to_rgb(image)
    side = min(rgb_img.shape[:2])
    rgb_img = shrink(rgb_img, 2 * CLOSE_SIDE)
    part = small_part(rgb_img)
    if part is not None and min(size) > side:
        with open_image(path, content) as image:
            draft(image, (CLOSE_SIDE, CLOSE_SIDE))
            rgb_img = shrink(to_rgb(image), 2 * CLOSE_SIDE)
        part = small_part(rgb_img)
    return Inspection(size, mode, file_digest(path, content=content),
                      thumbnail_of(rgb_img, part))


def inspect_dataset(dataset: Dataset, workers: Workers,
                    inspect: Callable = inspect_image
                    ) -> tuple[list[Inspection | UserError], list[int]]:
    """Return what each file is, (N,), and the indices of the readable ones.

    Why the others can't be read stands in their place, and is printed.
    Raises UserError if that is all of them.
    """
    # Pillow decodes without Python's lock, so few files are read in threads:
    # 36 photographs of 12 megapixels take as long as two processes to start.
    results = list(progress(workers.map(inspect, dataset.paths(), in_threads=len(dataset.files) < MIN_ITEMS_PER_PROCESS),
                            len(dataset.files), "Reading"))
    for result in results:
        if isinstance(result, UserError):
            print_error(result)
    good = [index for index, result in enumerate(results)
            if isinstance(result, Inspection)]
    if not good:
        raise UserError(f"{dataset.root}: no readable image in it")
    return results, good


def make_thumbnail(rgb_img: np.ndarray) -> np.ndarray:
    """Return what near_identical compares, of RGB uint8 (H, W, 3)."""
    rgb_img = shrink(rgb_img, 2 * CLOSE_SIDE)
    return thumbnail_of(rgb_img, small_part(rgb_img))


def thumbnail_of(rgb_img: np.ndarray,
                 part: tuple[float, float, float] | None) -> np.ndarray:
    """Return what near_identical compares: uint8 (3 * 16 * 16,).

    The image made small; or, of a small leaf before a plain ground, that
    leaf alone, with CLOSE of its contrast.  part: as small_part returns it.
    """
    if part is None:
        return cv2.resize(rgb_img, (THUMBNAIL, THUMBNAIL),
                          interpolation=cv2.INTER_AREA).ravel()
    x, y, radius = part
    # Four points along each side of a pixel, of which it is the mean.
    step = 2 * radius / (4 * THUMBNAIL)
    matrix = np.array([[step, 0, x - radius + step / 2],
                       [0, step, y - radius + step / 2]])
    seen = cv2.warpAffine(
        rgb_img, matrix, (4 * THUMBNAIL, 4 * THUMBNAIL),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.resize(seen, (THUMBNAIL, THUMBNAIL),
                      interpolation=cv2.INTER_AREA)
    return np.rint(128 + CLOSE * (seen.ravel() - 128.0)).astype(np.uint8)


def small_part(rgb_img: np.ndarray) -> tuple[float, float, float] | None:
    """Return middle x, y and radius (pixels) of what is not ground.

    None where it is not small, or there is nothing else than ground.
    Weighted by the difference from the frame's median colour: so a file
    saved again, scaled or turned has the same to a part of a pixel.
    """
    tiny = _unlike_ground(cv2.resize(rgb_img, (THUMBNAIL, THUMBNAIL),
                                     interpolation=cv2.INTER_AREA))
    if np.count_nonzero(tiny) > MOST_UNLIKE * tiny.size:
        return None    # So much is never small, and soon seen.
    weights = _unlike_ground(rgb_img)
    total = float(weights.sum())
    if not total:
        return None
    height, width = weights.shape
    across, down = weights.sum(axis=0), weights.sum(axis=1)
    x, y = (float(np.arange(len(sums)) @ sums) / total
            for sums in (across, down))
    spread = ((np.arange(width) - x) ** 2 @ across
              + (np.arange(height) - y) ** 2 @ down) / total / 2
    # Of a leaf as wide as high all is within two deviations.
    radius = 2.2 * float(spread) ** 0.5
    return ((x, y, radius) if 1 < radius < SMALL * min(height, width)
            else None)


def _unlike_ground(rgb_img: np.ndarray) -> np.ndarray:
    """Return by how much pixels differ from the frame, float32 (H, W)."""
    # Its median, for which np.median takes thrice as long.
    frame = np.sort(np.concatenate(
        [rgb_img[0], rgb_img[-1], rgb_img[:, 0], rgb_img[:, -1]]), axis=0)
    middle = len(frame) // 2
    ground = frame[middle - 1:middle + 1].mean(axis=0)
    return np.clip(np.abs(rgb_img - ground.astype(np.float32)).max(axis=2)
                   - PLAIN, 0, 2 * PLAIN)
