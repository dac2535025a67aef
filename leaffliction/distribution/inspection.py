"""Inspect image files: size, mode, checksum and thumbnail of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaffliction.distribution.thumbnails import (LEAF_IMAGE_SIDE, SIDE,
                                                  find_small_leaf,
                                                  thumbnail_of)
from leaffliction.utils.console import print_error
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import file_digest
from leaffliction.utils.images import fetch, open_image, shrink
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import MIN_ITEMS_PER_PROCESS, Workers
from leaffliction.utils.progress import progress
from leaffliction.utils.rgb import draft, to_rgb


@dataclass(frozen=True)
class Inspection:
    """What one readable image file is.

    size: (width, height) in pixels, as stored.  mode: Pillow's name of the
    pixel format ("RGB", "L", "CMYK", "I;16").  sha256: checksum of the file,
    in hexadecimal.  thumbnail: uint8 (3 * 16 * 16,), see thumbnails.
    """

    size: tuple[int, int]
    mode: str
    sha256: str
    thumbnail: np.ndarray


def inspect_image(path: Path) -> Inspection:
    """Read an image to its end and describe it.

    Raises UserError if it can't be read.
    """
    content = fetch(path)
    with open_image(path, content) as image:
        size, mode = image.size, image.mode
        # For most images a JPEG's draft, decoded at a fraction of its size,
        # is enough.  Pillow still reads the file to its end, so a truncated
        # one is noticed.
        draft(image, (4 * SIDE, 4 * SIDE))
        image.load()
        rgb_img = to_rgb(image)
    decoded_side = min(rgb_img.shape[:2])
    rgb_img = shrink(rgb_img, 2 * LEAF_IMAGE_SIDE)
    leaf = find_small_leaf(rgb_img)
    if leaf is not None and min(size) > decoded_side:
        # A small leaf needs more pixels: decode again, at LEAF_IMAGE_SIDE.
        with open_image(path, content) as image:
            draft(image, (LEAF_IMAGE_SIDE, LEAF_IMAGE_SIDE))
            rgb_img = shrink(to_rgb(image), 2 * LEAF_IMAGE_SIDE)
        leaf = find_small_leaf(rgb_img)
    return Inspection(size, mode, file_digest(path, content=content),
                      thumbnail_of(rgb_img, leaf))


def inspect_dataset(dataset: Dataset, workers: Workers,
                    inspect: Callable = inspect_image
                    ) -> tuple[list[Inspection | UserError], list[int]]:
    """Inspect all images; return the results and the readable indices.

    The result of an unreadable image is its error, which is also printed.
    Raises UserError if no image is readable.
    """
    # Pillow releases Python's lock while it decodes, so threads are enough
    # for few files: starting two processes takes as long as decoding 36
    # photographs of 12 megapixels.
    are_few = len(dataset.files) < MIN_ITEMS_PER_PROCESS
    results = list(progress(
        workers.map(inspect, dataset.paths(), in_threads=are_few),
        len(dataset.files), "Reading"))
    for result in results:
        if isinstance(result, UserError):
            print_error(result)
    readable = [index for index, result in enumerate(results)
                if isinstance(result, Inspection)]
    if not readable:
        raise UserError(f"{dataset.root}: no readable image in it")
    return results, readable
