"""What an image file is: size, mode, digest, and which are one photograph."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from utils import cli
from utils.cli import UserError
from utils.images import draft, fetch, open_image, to_rgb
from utils.labels import Dataset
from utils.places import is_local
from utils.workers import Workers, map_items

# Side of the thumbnail, in pixels, and root mean square difference, in grey
# levels, up to which two photographs count as one.  On 5,775 photographs of
# leaves, saved again or scaled they differ by 1.6 at most; two photographs,
# even of the same leaf, by 9.8 at least.
THUMBNAIL = 16
NEAR = 5.0
# Principal components and images compared at once (see near_identical).
COMPONENTS = 32
BLOCK = 512


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
        thumbnail = make_thumbnail(to_rgb(image))
        return Inspection(size, mode, file_digest(path, content), thumbnail)


def inspect_dataset(dataset: Dataset, workers: Workers,
                    inspect: Callable = inspect_image
                    ) -> tuple[list[Inspection | UserError], list[int]]:
    """Return what each file is, (N,), and the indices of the readable ones.

    Why the others can't be read stands in their place, and is printed.
    Raises UserError if that is all of them.
    """
    results = list(cli.progress(map_items(inspect, dataset.paths(), workers),
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
    """Return what near_identical compares: uint8 (3 * 16 * 16,)."""
    return cv2.resize(rgb_img, (THUMBNAIL, THUMBNAIL),
                      interpolation=cv2.INTER_AREA).ravel()


def near_identical(thumbnails: np.ndarray, linked: np.ndarray | None = None
                   ) -> np.ndarray:
    """Return the group of each image, int (N,): the index of one of it.

    thumbnails: uint8 (N, D).  linked: int (N,), for each image another (or
    itself) that it belongs to in any case.
    Two images belong together if their thumbnails differ by at most NEAR:
    byte-identical, saved again, or scaled.  Compared are the thumbnails'
    first principal components, and only within a window along the first:
    whatever is further apart there is so in all of the thumbnail.
    """
    count, values = thumbnails.shape
    groups = np.arange(count) if linked is None else linked.copy()
    while (groups != groups[groups]).any():
        groups = groups[groups]
    centred = thumbnails - thumbnails.mean(axis=0, dtype=np.float32)
    _, axes = np.linalg.eigh(centred.T @ centred)
    points = centred @ axes[:, :-COMPONENTS - 1:-1]
    order = np.argsort(points[:, 0], kind="stable")
    points = points[order]
    # A little more, for what float32 loses.
    radius = NEAR * np.sqrt(values) * 1.01 + 1
    ends = np.searchsorted(points[:, 0], points[:, 0] + radius, side="right")
    squares = (points ** 2).sum(axis=1)
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        others = slice(start, ends[stop - 1])
        gaps = (squares[start:stop, None] + squares[others]
                - 2 * points[start:stop] @ points[others].T)
        close = gaps <= radius ** 2
        # Each image is close to itself.
        for row in np.flatnonzero(close.sum(axis=1) > 1):
            image = order[start + row]
            found = order[start + np.flatnonzero(close[row])]
            found = found[groups[found] != groups[image]]
            distances = centred[found] - centred[image]
            found = found[(distances ** 2).mean(axis=1) <= NEAR ** 2]
            if found.size:
                same = np.isin(groups, groups[found])
                groups[same] = groups[image]
    return groups
