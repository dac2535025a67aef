"""Features of the frozen part: computed once per image, kept on disk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from utils import cli
from utils.cli import UserError
from utils.images import read_batches
from utils.litert import Network

# Images that go through the network at once; LiteRT is no faster from 32 on.
BATCH = 32


def whole_batches(paths: list[Path], size: int, title: str
                  ) -> Iterator[np.ndarray]:
    """Yield all images in batches, float32 (n, size, size, 3), with a bar.

    Raises UserError for the first image that can't be read.
    """
    batches = read_batches(paths, size, BATCH)
    for batch in cli.progress(batches, -(-len(paths) // BATCH), title):
        for image in batch:
            if isinstance(image, UserError):
                raise image
        yield np.stack(batch)


def frozen_features(network: Network, paths: list[Path], size: int,
                    file: Path, title: str
                    ) -> tuple[np.ndarray, np.ndarray]:
    """Return what the frozen part gives for each image, computed once.

    network: images to (features at the cut, pooled features of the top).
    Returns features, float16 (N, h, w, channels), memory-mapped in file (16
    bits halve the disk, and are finer than what JPEG leaves of an image),
    and pooled features, float32 (N, 1280).
    """
    features = pooled = None
    done = 0
    for images in whole_batches(paths, size, title):
        at_cut, at_top = network(images)
        if features is None:
            features = np.lib.format.open_memmap(
                file, "w+", np.float16, (len(paths), *at_cut.shape[1:]))
            pooled = np.empty((len(paths), at_top.shape[1]), np.float32)
        features[done:done + len(images)] = at_cut
        pooled[done:done + len(images)] = at_top
        done += len(images)
    return features, pooled


def shuffled_batches(features: np.ndarray, targets: np.ndarray, size: int,
                     rng: np.random.Generator) -> Iterator[tuple]:
    """Yield batches (float32 features, targets) without end.

    All images anew in another order at each epoch; only a batch of the
    memory-mapped features is in memory.
    """
    while True:
        order = rng.permutation(len(features))
        for start in range(0, len(order), size):
            # Sorted: a disk reads forwards faster.
            rows = np.sort(order[start:start + size])
            yield features[rows].astype(np.float32), targets[rows]
