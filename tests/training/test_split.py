"""leaffliction/training/split.py: by leaf, and which images are left out."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from leaffliction.training import split
from leaffliction.training.config import TrainConfig
from leaffliction.training.data import group_images, read_domains
from leaffliction.training.split import (EARLY_STOPPING, LEFT_OUT, TRAINING,
                                         VALIDATION, class_by_domain,
                                         split_leaves, split_strata)
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import read_image, write_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf

CLASS_NAMES = ("a", "b", "c")


def make_leaves(seed, leaves=30, most=7):
    """Return labels and groups of `leaves` leaves of each class, shuffled.

    Each leaf has 1 to `most` images.
    """
    rng = np.random.default_rng(seed)
    labels, groups = [], []
    for label, class_name in enumerate(CLASS_NAMES):
        for leaf in range(leaves):
            images = int(rng.integers(1, most + 1))
            labels += [label] * images
            groups += [f"{class_name}{leaf}"] * images
    order = rng.permutation(len(groups))
    return np.array(labels)[order], [groups[index] for index in order]


def make_dataset(labels, files=None):
    """Return a dataset with these labels; its files need not exist."""
    return Dataset(
        Path("."), tuple(map(Path, files or map(str, range(len(labels))))),
        np.array(labels), CLASS_NAMES, CLASS_NAMES)


def hold_out(labels, groups, share=0.2, seed=1):
    """Call split.hold_out with a generator of this seed."""
    return split.hold_out(labels, groups, CLASS_NAMES, share,
                          np.random.default_rng(seed))


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_hold_out_keeps_leaves_together_and_is_stratified(seed, share):
    labels, groups = make_leaves(seed)
    held_out = hold_out(labels, groups, share, seed)
    assert len(set(zip(groups, held_out.tolist()))) == len(set(groups))
    largest = max(Counter(groups).values())
    for label in range(len(CLASS_NAMES)):
        in_class = held_out[labels == label]
        assert abs(in_class.sum() - share * len(in_class)) <= largest


def test_hold_out_keeps_a_leaf_of_two_classes_together():
    labels, groups = make_leaves(0)
    groups = [name.replace("b", "a") for name in groups]
    for seed in range(5):
        held_out = split.hold_out(labels, groups, ("a", "b", "c"), 0.3,
                                  np.random.default_rng(seed))
        assert len(set(zip(groups, held_out.tolist()))) == len(set(groups))


def test_hold_out_depends_on_the_seed_alone():
    labels, groups = make_leaves(0)
    first = hold_out(labels, groups, seed=1)
    assert (first == hold_out(labels, groups, seed=1)).all()
    assert (first != hold_out(labels, groups, seed=2)).any()


@pytest.mark.parametrize("share", [0, 0.001, 0.999, 1])
def test_hold_out_empties_no_side_of_a_class(share):
    labels, groups = make_leaves(0, leaves=2)
    held_out = hold_out(labels, groups, share)
    for label in range(len(CLASS_NAMES)):
        assert 0 < held_out[labels == label].mean() < 1


def test_hold_out_refuses_classes_of_fewer_than_two_leaves():
    # Three leaves each; but one in two classes counts for the first of them.
    labels = [0, 0, 0, 1, 1, 1, 2, 2, 2]
    groups = ["a0", "a1", "a2", "a0", "a1", "b2", "a0", "a1", "a2"]
    with pytest.raises(UserError) as raised:
        hold_out(np.array(labels), groups)
    assert str(raised.value) == (
        "class b has 1 leaf, class c has 0 leaves that no other class has; "
        "each class needs at least 3")


def test_three_sets_share_no_leaf_and_have_every_class():
    labels, groups = make_leaves(3)
    parts = split.split_dataset(make_dataset(labels), groups, 0.2, 0.1, 42)
    assert set(parts) == {TRAINING, EARLY_STOPPING, VALIDATION}
    assert len(set(zip(groups, parts))) == len(set(groups))
    assert len(set(zip(labels, parts))) == 3 * len(CLASS_NAMES)
    assert (parts == VALIDATION).mean() == pytest.approx(0.2, abs=0.02)
    assert (parts == EARLY_STOPPING).mean() == pytest.approx(0.08, abs=0.02)
    again = split.split_dataset(make_dataset(labels), groups, 0.2, 0.1, 42)
    assert (parts == again).all()


def test_three_leaves_of_a_class_are_enough():
    labels, groups = make_leaves(0, leaves=3)
    parts = split.split_dataset(make_dataset(labels), groups, 0.2, 0.1, 0)
    assert len(set(zip(labels, parts))) == 9


def test_one_error_names_all_classes_of_fewer_than_three_leaves():
    labels = [0, 0, 1, 1, 1, 1, 2, 2]
    groups = ["a0", "a1", "b0", "b1", "b2", "b3", "c0", "c0"]
    with pytest.raises(UserError) as raised:
        split.split_dataset(make_dataset(labels), groups, 0.2, 0.1, 0)
    assert str(raised.value) == (
        "class a shows 2 different leaves, class c shows 1 different leaf; "
        "each class needs at least 3: one for training, one for early "
        "stopping, one for validation")


def test_augmented_copies_are_in_the_training_set_or_left_out():
    files = [f"{class_name}/{leaf}{augmentation}.jpg" for class_name in "abc"
             for leaf in range(10) for augmentation in ("", "_Flip", "_Crop")]
    labels = np.repeat([0, 1, 2], 30)
    groups = [name[:3] for name in files]
    parts = split.split_dataset(
        make_dataset(labels, files), groups, 0.2, 0.2, 0)
    part_of = dict(zip(files, parts.tolist(), strict=True))
    assert LEFT_OUT in part_of.values()
    for name, part in part_of.items():
        original = part_of[f"{name[:3]}.jpg"]
        if "_" not in name:
            assert part != LEFT_OUT
        else:
            assert part == (TRAINING if original == TRAINING else LEFT_OUT)


def test_check_split_refuses_a_leaf_in_two_sets():
    split.check_split(np.array([TRAINING, TRAINING, VALIDATION, LEFT_OUT]),
                      ["a", "a", "b", "b"])
    with pytest.raises(UserError, match="leaf 'a' is in training and in val"):
        split.check_split(np.array([TRAINING, LEFT_OUT, VALIDATION]),
                          ["a", "b", "a"])


def test_part_counts_are_of_images_or_of_leaves():
    parts = np.array([VALIDATION, TRAINING, TRAINING, TRAINING])
    assert split.part_counts(parts) == {TRAINING: 3, VALIDATION: 1}
    assert split.part_counts(parts, ["a", "b", "b", "c"]) == {
        TRAINING: 2, VALIDATION: 1}


def test_class_by_domain_has_a_class_for_each_pair(tree):
    dataset, domains = read_domains([tree({"A_b": 2, "A_c": 1}, "lab"),
                                     tree({"A_c": 2}, "field")])
    parts = class_by_domain(dataset, domains)
    assert parts.class_names == ("A_b", "A_c", "A_c")
    assert parts.labels.tolist() == [0, 0, 1, 2, 2]
    assert parts.files == dataset.files


def test_a_stratum_of_too_few_leaves_joins_the_largest_domain(tree):
    dataset, domains = read_domains([tree({"A_b": 4, "A_c": 5}, "lab"),
                                     tree({"A_b": 3, "A_c": 2}, "field")])
    groups = [str(file) for file in dataset.files]
    assert split_strata(dataset, groups, domains).counts().tolist() == [
        4, 3, 7]
    # Three photographs of only two leaves are too few as well.
    groups[9] = groups[10]
    assert split_strata(dataset, groups, domains).counts().tolist() == [7, 7]


def split_folder(folder, **settings):
    leaves = group_images(*read_domains([folder]), [folder], None, Workers(1))
    return split_leaves(leaves, TrainConfig(**settings))


@pytest.mark.parametrize("keeps, left_out", [(False, 2), (True, 0)])
def test_a_photograph_in_two_classes_is_left_out_or_kept(
        draw_leaves, capfd, keeps, left_out):
    folder = draw_leaves({"Apple_rust": 4, "Apple_scab": 4})
    twice = draw_leaf("Apple_rust", np.random.default_rng(99), 32)
    write_image(folder / "Apple_rust" / "x.png", twice)
    write_image(folder / "Apple_scab" / "y.png",
                np.ascontiguousarray(np.rot90(twice)))
    parts = split_folder(folder, keep_contradictions=keeps)
    notes = capfd.readouterr().err
    assert "in several classes: 1, as 2 images" in notes
    assert ("--keep-contradictions" in notes) == (not keeps)
    assert (parts.names == LEFT_OUT).sum() == left_out
    # Both images show one leaf, so they are in one part.
    ours = {name for name, file in zip(parts.names.tolist(),
                                       parts.leaves.dataset.files)
            if file.stem in "xy"}
    assert len(ours) == 1 and (ours == {LEFT_OUT}) == (not keeps)


def test_a_class_that_consists_of_contradictions_is_refused(draw_leaves):
    folder = draw_leaves({"Apple_rust": 9, "Apple_scab": 4})
    for number in range(4):
        write_image(folder / "Grape_Esca" / f"{number}.png", read_image(
            folder / "Apple_rust" / f"{number}.png"))
    with pytest.raises(UserError, match="no usable image in Grape_Esca; "):
        split_folder(folder)


def test_the_parts_hold_the_images_that_their_names_say(draw_leaves):
    parts = split_folder(draw_leaves({"Apple_rust": 5, "Apple_scab": 4}))
    assert parts.training.files == tuple(
        file for file, name in zip(parts.leaves.dataset.files, parts.names)
        if name == TRAINING)
    assert len(parts.names) == 9 == sum(len(part.files) for part in (
        parts.training, parts.early_stopping, parts.validation))
