"""Balance the classes of a folder, in place or in a new tree.

A new tree records a fingerprint of everything that determines its bytes, so
that an interrupted run can be completed and another tree is not overwritten.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from leaffliction.augmentation.balance import (PlannedImage, class_targets,
                                               plan_balance, plan_files,
                                               write_plan)
from leaffliction.augmentation.output_tree import OutputTree, remove_files
from leaffliction.utils.class_folders import read_dataset, split_folders
from leaffliction.utils.console import print_error
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import sha256_or_empty
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers
from leaffliction.utils.progress import progress

# Raise it with every change that makes other bytes of the same images.
VERSION = 1
# Packages whose versions the bytes depend on: they decode, augment, encode.
PACKAGES = ("numpy", "opencv-python", "pillow")


@dataclass(frozen=True)
class BalanceConfig:
    """How to balance.

    target: images per class; None for as many as the largest class has, or
    (per_plant) the largest class of the same plant.  augmentations: names, in
    the order of AUGMENTATIONS.
    """

    target: int | None
    per_plant: bool
    augmentations: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class BalanceResult:
    """What balancing a folder has done.

    plan: what the balanced folder holds.  dataset: the readable images of the
    source.  written: files that did not exist before.  errors: one for each
    unreadable image.
    """

    plan: list[PlannedImage]
    dataset: Dataset
    written: set[Path]
    errors: list[UserError]


def read_checksums(folder: Path, workers: Workers
                   ) -> tuple[Dataset, list[str]]:
    """Return the images of a folder and the SHA-256 of each file.

    The checksum is "" where a file can't be opened; decoding it later reports
    the error.
    """
    dataset = read_dataset(folder)
    checksums = progress(workers.map(sha256_or_empty, dataset.paths()),
                         len(dataset.files), "Reading")
    return dataset, list(checksums)


def refuse_splits(dataset: Dataset) -> None:
    """Raise UserError for a data set that is divided (train, valid, test).

    Augmented copies in its validation or test part would count there as
    photographs.
    """
    splits = split_folders({file.parent for file in dataset.files})
    if len(set(splits.values())) > 1:
        part = next((name for name, split in splits.items()
                     if split == "train"), next(iter(splits)))
        folder = next(parent for file in dataset.files
                      for parent in file.parents if parent.name == part)
        raise UserError(
            f"{dataset.root}: {', '.join(sorted(splits))} divide the data "
            "set, and only its training part may be augmented; give that "
            f"part: {dataset.root / folder}")


def find_identical(dataset: Dataset, checksums: Sequence[str]
                   ) -> tuple[dict[Path, Path], list[list[Path]]]:
    """Return the byte-identical originals within a class and across classes.

    checksums: of each file, "" where it can't be read.
    The first value is {file: the first identical file of its class}, without
    those first files.  The second has a list for each image that several
    classes contain: the first such file of each of them.
    """
    copies = augmented_copies(dataset.files, dataset.classes())
    duplicates = {}
    first_of = defaultdict(dict)    # by checksum, then by class
    for file, label, checksum in zip(dataset.files, dataset.labels.tolist(),
                                     checksums):
        if checksum and file not in copies:
            first = first_of[checksum].setdefault(label, file)
            if first != file:
                duplicates[file] = first
    return duplicates, [list(files.values()) for files in first_of.values()
                        if len(files) > 1]


def fingerprint_of(dataset: Dataset, checksums: Sequence[str],
                   config: BalanceConfig) -> str:
    """Return a checksum of all that determines the bytes of a balanced tree.

    The images and their paths, the configuration, and the versions of what
    decodes, augments and encodes; not the number of processes.  In
    hexadecimal.
    """
    content = json.dumps([
        VERSION, {name: version(name) for name in PACKAGES}, config.seed,
        config.target, config.per_plant, config.augmentations,
        sorted(zip(map(str, dataset.files), checksums))])
    return hashlib.sha256(content.encode()).hexdigest()


def balance(dataset: Dataset, copies: dict[Path, Path], output: Path,
            config: BalanceConfig, workers: Workers,
            open_tree: Callable[[set[Path]], OutputTree] | None = None
            ) -> BalanceResult:
    """Balance a data set; leave out and report what can't be read.

    copies: {file: original} of the files that are not to be augmented.
    output: folder to write to.  open_tree: returns the new tree for the files
    planned; None where the data set's own folder is balanced in place.
    Each image is decoded once, for all its copies.  If some cannot be read, a
    new plan is made without them and carried out; the copies that only the
    earlier plan has are deleted.
    Raises UserError if no image can be read or nothing can be written.
    """
    errors: list[UserError] = []
    tree, ever_planned, before = None, set(), set(dataset.files)
    while True:
        targets = class_targets(dataset, config.target, config.per_plant)
        plan = plan_balance(dataset, targets, config.seed,
                            config.augmentations, copies)
        planned = set(plan_files(plan)[0])
        if open_tree is not None:
            if tree is None:
                tree = open_tree(planned)
                before = set(tree.files)
            tree.begin(planned)
        ever_planned |= planned
        unreadable = {}
        for image, error in zip(plan, write_plan(
                plan, dataset.root, output, config.seed, workers)):
            if error is not None:
                print_error(error)
                unreadable[image.source] = error
        errors += unreadable.values()
        if not unreadable:
            break
        dataset = dataset.subset([
            index for index, file in enumerate(dataset.files)
            if file not in unreadable])
    remove_files(output, ever_planned - before - planned)
    if tree is not None:
        tree.finish(planned)
    if not planned:
        raise UserError(f"{dataset.root}: no readable image in it")
    return BalanceResult(plan, dataset, planned - before, errors)
