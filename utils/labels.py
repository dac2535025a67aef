"""Which leaf shows what: class folders, leaf groups and the split.

Both layouts are read: flat (``images/Apple_scab/*.JPG``) and with a folder
for each plant (``images/Apple/apple_scab/*.JPG``), and any part of a tree.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.alterations import ALTERATIONS
from utils.cli import UserError
from utils.images import find_images, natural_key
from utils.places import path_of
from utils.tables import cell

# "a_Flip.JPG" and "a_Rotate_2.JPG" show the same leaf as "a.JPG" does.
ALTERED = re.compile(rf"(.+)_(?:{'|'.join(ALTERATIONS)})(?:_\d+)?")

# Parts of a split, as written to split.csv.
TRAINING, STOPPING, VALIDATION, LEFT_OUT = (
    "training", "stopping", "validation", "left out")
# Fewer leaves than parts would leave a part without the class.
MIN_LEAVES = 3


@dataclass(frozen=True)
class Dataset:
    """Labelled images below one folder.

    files: paths relative to root, in natural order of class and name.
    labels: int array (N,), indices into class_names.
    plants: the plant of each class, in the order of class_names.
    """

    root: Path
    files: tuple[Path, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    plants: tuple[str, ...]

    def paths(self) -> list[Path]:
        """Return the files' paths with root in front."""
        return [self.root / file for file in self.files]

    def subset(self, indices: Sequence[int]) -> "Dataset":
        """Return the dataset with the images at indices alone."""
        return replace(self, labels=self.labels[indices],
                       files=tuple(self.files[index] for index in indices))

    def drawn(self, most: int, rng: np.random.Generator) -> "Dataset":
        """Return the dataset with at most so many of its images."""
        return self.subset(np.sort(
            rng.permutation(len(self.files))[:most]))

    def counts(self) -> np.ndarray:
        """Return the number of images of each class, int (classes,)."""
        return np.bincount(self.labels, minlength=len(self.class_names))


def read_dataset(folder: Path) -> Dataset:
    """Return the labelled images below a folder.

    A class is a folder that holds images itself; its name and its plant
    come from the folders' names alone.  Raises UserError where there is no
    image.
    """
    folder = path_of(folder)
    files = find_images(folder)
    if not files:
        raise UserError(f"{folder}: no images in it or below it")
    folders = sorted({file.parent for file in files}, key=natural_key)
    class_names, plants = _name_classes(folder, folders)
    # Classes are ordered by name, whatever the layout.
    order = sorted(range(len(folders)),
                   key=lambda index: natural_key(class_names[index]))
    rank = {folders[index]: place for place, index in enumerate(order)}
    files = sorted(files, key=lambda file: rank[file.parent])
    return Dataset(
        root=folder,
        files=tuple(files),
        labels=np.array([rank[file.parent] for file in files]),
        class_names=tuple(class_names[index] for index in order),
        plants=tuple(plants[index] for index in order))


def _name_classes(root: Path, folders: list[Path]
                  ) -> tuple[list[str], list[str]]:
    """Return class name and plant for each class folder (relative)."""
    top = root.resolve()
    if folders == [Path(".")]:
        # One class on its own: its plant may be the folder above it.
        names = [top.name or "images"]
        flat_plant = top.parent.name
    else:
        names = [folder.name or top.name for folder in folders]
        flat_plant = top.name
    # "Apple_scab" names its plant; in "Apple/{healthy,scab}" the folder does.
    flat = [name for name, folder in zip(names, folders)
            if len(folder.parts) < 2]
    prefixed = all(name.find("_") > 0 for name in flat)
    plants = [
        folder.parent.name if len(folder.parts) > 1
        else name.split("_")[0] if prefixed
        else flat_plant or name
        for name, folder in zip(names, folders)]
    repeated = Counter(name.casefold() for name in names)
    for index, name in enumerate(names):
        if repeated[name.casefold()] > 1:
            # "Apple/healthy" and "Grape/healthy" are two classes.
            names[index] = "_".join(folders[index].parts) or name
    if len(set(names)) < len(names):
        names = [folder.as_posix() for folder in folders]
    return names, plants


def original_of(file: Path) -> Path | None:
    """Return the name of which an altered copy's name was made, or None."""
    match = ALTERED.fullmatch(file.stem)
    return file.with_name(match[1] + file.suffix) if match else None


def altered_copies(files: Iterable[Path]) -> dict[Path, Path]:
    """Return {altered copy: first original} for copies among the files.

    By Augmentation's naming, and only where the original is there as well:
    a file that merely is called "Crop" is an original like any other.
    """
    present, copies = set(files), {}
    for file in present:
        source = original_of(file)
        if source in present:
            while (further := original_of(source)) in present:
                source = further
            copies[file] = source
    return copies


def read_groups(path: Path, dataset: Dataset) -> list[str]:
    """Return each image's leaf from a CSV with the columns file,leaf.

    Files are relative to the dataset's root.  An image without a row is a
    leaf of its own, altered copies belong to their original's leaf.
    Raises UserError where the CSV can't be read or names none of the images.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines)
            if not {"file", "leaf"} <= set(rows.fieldnames or ()):
                raise UserError(f"{path}: needs the columns file,leaf")
            # As they stand in a CSV: names that ours have escaped match too.
            leaves = {cell(str(Path(row["file"] or ""))): row["leaf"]
                      for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not readable as a CSV file "
                        f"({error})") from None
    copies = altered_copies(dataset.files)
    sources = [copies.get(file, file) for file in dataset.files]
    found = [leaves.get(cell(str(source))) for source in sources]
    if found.count(None) == len(found):
        raise UserError(f"{path}: names no image of {dataset.root}; its "
                        "column file is relative to that folder")
    return [leaf or source.as_posix()
            for leaf, source in zip(found, sources)]


def linked_copies(files: Sequence[Path]) -> np.ndarray:
    """Return for each file the index of its original, or its own: (N,)."""
    copies = altered_copies(files)
    index_of = {file: index for index, file in enumerate(files)}
    return np.array([index_of[copies.get(file, file)] for file in files], int)


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
    `stopping` of the rest), TRAINING is what remains.  Altered copies are
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
    copies = altered_copies(dataset.files)
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
