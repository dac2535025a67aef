"""Examples: the frozen layers' features of each image, with its class."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.training.backbone import FrozenBackbone
from leaffliction.training.features import extract_features, load_image
from leaffliction.training.litert import to_litert
from leaffliction.training.training_set import CalibrationSet, TrainingSet
from leaffliction.utils.parallel import Workers

EXAMPLE_SETS = ("training", "early_stopping")


def features_file(folder: Path, name: str) -> Path:
    """Return the file of the frozen features of one of EXAMPLE_SETS."""
    return folder / f"{name}.npy"


@dataclass(frozen=True)
class Examples:
    """The input and the targets of a phase, for N images.

    features: float16 or float32 (N, ...), may be memory-mapped.
    targets: indices of classes, int (N,).
    """

    features: np.ndarray
    targets: np.ndarray

    def one_hot(self, classes: int) -> np.ndarray:
        """Return the targets as probabilities, float32 (N, classes)."""
        return np.eye(classes, dtype=np.float32)[self.targets]


def compute_features(backbone: FrozenBackbone, training: TrainingSet,
                     calibration: CalibrationSet, scratch: Path,
                     workers: Workers) -> Iterator[Examples]:
    """Yield the examples of the training and of the early-stopping set.

    Their features are the output of the frozen layers, computed once for
    each image and kept in scratch.
    """
    model = to_litert(backbone.lower())
    load = partial(load_image, size=backbone.size,
                   backgrounds=calibration.backgrounds)
    early_stopping = calibration.images
    for name, paths, targets in zip(
            EXAMPLE_SETS, (training.images(), early_stopping.paths()),
            (training.targets, early_stopping.labels)):
        title = f"Features of the {name.replace('_', '-')} set"
        yield Examples(extract_features(
            model, paths, load, workers, features_file(scratch, name), title),
            targets)
