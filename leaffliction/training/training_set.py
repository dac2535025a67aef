"""What the network is trained on, and what it is calibrated with.

The training set is balanced first; both sets get synthetic field images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from leaffliction.augmentation.balance import (class_targets, plan_balance,
                                               plan_files, write_plan)
from leaffliction.augmentation.transforms import AUGMENTATIONS
from leaffliction.training.backgrounds import Backgrounds
from leaffliction.training.config import TrainConfig
from leaffliction.training.field_images import FieldImage, plan_field_images
from leaffliction.training.split import (EARLY_STOPPING, TRAINING, Parts,
                                         class_by_domain, part_counts)
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers

MIN_IMAGES = 200         # of each class in the balanced set
# Longest side of an augmented copy: this many pixels, or 4 times the size of
# the network's input if that is more.
COPY_SIDE = 512
# Of each class, to calibrate with.
FIELD_IMAGES = 30


@dataclass(frozen=True)
class TrainingSet:
    """What the network is trained on.

    files: the balanced set, relative to root.
    field_images: synthetic field images, made when they are loaded.
    targets: the class of each file, then of each field image, int (N,).
    """

    root: Path
    files: list[Path]
    field_images: list[FieldImage]
    targets: np.ndarray

    def images(self) -> list[Path | FieldImage]:
        """Return all images in the order of targets."""
        return [self.root / file for file in self.files] + self.field_images


@dataclass(frozen=True)
class CalibrationSet:
    """Images that the network is not trained on, to calibrate it with.

    images: the early-stopping set, N images.
    leaves: the leaf that each of them shows, (N,).
    field_images: synthetic field images of these leaves, which stand for OOD
    images.  targets: the class of each field image, int.
    backgrounds: of the field images of both sets.
    """

    images: Dataset
    leaves: Sequence
    field_images: Sequence[FieldImage]
    targets: np.ndarray
    backgrounds: Backgrounds


def balanced_targets(parts: Parts) -> tuple[Dataset, list[int]]:
    """Return the training set by class and domain, and each one's target.

    A target is the number of images in the balanced set.
    """
    training = class_by_domain(
        parts.training, parts.leaves.domains[parts.names == TRAINING])
    return training, [max(MIN_IMAGES, target)
                      for target in class_targets(training, None, False)]


def planned_images(parts: Parts, config: TrainConfig) -> int:
    """Return the number of images that the network will be trained on."""
    _, targets = balanced_targets(parts)
    return round(sum(targets) * (1 + config.field_images))


def write_balanced(parts: Parts, config: TrainConfig, root: Path,
                   workers: Workers) -> TrainingSet:
    """Write the balanced training set below root, and return its images.

    Each class of each domain gets as many images as the largest has: 25
    photographs from an orchard weigh as much as 1,000 from a laboratory.
    Copies are augmented in light as well as in shape, since field
    photographs differ from those of a laboratory in light first.
    Copies of large photographs are smaller: at 12 megapixels a copy would
    take a second, and the network sees far fewer pixels anyway.
    """
    training, targets = balanced_targets(parts)
    plan = plan_balance(training, targets, config.seed, tuple(AUGMENTATIONS))
    for problem in write_plan(plan, training.root, root, config.seed, workers,
                              max(COPY_SIDE, 4 * config.size)):
        if problem is not None:
            raise problem
    files, labels = plan_files(plan)
    # The classes of `training` are pairs of class and domain.
    class_of = np.array([parts.training.class_names.index(name)
                         for name in training.class_names])
    return TrainingSet(root, files, [], class_of[labels])


def add_field_images(balanced: TrainingSet, training: Dataset,
                     config: TrainConfig) -> TrainingSet:
    """Add synthetic field images of the leaves in the training set.

    Their number in each class is config.field_images times that of balanced
    images, rounded.
    """
    wanted = np.rint(config.field_images
                     * np.bincount(balanced.targets)).astype(int)
    field_images, targets = plan_field_images(training, wanted, config.seed)
    return replace(balanced, field_images=field_images,
                   targets=np.concatenate([balanced.targets, targets]))


def make_calibration_set(parts: Parts, backgrounds: Backgrounds, seed: int
                         ) -> CalibrationSet:
    """Return the early-stopping set with synthetic field images of it."""
    dataset = parts.early_stopping
    field_images, targets = plan_field_images(
        dataset, [FIELD_IMAGES] * len(dataset.class_names), seed)
    return CalibrationSet(dataset, parts.leaves_of(EARLY_STOPPING),
                          field_images, targets, backgrounds)


def summary(parts: Parts, training: TrainingSet) -> str:
    """Return the numbers of images, in a line for people."""
    leaves = len(set(parts.leaves.groups))
    sizes = ", ".join(
        f"{count} {'early stopping' if name == EARLY_STOPPING else name}"
        for name, count in part_counts(parts.names).items())
    return (f"{len(parts.names)} images of {leaves} leaves: {sizes}; training "
            f"on {len(training.files)} balanced images and "
            f"{len(training.field_images)} synthetic field images")
