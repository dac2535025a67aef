"""leaffliction/utils/labels.py: class and plant names, leaf groups, and the split."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from leaffliction.training import split as splits
from leaffliction.training.split import (LEFT_OUT, STOPPING, TRAINING,
                                         VALIDATION)
from leaffliction.utils import labels
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError

CLASS_NAMES = ("a", "b", "c")


def test_a_subset_keeps_the_class_names(tree):
    dataset = read_dataset(tree({"A_b": 2, "A_c": 1}))
    part = dataset.subset([2])
    assert part.files == (Path("A_c/image (1).JPG"),)
    assert part.class_names == ("A_b", "A_c")
    assert part.counts().tolist() == [0, 1]


def make_leaves(seed, leaves=30, most=7):
    """Return labels and groups of `leaves` leaves for each of the classes."""
    rng = np.random.default_rng(seed)
    numbers, groups = [], []
    for number, class_name in enumerate(CLASS_NAMES):
        for leaf in range(leaves):
            photographs = int(rng.integers(1, most + 1))
            numbers += [number] * photographs
            groups += [f"{class_name}{leaf}"] * photographs
    order = rng.permutation(len(groups))
    return np.array(numbers)[order], [groups[index] for index in order]


def split(numbers, groups, fraction=0.2, seed=1):
    return splits.split(numbers, groups, CLASS_NAMES, fraction,
                        np.random.default_rng(seed))


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_the_split_is_by_leaf_stratified_and_of_the_size_asked_for(
        seed, fraction):
    numbers, groups = make_leaves(seed)
    held_out = split(numbers, groups, fraction, seed)
    sides = {(name, side) for name, side in zip(groups, held_out.tolist())}
    assert len(sides) == len(set(groups)), "a leaf is on both sides"
    largest = max(Counter(groups).values())
    for number in range(len(CLASS_NAMES)):
        own = held_out[numbers == number]
        assert abs(own.sum() - fraction * len(own)) <= largest


def test_a_leaf_under_two_labels_stays_on_one_side():
    numbers, groups = make_leaves(0)
    groups = [name.replace("b", "a") for name in groups]
    for seed in range(5):
        held_out = splits.split(numbers, groups, ("a",), 0.3,
                                np.random.default_rng(seed))
        sides = set(zip(groups, held_out.tolist()))
        assert len(sides) == len(set(groups))


def test_the_same_seed_splits_the_same_and_another_does_not():
    numbers, groups = make_leaves(0)
    first = split(numbers, groups, seed=1)
    assert (first == split(numbers, groups, seed=1)).all()
    assert (first != split(numbers, groups, seed=2)).any()


def test_no_side_of_a_class_is_empty_however_odd_the_fraction():
    numbers, groups = make_leaves(0, leaves=2)
    for fraction in (0, 0.001, 0.999, 1):
        held_out = split(numbers, groups, fraction)
        for number in range(len(CLASS_NAMES)):
            assert 0 < held_out[numbers == number].mean() < 1


def make_dataset(numbers, files=None):
    return labels.Dataset(
        Path("."), tuple(map(Path, files or map(str, range(len(numbers))))),
        np.array(numbers), CLASS_NAMES, CLASS_NAMES)


def test_three_parts_share_no_leaf_and_have_every_class():
    numbers, groups = make_leaves(3)
    parts = splits.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 42)
    assert set(parts) == {TRAINING, STOPPING, VALIDATION}
    assert len(set(zip(groups, parts))) == len(set(groups))
    assert len(set(zip(numbers, parts))) == 3 * len(CLASS_NAMES)
    assert (parts == VALIDATION).mean() == pytest.approx(0.2, abs=0.02)
    assert (parts == STOPPING).mean() == pytest.approx(0.08, abs=0.02)
    again = splits.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 42)
    assert (parts == again).all()


def test_three_leaves_a_class_are_enough_and_two_are_not():
    numbers, groups = make_leaves(0, leaves=3)
    parts = splits.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 0)
    assert len(set(zip(numbers, parts))) == 9
    numbers, groups = make_leaves(0, leaves=2)
    with pytest.raises(UserError, match="class a shows 2 .*at least 3"):
        splits.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 0)


def test_all_classes_that_are_too_small_stand_in_one_error():
    numbers = [0, 0, 1, 1, 1, 1, 2, 2]
    groups = ["a0", "a1", "b0", "b1", "b2", "b3", "c0", "c0"]
    with pytest.raises(UserError) as raised:
        splits.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 0)
    assert str(raised.value) == (
        "class a shows 2 different leaves, class c shows 1 different leaf; "
        "learning, stopping and validation take at least 3")
    # Three leaves each, but a leaf under two names counts for the first.
    numbers = [0, 0, 0, 1, 1, 1, 2, 2, 2]
    groups = ["a0", "a1", "a2", "a0", "a1", "b2", "a0", "a1", "a2"]
    with pytest.raises(UserError) as raised:
        split(np.array(numbers), groups)
    assert str(raised.value) == (
        "class b has 1 leaf, class c has 0 leaves that no other class has; "
        "learning takes at least 3")


def test_augmented_copies_are_learned_from_but_never_tested_on():
    files = [f"{class_name}/{leaf}{augmentation}.jpg" for class_name in "abc"
             for leaf in range(10) for augmentation in ("", "_Flip", "_Crop")]
    numbers = np.repeat([0, 1, 2], 30)
    groups = [name[:3] for name in files]
    parts = splits.split_dataset(
        make_dataset(numbers, files), groups, 0.2, 0.2, 0)
    part_of = dict(zip(files, parts.tolist(), strict=True))
    assert LEFT_OUT in part_of.values()
    for name, part in part_of.items():
        original = part_of[f"{name[:3]}.jpg"]
        if "_" not in name:
            assert part != LEFT_OUT
        else:
            assert part == (TRAINING if original == TRAINING else LEFT_OUT)
