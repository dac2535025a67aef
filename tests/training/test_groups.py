"""leaffliction/training/groups.py: which images show the same leaf."""

from pathlib import Path

import numpy as np

from leaffliction.training.groups import (clusters_in_several_classes,
                                          find_contradictions, join_groups,
                                          note_leaves_in_several_classes)
from leaffliction.utils.labels import Dataset


def join(clusters, leaves):
    """Return join_groups' leaves as numbers, in order of appearance."""
    files = [Path(f"{index}.jpg") for index in range(len(clusters))]
    numbers = {}
    return [numbers.setdefault(name, len(numbers))
            for name in join_groups(np.array(clusters), leaves, files)]


def test_clusters_and_leaves_of_the_csv_are_joined(capfd):
    assert join([0, 0, 2, 3, 3, 5, 6], [None] * 7) == [0, 0, 1, 2, 2, 3, 4]
    assert join([0, 1, 2, 3], ["x", "y", "x", None]) == [0, 1, 0, 2]
    # An image without a row joins the leaf of the image that it repeats.
    assert join([0, 0, 2, 2, 4], ["x", None, None, "y", "x"]) == [
        0, 0, 1, 1, 0]
    assert not capfd.readouterr().err


def test_leaves_that_share_a_photograph_become_one(capfd):
    # x and y share cluster 0, y and z share cluster 2.
    assert join([0, 0, 2, 3, 2, 5], ["x", "y", "y", "z", "z", "t"]) == [
        0, 0, 0, 0, 0, 1]
    assert "and so are one leaf: 2 ('x' and 'y')" in (
        capfd.readouterr().err)


def test_a_leaf_is_named_by_the_csv_or_after_its_first_file():
    assert join_groups(np.array([0, 1, 1, 3]), [None, None, "x", None], [
        Path("c", f"{index}.jpg") for index in range(4)]) == [
            "c/0.jpg", "x", "x", "c/3.jpg"]


def test_leaves_in_several_classes_are_noted(capfd):
    note_leaves_in_several_classes(["1", "1", "2", None, None],
                                   list("abbab"))
    assert ("leaves of the CSV that are in several classes: 1 "
            "('1' in a, b)") in capfd.readouterr().err
    note_leaves_in_several_classes([None, None, "2", "2"], list("abbb"))
    assert not capfd.readouterr().err


def test_clusters_in_several_classes_are_listed():
    found = clusters_in_several_classes(np.array([0, 1, 0, 3, 1, 3]),
                                        np.array([0, 0, 1, 1, 0, 1]))
    assert [images.tolist() for images in found] == [[0, 2]]


def test_contradictions_are_marked_and_noted(capfd):
    dataset = Dataset(Path("."), tuple(map(Path, "stuvwx")),
                      np.array([0, 0, 1, 1, 0, 1]), ("a", "b"), ("a", "b"))
    assert find_contradictions(
        dataset, np.array([0, 1, 0, 3, 1, 3])).tolist() == [
            True, False, True, False, False, False]
    assert "in several classes: 1, as 2 images ('s' and 'u';" in (
        capfd.readouterr().err)
    assert not find_contradictions(dataset, np.arange(6)).any()
    assert not capfd.readouterr().err
