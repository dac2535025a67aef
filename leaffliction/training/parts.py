"""The parts of a training run: training, early stopping and validation."""

from dataclasses import dataclass

import numpy as np

from leaffliction.training.config import EARLY_STOPPING_SHARE, TrainConfig
from leaffliction.training.data import GroupedDataset, split_strata
from leaffliction.training.split import (LEFT_OUT, STOPPING, TRAINING,
                                         VALIDATION, check_split,
                                         split_dataset)
from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset


@dataclass(frozen=True)
class Parts:
    """The three parts of the split.

    leaves: all N images that were read.
    names: the part of each image, as in split.csv, str (N,).
    """

    leaves: GroupedDataset
    names: np.ndarray
    training: Dataset
    early_stopping: Dataset
    validation: Dataset


def split_leaves(leaves: GroupedDataset, config: TrainConfig) -> Parts:
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
        split_strata(dataset.subset(rows), groups, leaves.domains[rows]),
        groups, config.validation, EARLY_STOPPING_SHARE, config.seed)
    check_split(names, leaves.groups, (TRAINING, STOPPING, VALIDATION))
    return Parts(leaves, names, *(
        dataset.subset(np.flatnonzero(names == name))
        for name in (TRAINING, STOPPING, VALIDATION)))
