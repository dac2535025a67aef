"""Read the images to learn from: classes, domains and leaves.

A domain is where photographs come from, such as a laboratory or an orchard.
Each folder given to train.py is a domain.  Folders share their classes, so
that "Apple_scab" of the laboratory and of the orchard is one class.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from leaffliction.augmentation.balance import check_sides
from leaffliction.distribution.duplicates import near_identical
from leaffliction.distribution.inspection import (Inspection, inspect_dataset,
                                                  inspect_image)
from leaffliction.training.groups import (find_contradictions, join_groups,
                                          note_leaves_in_several_classes)
from leaffliction.training.leaf_csv import read_groups
from leaffliction.utils.class_folders import read_dataset, split_folders
from leaffliction.utils.class_names import TEST, class_key
from leaffliction.utils.console import print_note
from leaffliction.utils.copies import link_copies, unattributed_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.folders import MAX_NAMES
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers
from leaffliction.utils.storage import (common_folder, is_inside, natural_key,
                                        resolved)


@dataclass(frozen=True)
class GroupedDataset:
    """The readable images, N of them, and what is known of each.

    domains: int (N,), the index of the folder that it comes from.
    groups: the name of its leaf, (N,).
    contradicting: bool (N,), whether its photograph is in several classes.
    problems: why other images can't be read.
    """

    dataset: Dataset
    domains: np.ndarray
    groups: list[str]
    contradicting: np.ndarray
    problems: list[UserError]


def group_images(dataset: Dataset, domains: np.ndarray, folders: list[Path],
                 groups: Path | None, workers: Workers) -> GroupedDataset:
    """Return the readable images of a data set, with their leaves.

    dataset, domains, folders: of read_domains.
    groups: a CSV with the columns file,leaf, or None.
    Images show one leaf if the CSV says so, if they are near-identical (also
    turned or mirrored), or if one is an augmented copy of the other.  An
    error line is printed for each image that can't be read.
    Raises UserError where fewer than two classes remain.
    """
    results, readable = inspect_dataset(dataset, workers,
                                        inspect_training_image)
    problems = [result for result in results
                if isinstance(result, UserError)]
    dataset, domains = dataset.subset(readable), domains[readable]
    if len(set(dataset.labels)) < 2:
        raise UserError(f"{dataset.root}: has one class only "
                        f"({dataset.class_names[dataset.labels[0]]}); "
                        "training needs at least two")
    classes = dataset.classes()
    clusters = near_identical(
        np.stack([results[index].thumbnail for index in readable]),
        link_copies(dataset.files, classes))
    leaves = ([None] * len(dataset.files) if groups is None else
              read_domain_groups(groups, dataset, domains, folders))
    note_leaves_in_several_classes(leaves, classes)
    unattributed = unattributed_copies(dataset.files)
    if unattributed and groups is None:
        print_note(
            "images named as copies that Keras saved, without the name of "
            f"their photograph: {len(unattributed)} "
            f"({str(unattributed[0])!r}); --groups can tell which of them "
            "belong together")
    return GroupedDataset(dataset, domains,
                          join_groups(clusters, leaves, dataset.files),
                          find_contradictions(dataset, clusters), problems)


def inspect_training_image(path: Path) -> Inspection:
    """Inspect an image; UserError where it can't be read or augmented."""
    inspection = inspect_image(path)
    check_sides(path, inspection.size)
    return inspection


def read_domains(folders: list[Path]) -> tuple[Dataset, np.ndarray]:
    """Return the images of several folders as one dataset, and their domains.

    Domains: int (N,), for each image the index of its folder.  The root is
    the innermost folder that contains all of them.  Classes of the same name
    are one class, with name and plant as in the first folder that has it.
    Images in a folder "test" are left out: see drop_test_images.
    Raises UserError where a folder has no image or lies in another one.
    """
    if len(folders) == 1:
        dataset = drop_test_images(read_dataset(folders[0]))
        return dataset, np.zeros(len(dataset.files), int)
    paths = [resolved(folder) for folder in folders]
    for index, path in enumerate(paths):
        for other in paths[:index] + paths[index + 1:]:
            if is_inside(path, other):
                raise UserError(f"{folders[index]}: is inside another of the "
                                "folders, or given twice")
    datasets = [drop_test_images(read_dataset(folder)) for folder in folders]
    root = common_folder(paths)
    classes: dict[str, tuple[str, str]] = {}    # {key: (name, plant)}
    for dataset in datasets:
        for name, plant in zip(dataset.class_names, dataset.plants):
            classes.setdefault(class_key(name), (name, plant))
    note_classes_without_plant(folders, datasets)
    order = sorted(classes, key=lambda key: natural_key(classes[key][0]))
    label_of = {key: label for label, key in enumerate(order)}
    files = [path.relative_to(root) / file for path, dataset in
             zip(paths, datasets) for file in dataset.files]
    labels = np.array([label_of[class_key(class_name)] for dataset in datasets
                       for class_name in dataset.classes()])
    class_names, plants = zip(*(classes[key] for key in order))
    domains = np.repeat(range(len(datasets)),
                        [len(dataset.files) for dataset in datasets])
    return Dataset(root, tuple(files), labels, class_names, plants), domains


def note_classes_without_plant(folders: Sequence[Path],
                               datasets: Sequence[Dataset]) -> None:
    """Print a note on each class whose plant only another folder names.

    "scab" in one folder and "Apple_scab" in another are two classes, since
    nothing says that the first is of apples.
    """
    names_of = [{class_key(name): name for name in dataset.class_names}
                for dataset in datasets]
    for folder, own in zip(folders, names_of):
        for key, name in own.items():
            # A folder with both, "scab" and "Apple_scab", means two classes.
            with_plant = sorted({
                longer for names in names_of if names is not own
                for longer_key, longer in names.items()
                if longer_key.endswith(f"_{key}")
                and longer_key not in own and key not in names})
            if with_plant:
                print_note(
                    f"{folder}: {name} is a class of its own; if it is "
                    f"{' or '.join(with_plant[:MAX_NAMES])}, give its folder "
                    "that name")


def drop_test_images(dataset: Dataset) -> Dataset:
    """Return a dataset without the images in folders named "test".

    Such a folder is meant to measure the accuracy later, on images that were
    not learned from.  Where there are no others, its images stay.
    """
    folders = {file.parent for file in dataset.files}
    test_folders = {folder for folder in folders
                    if TEST in split_folders([folder]).values()}
    if not test_folders or test_folders == folders:
        return dataset
    is_test = np.array([file.parent in test_folders
                        for file in dataset.files])
    names = sorted(name for name, use in split_folders(folders).items()
                   if use == TEST)
    print_note(
        f"{dataset.root}: {is_test.sum():,} images in {', '.join(names)} are "
        "not learned from; predict.py --evaluate measures on them")
    rest = dataset.subset(np.flatnonzero(~is_test))
    # Only classes that still have images.
    present, labels = np.unique(rest.labels, return_inverse=True)
    return replace(
        rest, labels=labels,
        class_names=tuple(rest.class_names[label] for label in present),
        plants=tuple(rest.plants[label] for label in present))


def read_domain_groups(csv: Path, dataset: Dataset, domains: np.ndarray,
                       folders: list[Path]) -> list[str | None]:
    """Return the leaf of each image by a CSV, or None, (N,).

    The files in the CSV are relative to the domain's folder: see read_groups.
    """
    if len(folders) == 1:
        return read_groups(csv, [dataset])[0]
    rows_of = [np.flatnonzero(domains == domain)
               for domain in range(len(folders))]
    parts = []
    for rows, folder in zip(rows_of, folders):
        root = resolved(folder)
        prefix = root.relative_to(dataset.root)
        parts.append(replace(
            dataset.subset(rows), root=root, files=tuple(
                dataset.files[row].relative_to(prefix) for row in rows)))
    leaves: list[str | None] = [None] * len(dataset.files)
    for rows, leaves_of_part in zip(rows_of, read_groups(csv, parts)):
        for row, leaf in zip(rows, leaves_of_part):
            leaves[row] = leaf
    return leaves
