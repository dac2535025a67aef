"""Augmentation.py: six alterations of a leaf, and the balanced tree."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import Augmentation
from Augmentation import alter, plan_balance
from utils import cli, workers
from utils.images import read_image, write_image
from utils.labels import ALTERATIONS, altered_copies, read_dataset
from utils.samples import draw_leaf

PROGRAM = Path(Augmentation.__file__)
# The names that the exercise gives them.
SIX = ["Flip", "Rotate", "Skew", "Shear", "Crop", "Distortion"]
SIZE = 48
COUNTS = {"Apple_scab": 5, "Apple_rust": 2, "Grape_Esca": 1}
alterations = pytest.mark.parametrize("alteration", ALTERATIONS)


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """Make the test's own folder the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def leaves():
    """Return ten drawn leaves, RGB uint8 (48, 48, 3)."""
    return [draw_leaf("Apple_scab", np.random.default_rng(number), SIZE)
            for number in range(10)]


@pytest.fixture
def images(leaves):
    """Return a function that writes {class folder: number of leaves}."""
    def make(counts, root=Path("images")):
        for folder, count in counts.items():
            for number in range(1, count + 1):
                write_image(root / folder / f"image ({number}).JPG",
                            leaves[number % len(leaves)])
        return root
    return make


def run(*arguments):
    """Return main's exit status, as the shell would see it."""
    return cli.run(lambda: Augmentation.main(
        [*map(str, arguments), "--no-display"]))


def content_of(root):
    """Return {relative path: bytes} of all files below a folder."""
    return {path.relative_to(root): path.read_bytes()
            for path in root.rglob("*") if path.is_file()}


def counts_of(root):
    """Return {class name: images} of a folder."""
    dataset = read_dataset(root)
    return dict(zip(dataset.class_names, dataset.counts().tolist()))


# The six alterations.

@alterations
@pytest.mark.parametrize("shape", [
    (1, 1), (1, 20), (20, 1), (2, 2), (3, 5), (300, 200)])
def test_any_size_stays_as_it_is(alteration, shape):
    image = np.random.default_rng(0).integers(256, size=(*shape, 3),
                                              dtype=np.uint8)
    kept = image.copy()
    for key in "abc":
        altered = alter(image, alteration, 42, key)
        assert altered.shape == image.shape and altered.dtype == np.uint8
        assert not np.shares_memory(altered, image)
    assert np.array_equal(image, kept)


@alterations
def test_same_seed_and_key_same_pixels_others_other_pixels(
        alteration, leaves):
    def results(seeds, keys):
        return {alter(leaves[0], alteration, seed, key).tobytes()
                for seed in seeds for key in keys}

    assert len(results([1, 1], "aa")) == 1
    assert len(results([1], "abcdefgh")) > 1
    assert len(results(range(8), "a")) > 1
    assert leaves[0].tobytes() not in results(range(8), "abcdefgh")


@pytest.fixture
def square():
    """Return a dark square of 10 x 10 pixels on bright ground."""
    image = np.full((60, 80, 3), 200, np.uint8)
    image[25:35, 35:45] = 20
    return image


@alterations
def test_a_bright_ground_stays_bright_up_to_the_border(alteration, square):
    for seed in range(20):
        altered = alter(square, alteration, seed, "key")
        border = np.ones((60, 80), bool)
        border[3:-3, 3:-3] = False
        assert altered[border].min() > 150
        assert (altered < 100).any(), "the leaf is gone"


@pytest.mark.parametrize("alteration", ["Skew", "Crop"])
def test_skew_and_crop_come_nearer(alteration, square):
    # So they need nothing from beyond the border.
    sizes = [(alter(square, alteration, seed, "key") < 100).all(axis=2).sum()
             for seed in range(20)]
    assert min(sizes) > 100


@alterations
def test_grey_stays_grey(alteration, leaves):
    grey = np.repeat(leaves[0][..., :1], 3, axis=2)
    altered = alter(grey, alteration, 1, "key")
    assert (altered == altered[..., :1]).all()


# One image.

def test_subject_7_the_image_and_its_six_alterations_are_shown(
        leaves, monkeypatch):
    from matplotlib import pyplot
    shown = {}

    def keep(figures, save):
        for figure in figures.values():
            shown.update((axes.get_title(), axes.images[0].get_array())
                         for axes in figure.axes)
        pyplot.close("all")

    write_image(Path("leaf.png"), leaves[0])
    monkeypatch.setattr(cli, "show_or_save", keep)
    assert run("leaf.png") == 0
    assert list(shown) == ["Original", *SIX]
    assert np.array_equal(shown.pop("Original"), leaves[0])
    for name, image in shown.items():
        assert np.array_equal(image, read_image(Path(f"leaf_{name}.png")))
        assert not np.array_equal(image, leaves[0])


def test_subject_8_six_files_beside_the_original_named_after_it(
        images, capsys):
    folder = images({"Apple_scab": 1}) / "Apple_scab"
    original = folder / "image (1).JPG"
    before = original.read_bytes()
    assert run(original) == 0
    files = [folder / f"image (1)_{name}.JPG" for name in SIX]
    assert sorted(folder.iterdir()) == sorted([original, *files])
    assert original.read_bytes() == before
    assert capsys.readouterr().out.splitlines() == [
        *map(str, files), "figure: figures/augmentation_image (1).png"]
    assert altered_copies([original, *files]) == dict.fromkeys(
        files, original)


def test_the_six_files_go_where_they_are_wanted_and_are_the_same_again(
        images):
    original = images({"Apple_scab": 1}) / "Apple_scab" / "image (1).JPG"
    assert run(original, "--output-dir", "new/place") == 0
    first = content_of(Path("new/place"))
    assert len(first) == 6
    assert len(list(original.parent.iterdir())) == 1
    assert run(original, "--output-dir", "new/place") == 0
    assert content_of(Path("new/place")) == first


# The plan of a balanced tree.

@pytest.mark.parametrize("count, target", [
    (1, 14), (2, 9), (3, 12), (4, 5), (5, 23), (7, 30), (12, 100)])
def test_copies_are_spread_evenly_over_originals_and_alterations(
        tree, count, target):
    plan = plan_balance(read_dataset(tree({"A_b": count})), target, 42)
    assert sum(len(copies.files()) for copies in plan) == target
    uses = [len(copies.altered) for copies in plan]
    assert len(uses) == count and max(uses) - min(uses) <= 1
    kinds = Counter(dict.fromkeys(SIX, 0))
    for copies in plan:
        own = Counter(name for name, _ in copies.altered)
        # None meets an alteration again before it has met all six.
        assert max(own.values(), default=1) <= 1 + len(copies.altered) // 6
        kinds.update(own)
    assert max(kinds.values()) - min(kinds.values()) <= 1


def test_no_two_files_of_a_plan_have_one_name(tree):
    folder = tree({"A_b": 1, "A_c": 40})
    for name in ("image (1)_Flip.JPG", "image (1)_flip_2.jpg",
                 "image (1)_Flip_Flip.JPG", "IMAGE (1)_CROP.jpg"):
        (folder / "A_b" / name).touch()
    dataset = read_dataset(folder)
    files = [file for copies in plan_balance(dataset, None, 42)
             for file in copies.files()]
    assert len({str(file).casefold() for file in files}) == len(files) == 80
    assert set(dataset.files) <= set(files)


def test_altered_copies_of_a_source_are_kept_but_not_altered_again(tree):
    folder = tree({"A_b": 2, "A_c": 13})
    copy = folder / "A_b" / "image (1)_Flip.JPG"
    copy.touch()
    plan = {copies.source.name: len(copies.altered) for copies in
            plan_balance(read_dataset(folder), None, 42) if not copies.label}
    assert plan == {copy.name: 0, "image (1).JPG": 5, "image (2).JPG": 5}


def test_a_subset_is_drawn_by_the_seed(tree):
    dataset = read_dataset(tree({"A_b": 30, "A_c": 2}))

    def drawn(seed):
        return [copies.source for copies in plan_balance(dataset, 5, seed)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 5 + 2


# A balanced tree.

def test_subject_9_every_class_ends_with_as_many_images_as_the_largest(
        images, capsys):
    before = content_of(images(COUNTS))
    assert run("images") == 0
    assert content_of(Path("images")) == before, "the source was changed"
    after = content_of(Path("augmented_directory"))
    assert after.items() >= before.items(), "originals are not copied"
    assert counts_of("augmented_directory") == dict.fromkeys(COUNTS, 5)
    for file in after.keys() - before.keys():
        assert read_image("augmented_directory" / file).shape == (
            SIZE, SIZE, 3)
    assert capsys.readouterr().out.splitlines() == [
        "Apple_rust: 2 -> 5", "Apple_scab: 5 -> 5", "Grape_Esca: 1 -> 5",
        "15 images in augmented_directory, 0 unreadable ones left out"]
    assert sorted(map(str, Path().iterdir())) == [
        "augmented_directory", "images"]


@pytest.mark.parametrize("counts", [
    {"Apple_healthy": 7, "Apple_scab": 5},
    {"Apple/apple_healthy": 3, "Grape/grape_esca": 1},
    {"Apple_healthy": 1, "Apple_scab": 1},
    {"Apple_healthy": 1}])
def test_subject_3_small_sets_are_balanced_as_well(images, counts):
    assert run(f"{images(counts)}/") == 0
    assert set(counts_of("augmented_directory").values()) == {
        max(counts.values())}
    assert {path.parent.relative_to("augmented_directory").as_posix()
            for path in Path("augmented_directory").rglob("*.JPG")
            } == set(counts)


def test_a_smaller_target_draws_a_subset_and_says_so(images, capsys):
    before = content_of(images(COUNTS))
    assert run("images", "--target", 3, "--output-dir", "new") == 0
    assert counts_of("new") == dict.fromkeys(COUNTS, 3)
    after = content_of(Path("new"))
    scabs = [file for file in after if file.parent.name == "Apple_scab"]
    assert all(after[file] == before[file] for file in scabs)
    assert capsys.readouterr().out.splitlines()[:3] == [
        "Apple_rust: 2 -> 3", "Apple_scab: 5 -> 3  (a drawn subset)",
        "Grape_Esca: 1 -> 3"]


def test_the_same_bytes_again_and_with_any_number_of_processes(
        images, monkeypatch):
    monkeypatch.setattr(workers, "ITEMS_WORTH_A_PROCESS", 4)
    images(COUNTS)
    assert run("images", "--jobs", 1) == 0
    first = content_of(Path("augmented_directory"))
    assert run("images", "--jobs", 1) == 0
    assert content_of(Path("augmented_directory")) == first
    assert run("images", "--jobs", 2, "--output-dir", "two") == 0
    assert content_of(Path("two")) == first
    assert run("images", "--seed", 7, "--output-dir", "other") == 0
    assert content_of(Path("other")) != first


def test_an_unreadable_image_is_named_and_left_out(images, capsys):
    torn = images(COUNTS) / "Apple_scab" / "image (2).JPG"
    torn.write_bytes(torn.read_bytes()[:500])
    images({"Grape_spot": 1})
    (Path("images") / "Grape_spot" / "image (1).JPG").write_text("no image")
    before = content_of(Path("images"))
    assert run("images") == 1
    shown = capsys.readouterr()
    assert [line.split(": not")[0] for line in shown.err.splitlines()] == [
        f"error: {torn}", "error: images/Grape_spot/image (1).JPG"]
    assert counts_of("augmented_directory") == {
        "Apple_rust": 4, "Apple_scab": 4, "Grape_Esca": 4}
    assert "Grape_spot: 0 -> 0" in shown.out
    assert "2 unreadable ones left out" in shown.out
    assert content_of(Path("images")) == before


# What is refused.

@pytest.fixture
def clutter(images, leaves):
    """Fill the working directory with good and bad things."""
    images({"Apple_scab": 2, "Apple_rust": 1})
    for folder in ("empty", "torn/A_b"):
        Path(folder).mkdir(parents=True)
    Path("torn/A_b/x.JPG").touch()
    Path("file.png").write_text("text")
    Path("loop").symlink_to("loop")
    write_image(Path("leaf.png"), leaves[0])
    Path("leaf").write_bytes(Path("leaf.png").read_bytes())
    write_image(Path("strip.png"), np.zeros((1, 40000, 3), np.uint8))
    before = sorted(Path().rglob("*"))
    yield
    assert sorted(Path().rglob("*")) == before, "something is left behind"


@pytest.mark.parametrize("path, output, reason", [
    ("empty", "new", "no images"),
    ("file.png", "new", "not a readable image"),
    ("leaf", "new", "an image ends in one of"),
    ("images", "file.png/x", "cannot be written"),
    ("images", "file.png", "exists and is not a folder"),
    ("images", "images/new", "lies inside images"),
    ("images/", "empty/../images", "lies inside images"),
    ("images", "torn", "holds other files already, such as A_b/x.JPG")])
def test_what_cannot_be_done_is_refused(
        path, output, reason, clutter, capsys):
    assert run(path, "--output-dir", output) == 1
    lines = capsys.readouterr().err.splitlines()
    # One for each image, where the reason is found on writing.
    assert all(line.startswith("error: ") and reason in line
               for line in lines) and len(lines) in (1, 3)


@pytest.mark.parametrize("arguments, status, reason", [
    ([], 2, "required: IMAGE|DIRECTORY"),
    (["leaf.png", "--target", "3"], 2, "for folders"),
    (["a\nb\x1b[31m\udcff"], 1, "no such file"),
    (["torn"], 1, "no readable image"),
    (["strip.png"], 1, "40000 pixels is more than"),
    (["leaf.png", "--output-dir", "file.png/x"], 1, "cannot be written"),
    (["images", "--output-dir", "loop"], 1, "cannot be written")])
def test_subject_1_no_traceback_whatever_is_given(
        arguments, status, reason, clutter):
    done = subprocess.run(
        [sys.executable, PROGRAM, *arguments], capture_output=True,
        text=True, timeout=60)
    assert done.returncode == status
    *complaints, last = done.stderr.splitlines()
    assert last.startswith("error: ") and reason in last
    assert all(line.startswith(("error: ", "usage: ", " "))
               for line in complaints)
    assert "internal fault" not in done.stderr


def test_an_image_with_an_odd_name_is_altered(leaves):
    name = "$x_{\n" + os.fsdecode(b"\xff") + "\N{RED APPLE}"
    write_image(Path("A_b") / f"{name}.png", leaves[0])
    assert run(f"A_b/{name}.png") == 0
    assert run("A_b", "--target", 9) == 0
    assert len(list(Path("A_b").iterdir())) == 7
