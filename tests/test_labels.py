"""utils/labels.py: class and plant names, leaf groups, and the split."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from utils import labels
from utils.cli import UserError
from utils.labels import LEFT_OUT, STOPPING, TRAINING, VALIDATION
from utils.tables import write_csv

CLASS_NAMES = ("a", "b", "c")


@pytest.mark.parametrize("folders, below, class_names, plants", [
    (["Apple_scab", "Apple_Black_rot", "Grape_Esca"], ".",
     ["Apple_Black_rot", "Apple_scab", "Grape_Esca"],
     ["Apple", "Apple", "Grape"]),
    (["Apple/apple_scab", "Apple/apple_rust", "Grape/grape_esca"], ".",
     ["apple_rust", "apple_scab", "grape_esca"],
     ["Apple", "Apple", "Grape"]),
    (["Apple/healthy", "Apple/scab", "Grape/healthy"], ".",
     ["Apple_healthy", "Grape_healthy", "scab"],
     ["Apple", "Grape", "Apple"]),
    (["Apple/healthy", "Apple/scab", "Grape/healthy"], "Apple",
     ["healthy", "scab"], ["Apple", "Apple"]),
    (["Apple/healthy", "Apple/scab"], "Apple/scab", ["scab"], ["Apple"]),
    (["Apple_scab"], "Apple_scab", ["Apple_scab"], ["Apple"]),
    (["scab", "rust"], ".", ["rust", "scab"], ["images", "images"]),
    (["_scab", "_"], ".", ["_", "_scab"], ["images", "images"]),
    (["A_10", "A_9"], ".", ["A_9", "A_10"], ["A", "A"]),
    (["a/b_c", "a_b/c", "b_c", "c"], ".", ["a/b_c", "a_b/c", "b_c", "c"],
     ["a", "a_b", "images", "images"]),
])
def test_classes_and_plants_are_named_after_folders(
        tree, folders, below, class_names, plants):
    dataset = labels.read_dataset(tree(dict.fromkeys(folders, 1)) / below)
    assert list(dataset.class_names) == class_names
    assert list(dataset.plants) == plants


def test_each_image_has_the_label_of_its_folder(tree):
    folder = tree({"A_10": 2, "A_9": 11})
    dataset = labels.read_dataset(f"{folder}/")
    assert dataset.counts().tolist() == [11, 2]
    assert [dataset.class_names[label] for label in dataset.labels] == [
        file.parent.name for file in dataset.files]
    assert dataset.files[10] == Path("A_9/image (11).JPG")
    assert all(path.is_file() for path in dataset.paths())


def test_a_subset_keeps_the_class_names(tree):
    dataset = labels.read_dataset(tree({"A_b": 2, "A_c": 1}))
    part = dataset.subset([2])
    assert part.files == (Path("A_c/image (1).JPG"),)
    assert part.class_names == ("A_b", "A_c")
    assert part.counts().tolist() == [0, 1]


def test_a_folder_without_images_is_refused(tree):
    with pytest.raises(UserError, match="no images"):
        labels.read_dataset(tree({"A_b": 0}))


def test_altered_copies_are_known_by_name_and_original():
    files = [Path(name) for name in (
        "c/a.JPG", "c/a_Flip.JPG", "c/a_Rotate_2.JPG", "c/a_Flip_Crop.JPG",
        "d/a_Flip.JPG", "c/Crop.JPG", "c/b_Flip.JPG", "c/a_Flipped.JPG")]
    assert labels.altered_copies(files) == dict.fromkeys(files[1:4], files[0])


@pytest.fixture
def dataset(tree):
    """Return two classes of three images and an altered copy."""
    folder = tree({"A_b": 3, "A_c": 3})
    (folder / "A_b" / "image (1)_Flip.JPG").touch()
    return labels.read_dataset(folder)


def test_groups_are_read_by_file_and_copies_follow(dataset, tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("\ufeffleaf,more,file\nL1,x,A_b/image (1).JPG\n"
                    "L1,x,./A_b/image (2).JPG\n,x,A_c/image (1).JPG\n"
                    "L9,x,A_b/gone.JPG\n", encoding="utf-8")
    groups = dict(zip(map(str, dataset.files),
                      labels.read_groups(path, dataset), strict=True))
    assert groups == {
        "A_b/image (1).JPG": "L1", "A_b/image (1)_Flip.JPG": "L1",
        "A_b/image (2).JPG": "L1", **{name: name for name in (
            "A_b/image (3).JPG", "A_c/image (1).JPG", "A_c/image (2).JPG",
            "A_c/image (3).JPG")}}


@pytest.mark.parametrize("escape", [True, False])
def test_groups_know_names_as_our_tables_write_them(tree, tmp_path, escape):
    folder = tree({"=A_b": 2, "A_\x1bc": 2})
    dataset = labels.read_dataset(folder)
    rows = [(file.as_posix(), f"L{index}")
            for index, file in enumerate(dataset.files)]
    path = tmp_path / "groups.csv"
    if escape:
        write_csv(path, ("file", "leaf"), rows)
        assert "\x1b" not in path.read_text()
    else:
        with open(path, "w", newline="") as lines:
            csv.writer(lines).writerows([("file", "leaf"), *rows])
    assert labels.read_groups(path, dataset) == ["L0", "L1", "L2", "L3"]


@pytest.mark.parametrize("content, reason", [
    (b"", "needs the columns file,leaf"),
    (b"file;leaf\n", "needs the columns file,leaf"),
    (b"file,leaf\n", "names no image"),
    (b"file,leaf\nimage (1).JPG,1\n", "names no image"),
    (b"file,leaf\n\xff\xfe,1\n", "not readable as a CSV file"),
    (b"file,leaf\n" + b"x" * 200_000, "not readable as a CSV file"),
    (None, "not readable as a CSV file")])
def test_groups_that_cannot_be_used_are_refused(
        dataset, tmp_path, content, reason):
    path = tmp_path / "groups.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        labels.read_groups(path, dataset)


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
    return labels.split(numbers, groups, CLASS_NAMES, fraction,
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
        held_out = labels.split(numbers, groups, ("a",), 0.3,
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
    parts = labels.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 42)
    assert set(parts) == {TRAINING, STOPPING, VALIDATION}
    assert len(set(zip(groups, parts))) == len(set(groups))
    assert len(set(zip(numbers, parts))) == 3 * len(CLASS_NAMES)
    assert (parts == VALIDATION).mean() == pytest.approx(0.2, abs=0.02)
    assert (parts == STOPPING).mean() == pytest.approx(0.08, abs=0.02)
    again = labels.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 42)
    assert (parts == again).all()


def test_three_leaves_a_class_are_enough_and_two_are_not():
    numbers, groups = make_leaves(0, leaves=3)
    parts = labels.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 0)
    assert len(set(zip(numbers, parts))) == 9
    numbers, groups = make_leaves(0, leaves=2)
    with pytest.raises(UserError, match="class a shows 2 .*at least 3"):
        labels.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 0)


def test_all_classes_that_are_too_small_stand_in_one_error():
    numbers = [0, 0, 1, 1, 1, 1, 2, 2]
    groups = ["a0", "a1", "b0", "b1", "b2", "b3", "c0", "c0"]
    with pytest.raises(UserError) as raised:
        labels.split_dataset(make_dataset(numbers), groups, 0.2, 0.1, 0)
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


def test_altered_copies_are_learned_from_but_never_tested_on():
    files = [f"{class_name}/{leaf}{alteration}.jpg" for class_name in "abc"
             for leaf in range(10) for alteration in ("", "_Flip", "_Crop")]
    numbers = np.repeat([0, 1, 2], 30)
    groups = [name[:3] for name in files]
    parts = labels.split_dataset(
        make_dataset(numbers, files), groups, 0.2, 0.2, 0)
    part_of = dict(zip(files, parts.tolist(), strict=True))
    assert LEFT_OUT in part_of.values()
    for name, part in part_of.items():
        original = part_of[f"{name[:3]}.jpg"]
        if "_" not in name:
            assert part != LEFT_OUT
        else:
            assert part == (TRAINING if original == TRAINING else LEFT_OUT)
