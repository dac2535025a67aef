"""The facts of each class, and the counts of each plant."""

import math
from collections import Counter

from inspections import dataset_of, inspection_of

from leaffliction.distribution.class_facts import (by_plant, collect_facts,
                                                   imbalance, shares)
from leaffliction.distribution.duplicates import find_repeats
from leaffliction.distribution.inspection import Inspection
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError


def counts_of(folder):
    """Return {plant: {class name: count}} of the files in a folder."""
    dataset = read_dataset(folder)
    return by_plant(dataset, dataset.counts().tolist())


def test_facts_count_repeats_and_unreadable_files():
    files = ["a/1.jpg", "a/2.jpg", "a/3.jpg", "a/4.jpg", "b/1.jpg", "b/2.jpg",
             "b/3.jpg"]
    results = [inspection_of(10, "x"), inspection_of(10, "x"),
               inspection_of(12, "y"), UserError("truncated"),
               inspection_of(11, "x", (8, 8), "L"), inspection_of(200, "z"),
               inspection_of(200, "z")]
    dataset = dataset_of(files)
    repeats = find_repeats(dataset.subset([0, 1, 2, 4, 5, 6]), [
        result for result in results if isinstance(result, Inspection)])
    facts = collect_facts(dataset, results, repeats)
    assert (facts["a"].count, facts["a"].unreadable) == (3, 1)
    assert facts["a"].sizes == Counter({"4x3": 3})
    assert facts["b"].modes == Counter({"RGB": 2, "L": 1})
    assert facts["b"].sizes == Counter({"8x8": 1, "4x3": 2})
    assert (facts["a"].identical, facts["a"].near_identical,
            facts["a"].other_classes) == (2, 3, 3)
    assert (facts["b"].identical, facts["b"].near_identical,
            facts["b"].other_classes) == (2, 0, 1)


def test_two_spellings_of_a_plant_are_one_plant(tree):
    assert counts_of(tree({"Apple_a": 1, "apple_b": 2, "Grape_c": 3})) == {
        "Apple": {"Apple_a": 1, "apple_b": 2}, "Grape": {"Grape_c": 3}}


def test_classes_come_in_natural_order(tree):
    counts = counts_of(tree({"A_10": 1, "A_9": 1, "A_1": 1}))
    assert list(counts["A"]) == ["A_1", "A_9", "A_10"]


def test_shares_and_imbalance():
    assert shares({"a": 3, "b": 1}) == [0.75, 0.25]
    assert shares({"a": 0}) == [0]
    assert imbalance([3, 1, 2]) == 3
    assert imbalance([3, 0]) == math.inf
