"""Split a dataset into training, early-stopping and validation sets, by leaf.

- The validation set is held out first (20 % by default).  It is used once, at
  the end, to evaluate the classifier.
- The early-stopping set is held out of the rest (10 % of it).  It decides
  when fine-tuning stops, and calibrates temperature and OOD threshold.
- The training set is what remains.  Only its images are augmented.

The unit of the split is the leaf: all photographs of a leaf go into the same
set, because a classifier that has seen a leaf recognises its next photograph,
and an accuracy measured on that photograph would be too high.  The split is
stratified: each set gets its share of every class.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset

# The sets, by their names in split.csv.  STOPPING is the early-stopping set;
# LEFT_OUT are images that no set may use.
TRAINING, STOPPING, VALIDATION, LEFT_OUT = (
    "training", "stopping", "validation", "left out")
# A class needs a leaf in each of the three sets.
MIN_LEAVES = 3


def split_dataset(dataset: Dataset, groups: list[str], validation_share: float,
                  stopping_share: float, seed: int) -> np.ndarray:
    """Return the set of each image, str (N,): TRAINING, STOPPING, ...

    groups: the leaf of each image, (N,).  validation_share: of all images.
    stopping_share: of the images that are not in the validation set.
    Augmented copies may be learned from, together with their original, but
    not evaluated on: outside the training set they are LEFT_OUT.
    Raises UserError that names every class with fewer than MIN_LEAVES leaves.
    """
    groups = np.asarray(groups)
    leaf_counts = [len(set(groups[dataset.labels == label]))
                   for label in range(len(dataset.class_names))]
    if too_small := [
            f"class {class_name} shows {_leaves(count, 'different ')}"
            for class_name, count in zip(dataset.class_names, leaf_counts)
            if count < MIN_LEAVES]:
        raise UserError(
            f"{', '.join(too_small)}; each class needs at least {MIN_LEAVES}: "
            "one for training, one for early stopping, one for validation")
    rng = np.random.default_rng(seed)
    parts = np.full(len(groups), TRAINING, dtype="<U10")
    for part, share in ((VALIDATION, validation_share),
                        (STOPPING, stopping_share)):
        rest = np.flatnonzero(parts == TRAINING)
        held_out = hold_out(dataset.labels[rest], list(groups[rest]),
                            dataset.class_names, share, rng)
        parts[rest[held_out]] = part
    copies = augmented_copies(dataset.files, dataset.classes())
    is_copy = np.array([file in copies for file in dataset.files])
    parts[is_copy & (parts != TRAINING)] = LEFT_OUT
    return parts


def hold_out(labels: np.ndarray, groups: Sequence[str],
             class_names: Sequence[str], share: float,
             rng: np.random.Generator) -> np.ndarray:
    """Return which images to hold out, bool (N,).

    labels: int (N,), indices into class_names.  groups: the leaf of each
    image, (N,).  A leaf in several classes counts for that of its first
    image.
    In each class whole leaves are taken, in random order, as long as that
    brings the held-out images closer to `share` (0..1) of the class's
    images; at least one leaf is taken, and at least one remains.
    Raises UserError that names every class with fewer than two leaves.
    """
    images_of_leaf = defaultdict(list)
    for image, leaf in enumerate(groups):
        images_of_leaf[leaf].append(image)
    # Of each class, the images of each of its leaves.
    leaves_of_class = [[] for _ in class_names]
    for images in images_of_leaf.values():
        leaves_of_class[labels[images[0]]].append(images)
    if too_small := [
            f"class {class_name} has {_leaves(len(leaves))}"
            for class_name, leaves in zip(class_names, leaves_of_class)
            if len(leaves) < 2]:
        raise UserError(f"{', '.join(too_small)} that no other class has; "
                        f"each class needs at least {MIN_LEAVES}")
    held_out = np.zeros(len(labels), bool)
    for leaves in leaves_of_class:
        wanted = share * sum(map(len, leaves))
        taken = 0
        for index in rng.permutation(len(leaves))[:-1]:
            images = leaves[index]
            if (taken == 0 or abs(taken + len(images) - wanted)
                    < wanted - taken):
                held_out[images] = True
                taken += len(images)
    return held_out


def _leaves(count: int, kind: str = "") -> str:
    """Return a count as text: "1 leaf", "2 different leaves"."""
    return f"{count} {kind}{'leaf' if count == 1 else 'leaves'}"


def check_split(parts: np.ndarray, groups: Sequence[str],
                sets: Sequence[str]) -> None:
    """Raise UserError where a leaf is in several of these sets.

    parts, groups: the set and the leaf of each image, (N,).
    """
    set_of_leaf: dict[str, str] = {}
    for part, leaf in zip(parts.tolist(), groups):
        if part in sets and set_of_leaf.setdefault(leaf, part) != part:
            raise UserError(f"the split has failed: leaf {leaf!r} is in "
                            f"{set_of_leaf[leaf]} and in {part}")


def part_counts(parts: np.ndarray, leaves: Sequence[str] | None = None
                ) -> dict[str, int]:
    """Return the number of images in each set, for sets that have any.

    leaves: the leaf of each image, (N,), to count leaves instead of images.
    """
    items = np.arange(len(parts)) if leaves is None else np.array(leaves)
    return {part: len(set(items[parts == part])) for part in
            (TRAINING, STOPPING, VALIDATION, LEFT_OUT) if part in parts}
