"""What a network gives for many images: computed once, kept on disk."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from utils import cli
from utils.images import preprocess, read_image
from utils.litert import Network
from utils.workers import map_threads


def answers(model: bytes, items: Sequence, load: Callable, jobs: int,
            title: str) -> Iterator[list[np.ndarray]]:
    """Yield the outputs of a network for one item at a time.

    model: a LiteRT file's content.  load: item to the few preprocessed
    images that belong to it, float32 (n, size, size, 3), and so many rows
    has each output; a UserError of it is raised.
    Each of `jobs` threads decodes an image and runs a network of its own on
    it: what lies between the layers for one image stays in a core's cache,
    which for 32 at once it does not (1.4 times as fast; and no thread waits
    for another at the end of each layer).
    """
    idle = SimpleQueue()
    for _ in range(min(jobs, len(items))):
        idle.put(Network(model, threads=1))

    def answer(item) -> list[np.ndarray]:
        images = load(item)
        network = idle.get()
        try:
            return network(images)
        finally:
            idle.put(network)

    return cli.progress(map_threads(answer, items, jobs), len(items), title)


def image_answers(model: bytes, images: Sequence[Path | Callable], size: int,
                  jobs: int, title: str) -> Iterator[list[np.ndarray]]:
    """Yield the outputs of a network, each (1, ...), for each image.

    images: files, or functions that return an image, RGB uint8 (H, W, 3).
    """
    def load(image: Path | Callable) -> np.ndarray:
        rgb_img = image() if callable(image) else read_image(image)
        return preprocess(rgb_img, size)[np.newaxis]

    return answers(model, images, load, jobs, title)


def all_outputs(model: bytes, images: Sequence[Path | Callable], size: int,
                jobs: int, title: str) -> list[np.ndarray]:
    """Return each output of a network, (N, ...), for N images."""
    return [np.concatenate(output) for output in zip(*image_answers(
        model, images, size, jobs, title))]


def frozen_features(model: bytes, images: Sequence[Path | Callable],
                    size: int, jobs: int, file: Path, title: str
                    ) -> np.ndarray:
    """Return what the frozen part gives for each image, computed once.

    model: images to features at the cut, as LiteRT.
    float16 (N, h, w, channels), memory-mapped in file: 16 bits halve the
    disk, and are finer than what JPEG leaves of an image.
    """
    features = None
    for row, (at_cut,) in enumerate(image_answers(model, images, size, jobs,
                                                  title)):
        if features is None:
            features = np.lib.format.open_memmap(
                file, "w+", np.float16, (len(images), *at_cut.shape[1:]))
            # A full disk is an error now; at the first touch of a page that
            # finds no room it would be a signal.
            # (macOS has no such call.)
            if hasattr(os, "posix_fallocate"):
                with open(file, "r+b") as opened:
                    os.posix_fallocate(opened.fileno(), 0,
                                       file.stat().st_size)
        features[row] = at_cut[0]
    return features


def shuffled_batches(features: np.ndarray, targets: np.ndarray, size: int,
                     epochs: int, rng: np.random.Generator
                     ) -> Iterator[tuple]:
    """Yield batches (float32 features, targets) of so many epochs.

    All images anew in another order at each epoch; only a batch of the
    memory-mapped features is in memory.
    """
    for _ in range(epochs):
        order = rng.permutation(len(features))
        for start in range(0, len(order), size):
            # Sorted: a disk reads forwards faster.
            rows = np.sort(order[start:start + size])
            yield features[rows].astype(np.float32), targets[rows]
