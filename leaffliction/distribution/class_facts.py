"""What each class holds: readable images, sizes, modes, repeats, and shares.

This module imports no NumPy, so that `Distribution.py -h` need not wait.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leaffliction.utils.errors import UserError
from leaffliction.utils.storage import natural_key

if TYPE_CHECKING:
    from leaffliction.distribution.duplicates import Repeat
    from leaffliction.distribution.inspection import Inspection
    from leaffliction.utils.labels import Dataset

# {plant: {class name: number of images}}
Counts = dict[str, dict[str, int]]


@dataclass
class ClassFacts:
    """What the files of one class are.

    count, unreadable: number of images that can and can't be read.
    sizes, modes: number of images of each size ("256x256") and mode ("RGB").
    identical, near_identical: number of images that another file of the class
    repeats; near_identical includes rotated and mirrored ones.
    other_classes: number of images that a file of another class repeats, in
    any of these ways.
    """

    count: int = 0
    unreadable: int = 0
    sizes: Counter = field(default_factory=Counter)
    modes: Counter = field(default_factory=Counter)
    identical: int = 0
    near_identical: int = 0
    other_classes: int = 0


def collect_facts(dataset: "Dataset",
                  results: "Sequence[Inspection | UserError]",
                  repeats: "list[Repeat]") -> dict[str, ClassFacts]:
    """Return {class name: facts} for all classes of a data set.

    results: of inspecting each file, (N,), as inspect_dataset returns them.
    """
    facts = {name: ClassFacts() for name in dataset.class_names}
    for label, result in zip(dataset.labels.tolist(), results):
        of_class = facts[dataset.class_names[label]]
        if isinstance(result, UserError):
            of_class.unreadable += 1
        else:
            of_class.count += 1
            of_class.sizes["{}x{}".format(*result.size)] += 1
            of_class.modes[result.mode] += 1
    for repeat in repeats:
        in_class = Counter(repeat.class_names)
        same_bytes = Counter(zip(repeat.class_names, repeat.sha256s))
        for name, sha256 in zip(repeat.class_names, repeat.sha256s):
            identical = same_bytes[name, sha256]
            facts[name].identical += identical > 1
            facts[name].near_identical += in_class[name] > identical
            facts[name].other_classes += len(in_class) > 1
    return facts


def by_plant(dataset: "Dataset", counts: Sequence[int]) -> Counts:
    """Return {plant: {class name: count}}, plants in natural order.

    counts: number of images of each class.  "Apple" and "apple" are one
    plant, under the first spelling.
    """
    spellings: dict[str, str] = {}
    plants: Counts = {}
    for class_name, plant, count in zip(dataset.class_names, dataset.plants,
                                        counts):
        plant = spellings.setdefault(plant.casefold(), plant)
        plants.setdefault(plant, {})[class_name] = count
    return {plant: plants[plant] for plant in sorted(plants, key=natural_key)}


def shares(classes: dict[str, int]) -> list[float]:
    """Return the fraction (0..1) that each class has of its plant's images."""
    total = sum(classes.values()) or 1
    return [count / total for count in classes.values()]


def imbalance(sizes: Collection[int]) -> float:
    """Return the size of the largest class divided by that of the smallest."""
    return ratio(max(sizes), min(sizes))


def ratio(largest: int, size: int) -> float:
    """Return the size of the largest class divided by that of another one."""
    return largest / size if size else math.inf
