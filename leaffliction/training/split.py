"""Split a dataset into training, early-stopping and validation set, by leaf.

- The validation set is held out first (20 % by default).  It is used once, at
  the end, to evaluate the classifier.
- The early-stopping set is held out of the rest (10 % of it).  It decides
  when fine-tuning stops, and calibrates the temperature.
- The training set is what remains.  Only its images are augmented.

Each image is in one part of the split: in one of these sets, or left out.
The unit of the split is the leaf: all photographs of a leaf are in the same
set, because a classifier that has seen a leaf recognises its next photograph,
and an accuracy measured on that photograph would be too high.  The split is
stratified: each set gets its share of every class.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leaffliction.training.config import EARLY_STOPPING_SHARE, TrainConfig
from leaffliction.training.data import GroupedDataset
from leaffliction.utils.console import print_note
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset

# The parts of the split, by their names in split.csv.
TRAINING, EARLY_STOPPING, VALIDATION, LEFT_OUT = (
    "training", "stopping", "validation", "left out")
SETS = (TRAINING, EARLY_STOPPING, VALIDATION)
# A class needs a leaf in each of the three sets.
MIN_LEAVES = 3


@dataclass(frozen=True)
class Parts:
    """The split of N images, and the images of each of SETS.

    leaves: all images that were read, those left out as well.
    names: the part of each image, str (N,): TRAINING, EARLY_STOPPING, ...
    """

    leaves: GroupedDataset
    names: np.ndarray
    training: Dataset
    early_stopping: Dataset
    validation: Dataset

    def leaves_of(self, name: str) -> np.ndarray:
        """Return the leaf of each image of a part, str (M,)."""
        return np.asarray(self.leaves.groups)[self.names == name]


def split_leaves(leaves: GroupedDataset, config: TrainConfig) -> Parts:
    """Split all images that were read into SETS, by leaf.

    A photograph that is in several classes is left out of all of them,
    unless config.keep_contradictions.
    Raises UserError if a class has too few leaves.
    """
    dataset, usable = leaves.dataset, np.ones(len(leaves.groups), bool)
    if leaves.contradicting.any() and not config.keep_contradictions:
        usable = ~leaves.contradicting
        print_note("photographs in several classes are left out; "
                   "--keep-contradictions uses them")
    rows = np.flatnonzero(usable)
    empty = [name for label, name in enumerate(dataset.class_names)
             if label not in dataset.labels[rows]]
    if empty:
        raise UserError(f"{dataset.root}: no usable image in "
                        f"{', '.join(empty)}; all of them are unreadable or "
                        "are in another class, too")
    groups = [leaves.groups[row] for row in rows]
    names = np.full(len(usable), LEFT_OUT, dtype="<U10")
    names[rows] = split_dataset(
        split_strata(dataset.subset(rows), groups, leaves.domains[rows]),
        groups, config.validation, EARLY_STOPPING_SHARE, config.seed)
    check_split(names, leaves.groups)
    return Parts(leaves, names, *(
        dataset.subset(np.flatnonzero(names == name)) for name in SETS))


def split_strata(dataset: Dataset, groups: list[str], domains: np.ndarray
                 ) -> Dataset:
    """Return the dataset with a class for each stratum of the split.

    A stratum is a class in a domain, so that every set of the split gets its
    share of both.  Where a domain has fewer than MIN_LEAVES leaves of a
    class, its images count as the domain's with most images of the class.
    """
    groups, stratum_domains = np.asarray(groups), domains.copy()
    for label in range(len(dataset.class_names)):
        in_class = dataset.labels == label
        largest_domain = np.bincount(domains[in_class]).argmax()
        for domain in set(domains[in_class].tolist()):
            in_stratum = in_class & (domains == domain)
            if len(set(groups[in_stratum])) < MIN_LEAVES:
                stratum_domains[in_stratum] = largest_domain
    return class_by_domain(dataset, stratum_domains)


def class_by_domain(dataset: Dataset, domains: np.ndarray) -> Dataset:
    """Return the dataset with a class for each pair of class and domain.

    domains: int (N,), of each image.  A class that is in several domains
    becomes several classes of the same name.
    """
    pairs, labels = np.unique(np.stack([dataset.labels, domains]), axis=1,
                              return_inverse=True)
    return replace(
        dataset, labels=labels.ravel(),
        class_names=tuple(dataset.class_names[label] for label in pairs[0]),
        plants=tuple(dataset.plants[label] for label in pairs[0]))


def split_dataset(dataset: Dataset, groups: list[str], validation_share: float,
                  early_stopping_share: float, seed: int) -> np.ndarray:
    """Return the part of each image, str (N,): TRAINING, EARLY_STOPPING, ...

    groups: the leaf of each image, (N,).  validation_share: of all images.
    early_stopping_share: of the images that are not in the validation set.
    An augmented copy may be trained on, together with its original, but not
    evaluated on: outside the training set it is LEFT_OUT.
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
                        (EARLY_STOPPING, early_stopping_share)):
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
    # For each class, the images of each of its leaves.
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


def check_split(parts: np.ndarray, groups: Sequence[str]) -> None:
    """Raise UserError where a leaf is in several of SETS.

    parts, groups: the part and the leaf of each image, (N,).
    """
    set_of_leaf: dict[str, str] = {}
    for part, leaf in zip(parts.tolist(), groups):
        if part in SETS and set_of_leaf.setdefault(leaf, part) != part:
            raise UserError(f"the split has failed: leaf {leaf!r} is in "
                            f"{set_of_leaf[leaf]} and in {part}")


def part_counts(parts: np.ndarray, leaves: Sequence[str] | None = None
                ) -> dict[str, int]:
    """Return the number of images in each part that has any.

    parts: the part of each image, (N,).
    leaves: the leaf of each image, (N,), to count leaves instead of images.
    """
    items = np.arange(len(parts)) if leaves is None else np.array(leaves)
    return {part: len(set(items[parts == part])) for part in
            (*SETS, LEFT_OUT) if part in parts}
