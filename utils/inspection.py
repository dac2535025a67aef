"""What an image file is: size, mode, digest, and which are one photograph."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from utils import cli
from utils.cli import UserError
from utils.images import draft, fetch, open_image, shrink, to_rgb
from utils.labels import Dataset
from utils.places import is_local
from utils.workers import ITEMS_WORTH_A_PROCESS, Workers, map_items

# Side of the thumbnail, in pixels, and root mean square difference, in grey
# levels, up to which two photographs count as one.  A difference in brightness
# of the whole counts BRIGHTNESS times: saved again, scaled or 5 % lighter they
# differ by 3.5 at most; two of 9,854 photographs, even of the same leaf, by
# 6.7 at least, whether it counts or not.
THUMBNAIL = 16
NEAR = 5.0
BRIGHTNESS = 1 / 3
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
# Principal components and images compared at once (see near_identical), and
# images from which the components are computed, at least.
COMPONENTS = 32
BLOCK = 512
SAMPLE = 5000


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
    return Inspection(size, mode, file_digest(path, content),
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
    results = list(cli.progress(map_items(
        inspect, dataset.paths(), workers,
        in_threads=len(dataset.files) < ITEMS_WORTH_A_PROCESS),
        len(dataset.files), "Reading"))
    for result in results:
        if isinstance(result, UserError):
            cli.print_error(result)
    good = [index for index, result in enumerate(results)
            if isinstance(result, Inspection)]
    if not good:
        raise UserError(f"{dataset.root}: no readable image in it")
    return results, good


def file_digest(path: Path, content: bytes | None = None) -> str:
    """Return the SHA-256 of a file's content, in hex.

    content: that, if it was fetched already.
    """
    if content is not None:
        return hashlib.sha256(content).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(path: Path) -> str:
    """Return a file's digest, or "" where it can't be read."""
    try:
        # Opening a pipe would wait for its writer for ever.
        return (file_digest(path) if not is_local(path) or path.is_file()
                else "")
    except OSError:
        return ""


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


def near_identical(thumbnails: np.ndarray, linked: np.ndarray | None = None,
                   turned: bool = True) -> np.ndarray:
    """Return the group of each image, int (N,): the index of one of it.

    thumbnails: uint8 (N, 3 * side * side), the side even.  linked: int
    (N,), for each image another (or itself) that it belongs to in any case.
    turned: whether an image also belongs to one that shows it turned by a
    quarter, upside down or mirrored.
    Two images belong together if their thumbnails, made almost equally bright,
    differ by at most NEAR: byte-identical, saved again, scaled, or turned.
    Compared are the first values of the thumbnails' signatures, and only
    within a window along the first of them: whatever is further apart there
    is so in the thumbnails.
    """
    count, values = thumbnails.shape
    groups = np.arange(count) if linked is None else linked.copy()
    while (groups != groups[groups]).any():
        groups = groups[groups]
    side = round((values / 3) ** 0.5)
    thumbnails = thumbnails.astype(np.float32)
    # Copies are made a little lighter or darker than their original.
    thumbnails -= (1 - BRIGHTNESS) * thumbnails.mean(axis=1, keepdims=True)
    points = signatures(thumbnails.reshape(count, side, side, 3))
    order = np.argsort(points[:, 0], kind="stable")
    points = points[order]
    # A little more, for what float32 loses.
    radius = NEAR * np.sqrt(values) * 1.01 + 1
    ends = np.searchsorted(points[:, 0], points[:, 0] + radius, side="right")
    squares = (points ** 2).sum(axis=1)
    for start in cli.progress(range(0, count, BLOCK), -(-count // BLOCK),
                              "Comparing"):
        stop = min(start + BLOCK, count)
        others = slice(start, ends[stop - 1])
        gaps = (squares[start:stop, None] + squares[others]
                - 2 * points[start:stop] @ points[others].T)
        close = gaps <= radius ** 2
        # Each image is close to itself.
        for row in np.flatnonzero(close.sum(axis=1) > 1):
            image = order[start + row]
            found = order[start + np.flatnonzero(close[row])]
            for view in orientations(thumbnails[image].reshape(
                    side, side, 3)) if turned else [thumbnails[image]]:
                found = found[groups[found] != groups[image]]
                if not found.size:
                    break
                distances = thumbnails[found] - view.ravel()
                near = found[(distances ** 2).mean(axis=1) <= NEAR ** 2]
                if near.size:
                    groups[np.isin(groups, groups[near])] = groups[image]
    return groups


def orientations(image: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a square image in its eight orientations, itself first."""
    for view in (image, image[:, ::-1]):
        for quarters in range(4):
            yield np.rot90(view, quarters)


def signatures(images: np.ndarray) -> np.ndarray:
    """Return what no turning and no mirroring changes, (N, COMPONENTS).

    images: float32 (N, side, side, 3).  The signatures of two images differ
    by no more than the images do, in whichever orientation.
    Sums and differences of the mirrored halves split an image into four
    parts that are even or odd from left to right and from top to bottom.
    Mirroring changes the sign of a part at most, so absolute values stay.
    Transposing splits two parts further, into symmetric and antisymmetric
    ones, and exchanges the other two, so these are sorted.  Of each part
    the principal components are taken, and of them all the most variable.
    """
    half = images.shape[1] // 2
    above, below = images[:, :half], images[:, :half - 1:-1]
    (even, even_odd), (odd_even, odd) = (
        ((rows[:, :, :half] + rows[:, :, :half - 1:-1]) / 2,
         (rows[:, :, :half] - rows[:, :, :half - 1:-1]) / 2)
        for rows in (above + below, above - below))
    parts = [_flat(part + sign * part.swapaxes(1, 2)) / 2
             for part in (even, odd) for sign in (1, -1)]
    # The first part alone never changes, not even its sign.
    parts[0] -= parts[0].mean(axis=0)
    found = [part @ _components(part) for part in parts]
    found[1:] = map(np.abs, found[1:])
    pair = _flat(even_odd), _flat(odd_even.swapaxes(1, 2))
    axes = _components(np.concatenate(pair))
    one, other = (np.abs(part @ axes) for part in pair)
    values = np.hstack([*found, np.maximum(one, other),
                        np.minimum(one, other)])
    chosen = np.argsort(-values.var(axis=0), kind="stable")[:COMPONENTS]
    return values[:, chosen]


def _flat(part: np.ndarray) -> np.ndarray:
    return part.reshape(len(part), -1)


def _components(part: np.ndarray) -> np.ndarray:
    """Return the first principal axes of (N, D), as columns."""
    sample = part[::len(part) // SAMPLE + 1]
    _, axes = np.linalg.eigh(sample.T @ sample)
    return axes[:, :-COMPONENTS - 1:-1]
