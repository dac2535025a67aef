"""The split: which leaves are learned from, stop the learning, and judge it."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset

# Parts of a split, as written to split.csv.
TRAINING, STOPPING, VALIDATION, LEFT_OUT = (
    "training", "stopping", "validation", "left out")
# Fewer leaves than parts would leave a part without the class.
MIN_LEAVES = 3


def split(labels: np.ndarray, groups: list[str], class_names: tuple[str, ...],
          fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Return a bool (N,): True for the images of the held-out part.

    Whole groups (leaves) are drawn, class by class, until the part holds
    `fraction` (0..1) of the class's images: stratified, and no leaf is on
    both sides.  Raises UserError that names all classes with fewer than two
    leaves.
    """
    members = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    held_out = np.zeros(len(labels), bool)
    own_groups = [[indices for indices in members.values()
                   if labels[indices[0]] == label]
                  for label in range(len(class_names))]
    if too_small := [f"class {class_name} has {_leaves(len(own))}"
                     for class_name, own in zip(class_names, own_groups)
                     if len(own) < 2]:
        raise UserError(f"{', '.join(too_small)} that no other class has; "
                        f"learning takes at least {MIN_LEAVES}")
    for own in own_groups:
        wanted = fraction * sum(map(len, own))
        taken = 0
        # The last group stays, so that no side is empty.
        for place in rng.permutation(len(own))[:-1]:
            size = len(own[place])
            # Take it if that comes nearer to what is wanted; one at least.
            if taken == 0 or abs(taken + size - wanted) < wanted - taken:
                held_out[own[place]] = True
                taken += size
    return held_out


def _leaves(count: int, kind: str = "") -> str:
    """Return so many leaves of a kind, as text."""
    return f"{count} {kind}{'leaf' if count == 1 else 'leaves'}"


def split_dataset(dataset: Dataset, groups: list[str], validation: float,
                  stopping: float, seed: int) -> np.ndarray:
    """Return each image's part of the split, str (N,).

    VALIDATION is held out first (share `validation`), then STOPPING (share
    `stopping` of the rest), TRAINING is what remains.  Augmented copies are
    learned from with their original, but never tested on: outside TRAINING
    they are LEFT_OUT.  Raises UserError that names all classes with fewer
    than MIN_LEAVES leaves.
    """
    groups = np.asarray(groups)
    counts = [len(set(groups[dataset.labels == label]))
              for label in range(len(dataset.class_names))]
    if too_small := [f"class {class_name} shows {_leaves(count, 'different ')}"
                     for class_name, count in zip(dataset.class_names, counts)
                     if count < MIN_LEAVES]:
        raise UserError(f"{', '.join(too_small)}; learning, stopping and "
                        f"validation take at least {MIN_LEAVES}")
    rng = np.random.default_rng(seed)
    parts = np.full(len(groups), TRAINING, dtype="<U10")
    for part, fraction in ((VALIDATION, validation), (STOPPING, stopping)):
        rest = np.flatnonzero(parts == TRAINING)
        held_out = split(dataset.labels[rest], list(groups[rest]),
                         dataset.class_names, fraction, rng)
        parts[rest[held_out]] = part
    copies = augmented_copies(dataset.files, dataset.classes())
    is_copy = np.array([file in copies for file in dataset.files])
    parts[is_copy & (parts != TRAINING)] = LEFT_OUT
    return parts


def part_counts(parts: np.ndarray, leaves: Sequence[str] | None = None
                ) -> dict[str, int]:
    """Return the number of images, or leaves, in each part that has any.

    leaves: that of each image.
    """
    counted = np.arange(len(parts)) if leaves is None else np.array(leaves)
    return {name: len(set(counted[parts == name])) for name in
            (TRAINING, STOPPING, VALIDATION, LEFT_OUT) if name in parts}
