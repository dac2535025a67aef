"""leaffliction/release/dataset.py: the split of a released model's images."""

import csv
import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from small_sources import CLASS_NAMES, COUNTS, patches, read, write_photographs

from leaffliction.release.dataset import (FOLDS, read_web, split_strangers,
                                          write_release_split)
from leaffliction.training.split import (EARLY_STOPPING, SETS, TRAINING,
                                         VALIDATION)
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image
from leaffliction.utils.labels import Dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with all photographs."""
    folder = tmp_path_factory.mktemp("photographs")
    write_photographs(folder)
    return folder


@pytest.fixture(scope="module")
def sources(folder):
    return read(folder)


@pytest.fixture(scope="module")
def rows(sources, tmp_path_factory):
    """Return the rows of the CSV with the split, as dictionaries."""
    path = tmp_path_factory.mktemp("split") / "split.csv"
    write_release_split(path, sources)
    with open(path, newline="") as lines:
        return list(csv.DictReader(lines))


def leaf_of(file):
    """Return the leaf that a laboratory file shows: see small_sources.py."""
    name, number = re.search(r"(\w+)/leaves(\d+)", file.as_posix()).groups()
    return name, int(number) // 2


def test_no_leaf_is_in_two_parts_and_each_class_is_in_all(sources):
    parts = sources.parts
    datasets = (parts.training, parts.early_stopping, parts.validation)
    leaves = [{leaf_of(file) for file in dataset.files
               if file.parts[0] == "leaves"} for dataset in datasets]
    assert sum(map(len, leaves)) == len(set().union(*leaves)) == 3 * 4
    for dataset in datasets:
        assert set(dataset.classes()) == set(CLASS_NAMES)
        assert {file.parts[0] for file in dataset.files} == {
            "leaves", "orchard"}


def test_strangers_are_split_plant_by_plant(sources):
    counts = defaultdict(Counter)
    for plant, part in zip(sources.strangers.classes(),
                           sources.stranger_parts):
        counts[plant][part] += 1
    assert counts == {
        "Peach": {VALIDATION: 2, EARLY_STOPPING: 2, TRAINING: 6},
        "Tomato": {VALIDATION: 1, EARLY_STOPPING: 1, TRAINING: 3}}
    of_parts = [sources.strangers_in(part) for part in SETS]
    assert [len(paths) for paths in of_parts] == [9, 3, 3]
    assert sorted(sum(of_parts, [])) == sorted(sources.strangers.paths())


def test_the_seed_chooses_which_strangers_are_held_out(sources):
    of_seeds = [split_strangers(sources.strangers, seed).tolist()
                for seed in (1, 1, 2)]
    assert of_seeds[0] == of_seeds[1] != of_seeds[2]


def test_folds_have_each_photograph_of_the_web_once_and_all_classes(sources):
    folds, labels = sources.folds(), sources.web.labels
    assert len(folds) == sum(COUNTS["wild"].values())
    assert set(folds) == set(range(FOLDS))
    for label in set(labels):
        sizes = np.bincount(folds[labels == label], minlength=FOLDS)
        assert np.ptp(sizes) <= 1


def test_photographs_of_the_web_have_the_labels_of_the_other_classes(sources):
    assert sources.class_names == CLASS_NAMES == sources.web.class_names
    assert sources.web.plants == ("Apple", "Apple", "Apple", "Grape")
    assert [CLASS_NAMES[label] for label in sources.web.labels] == [
        path.parent.name for path in sources.web.paths()]
    assert set(sources.web.labels) == {1, 2}


def test_the_csv_has_a_row_for_each_photograph(rows, folder, sources):
    assert list(rows[0]) == ["file", "leaf", "class", "domain", "part"]
    assert sorted(row["file"] for row in rows) == sorted(
        path.relative_to(folder).as_posix()
        for path in folder.glob("*/*/*.png"))
    domains = {"leaves": "laboratory", "orchard": "orchard", "wild": "web",
               "strangers": "strangers"}
    for row in rows:
        source, name, _ = row["file"].split("/")
        assert (row["class"], row["domain"]) == (name, domains[source])


def test_the_csv_tells_leaf_and_part(rows, folder, sources):
    part_of = {row["file"]: row["part"] for row in rows}
    for name, dataset in zip(SETS, (sources.parts.training,
                                    sources.parts.early_stopping,
                                    sources.parts.validation)):
        assert {part_of[file.as_posix()] for file in dataset.files} == {name}
        assert {part_of[path.relative_to(folder).as_posix()]
                for path in sources.strangers_in(name)} == {name}
    assert [part_of[path.relative_to(folder).as_posix()]
            for path in sources.web.paths()[:5]] == [
        "fold 1", "fold 2", "fold 3", "fold 4", "fold 1"]
    leaf = {row["file"]: row["leaf"] for row in rows}
    first, second, third = (leaf[f"leaves/Grape_Esca/leaves{number}.png"]
                            for number in range(3))
    assert first == second != third
    assert {leaf[file] for file in leaf
            if file.startswith(("wild", "strangers"))} == {""}


def test_a_class_of_the_web_that_no_other_folder_has_is_refused(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("Apple_scab", "Pear_rot", "Kiwi_rot"):
        write_image(tmp_path / name / "1.png", patches("wild", name, rng))
    known = Dataset(tmp_path, (), np.array([], int),
                    ("Apple_healthy", "Apple_scab"), ("Apple", "Apple"))
    with pytest.raises(UserError, match=re.escape(
            f"{tmp_path}: Kiwi_rot, Pear_rot: no such class")):
        read_web(tmp_path, known)


@pytest.mark.parametrize("missing", COUNTS)
def test_a_missing_folder_is_named(folder, missing):
    (folder / missing).rename(folder / "elsewhere")
    try:
        with pytest.raises(UserError, match=re.escape(
                f"{folder / missing}: ")):
            read(folder)
    finally:
        (folder / "elsewhere").rename(folder / missing)
