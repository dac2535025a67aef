"""The photographs that a released model learns from, and their split.

Below one folder:

    leaves/CLASS/       leaves in a laboratory; leaf_groups.csv beside it
                        tells which photographs show the same leaf
    orchard/CLASS/      leaves photographed on the tree
    wild/CLASS/         leaves as people photograph them and put them on the
                        web
    strangers/PLANT/    leaves of other plants outdoors: of no class

A class may lack photographs of a kind.  Those from the web are few, and all
of them are learned from; so the figures for such photographs come from
networks that leave out one fold of them in turn (FOLDS).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaffliction.release import photographs
from leaffliction.release.photographs import COLUMNS, FOLD, FOLDERS
from leaffliction.training.config import TrainConfig
from leaffliction.training.data import group_images, read_domains
from leaffliction.training.split import (EARLY_STOPPING, TRAINING,
                                         VALIDATION, Parts, split_leaves)
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers
from leaffliction.utils.tables import write_csv

LEAVES, ORCHARD, WEB, STRANGERS = (FOLDERS[kind] for kind in (
    photographs.LABORATORY, photographs.ORCHARD, photographs.WEB,
    photographs.STRANGERS))
GROUPS = "leaf_groups.csv"
# What the folders are called in the split and in the model card.
NAMES = {folder: kind for kind, folder in FOLDERS.items()}
FOLDS = 4                # of the photographs from the web
# Share of the strangers to judge by, and to set a threshold by.
STRANGERS_SHARE = 0.2


@dataclass(frozen=True)
class Sources:
    """All photographs to learn from.

    data: the folder that holds all of them.
    parts: the split of the leaves in laboratory and orchard.
    web: photographs from the web, with the labels of parts.
    strangers: of other plants; their classes are the plants.
    stranger_parts: the part of the split of each stranger, str (N,).
    """

    data: Path
    parts: Parts
    web: Dataset
    strangers: Dataset
    stranger_parts: np.ndarray

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that the network knows."""
        return self.parts.training.class_names

    def strangers_in(self, part: str) -> list[Path]:
        """Return the strangers in a part of the split."""
        return self.strangers.subset(
            np.flatnonzero(self.stranger_parts == part)).paths()

    def folds(self) -> np.ndarray:
        """Return the fold of each photograph from the web, int (M,).

        In the order of classes and names, so that each fold has its share
        of every class.
        """
        return np.arange(len(self.web.files)) % FOLDS


def read_sources(data: Path, config: TrainConfig, workers: Workers
                 ) -> Sources:
    """Read the photographs below a folder, and split them.

    Leaves are split by leaf, strangers by photograph, plant by plant.
    Raises UserError where a folder is missing, or has a class that neither
    laboratory nor orchard has.
    """
    folders = [data / LEAVES, data / ORCHARD]
    dataset, domains = read_domains(folders)
    parts = split_leaves(group_images(dataset, domains, folders,
                                      data / GROUPS, workers), config)
    strangers = read_dataset(data / STRANGERS)
    return Sources(data, parts, read_web(data / WEB, parts.training),
                   strangers, split_strangers(strangers, config.seed))


def split_strangers(strangers: Dataset, seed: int) -> np.ndarray:
    """Return the part of each stranger, str (N,), plant by plant."""
    rng = np.random.default_rng(seed)
    parts = np.full(len(strangers.files), TRAINING, dtype="<U10")
    for label in range(len(strangers.class_names)):
        rows = rng.permutation(np.flatnonzero(strangers.labels == label))
        count = round(STRANGERS_SHARE * len(rows))
        parts[rows[:count]] = VALIDATION
        parts[rows[count:2 * count]] = EARLY_STOPPING
    return parts


def read_web(folder: Path, known: Dataset) -> Dataset:
    """Return the photographs of a folder, with another dataset's labels.

    Raises UserError for a class that the other does not have.
    """
    dataset = read_dataset(folder)
    if unknown := set(dataset.class_names) - set(known.class_names):
        raise UserError(f"{folder}: {', '.join(sorted(unknown))}: no such "
                        "class in laboratory and orchard")
    labels = np.array([known.class_names.index(name)
                       for name in dataset.classes()])
    return Dataset(dataset.root, dataset.files, labels, known.class_names,
                   known.plants)


def is_indoors(dataset: Dataset) -> np.ndarray:
    """Return which images were taken in the laboratory, bool (N,)."""
    return np.array([file.parts[0] == LEAVES for file in dataset.files])


def split_rows(sources: Sources) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield file, leaf, class, domain and part of each photograph.

    file: relative to the folder of all sources.  Photographs from the web
    have their fold as part ("fold 1"), and strangers their plant as class.
    """
    leaves = sources.parts.leaves
    for file, leaf, name, part in zip(
            leaves.dataset.files, leaves.groups, leaves.dataset.classes(),
            sources.parts.names):
        yield file.as_posix(), leaf, name, NAMES[file.parts[0]], str(part)
    for file, name, fold in zip(sources.web.files, sources.web.classes(),
                                sources.folds()):
        yield (f"{WEB}/{file.as_posix()}", "", name, NAMES[WEB],
               f"{FOLD}{fold + 1}")
    for file, plant, part in zip(
            sources.strangers.files, sources.strangers.classes(),
            sources.stranger_parts):
        yield (f"{STRANGERS}/{file.as_posix()}", "", plant, NAMES[STRANGERS],
               str(part))


def write_release_split(path: Path, sources: Sources) -> None:
    """Write the split as a CSV; UserError if it cannot be written."""
    write_csv(path, COLUMNS, split_rows(sources))
