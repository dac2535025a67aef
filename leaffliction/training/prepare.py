"""The images of a training run: split by leaf, balanced, and varied."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.augmentation.balance import (class_targets, plan_balance,
                                               plan_files, write_plan)
from leaffliction.augmentation.transforms import AUGMENTATIONS
from leaffliction.training.backbone import FrozenBackbone
from leaffliction.training.config import EARLY_STOPPING_SHARE, TrainConfig
from leaffliction.training.data import Leaves, cells, strata
from leaffliction.training.export import CalibrationSet
from leaffliction.training.features import frozen_features, load_image
from leaffliction.training.field_images import (Backgrounds, FieldImage,
                                                plan_field_images)
from leaffliction.training.groups import check_split
from leaffliction.training.litert import to_litert
from leaffliction.training.loop import EXAMPLE_SETS, Examples, features_file
from leaffliction.training.split import (LEFT_OUT, STOPPING, TRAINING,
                                         VALIDATION, part_counts,
                                         split_dataset)
from leaffliction.utils.cli import UserError, print_note
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers

MIN_IMAGES = 200       # of each class in the balanced set
# Longest side of an augmented copy: this many pixels, or 4 times the size of
# the network's input if that is more.
COPY_SIDE = 512
OOD_IMAGES = 30          # field images of each class, to calibrate with


@dataclass(frozen=True)
class Parts:
    """The three parts of the split.

    leaves: all N images that were read.
    names: the part of each image, as in split.csv, str (N,).
    """

    leaves: Leaves
    names: np.ndarray
    training: Dataset
    early_stopping: Dataset
    validation: Dataset


@dataclass(frozen=True)
class TrainingImages:
    """What the network learns from.

    files: the balanced set, relative to root.
    field_images: synthetic field images, made when they are loaded.
    targets: the class of each file, then of each field image, int (N,).
    """

    root: Path
    files: list[Path]
    field_images: list[FieldImage]
    targets: np.ndarray

    def all(self) -> list[Path | FieldImage]:
        """Return all images in the order of targets."""
        return [self.root / file for file in self.files] + self.field_images


def split_leaves(leaves: Leaves, config: TrainConfig) -> Parts:
    """Split the images by leaf: training, early stopping and validation.

    A photograph that lies in several classes is left out of all of them,
    unless config.keep_contradictions.  Raises UserError if a class has too
    few leaves.
    """
    dataset, usable = leaves.dataset, np.ones(len(leaves.groups), bool)
    if leaves.contradicting.any() and not config.keep_contradictions:
        usable = ~leaves.contradicting
        print_note("these are left out; --keep-contradictions uses them")
    rows = np.flatnonzero(usable)
    empty = [name for label, name in enumerate(dataset.class_names)
             if label not in dataset.labels[rows]]
    if empty:
        raise UserError(f"{dataset.root}: no usable image in "
                        f"{', '.join(empty)}; all of them are unreadable or "
                        "lie in another class, too")
    groups = [leaves.groups[row] for row in rows]
    names = np.full(len(usable), LEFT_OUT, dtype="<U10")
    names[rows] = split_dataset(
        strata(dataset.subset(rows), groups, leaves.domains[rows]),
        groups, config.validation, EARLY_STOPPING_SHARE, config.seed)
    check_split(names, leaves.groups, (TRAINING, STOPPING, VALIDATION))
    return Parts(leaves, names, *(
        dataset.subset(np.flatnonzero(names == name))
        for name in (TRAINING, STOPPING, VALIDATION)))


def write_balanced(parts: Parts, config: TrainConfig, root: Path,
                   workers: Workers) -> TrainingImages:
    """Write the balanced training set below root, and return its images.

    Each class of each domain gets as many images as the largest has: 25
    photographs from an orchard weigh as much as 1,000 from a laboratory.
    Copies are augmented in light as well as in shape, since field
    photographs differ from those of a laboratory in light first.
    Copies of large photographs are smaller: at 12 megapixels a copy would
    take a second, and the network sees far fewer pixels anyway.
    """
    training = cells(parts.training,
                     parts.leaves.domains[parts.names == TRAINING])
    targets = [max(MIN_IMAGES, target)
               for target in class_targets(training, None, False)]
    plan = plan_balance(training, targets, config.seed, tuple(AUGMENTATIONS))
    for problem in write_plan(plan, training.root, root, config.seed, workers,
                              max(COPY_SIDE, 4 * config.size)):
        if problem is not None:
            raise problem
    files, labels = plan_files(plan)
    # The classes of `training` are pairs of class and domain.
    class_of = np.array([parts.training.class_names.index(name)
                         for name in training.class_names])
    return TrainingImages(root, files, [], class_of[labels])


def add_field_images(images: TrainingImages, training: Dataset,
                     config: TrainConfig) -> TrainingImages:
    """Add synthetic field images of the leaves in the training set.

    Their number in each class is config.field_images times that of balanced
    images, rounded.
    """
    wanted = np.rint(config.field_images
                     * np.bincount(images.targets)).astype(int)
    field_images, targets = plan_field_images(training, wanted, config.seed)
    return replace(images, field_images=field_images,
                   targets=np.concatenate([images.targets, targets]))


def make_calibration_set(parts: Parts, backgrounds: Backgrounds, seed: int
                         ) -> CalibrationSet:
    """Return the early-stopping set with synthetic field images of it."""
    dataset = parts.early_stopping
    field_images, targets = plan_field_images(
        dataset, [OOD_IMAGES] * len(dataset.class_names), seed)
    leaves = np.asarray(parts.leaves.groups)[parts.names == STOPPING]
    return CalibrationSet(dataset, leaves, field_images, targets, backgrounds)


def compute_features(backbone: FrozenBackbone, images: TrainingImages,
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
            EXAMPLE_SETS, (images.all(), early_stopping.paths()),
            (images.targets, early_stopping.labels)):
        title = f"Features of the {name.replace('_', '-')} set"
        yield Examples(frozen_features(
            model, paths, load, workers, features_file(scratch, name), title),
            targets)


def counts(parts: Parts, images: TrainingImages) -> dict:
    """Return the numbers of images and leaves, for the report."""
    return {"images": part_counts(parts.names),
            "contradicting_images": int(parts.leaves.contradicting.sum()),
            "leaves": part_counts(parts.names, parts.leaves.groups),
            "augmented_images": len(images.files),
            "field_views": len(images.field_images)}


def summary(parts: Parts, images: TrainingImages) -> str:
    """Return the numbers of images, in a line for people."""
    leaves = len(set(parts.leaves.groups))
    sizes = ", ".join(
        f"{count} {'early stopping' if name == STOPPING else name}"
        for name, count in part_counts(parts.names).items())
    return (f"{len(parts.names)} images of {leaves} leaves: {sizes}; training "
            f"on {len(images.files)} balanced images and "
            f"{len(images.field_images)} synthetic field images")
