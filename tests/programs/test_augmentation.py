"""Augmentation.py: six augmentations of a leaf, and the balanced tree."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import Augmentation
from leaffliction.augmentation import balanced_tree
from leaffliction.augmentation.transforms import PHOTOMETRIC
from leaffliction.utils import cli, parallel
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.images import read_image, write_image
from samples.drawing import draw_leaf

PROGRAM = Path(Augmentation.__file__)
# The names that the exercise gives the six augmentations.
SIX = ["Flip", "Rotate", "Skew", "Shear", "Crop", "Distortion"]
SIZE = 48
MANY = {"Apple_scab": 24, "Apple_rust": 3, "Grape_Esca": 1}
COUNTS = {"Apple_scab": 5, "Apple_rust": 2, "Grape_Esca": 1}


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """Make the test's own folder the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def leaves():
    """Return 30 drawn leaves, RGB uint8 (48, 48, 3)."""
    return [draw_leaf("Apple_scab", np.random.default_rng(number), SIZE)
            for number in range(30)]


@pytest.fixture
def images(leaves):
    """Return a function that writes {class folder: number of leaves}."""
    def make(counts, root=Path("images")):
        for index, (folder, count) in enumerate(counts.items()):
            for number in range(1, count + 1):
                write_image(root / folder / f"image ({number}).JPG",
                            leaves[(number + 10 * index) % len(leaves)])
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


# One image.

def test_subject_7_the_image_and_its_six_augmentations_are_shown(
        leaves, monkeypatch):
    from matplotlib import pyplot
    shown = {}

    def keep(figures, save, source):
        for figure in figures.values():
            shown.update((axes.get_title(), axes.images[0].get_array())
                         for axes in figure.axes)
        pyplot.close("all")

    write_image(Path("leaf.png"), leaves[0])
    monkeypatch.setattr(Augmentation, "show_or_save", keep)
    assert run("leaf.png") == 0
    assert list(shown) == ["Original", *SIX]
    assert np.array_equal(shown.pop("Original"), leaves[0])
    for name, image in shown.items():
        assert np.array_equal(image, read_image(Path(f"leaf_{name}.png")))
        assert not np.array_equal(image, leaves[0])


def test_the_figure_shows_a_large_image_reduced(leaves, monkeypatch):
    from matplotlib import pyplot
    sides = []

    def keep(figures, save, source):
        for figure in figures.values():
            sides.extend(axes.images[0].get_array().shape[:2]
                         for axes in figure.axes)
        pyplot.close("all")

    write_image(Path("leaf.png"), np.tile(leaves[0], (30, 20, 1)))
    monkeypatch.setattr(Augmentation, "show_or_save", keep)
    assert run("leaf.png") == 0
    assert sides == 7 * [(512, 341)]
    assert read_image(Path("leaf_Flip.png")).shape == (30 * SIZE, 20 * SIZE,
                                                       3)


def test_subject_8_six_copies_are_saved_beside_the_original(
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
    assert augmented_copies([original, *files]) == dict.fromkeys(
        files, original)


def test_the_six_copies_go_to_the_output_folder_and_are_reproducible(images):
    original = images({"Apple_scab": 1}) / "Apple_scab" / "image (1).JPG"
    assert run(original, "--output-dir", "new/folder") == 0
    first = content_of(Path("new/folder"))
    assert len(first) == 6
    assert len(list(original.parent.iterdir())) == 1
    assert run(original, "--output-dir", "new/folder") == 0
    assert content_of(Path("new/folder")) == first


# A balanced tree.

def test_subject_9_every_class_ends_with_as_many_images_as_the_largest(
        images, capsys):
    before = content_of(images(COUNTS))
    assert run("images") == 0
    assert content_of(Path("images")) == before, "the source was changed"
    after = content_of(Path("augmented_directory"))
    assert after.items() >= before.items(), "originals are not copied"
    assert counts_of("augmented_directory") == dict.fromkeys(COUNTS, 5)
    for file in augmented_copies(after):
        assert read_image("augmented_directory" / file).shape == (
            SIZE, SIZE, 3)
    assert capsys.readouterr().out.splitlines() == [
        "Apple_rust: 2 -> 5", "Apple_scab: 5 -> 5", "Grape_Esca: 1 -> 5",
        "15 images in augmented_directory, 7 of them augmented copies; "
        "15 written now, 0 unreadable images left out"]
    assert sorted(map(str, Path().iterdir())) == [
        "augmented_directory", "images"]


@pytest.mark.parametrize("counts", [
    {"Apple_healthy": 7, "Apple_scab": 5},
    {"Apple/apple_healthy": 3, "Grape/grape_esca": 1},
    {"Apple_healthy": 1, "Apple_scab": 1},
    {"Apple_healthy": 1}])
def test_subject_3_small_data_sets_are_balanced_too(images, counts):
    assert run(f"{images(counts)}/") == 0
    assert set(counts_of("augmented_directory").values()) == {
        max(counts.values())}
    assert {path.parent.relative_to("augmented_directory").as_posix()
            for path in Path("augmented_directory").rglob("*.JPG")
            } == set(counts)


def test_a_smaller_target_keeps_a_random_subset(images, capsys):
    before = content_of(images(COUNTS))
    assert run("images", "--target", 3, "--output-dir", "new") == 0
    assert counts_of("new") == dict.fromkeys(COUNTS, 3)
    after = content_of(Path("new"))
    scabs = [file for file in after if file.parent.name == "Apple_scab"]
    assert all(after[file] == before[file] for file in scabs)
    assert capsys.readouterr().out.splitlines()[:3] == [
        "Apple_rust: 2 -> 3", "Apple_scab: 5 -> 3  (a random subset)",
        "Grape_Esca: 1 -> 3"]


def test_the_bytes_do_not_depend_on_the_number_of_processes(
        images, monkeypatch):
    monkeypatch.setattr(parallel, "MIN_ITEMS_PER_PROCESS", 4)
    images(MANY)
    for jobs in (1, 2):
        assert run("images", "--jobs", jobs, "--output-dir", jobs) == 0
    assert content_of(Path("1")) == content_of(Path("2"))
    assert run("images", "--seed", 7, "--output-dir", "other") == 0
    assert content_of(Path("other")) != content_of(Path("1"))


# Kills itself after the first of several chunks, as the kernel does when
# memory runs out.
KILLED = """
import os, signal, sys
import Augmentation
from leaffliction.augmentation import balanced_tree
from leaffliction.utils import parallel

def write_some(*arguments, write_plan=balanced_tree.write_plan):
    for number, made in enumerate(write_plan(*arguments)):
        yield made
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)

parallel.MIN_ITEMS_PER_PROCESS = 4
parallel.CHUNK_SIZE = 2
balanced_tree.write_plan = write_some
Augmentation.main(sys.argv[1:])
"""


@pytest.mark.parametrize("where", [
    ["--output-dir", "balanced"], ["--in-place"]], ids=["tree", "in place"])
def test_the_next_run_completes_a_killed_one(images, where, capsys):
    images(MANY)
    images(MANY, Path("copy/images"))
    assert run("copy/images", "--output-dir", "whole") == 0
    if where == ["--in-place"]:
        assert run("copy/images", "--in-place") == 0
    done = subprocess.run(
        [sys.executable, "-c", KILLED, "images", "--jobs", "2", *where],
        env=os.environ | {"PYTHONPATH": str(PROGRAM.parent)}, timeout=60,
        # Its workers inherit stdout: run() returns when the last one ends.
        stdout=subprocess.PIPE)
    assert done.returncode == -9
    output, wanted = (("images", "copy/images") if "--in-place" in where
                      else ("balanced", "whole"))
    output = Path(output)
    before = {path: path.stat().st_mtime_ns
              for path in output.rglob("[!.]*.JPG")}
    whole = content_of(Path(wanted))
    assert 12 < len(before) < len(whole)
    # A partial file that the killed run left.
    (output / "Apple_rust" / f".partial-{'0f' * 8}.JPG").write_text("x")
    capsys.readouterr()
    assert run("images", *where) == 0
    assert content_of(output) == whole
    for path, time in before.items():
        assert path.stat().st_mtime_ns == time, "made again"
    written = len(set(output.rglob("[!.]*.JPG")) - before.keys())
    assert f"; {written} written now" in capsys.readouterr().out
    assert run("images", *where) == 0
    assert "; 0 written now" in capsys.readouterr().out
    assert content_of(output) == whole


def test_in_place_adds_copies_to_the_source_once(images, capsys):
    before = content_of(images(COUNTS))
    assert run("images", "--in-place") == 0
    after = content_of(Path("images"))
    assert after.items() > before.items()
    assert counts_of("images") == dict.fromkeys(COUNTS, 5)
    assert sorted(map(str, Path().iterdir())) == ["images"]
    capsys.readouterr()
    assert run("images", "--in-place") == 0
    assert ("15 images in images, 7 of them augmented copies; 0 written now"
            in capsys.readouterr().out)
    # Another seed changes nothing: no class lacks images any more.
    assert run("images", "--in-place", "--seed", 7) == 0
    assert content_of(Path("images")) == after
    assert run("images", "--in-place", "--target", 8) == 0
    assert counts_of("images") == dict.fromkeys(COUNTS, 8)
    assert content_of(Path("images")).items() > after.items()
    assert run("images", "--in-place", "--target", 7) == 1
    assert "at least 8" in capsys.readouterr().err


def test_options_add_the_photometric_augmentations(images):
    assert list(Augmentation.PHOTOMETRIC_HELP) == list(PHOTOMETRIC)
    original = images({"A_b": 1, "A_c": 12}) / "A_b" / "image (1).JPG"
    flags = ["--shadow", "--white-balance", "--blur", "--jpeg-noise",
             "--brightness"]
    assert run("images", *flags) == 0
    made = {path.name for path in Path("augmented_directory/A_b").iterdir()}
    names = [*SIX, "Brightness", "WhiteBalance", "Blur", "JpegNoise",
             "Shadow"]
    assert made == {"image (1).JPG", *(f"image (1)_{name}.JPG"
                                       for name in names)}
    assert run(original, "--shadow") == 0
    assert {path.name for path in original.parent.iterdir()} == {
        original.name, *(f"image (1)_{name}.JPG"
                         for name in (*SIX, "Shadow"))}


def test_per_plant_balances_each_plant_by_itself(images):
    images({"Apple/a": 4, "Apple/b": 1, "Grape/a": 2, "Grape/b": 6})
    assert run("images", "--per-plant") == 0
    assert {path.name: len(list(path.iterdir())) for path in
            Path("augmented_directory/Apple").iterdir()} == {"a": 4, "b": 4}
    assert {path.name: len(list(path.iterdir())) for path in
            Path("augmented_directory/Grape").iterdir()} == {"a": 6, "b": 6}


def test_identical_images_are_used_once_and_reported(
        images, leaves, capsys):
    folder = images({"A_b": 3, "A_c": 2})
    third = folder / "A_b" / "image (3).JPG"
    shutil.copy(folder / "A_b" / "image (1).JPG", third)
    shutil.copy(folder / "A_b" / "image (2).JPG", folder / "A_c" / "x.JPG")
    (folder / "A_c" / "image (2).JPG").unlink()
    # A copy of the third image stays a copy, though its original is left out.
    flipped = third.with_stem("image (3)_Flip")
    write_image(flipped, leaves[29])
    assert run("images") == 0
    out = capsys.readouterr().out.splitlines()
    assert counts_of("augmented_directory") == {"A_b": 3, "A_c": 3}
    assert Path("augmented_directory/A_b", flipped.name).exists()
    assert len(list(Path("augmented_directory").rglob("*_Flip_*"))) == 0
    assert not Path("augmented_directory/A_b/image (3).JPG").exists()
    assert out[-2:] == [
        "identical, used once: A_b/image (1).JPG = A_b/image (3).JPG",
        "identical, in several classes: A_b/image (2).JPG = A_c/x.JPG"]
    # Balancing in place removes no file, so all of them count.
    assert run("images", "--in-place") == 0
    assert counts_of("images") == {"A_b": 4, "A_c": 4}
    assert third.exists()


@pytest.mark.parametrize("where", [[], ["--in-place"]])
def test_unreadable_images_are_reported_and_left_out(images, capsys, where):
    truncated = images(COUNTS) / "Apple_scab" / "image (2).JPG"
    truncated.write_bytes(truncated.read_bytes()[:500])
    images({"Grape_spot": 1})
    (Path("images") / "Grape_spot" / "image (1).JPG").write_text("no image")
    before = content_of(Path("images"))
    assert run("images", *where) == 1
    shown = capsys.readouterr()
    assert [line.split(": not")[0] for line in shown.err.splitlines()] == [
        f"error: {truncated}", "error: images/Grape_spot/image (1).JPG"]
    assert "Grape_spot: 1 -> 0" in shown.out
    assert "2 unreadable images left out" in shown.out
    after = content_of(Path("images"))
    assert after.items() >= before.items()
    output = Path("images" if where else "augmented_directory")
    bad = {output / path.relative_to("images") for path in (
        truncated, Path("images/Grape_spot/image (1).JPG"))}
    good = Counter(path.parent.name for path in output.rglob("*.JPG")
                   if path not in bad)
    assert good == {"Apple_rust": 4, "Apple_scab": 4, "Grape_Esca": 4}
    # The result is the same as without these files.
    first = content_of(output)
    assert run("images", *where) == 1
    assert content_of(output) == first
    if not where:
        for path in (truncated, Path("images/Grape_spot/image (1).JPG")):
            path.unlink()
        assert run("images", "--output-dir", "without") == 0
        assert {file: content for file, content in
                content_of(Path("without")).items()
                if file.suffix == ".JPG"} == {
            file: content for file, content in first.items()
            if file.suffix == ".JPG"}


def test_files_that_cannot_be_opened_are_reported_too(images, capsys):
    folder = images(COUNTS) / "Apple_scab"
    for name in ("gone 1.jpg", "gone 2.jpg"):
        (folder / name).symlink_to("nowhere")
    os.mkfifo(folder / "pipe.jpg")
    assert run("images") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: {folder}/gone 1.jpg: no such file",
        f"error: {folder}/gone 2.jpg: no such file",
        f"error: {folder}/pipe.jpg: not a regular file"]
    assert counts_of("augmented_directory") == dict.fromkeys(COUNTS, 5)


def test_another_tree_is_replaced_only_with_force(images, capsys):
    images(COUNTS)
    assert run("images", "--target", 9) == 0
    first = content_of(Path("augmented_directory"))
    assert run("images") == 1
    assert "--force" in capsys.readouterr().err
    assert run("images", "--target", 9, "--seed", 7) == 1
    assert run("images", "--target", 9, "--shadow") == 1
    assert content_of(Path("augmented_directory")) == first
    Path("augmented_directory/Apple_rust/mine.txt").write_text("mine")
    (Path("augmented_directory") / ".DS_Store").write_text("the desktop's")
    assert run("images", "--force") == 0
    assert "1 other files stay" in capsys.readouterr().err
    assert counts_of("augmented_directory") == dict.fromkeys(COUNTS, 5)
    assert run("images", "--output-dir", "fresh") == 0
    assert {str(file) for file in
            content_of(Path("augmented_directory")).items()
            ^ content_of(Path("fresh")).items()} == {
        str((Path("Apple_rust/mine.txt"), b"mine")),
        str((Path(".DS_Store"), b"the desktop's"))}


def test_a_tree_of_changed_originals_is_refused(images, leaves, capsys):
    images(COUNTS)
    assert run("images") == 0
    changed = Path("images/Apple_rust/image (1).JPG")
    changed.unlink()
    write_image(changed, leaves[7])
    assert run("images") == 1
    assert "made of other images" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["numpy", "opencv-python", "pillow"])
def test_a_tree_of_other_package_versions_is_refused(
        images, capsys, monkeypatch, package):
    images(COUNTS)
    assert run("images") == 0
    made = content_of(Path("augmented_directory"))
    assert run("images") == 0
    monkeypatch.setattr(balanced_tree, "version", lambda name: (
        "999" if name == package else version(name)))
    assert run("images") == 1
    assert "or by other versions" in capsys.readouterr().err
    assert content_of(Path("augmented_directory")) == made


def test_an_output_that_contains_the_source_is_refused(images, capsys):
    before = content_of(images(COUNTS, Path("all/images")))
    assert run("all/images", "--output-dir", "all", "--force") == 1
    assert "holds all/images" in capsys.readouterr().err
    assert content_of(Path("all/images")) == before


# Wrong usage.

@pytest.fixture
def clutter(images, leaves):
    """Fill the working directory with usable and unusable files."""
    images({"Apple_scab": 2, "Apple_rust": 1})
    for folder in ("empty", "truncated/A_b"):
        Path(folder).mkdir(parents=True)
    Path("truncated/A_b/x.JPG").touch()
    Path("file.png").write_text("text")
    Path("loop").symlink_to("loop")
    write_image(Path("leaf.png"), leaves[0])
    write_image(Path("strip.png"), np.zeros((1, 40000, 3), np.uint8))
    before = sorted(Path().rglob("*"))
    yield
    assert sorted(Path().rglob("*")) == before, "a file was left behind"


@pytest.mark.parametrize("path, output, reason", [
    ("empty", "new", "no images"),
    ("file.png", "new", "not a readable image"),
    ("images", "file.png/x", "cannot be written"),
    ("images", "file.png", "exists and is not a folder"),
    ("images", "images/new", "lies inside images"),
    ("images/", "empty/../images", "lies inside images"),
    ("images", "truncated", "holds other files already, such as A_b/x.JPG")])
def test_impossible_inputs_and_outputs_are_refused(
        path, output, reason, clutter, capsys):
    assert run(path, "--output-dir", output) == 1
    lines = capsys.readouterr().err.splitlines()
    # One line for each image, or one if the run ends before the images.
    assert all(line.startswith("error: ") and reason in line
               for line in lines) and len(lines) in (1, 3)


@pytest.mark.parametrize("arguments, status, reason", [
    ([], 2, "required: IMAGE|DIRECTORY"),
    (["leaf.png", "--target", "3"], 2, "for folders"),
    (["leaf.png", "--in-place"], 2, "for folders"),
    (["images", "--in-place", "--force"], 2, "goes with neither"),
    (["images", "--per-plant", "--target", "3"], 2, "exclude each other"),
    (["images", "--target", "1000000"], 2, "more than 100,000"),
    (["a\nb\x1b[31m\udcff"], 1, "no such file"),
    (["truncated"], 1, "no readable image"),
    (["strip.png"], 1, "40000 pixels is more than"),
    (["leaf.png", "--output-dir", "file.png/x"], 1, "cannot be written"),
    (["images", "--output-dir", "loop"], 1, "cannot be written")])
def test_subject_1_wrong_usage_is_an_error_line_and_no_traceback(
        arguments, status, reason, clutter, capsys):
    try:
        returned = run(*arguments)
    except SystemExit as end:       # argparse ends the program itself.
        returned = end.code
    assert returned == status
    errors = capsys.readouterr().err
    *others, last = errors.splitlines()
    assert last.startswith("error: ") and reason in last
    assert all(line.startswith(("error: ", "usage: ", " "))
               for line in others)
    assert "internal error" not in errors


def test_subject_1_the_program_itself_ends_with_an_error_line(clutter):
    done = subprocess.run([sys.executable, PROGRAM, "truncated"],
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    *others, last = done.stderr.splitlines()
    assert last == "error: truncated: no readable image in it"
    assert all(line.startswith("error: ") for line in others)


def test_an_image_without_a_suffix_is_augmented(leaves):
    write_image(Path("leaf.png"), leaves[0])
    Path("leaf.png").rename("leaf")
    assert run("leaf") == 0
    assert read_image(Path("leaf_Flip.jpg")).shape == leaves[0].shape


def test_an_image_with_any_name_is_augmented(leaves):
    name = "$x_{\n" + os.fsdecode(b"\xff") + "\N{RED APPLE}"
    write_image(Path("A_b") / f"{name}.png", leaves[0])
    assert run(f"A_b/{name}.png") == 0
    assert run("A_b", "--target", 9) == 0
    assert len(list(Path("A_b").iterdir())) == 7
