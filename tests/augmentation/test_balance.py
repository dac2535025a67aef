"""The plan of a balanced tree, and the making of it."""

import errno
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from leaffliction.augmentation.balance import (Unreadable, class_targets,
                                               link_or_copy, make_copies,
                                               plan_balance, plan_files)
from leaffliction.augmentation.transforms import AUGMENTATIONS, GEOMETRIC
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image

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
    assert sum(len(copies.files()) for copies in plan) == target
    uses = [len(copies.augmented) for copies in plan]
    assert len(uses) == count and max(uses) - min(uses) <= 1
    kinds = Counter(dict.fromkeys(SIX, 0))
    for copies in plan:
        own = Counter(name for name, _ in copies.augmented)
        # None meets an augmentation again before it has met all six.
        assert max(own.values(), default=1) <= 1 + len(copies.augmented) // 6
        kinds.update(own)
    assert max(kinds.values()) - min(kinds.values()) <= 1


def test_further_augmentations_join_the_turn(tree):
    plan = plan_of(tree({"A_b": 4}), 4 + 4 * len(AUGMENTATIONS),
                   augmentations=tuple(AUGMENTATIONS))
    for copies in plan:
        assert {name for name, _ in copies.augmented} == set(AUGMENTATIONS)


def test_no_two_files_of_a_plan_have_one_name(tree):
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
def test_an_image_of_any_name_that_is_read_is_augmented(
        tree, tmp_path, name):
    folder = tree({"A_b": 1, "A_c": 3})
    image = folder / "A_b" / "image (1).JPG"
    write_image(image, np.zeros((9, 9, 3), np.uint8))
    image.rename(image.with_name(name))
    plan = plan_of(folder)
    make_copies(plan[0], folder, tmp_path / "out", 42)
    files = read_dataset(tmp_path / "out").files
    assert len(files) == 3 and len(augmented_copies(files)) == 2


def test_augmented_copies_of_a_source_are_kept_but_not_augmented_again(tree):
    folder = tree({"A_b": 2, "A_c": 13})
    copy = folder / "A_b" / "image (1)_Flip.JPG"
    copy.touch()
    plan = {copies.source.name: len(copies.augmented)
            for copies in plan_of(folder) if not copies.label}
    assert plan == {copy.name: 0, "image (1).JPG": 5, "image (2).JPG": 5}


@pytest.mark.parametrize("present", [1, 7, 20, 30])
def test_a_source_that_holds_a_part_of_its_copies_gets_the_others(
        tree, present):
    folder = tree({"A_b": 3, "A_c": 33})
    whole = names_of(plan_of(folder))
    made = sorted(whole - {f"{name}/image ({number}).JPG"
                           for name in ("A_b", "A_c")
                           for number in range(34)})
    assert len(made) == 30
    for place in np.random.default_rng(present).permutation(30)[:present]:
        (folder / made[place]).touch()
    assert names_of(plan_of(folder)) == whole


def test_a_subset_is_drawn_by_the_seed(tree):
    dataset = read_dataset(tree({"A_b": 30, "A_c": 2}))

    def drawn(seed):
        return [copies.source
                for copies in plan_balance(dataset, [5, 5], seed)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 5 + 2


def test_a_subset_takes_originals_before_their_copies(tree):
    folder = tree({"A_b": 5})
    for number in range(1, 6):
        (folder / "A_b" / f"image ({number})_Flip.JPG").touch()
    files = [plan_files(plan_of(folder, target))[0] for target in (3, 5, 7)]
    assert [len(augmented_copies(some)) for some in files] == [0, 0, 2]
    assert list(map(len, files)) == [3, 5, 7]


def test_what_is_called_a_copy_is_there_but_not_augmented(tree):
    folder = tree({"A_b": 3, "A_c": 20})
    second, other = (Path(f"A_b/image ({number}).JPG") for number in (2, 3))
    plan = {copies.source: copies.augmented for copies in plan_of(
        folder, copies={second: Path("gone.JPG"), other: second})
        if not copies.label}
    assert plan[second] == plan[other] == ()
    assert sum(map(len, plan.values())) + len(plan) == 20


@pytest.mark.parametrize("target, per_plant, wanted", [
    (None, False, [5, 5, 5]), (None, True, [4, 4, 5]), (7, False, [7] * 3)])
def test_targets_are_those_of_all_or_of_the_plant(
        tree, target, per_plant, wanted):
    dataset = read_dataset(tree({"Apple_a": 4, "apple_b": 1, "Grape_c": 5}))
    assert class_targets(dataset, target, per_plant) == wanted


# Making it.

@pytest.fixture
def source(tmp_path):
    """Return a folder with one image, A_b/image (1).png."""
    root = tmp_path / "source"
    write_image(root / "A_b" / "image (1).png", np.full(
        (20, 20, 3), 100, np.uint8))
    return root


def test_what_is_there_is_not_made_again(source, tmp_path):
    copies, = plan_of(source, 7)
    output = tmp_path / "output"
    make_copies(copies, source, output, 42)
    times = {file: (output / file).stat().st_mtime_ns
             for file in copies.files()}
    # One is gone, and one was emptied by a power cut.
    gone, empty = copies.files()[2:4]
    content = (output / gone).read_bytes()
    (output / gone).unlink()
    os.truncate(output / empty, 0)
    make_copies(copies, source, output, 42)
    assert (output / gone).read_bytes() == content
    assert (output / empty).stat().st_size
    assert all((output / file).stat().st_mtime_ns == time
               for file, time in times.items() if file not in (gone, empty))


def test_a_torn_image_leaves_nothing(source, tmp_path):
    copies, = plan_of(source, 7)
    os.truncate(source / copies.source, 40)
    with pytest.raises(Unreadable, match="not a readable"):
        make_copies(copies, source, tmp_path / "output", 42)
    assert not (tmp_path / "output").exists()


def test_originals_are_linked_or_else_copied(source, tmp_path, monkeypatch):
    file = source / "A_b" / "image (1).png"
    (source / "link.png").symlink_to(file)
    for number, name in enumerate(("A_b/image (1).png", "link.png")):
        link_or_copy(source / name, tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").samefile(file)
        assert not (tmp_path / f"{number}.png").is_symlink()

    def refuse(*names):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(file, tmp_path / "copy.png")
    assert not (tmp_path / "copy.png").samefile(file)
    assert (tmp_path / "copy.png").read_bytes() == file.read_bytes()
    # Once more onto itself: nothing is left behind.
    monkeypatch.undo()
    link_or_copy(file, tmp_path / "0.png")
    assert not list(tmp_path.glob(".partial*"))


class Vanishing:
    """A file that is gone, or can't be read, once part of it was."""

    def __init__(self, number):
        self.error = OSError(number, os.strerror(number))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def read(self, _):
        raise self.error


@pytest.mark.parametrize("number", [
    errno.ENOENT, errno.EACCES, errno.ESTALE, errno.EIO])
@pytest.mark.parametrize("when", ["opened", "read"])
def test_a_source_that_vanishes_is_not_the_target_s_fault(
        source, tmp_path, monkeypatch, number, when):
    file, target = source / "A_b" / "image (1).png", tmp_path / "out" / "a.png"

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    real = Path.open
    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(Path, "open", lambda path, mode="r", **options: (
        real(path, mode, **options) if path != file else
        fail() if when == "opened" else Vanishing(number)))
    with pytest.raises(Unreadable, match=r"source/A_b/image \(1\).png: cannot "
                                         "be read any more"):
        link_or_copy(file, target)
    assert not list((tmp_path / "out").iterdir())


def test_a_target_that_cannot_be_written_is_not_the_source_s_fault(
        source, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/a.png: cannot be written") as at:
        link_or_copy(source / "A_b" / "image (1).png", tmp_path / "file/a.png")
    assert not isinstance(at.value, Unreadable)


def test_a_source_that_loops_or_is_gone_is_unreadable(tmp_path):
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "there.png").touch()
    for name in ("loop.png", "gone.png"):
        for target in ("new.png", "there.png"):
            with pytest.raises(Unreadable, match=f"{name}: cannot be read"):
                link_or_copy(tmp_path / name, tmp_path / target)


def test_a_run_goes_on_without_a_source_that_vanished(
        tmp_path, monkeypatch):
    from leaffliction.augmentation import balance
    from leaffliction.utils.parallel import Workers
    root, output = tmp_path / "source", tmp_path / "output"
    for number in range(1, 4):
        write_image(root / f"A_b/image ({number}).png", np.full(
            (20, 20, 3), 40 * number, np.uint8))
    plan = plan_of(root)
    gone = root / plan[1].source
    real = balance.check_image

    def check_and_lose(path):
        size = real(path)
        if path == gone:
            gone.unlink()
        return size

    monkeypatch.setattr(balance, "check_image", check_and_lose)
    results = list(balance.write_plan(plan, root, output, 42, Workers(1)))
    assert [type(result) for result in results] == [
        type(None), Unreadable, type(None)]
    assert len(list((output / "A_b").iterdir())) == 2
