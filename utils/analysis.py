"""What a data set holds: sizes, modes, torn files, images that repeat.

An image that is there twice counts double in learning, one in two classes
contradicts itself, and one on both sides of a split proves nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.cli import UserError
from utils.copies import altered_copies
from utils.inspection import Inspection, near_identical
from utils.labels import Dataset

# How alike the images of a repeat are, the most alike first.
KINDS = "identical", "near-identical", "turned or mirrored"


@dataclass(frozen=True)
class Repeat:
    """Files that show one photograph, byte-identical ones together.

    files, class_names, digests: (N,), N > 1.  turned: some show it turned
    or mirrored.
    """

    files: tuple[Path, ...]
    class_names: tuple[str, ...]
    digests: tuple[str, ...]
    turned: bool = False

    def kind(self) -> str:
        """Return KINDS's word: "identical" where all bytes are the same."""
        return KINDS[2 if self.turned else len(set(self.digests)) > 1]

    def crosses_classes(self) -> bool:
        """Tell whether they lie in several classes."""
        return len(set(self.class_names)) > 1


@dataclass
class ClassFacts:
    """What the files of one class are.

    count: readable images.  unreadable: the other files.
    sizes, modes: how many images are "256x256" and "RGB".
    identical, near_identical: images with such a twin in the class, the
    latter also turned or mirrored; elsewhere: with any in another class.
    """

    count: int = 0
    unreadable: int = 0
    sizes: Counter = field(default_factory=Counter)
    modes: Counter = field(default_factory=Counter)
    identical: int = 0
    near_identical: int = 0
    elsewhere: int = 0


def find_repeats(dataset: Dataset, inspections: Sequence[Inspection]
                 ) -> list[Repeat]:
    """Return what repeats among readable images, the most serious first.

    Altered copies are left out: that they repeat their original is meant.
    """
    copies = altered_copies(dataset.files, dataset.classes())
    originals = [index for index, file in enumerate(dataset.files)
                 if file not in copies]
    if not originals:
        return []
    thumbnails = np.stack(
        [inspections[index].thumbnail for index in originals])
    members = defaultdict(list)
    for place, group in enumerate(near_identical(thumbnails).tolist()):
        members[group].append(place)
    members = [places for places in members.values() if len(places) > 1]
    if not members:
        return []
    # Which of these are still together where none is turned?
    repeated = np.concatenate(members)
    unturned = dict(zip(repeated.tolist(), near_identical(
        thumbnails[repeated], turned=False).tolist()))
    repeats = []
    for places in members:
        indices = [originals[place] for place in places]
        first = {}
        for index in indices:
            first.setdefault(inspections[index].digest, index)
        # In the order of the data set, each with those like it.
        indices.sort(key=lambda index: (
            first[inspections[index].digest], index))
        repeats.append(Repeat(
            tuple(dataset.files[index] for index in indices),
            tuple(dataset.class_names[dataset.labels[index]]
                  for index in indices),
            tuple(inspections[index].digest for index in indices),
            len({unturned[place] for place in places}) > 1))
    return sorted(repeats, key=lambda repeat: (
        not repeat.crosses_classes(), KINDS.index(repeat.kind())))


def class_facts(dataset: Dataset,
                results: Sequence[Inspection | UserError],
                repeats: list[Repeat]) -> dict[str, ClassFacts]:
    """Return {class name: facts} for all classes of a data set.

    results: of inspecting each file, (N,).
    """
    facts = {name: ClassFacts() for name in dataset.class_names}
    for label, result in zip(dataset.labels.tolist(), results):
        own = facts[dataset.class_names[label]]
        if isinstance(result, UserError):
            own.unreadable += 1
        else:
            own.count += 1
            own.sizes["{}x{}".format(*result.size)] += 1
            own.modes[result.mode] += 1
    for repeat in repeats:
        names = Counter(repeat.class_names)
        twins = Counter(zip(repeat.class_names, repeat.digests))
        for name, digest in zip(repeat.class_names, repeat.digests):
            facts[name].identical += twins[name, digest] > 1
            facts[name].near_identical += names[name] > twins[name, digest]
            facts[name].elsewhere += len(names) > 1
    return facts
