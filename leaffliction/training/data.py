"""What is learned from: photographs of several places, and their leaves.

A domain is a folder of them: laboratory, orchard, telephone.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from leaffliction.augmentation.balance import check_sides
from leaffliction.distribution.duplicates import near_identical
from leaffliction.distribution.inspection import (Inspection, inspect_dataset,
                                                  inspect_image)
from leaffliction.training.groups import (contradictions, join_groups,
                                          note_shared, read_groups)
from leaffliction.training.split import MIN_LEAVES
from leaffliction.utils.class_folders import read_dataset, splits_of
from leaffliction.utils.class_names import TEST, class_key
from leaffliction.utils.console import print_note
from leaffliction.utils.copies import linked_copies, nameless_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.folders import NAMED
from leaffliction.utils.images import natural_key
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers
from leaffliction.utils.storage import common_folder, is_inside, resolved


def inspect_leaf(path: Path) -> Inspection:
    """Inspect an image; UserError where it can't be read, or augmented."""
    inspection = inspect_image(path)
    check_sides(path, inspection.size)
    return inspection


@dataclass(frozen=True)
class Leaves:
    """What there is to learn from: N images, and what is known of them.

    domains: int (N,), the index of the folder of each.  groups: its leaf.
    contradicting: bool (N,), whether one photograph is in several classes.
    problems: why other images can't be read.
    """

    dataset: Dataset
    domains: np.ndarray
    groups: list[str]
    contradicting: np.ndarray
    problems: list[UserError]


def read_leaves(folders: list[Path], groups: Path | None, workers: Workers
                ) -> Leaves:
    """Return the readable images and which of them show one leaf.

    Each problem is printed.  A leaf is a cluster of near-identical images,
    turned ones and augmented copies among them, and what a CSV of groups adds.
    """
    dataset, domains = read_domains(folders)
    found, good = inspect_dataset(dataset, workers, inspect_leaf)
    problems = [result for result in found if isinstance(result, UserError)]
    dataset, domains = dataset.subset(good), domains[good]
    if len(set(dataset.labels)) < 2:
        raise UserError(f"{dataset.root}: has one class only "
                        f"({dataset.class_names[dataset.labels[0]]}); "
                        "learning takes at least two")
    links = linked_copies(dataset.files, dataset.classes())
    clusters = near_identical(
        np.stack([found[index].thumbnail for index in good]), links)
    names = ([None] * len(dataset.files) if groups is None else
             read_domain_groups(groups, dataset, domains, folders))
    note_shared(names, dataset.classes())
    nameless = nameless_copies(dataset.files)
    if nameless and groups is None:
        print_note(
            f"{len(nameless)} images are named as copies that Keras has made "
            f"({str(nameless[0])!r}), but not of which photograph: --groups "
            "tells which belong together")
    return Leaves(dataset, domains,
                  join_groups(clusters, names, dataset.files),
                  find_contradictions(dataset, clusters), problems)


def find_contradictions(dataset: Dataset, clusters: np.ndarray) -> np.ndarray:
    """Return which images lie in several classes, bool (N,), and say so.

    clusters: int (N,), equal for images that show the same photograph.
    """
    contradicting = np.zeros(len(dataset.files), bool)
    found = contradictions(clusters, dataset.labels)
    for members in found:
        contradicting[members] = True
    if found:
        first, second = found[0][0], next(
            member for member in found[0]
            if dataset.labels[member] != dataset.labels[found[0][0]])
        print_note(
            f"photographs in several classes: {len(found)}, in "
            f"{contradicting.sum()} images "
            f"({str(dataset.files[first])!r} and "
            f"{str(dataset.files[second])!r}; Distribution.py names all)")
    return contradicting


def read_domains(folders: list[Path]) -> tuple[Dataset, np.ndarray]:
    """Return the images of several folders as one dataset, and the domain.

    Domain: index of the folder from which an image is, int (N,).  Classes
    of one name are one class; the root is what the folders have in common.
    What a data set keeps to test with (test/) is not learned from.
    Raises UserError where a folder has no image or lies in another.
    """
    if len(folders) == 1:
        dataset = without_test(read_dataset(folders[0]))
        return dataset, np.zeros(len(dataset.files), int)
    places = [resolved(folder) for folder in folders]
    for index, place in enumerate(places):
        for other in places[:index] + places[index + 1:]:
            if is_inside(place, other):
                raise UserError(f"{folders[index]}: lies in another of the "
                                "folders, or is given twice")
    found = [without_test(read_dataset(folder)) for folder in folders]
    root = common_folder(places)
    # Each class has the name and the plant that it has where it comes first.
    classes = {}
    for dataset in found:
        for name, plant in zip(dataset.class_names, dataset.plants):
            classes.setdefault(class_key(name), (name, plant))
    say_alike(folders, found)
    order = sorted(classes, key=lambda key: natural_key(classes[key][0]))
    rank = {key: place for place, key in enumerate(order)}
    domains = np.repeat(range(len(found)),
                        [len(dataset.files) for dataset in found])
    files = [place.relative_to(root) / file for place, dataset in
             zip(places, found) for file in dataset.files]
    labels = np.array([rank[class_key(dataset.class_names[label])]
                       for dataset in found for label in dataset.labels])
    class_names, plants = zip(*(classes[key] for key in order))
    return Dataset(root, tuple(files), labels, class_names, plants), domains


def say_alike(folders: list[Path], found: list[Dataset]) -> None:
    """Print a note on classes that lack the plant they have elsewhere.

    "scab" in one folder and "Apple_scab" in another are two classes, since
    nothing tells that the first is of apples.
    """
    keys = [{class_key(name): name for name in dataset.class_names}
            for dataset in found]
    for folder, own in zip(folders, keys):
        for key, name in own.items():
            longer = sorted({other for names in keys if names is not own
                             for whole, other in names.items()
                             if whole.endswith(f"_{key}")
                             and whole not in own and key not in names})
            if longer:
                print_note(
                    f"{folder}: {name} is a class of its own; if it is "
                    f"{' or '.join(longer[:NAMED])}, give its folder that "
                    "name")


def without_test(dataset: Dataset) -> Dataset:
    """Return a dataset without the folders that are kept to test with.

    They are left where there is nothing else.  Who divided a data set wants
    to measure on that part later, on images that were not learned from.
    """
    folders = {file.parent for file in dataset.files}
    tested = {folder for folder in folders
              if TEST in splits_of([folder]).values()}
    if not tested or tested == folders:
        return dataset
    is_test = np.array([file.parent in tested for file in dataset.files])
    names = sorted(name for name, split in splits_of(folders).items()
                   if split == TEST)
    print_note(
        f"{dataset.root}: {is_test.sum():,} images in {', '.join(names)} are "
        "not learned from; predict.py --evaluate measures on them")
    rest = dataset.subset(np.flatnonzero(~is_test))
    classes, labels = np.unique(rest.labels, return_inverse=True)
    return replace(rest, labels=labels, **{
        name: tuple(getattr(rest, name)[label] for label in classes)
        for name in ("class_names", "plants")})


def read_domain_groups(csv: Path, dataset: Dataset, domains: np.ndarray,
                       folders: list[Path]) -> list[str | None]:
    """Return each image's leaf from a CSV, or None: see groups.read_groups.

    Files in it are relative to the folder in which the image was found.
    """
    if len(folders) == 1:
        return read_groups(csv, [dataset])[0]
    parts, rows = [], []
    for domain, folder in enumerate(folders):
        own = np.flatnonzero(domains == domain)
        place = resolved(folder)
        below = place.relative_to(dataset.root)
        parts.append(replace(
            dataset.subset(own), root=place, files=tuple(
                dataset.files[index].relative_to(below) for index in own)))
        rows.append(own)
    leaves: list[str | None] = [None] * len(dataset.files)
    for own, found in zip(rows, read_groups(csv, parts)):
        for index, leaf in zip(own, found):
            leaves[index] = leaf
    return leaves


def cells(dataset: Dataset, domains: np.ndarray) -> Dataset:
    """Return the dataset with a class for each pair of class and domain.

    Its class names are those of the dataset, some of them several times.
    """
    pairs, labels = np.unique(np.stack([dataset.labels, domains]), axis=1,
                              return_inverse=True)
    return replace(
        dataset, labels=labels.ravel(),
        class_names=tuple(dataset.class_names[label] for label in pairs[0]),
        plants=tuple(dataset.plants[label] for label in pairs[0]))


def strata(dataset: Dataset, groups: list[str], domains: np.ndarray
           ) -> Dataset:
    """Return the dataset in the cells from which a split may draw.

    A cell of fewer leaves than a split takes goes to the domain that has
    most of the class: then a few photographs are split as part of the many.
    """
    groups, joined = np.asarray(groups), domains.copy()
    for label in range(len(dataset.class_names)):
        own = dataset.labels == label
        most = np.bincount(domains[own]).argmax()
        for domain in set(domains[own].tolist()):
            cell = own & (domains == domain)
            if len(set(groups[cell])) < MIN_LEAVES:
                joined[cell] = most
    return cells(dataset, joined)
