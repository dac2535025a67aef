"""What a data set holds: sizes, modes, truncated files, images that repeat.

An image that is there twice counts double in learning, one in two classes
contradicts itself, and one on both sides of a split proves nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leaffliction.distribution.inspection import Inspection
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset
from leaffliction.utils.progress import progress

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

    Augmented copies are left out: that they repeat their original is meant.
    """
    copies = augmented_copies(dataset.files, dataset.classes())
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


# Root mean square difference of two thumbnails, in grey levels, up to which
# two photographs count as one.  A difference in brightness of the whole counts
# BRIGHTNESS times: saved again, scaled or 5 % lighter they differ by 3.5 at
# most; two of 9,854 photographs, even of the same leaf, by 6.7 at least,
# whether it counts or not.
NEAR = 5.0
BRIGHTNESS = 1 / 3
# Principal components and images compared at once (see near_identical), and
# images from which the components are computed, at least.
COMPONENTS = 32
BLOCK = 512
SAMPLE = 5000


def near_identical(thumbnails: np.ndarray, linked: np.ndarray | None = None,
                   turned: bool = True) -> np.ndarray:
    """Return the group of each image, int (N,): the index of one of it.

    thumbnails: uint8 (N, 3 * side * side), the side even.  linked: int
    (N,), for each image another (or itself) that it belongs to in any case.
    turned: whether an image also belongs to one that shows it turned by a
    quarter, upside down or mirrored.
    Two images belong together if their thumbnails, made almost equally bright,
    differ by at most NEAR: byte-identical, saved again, scaled, or turned.
    Compared are the first values of the thumbnails' signatures, and only
    within a window along the first of them: whatever is further apart there
    is so in the thumbnails.
    """
    count, values = thumbnails.shape
    groups = np.arange(count) if linked is None else linked.copy()
    while (groups != groups[groups]).any():
        groups = groups[groups]
    side = round((values / 3) ** 0.5)
    thumbnails = thumbnails.astype(np.float32)
    # Copies are made a little lighter or darker than their original.
    thumbnails -= (1 - BRIGHTNESS) * thumbnails.mean(axis=1, keepdims=True)
    points = signatures(thumbnails.reshape(count, side, side, 3))
    order = np.argsort(points[:, 0], kind="stable")
    points = points[order]
    # A little more, for what float32 loses.
    radius = NEAR * np.sqrt(values) * 1.01 + 1
    ends = np.searchsorted(points[:, 0], points[:, 0] + radius, side="right")
    squares = (points ** 2).sum(axis=1)
    for start in progress(range(0, count, BLOCK), -(-count // BLOCK),
                          "Comparing"):
        stop = min(start + BLOCK, count)
        others = slice(start, ends[stop - 1])
        gaps = (squares[start:stop, None] + squares[others]
                - 2 * points[start:stop] @ points[others].T)
        close = gaps <= radius ** 2
        # Each image is close to itself.
        for row in np.flatnonzero(close.sum(axis=1) > 1):
            image = order[start + row]
            found = order[start + np.flatnonzero(close[row])]
            for view in orientations(thumbnails[image].reshape(
                    side, side, 3)) if turned else [thumbnails[image]]:
                found = found[groups[found] != groups[image]]
                if not found.size:
                    break
                distances = thumbnails[found] - view.ravel()
                near = found[(distances ** 2).mean(axis=1) <= NEAR ** 2]
                if near.size:
                    groups[np.isin(groups, groups[near])] = groups[image]
    return groups


def orientations(image: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a square image in its eight orientations, itself first."""
    for view in (image, image[:, ::-1]):
        for quarters in range(4):
            yield np.rot90(view, quarters)


def signatures(images: np.ndarray) -> np.ndarray:
    """Return what no turning and no mirroring changes, (N, COMPONENTS).

    images: float32 (N, side, side, 3).  The signatures of two images differ
    by no more than the images do, in whichever orientation.
    Sums and differences of the mirrored halves split an image into four
    parts that are even or odd from left to right and from top to bottom.
    Mirroring changes the sign of a part at most, so absolute values stay.
    Transposing splits two parts further, into symmetric and antisymmetric
    ones, and exchanges the other two, so these are sorted.  Of each part
    the principal components are taken, and of them all the most variable.
    """
    half = images.shape[1] // 2
    above, below = images[:, :half], images[:, :half - 1:-1]
    (even, even_odd), (odd_even, odd) = (
        ((rows[:, :, :half] + rows[:, :, :half - 1:-1]) / 2,
         (rows[:, :, :half] - rows[:, :, :half - 1:-1]) / 2)
        for rows in (above + below, above - below))
    parts = [_flat(part + sign * part.swapaxes(1, 2)) / 2
             for part in (even, odd) for sign in (1, -1)]
    # The first part alone never changes, not even its sign.
    parts[0] -= parts[0].mean(axis=0)
    found = [part @ _components(part) for part in parts]
    found[1:] = map(np.abs, found[1:])
    pair = _flat(even_odd), _flat(odd_even.swapaxes(1, 2))
    axes = _components(np.concatenate(pair))
    one, other = (np.abs(part @ axes) for part in pair)
    values = np.hstack([*found, np.maximum(one, other),
                        np.minimum(one, other)])
    chosen = np.argsort(-values.var(axis=0), kind="stable")[:COMPONENTS]
    return values[:, chosen]


def _flat(part: np.ndarray) -> np.ndarray:
    return part.reshape(len(part), -1)


def _components(part: np.ndarray) -> np.ndarray:
    """Return the first principal axes of (N, D), as columns."""
    sample = part[::len(part) // SAMPLE + 1]
    _, axes = np.linalg.eigh(sample.T @ sample)
    return axes[:, :-COMPONENTS - 1:-1]
