"""leaffliction/distribution/duplicates.py: what repeats, and what each class holds."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from leaffliction.distribution.duplicates import class_facts, find_repeats
from leaffliction.distribution.inspection import Inspection
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset


def dataset_of(files):
    """Return the data set of files like "a/1.jpg"."""
    names = sorted({file.split("/")[0] for file in files})
    return Dataset(Path("images"), tuple(map(Path, files)), np.array(
        [names.index(file.split("/")[0]) for file in files]), tuple(names),
        tuple(names))


def inspect(level, digest, size=(4, 3), mode="RGB"):
    """Return an inspection; levels 20 apart are different photographs."""
    return Inspection(size, mode, digest, np.full(768, level, np.uint8))


def test_repeats_are_grouped_and_the_most_serious_come_first():
    files = {"a/1.jpg": (10, "x"), "a/2.jpg": (90, "y"), "a/3.jpg": (92, "z"),
             "a/4.jpg": (90, "y"), "a/5.jpg": (210, "t"),
             "b/1.jpg": (50, "w"), "b/2.jpg": (11, "x"),
             "b/3.jpg": (150, "v"), "b/4.jpg": (150, "v"),
             "b/5.jpg": (211, "u"),
             # Augmented copies repeat their original, as they should.
             "b/1_Flip.jpg": (50, "w")}
    repeats = find_repeats(dataset_of(files), [
        inspect(*values) for values in files.values()])
    assert [(repeat.kind(), repeat.crosses_classes(),
             [str(file) for file in repeat.files]) for repeat in repeats] == [
        ("identical", True, ["a/1.jpg", "b/2.jpg"]),
        ("near-identical", True, ["a/5.jpg", "b/5.jpg"]),
        ("identical", False, ["b/3.jpg", "b/4.jpg"]),
        ("near-identical", False, ["a/2.jpg", "a/4.jpg", "a/3.jpg"])]


def test_facts_count_twins_and_what_cannot_be_read():
    files = ["a/1.jpg", "a/2.jpg", "a/3.jpg", "a/4.jpg", "b/1.jpg", "b/2.jpg",
             "b/3.jpg"]
    results = [inspect(10, "x"), inspect(10, "x"), inspect(12, "y"),
               UserError("truncated"), inspect(11, "x", (8, 8), "L"),
               inspect(200, "z"), inspect(200, "z")]
    dataset = dataset_of(files)
    repeats = find_repeats(dataset.subset([0, 1, 2, 4, 5, 6]), [
        result for result in results if isinstance(result, Inspection)])
    facts = class_facts(dataset, results, repeats)
    assert (facts["a"].count, facts["a"].unreadable) == (3, 1)
    assert facts["a"].sizes == Counter({"4x3": 3})
    assert facts["b"].modes == Counter({"RGB": 2, "L": 1})
    assert facts["b"].sizes == Counter({"8x8": 1, "4x3": 2})
    assert (facts["a"].identical, facts["a"].near_identical,
            facts["a"].elsewhere) == (2, 3, 3)
    assert (facts["b"].identical, facts["b"].near_identical,
            facts["b"].elsewhere) == (2, 0, 1)


@pytest.mark.parametrize("files", [["a/1.jpg"], ["a/1.jpg", "a/1_Flip.jpg"]])
def test_one_photograph_repeats_nothing(files):
    assert find_repeats(dataset_of(files), [inspect(1, "x")] * 2) == []


def test_turned_and_mirrored_images_are_called_so():
    side = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    files = ["a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", "b/2.jpg"]
    views = [side, side[:, ::-1], side, 255 - side, 254 - side // 2 * 2]
    repeats = find_repeats(dataset_of(files), [
        Inspection((4, 3), "RGB", digest, view.ravel())
        for digest, view in zip("xyxzt", views)])
    assert [(repeat.kind(), list(map(str, repeat.files)))
            for repeat in repeats] == [
        ("near-identical", ["b/1.jpg", "b/2.jpg"]),
        ("turned or mirrored", ["a/1.jpg", "a/3.jpg", "a/2.jpg"])]
    facts = class_facts(dataset_of(files), [
        Inspection((4, 3), "RGB", digest, view.ravel())
        for digest, view in zip("xyxzt", views)], repeats)
    assert (facts["a"].identical, facts["a"].near_identical) == (2, 3)
