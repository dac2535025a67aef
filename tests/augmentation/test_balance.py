"""The plan of a balanced tree, and the files that are made from it."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from leaffliction.augmentation import balance
from leaffliction.augmentation.balance import (class_targets, make_copies,
                                               plan_balance, plan_files)
from leaffliction.augmentation.file_copy import SourceError
from leaffliction.augmentation.transforms import AUGMENTATIONS, GEOMETRIC
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.images import write_image
from leaffliction.utils.parallel import Workers

SIX = list(GEOMETRIC)


def plan_of(folder, target=None, **options):
    dataset = read_dataset(folder)
    return plan_balance(dataset, class_targets(dataset, target, False), 42,
                        **options)


def names_of(plan):
    return {file.as_posix() for file in plan_files(plan)[0]}


@pytest.mark.parametrize("count, target", [
    (1, 14), (2, 9), (3, 12), (4, 5), (5, 23), (7, 30), (12, 100)])
def test_copies_are_spread_evenly_over_originals_and_augmentations(
        tree, count, target):
    plan = plan_of(tree({"A_b": count}), target)
    assert sum(len(planned.files()) for planned in plan) == target
    uses = [len(planned.copies) for planned in plan]
    assert len(uses) == count and max(uses) - min(uses) <= 1
    total = Counter(dict.fromkeys(SIX, 0))
    for planned in plan:
        kinds = Counter(name for name, _ in planned.copies)
        # No original repeats an augmentation before it has had all six.
        assert max(kinds.values(), default=1) <= 1 + len(planned.copies) // 6
        total.update(kinds)
    assert max(total.values()) - min(total.values()) <= 1


def test_optional_augmentations_are_spread_evenly_too(tree):
    plan = plan_of(tree({"A_b": 4}), 4 + 4 * len(AUGMENTATIONS),
                   augmentations=tuple(AUGMENTATIONS))
    for planned in plan:
        assert {name for name, _ in planned.copies} == set(AUGMENTATIONS)


def test_file_names_of_a_plan_are_unique(tree):
    folder = tree({"A_b": 1, "A_c": 40})
    for name in ("image (1)_Flip.JPG", "image (1)_flip_2.jpg",
                 "image (1)_Flip_Flip.JPG", "IMAGE (1)_CROP.jpg",
                 "image (1).jpg", "image (1).png"):
        (folder / "A_b" / name).touch()
    dataset = read_dataset(folder)
    files = plan_files(plan_of(folder))[0]
    assert len({str(file).casefold() for file in files
                if file.name != "image (1).jpg"}) == len(files) - 1 == 79
    assert set(dataset.files) <= set(files)


@pytest.mark.parametrize("name", [
    "a.jfif", "a.gif", "a.avif", "a", "a.jpg?w=300", "a.jpg.jpg"])
def test_a_readable_image_with_any_name_is_augmented(
        tree, tmp_path, name):
    folder = tree({"A_b": 1, "A_c": 3})
    image = folder / "A_b" / "image (1).JPG"
    write_image(image, np.zeros((9, 9, 3), np.uint8))
    image.rename(image.with_name(name))
    plan = plan_of(folder)
    make_copies(plan[0], folder, tmp_path / "out", 42)
    files = read_dataset(tmp_path / "out").files
    assert len(files) == 3 and len(augmented_copies(files)) == 2


def test_existing_copies_are_kept_and_not_augmented_again(tree):
    folder = tree({"A_b": 2, "A_c": 13})
    copy = folder / "A_b" / "image (1)_Flip.JPG"
    copy.touch()
    plan = {planned.source.name: len(planned.copies)
            for planned in plan_of(folder) if not planned.label}
    assert plan == {copy.name: 0, "image (1).JPG": 5, "image (2).JPG": 5}


@pytest.mark.parametrize("present", [1, 7, 20, 30])
def test_a_source_with_some_copies_gets_the_missing_ones(tree, present):
    folder = tree({"A_b": 3, "A_c": 33})
    whole = names_of(plan_of(folder))
    copies = sorted(whole - {f"{name}/image ({number}).JPG"
                             for name in ("A_b", "A_c")
                             for number in range(34)})
    assert len(copies) == 30
    for index in np.random.default_rng(present).permutation(30)[:present]:
        (folder / copies[index]).touch()
    assert names_of(plan_of(folder)) == whole


def test_the_seed_determines_the_random_subset(tree):
    dataset = read_dataset(tree({"A_b": 30, "A_c": 2}))

    def subset(seed):
        return [planned.source
                for planned in plan_balance(dataset, [5, 5], seed)]

    assert subset(1) == subset(1) != subset(2)
    assert len(set(subset(1))) == 5 + 2


def test_a_subset_prefers_originals_to_copies(tree):
    folder = tree({"A_b": 5})
    for number in range(1, 6):
        (folder / "A_b" / f"image ({number})_Flip.JPG").touch()
    files = [plan_files(plan_of(folder, target))[0] for target in (3, 5, 7)]
    assert [len(augmented_copies(some)) for some in files] == [0, 0, 2]
    assert list(map(len, files)) == [3, 5, 7]


def test_files_given_as_copies_are_kept_and_not_augmented(tree):
    folder = tree({"A_b": 3, "A_c": 20})
    second, other = (Path(f"A_b/image ({number}).JPG") for number in (2, 3))
    plan = {planned.source: planned.copies for planned in plan_of(
        folder, copies={second: Path("gone.JPG"), other: second})
        if not planned.label}
    assert plan[second] == plan[other] == ()
    assert sum(map(len, plan.values())) + len(plan) == 20


@pytest.mark.parametrize("target, per_plant, wanted", [
    (None, False, [5, 5, 5]), (None, True, [4, 4, 5]), (7, False, [7] * 3)])
def test_the_target_is_the_largest_class_of_all_or_of_the_plant(
        tree, target, per_plant, wanted):
    dataset = read_dataset(tree({"Apple_a": 4, "apple_b": 1, "Grape_c": 5}))
    assert class_targets(dataset, target, per_plant) == wanted


# Making the files.

@pytest.fixture
def source(tmp_path):
    """Return a folder with one image, A_b/image (1).png."""
    root = tmp_path / "source"
    write_image(root / "A_b" / "image (1).png", np.full(
        (20, 20, 3), 100, np.uint8))
    return root


def test_only_missing_and_empty_files_are_made(source, tmp_path):
    planned, = plan_of(source, 7)
    output = tmp_path / "output"
    make_copies(planned, source, output, 42)
    times = {file: (output / file).stat().st_mtime_ns
             for file in planned.files()}
    # One is missing; one is empty, as after a power cut.
    gone, empty = planned.files()[2:4]
    content = (output / gone).read_bytes()
    (output / gone).unlink()
    os.truncate(output / empty, 0)
    make_copies(planned, source, output, 42)
    assert (output / gone).read_bytes() == content
    assert (output / empty).stat().st_size
    assert all((output / file).stat().st_mtime_ns == time
               for file, time in times.items() if file not in (gone, empty))


def test_of_a_truncated_image_nothing_is_written(source, tmp_path):
    planned, = plan_of(source, 7)
    os.truncate(source / planned.source, 40)
    with pytest.raises(SourceError, match="not a readable"):
        make_copies(planned, source, tmp_path / "output", 42)
    assert not (tmp_path / "output").exists()


def test_the_run_continues_without_a_source_that_disappears(
        tmp_path, monkeypatch):
    root, output = tmp_path / "source", tmp_path / "output"
    for number in range(1, 4):
        write_image(root / f"A_b/image ({number}).png", np.full(
            (20, 20, 3), 40 * number, np.uint8))
    plan = plan_of(root)
    gone = root / plan[1].source
    real = balance.check_image

    def check_and_delete(path):
        size = real(path)
        if path == gone:
            gone.unlink()
        return size

    monkeypatch.setattr(balance, "check_image", check_and_delete)
    results = list(balance.write_plan(plan, root, output, 42, Workers(1)))
    assert [type(result) for result in results] == [
        type(None), SourceError, type(None)]
    assert len(list((output / "A_b").iterdir())) == 2
