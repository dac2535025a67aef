"""What a network gives for many images: computed once, kept on disk."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.model.runtime import Network
from leaffliction.training.field_images import Backgrounds, FieldImage
from leaffliction.utils.images import preprocess, read_for
from leaffliction.utils.parallel import Workers, raise_errors
from leaffliction.utils.progress import progress


def answers(model: bytes, items: Sequence, load: Callable,
            workers: Workers, title: str, kind: type = np.float32
            ) -> Iterator[list[np.ndarray]]:
    """Yield the outputs of a network for one item at a time.

    model: a LiteRT file's content.  load: item to the few preprocessed
    images that belong to it, float32 (n, size, size, 3), and so many rows
    has each output; a UserError of it is raised.
    Each worker decodes an image and runs a network of its own on it: what
    lies between the layers for one image stays in a core's cache, which for
    32 at once it does not (1.4 times as fast; and nobody waits for another
    at the end of each layer).
    """
    answer = partial(run_network, network=Network(model), load=load,
                     kind=kind)
    return progress(raise_errors(workers.map(answer, items, in_threads=True,
                    name_of=lambda item: getattr(item, "path", item))), len(items), title)


def run_network(item, network: Network, load: Callable, kind: type
                ) -> list[np.ndarray]:
    """Return a network's outputs for an item, as that kind of floats."""
    return [output.astype(kind, copy=False) for output in network(load(item))]


def load_image(image: Path | FieldImage, size: int, backgrounds: Backgrounds | None = None
               ) -> np.ndarray:
    """Return a file, or a field view, preprocessed: (1, size, size, 3).

    backgrounds: of the views.  Raises UserError where it can't be read.
    """
    rgb_img = (image.draw(backgrounds) if isinstance(image, FieldImage)
               else read_for(image, size))
    return preprocess(rgb_img, size)[np.newaxis]


def load_images(paths: Sequence[Path], size: int, workers: Workers,
                title: str) -> np.ndarray:
    """Return files preprocessed, float32 (N, size, size, 3)."""
    return np.concatenate(list(progress(raise_errors(workers.map(partial(load_image, size=size), paths, in_threads=True)),
                                        len(paths), title)))


def all_outputs(model: bytes, images: Sequence[Path], size: int,
                workers: Workers, title: str) -> list[np.ndarray]:
    """Return each output of a network, (N, ...), for N images."""
    return [np.concatenate(output) for output in zip(*answers(
        model, images, partial(load_image, size=size), workers, title))]


def frozen_features(model: bytes, images: Sequence, load: Callable,
                    workers: Workers, file: Path, title: str) -> np.ndarray:
    """Return what the frozen part gives for each image, computed once.

    model: images to features at the cut, as LiteRT.  load: image to what the
    network takes, (1, size, size, 3).
    float16 (N, h, w, channels), memory-mapped in file: 16 bits halve the
    disk, and are finer than what JPEG leaves of an image.
    """
    features = None
    # Made smaller where they are made: on a cluster they travel here.
    for row, (at_cut,) in enumerate(answers(model, images, load, workers,
                                            title, np.float16)):
        if features is None:
            features = np.lib.format.open_memmap(
                file, "w+", at_cut.dtype, (len(images), *at_cut.shape[1:]))
            # A full disk is an error now; at the first touch of a page that
            # finds no room it would be a signal.
            # (macOS has no such call.)
            if hasattr(os, "posix_fallocate"):
                with open(file, "r+b") as opened:
                    os.posix_fallocate(opened.fileno(), 0,
                                       file.stat().st_size)
        features[row] = at_cut[0]
    return features
