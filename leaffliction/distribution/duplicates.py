"""Find images that repeat: identical, near-identical, rotated or mirrored.

Images that show one photograph count double in training, contradict
themselves in two classes, and make validation worthless if they are on both
sides of the split.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaffliction.distribution.inspection import Inspection
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.labels import Dataset
from leaffliction.utils.progress import progress

# Kinds of repeats, the most similar first.
KINDS = "identical", "near-identical", "turned or mirrored"
# Largest root mean square difference, in grey levels, of the thumbnails of
# near-identical images.  A difference in the brightness of the whole image
# counts with BRIGHTNESS_WEIGHT.  An image saved again, scaled, or 5 % lighter
# differs by at most 3.5.  No two of 9,854 photographs, even of the same leaf,
# differ by less than 6.7, whether or not their brightness counts.
MAX_DIFFERENCE = 5.0
BRIGHTNESS_WEIGHT = 1 / 3
COMPONENTS = 32          # principal components of a signature
MAX_SAMPLE = 5000        # images from which the components are computed
BLOCK_SIZE = 512         # images compared with all their candidates at once


@dataclass(frozen=True)
class Repeat:
    """Several files that show one photograph; identical ones are adjacent.

    files, class_names, sha256s: of each file, (N,) with N > 1.  is_turned:
    whether some show it rotated or mirrored.
    """

    files: tuple[Path, ...]
    class_names: tuple[str, ...]
    sha256s: tuple[str, ...]
    is_turned: bool = False

    def kind(self) -> str:
        """Return one of KINDS: "identical" if all bytes are the same."""
        return KINDS[2 if self.is_turned else len(set(self.sha256s)) > 1]

    def crosses_classes(self) -> bool:
        """Return whether the files are in several classes."""
        return len(set(self.class_names)) > 1


def find_repeats(dataset: Dataset, inspections: Sequence[Inspection]
                 ) -> list[Repeat]:
    """Return the groups of images that repeat, the most serious first.

    dataset, inspections: of the readable images.  First come those that are
    in several classes, then the more similar ones.  Augmented copies are left
    out: they repeat their original on purpose.
    """
    copies = augmented_copies(dataset.files, dataset.classes())
    originals = [index for index, file in enumerate(dataset.files)
                 if file not in copies]
    if not originals:
        return []
    thumbnails = np.stack(
        [inspections[index].thumbnail for index in originals])
    members = defaultdict(list)
    for position, group in enumerate(near_identical(thumbnails).tolist()):
        members[group].append(position)
    groups = [positions for positions in members.values()
              if len(positions) > 1]
    if not groups:
        return []
    # A group that falls apart when images are compared only as they lie has
    # rotated or mirrored ones.
    repeated = np.concatenate(groups)
    unturned = dict(zip(repeated.tolist(), near_identical(
        thumbnails[repeated], turned=False).tolist()))
    repeats = [
        _make_repeat(dataset, inspections,
                     [originals[position] for position in positions],
                     len({unturned[position] for position in positions}) > 1)
        for positions in groups]
    return sorted(repeats, key=lambda repeat: (
        not repeat.crosses_classes(), KINDS.index(repeat.kind())))


def _make_repeat(dataset: Dataset, inspections: Sequence[Inspection],
                 indices: list[int], is_turned: bool) -> Repeat:
    """Return the images at indices of a data set as one repeat."""
    first = {}
    for index in indices:
        first.setdefault(inspections[index].sha256, index)
    # In the order of the data set, but identical files side by side.
    indices = sorted(indices, key=lambda index: (
        first[inspections[index].sha256], index))
    return Repeat(
        tuple(dataset.files[index] for index in indices),
        tuple(dataset.class_names[dataset.labels[index]]
              for index in indices),
        tuple(inspections[index].sha256 for index in indices), is_turned)


def near_identical(thumbnails: np.ndarray, linked: np.ndarray | None = None,
                   turned: bool = True) -> np.ndarray:
    """Return the group of each image, int (N,): the index of one member.

    thumbnails: uint8 (N, 3 * side * side), with an even side.
    linked: int (N,), for each image another one (or itself) that belongs to
    its group in any case.
    turned: whether an image that shows another one rotated by quarters, or
    mirrored, belongs to its group as well.
    Two images belong together if their thumbnails, with almost equal
    brightness, differ by at most MAX_DIFFERENCE: identical files, images
    saved again, scaled or turned.  Groups are transitive.
    """
    count, values = thumbnails.shape
    groups = np.arange(count) if linked is None else linked.copy()
    while (groups != groups[groups]).any():
        groups = groups[groups]
    side = round((values / 3) ** 0.5)
    thumbnails = thumbnails.astype(np.float32)
    # Copies may be slightly lighter or darker than their original.
    thumbnails -= ((1 - BRIGHTNESS_WEIGHT)
                   * thumbnails.mean(axis=1, keepdims=True))
    images = thumbnails.reshape(count, side, side, 3)
    for index, candidates in _candidates(images):
        views = orientations(images[index]) if turned else [images[index]]
        for view in views:
            candidates = candidates[groups[candidates] != groups[index]]
            if not candidates.size:
                break
            differences = thumbnails[candidates] - view.ravel()
            near = candidates[(differences ** 2).mean(axis=1)
                              <= MAX_DIFFERENCE ** 2]
            if near.size:
                groups[np.isin(groups, groups[near])] = groups[index]
    return groups


def _candidates(images: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the index of an image and those of images that may be near it.

    images: float32 (N, side, side, 3).  Each near pair comes at least once.
    Near images have near signatures, so only signatures are compared, and
    only within a window along their first component.
    """
    count = len(images)
    points = signatures(images)
    order = np.argsort(points[:, 0], kind="stable")
    points = points[order]
    # The distance of MAX_DIFFERENCE, and a margin for float32's rounding.
    radius = MAX_DIFFERENCE * np.sqrt(images[0].size) * 1.01 + 1
    ends = np.searchsorted(points[:, 0], points[:, 0] + radius, side="right")
    squares = (points ** 2).sum(axis=1)
    for start in progress(range(0, count, BLOCK_SIZE),
                          -(-count // BLOCK_SIZE), "Comparing"):
        stop = min(start + BLOCK_SIZE, count)
        window = slice(start, ends[stop - 1])
        distances = (squares[start:stop, None] + squares[window]
                     - 2 * points[start:stop] @ points[window].T)
        is_close = distances <= radius ** 2
        # Each image is close to itself.
        for row in np.flatnonzero(is_close.sum(axis=1) > 1):
            yield (order[start + row],
                   order[start + np.flatnonzero(is_close[row])])


def orientations(image: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a square image in its eight orientations, itself first."""
    for view in (image, image[:, ::-1]):
        for quarters in range(4):
            yield np.rot90(view, quarters)


def signatures(images: np.ndarray) -> np.ndarray:
    """Return signatures that rotating and mirroring do not change.

    images: float32 (N, side, side, 3).  Returns float32 (N, COMPONENTS).  The
    distance of two signatures is at most that of the two images, in
    whichever orientation.

    Sums and differences of mirrored halves split an image into four parts,
    each even or odd from left to right and from top to bottom.  Mirroring
    changes at most the sign of a part, so absolute values are invariant.
    Transposing the image exchanges the two parts that are even in one
    direction and odd in the other, so these are sorted; it splits the other
    two parts into symmetric and antisymmetric ones.  The signature consists
    of the most variable among the principal components of all parts.
    """
    half = images.shape[1] // 2
    above, below = images[:, :half], images[:, :half - 1:-1]
    (even, even_odd), (odd_even, odd) = (
        ((rows[:, :, :half] + rows[:, :, :half - 1:-1]) / 2,
         (rows[:, :, :half] - rows[:, :, :half - 1:-1]) / 2)
        for rows in (above + below, above - below))
    parts = [_flat(part + sign * part.swapaxes(1, 2)) / 2
             for part in (even, odd) for sign in (1, -1)]
    # Not even the sign of the first part changes, so it may be centred.
    parts[0] -= parts[0].mean(axis=0)
    projected = [part @ _components(part) for part in parts]
    projected[1:] = map(np.abs, projected[1:])
    pair = _flat(even_odd), _flat(odd_even.swapaxes(1, 2))
    axes = _components(np.concatenate(pair))
    one, other = (np.abs(part @ axes) for part in pair)
    values = np.hstack([*projected, np.maximum(one, other),
                        np.minimum(one, other)])
    chosen = np.argsort(-values.var(axis=0), kind="stable")[:COMPONENTS]
    return values[:, chosen]


def _flat(part: np.ndarray) -> np.ndarray:
    """Return (N, ...) as (N, D): one row for each image."""
    return part.reshape(len(part), -1)


def _components(part: np.ndarray) -> np.ndarray:
    """Return the first principal axes of (N, D), as columns."""
    sample = part[::len(part) // MAX_SAMPLE + 1]
    _, axes = np.linalg.eigh(sample.T @ sample)
    return axes[:, :-COMPONENTS - 1:-1]
