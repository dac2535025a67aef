"""Distribution.py: its table, its lists, its files and its errors."""

import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import Distribution
from leaffliction.distribution.class_facts import by_plant
from leaffliction.utils import cli, parallel
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.images import read_image, write_image

PROGRAM = Path(Distribution.__file__)
FLAT = {"Apple_healthy": 4, "Apple_scab": 1, "Grape_Esca": 2}
NESTED = {f"{name.split('_')[0]}/{name.lower()}": count
          for name, count in FLAT.items()}
ODD_PLANT = "É 漢 \N{RED APPLE} \nb\x1b[31m $x$"
ODD_NAMES = [
    ["A scab", "É_été", "漢_字", "A_\N{RED APPLE}", "A_\nb\x1b[31m", "A_$x$"],
    [r"A_$\frac$", r"A_\$x$", "A_'\"\\", "-h", "A_" + "W" * 250, "_", "_%s{}"]]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Return an empty folder, the working directory."""
    folder = tmp_path / "workplace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def counts_of(folder):
    """Return {plant: {class name: count}} of the files in a folder."""
    dataset = read_dataset(folder)
    return by_plant(dataset, dataset.counts().tolist())


@pytest.fixture
def images(tmp_path):
    """Return a function that writes {class folder: number of images}.

    The images have 20 x 16 pixels, and no two are alike.
    """
    def make(counts, root=tmp_path / "images"):
        rng = np.random.default_rng(42)
        for folder, count in counts.items():
            for number in range(1, count + 1):
                colours = rng.integers(256, size=(4, 5, 3), dtype=np.uint8)
                write_image(root / folder / f"image ({number}).png",
                            colours.repeat(4, axis=0).repeat(4, axis=1))
        return root
    return make


def run(*arguments):
    """Return main's exit status, as the shell would see it."""
    return cli.run(lambda: Distribution.main(
        [*map(str, arguments), "--no-display"]))


def start(*arguments, stdout=subprocess.PIPE, cwd=None):
    """Run the program in a process."""
    return subprocess.run(
        [sys.executable, PROGRAM, *arguments], cwd=cwd, stdout=stdout,
        stderr=subprocess.PIPE, text=True, timeout=60)


@pytest.mark.parametrize("slash", ["", "/", "/.", "/../images"])
@pytest.mark.parametrize("layout, plants", [
    (FLAT, ["Apple", "Grape"]), (NESTED, ["Apple", "Grape"])])
def test_subject_4_both_layouts_and_any_part_of_them_are_read(
        tree, layout, plants, slash):
    folder = tree(layout)
    whole = counts_of(f"{folder}{slash}")
    assert list(whole) == plants
    assert [list(classes.values()) for classes in whole.values()] == [
        [4, 1], [2]]
    one_class = list(layout)[-1]
    (plant, classes), = counts_of(f"{folder / one_class}/").items()
    assert (plant.lower(), list(classes.values())) == ("grape", [2])


def test_subject_4_the_folder_of_one_plant_shows_that_plant(tree):
    folder = tree(NESTED)
    (plant, classes), = counts_of(folder / "Apple").items()
    assert plant.lower() == "apple"
    assert classes == {"apple_healthy": 4, "apple_scab": 1}


@pytest.mark.parametrize("names", ODD_NAMES)
@pytest.mark.parametrize("plant", [".", ODD_PLANT], ids=["flat", "nested"])
def test_any_folder_name_can_be_shown(plant, names, tree, workplace, capsys):
    folder = tree({f"{plant}/{name}": 2 for name in names})
    assert run(folder, "--quick") == 0
    output = capsys.readouterr().out
    assert re.search(r"^figure: figures/distribution_[\w-]+\.png$", output,
                     re.MULTILINE)
    assert all(file.stat().st_size > 5000
               for file in Path("figures").iterdir())
    assert all(line.isprintable() for line in output.splitlines())


def test_the_table_has_counts_shares_and_imbalance(tree, workplace, capsys):
    assert run(tree(FLAT), "--quick") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:4] == [["plant", "class", "count", "share", "imbalance"],
                         ["Apple", "Apple_healthy", "4", "80.0%", "1.00"],
                         ["Apple", "Apple_scab", "1", "20.0%", "4.00"],
                         ["Grape", "Grape_Esca", "2", "100.0%", "1.00"]]
    assert [" ".join(line) for line in lines[4:7]] == [
        "Apple: 5 images in 2 classes, imbalance 4.00 (largest / smallest)",
        "Grape: 2 images in 1 class, imbalance 1.00 (largest / smallest)",
        "all: 7 images in 3 classes, imbalance 4.00 (largest / smallest)"]
    assert [line[1] for line in lines[7:]] == [
        "figures/distribution_Apple.png", "figures/distribution_Grape.png"]


def test_the_csv_has_the_names_of_the_folders(tree, workplace):
    names = ["A_,\"x", "A_a\nb", "A_é"]
    folder = tree(dict.fromkeys(names, 1))
    assert run(folder, "--csv", "new/counts.csv", "--quick") == 0
    with open("new/counts.csv", newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["plant", "class", "count", "share", "imbalance"]
    assert rows == [["A", name.replace("\n", r"\n"), "1", "0.333333",
                     "1.000000"] for name in sorted(names)]


def test_names_that_are_not_utf_8_are_escaped(tree, workplace):
    folder = tree({"A_" + os.fsdecode(b"\xff"): 1})
    assert run(folder, "--csv", "counts.csv", "--quick") == 0
    assert r"A_\udcff,1," in Path("counts.csv").read_text("utf-8")


def rows_of(path):
    """Return a CSV's rows as dictionaries."""
    with open(path, newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("jobs", [1, 2])
def test_repeats_are_listed_with_all_paths(
        images, workplace, capsys, jobs, monkeypatch):
    monkeypatch.setattr(parallel, "MIN_ITEMS_PER_PROCESS", 4)
    folder = images({"A_b": 3, "A_c": 3, "A_d": 2})
    first = folder / "A_b" / "image (1).png"
    shutil.copy(first, folder / "A_b" / "same.png")
    again = read_image(first)
    again[0, 0] ^= 1
    write_image(folder / "A_c" / "near.png", again)
    shutil.copy(folder / "A_c" / "image (2).png", folder / "A_d" / "x.png")
    shutil.copy(folder / "A_d" / "image (1).png",
                folder / "A_d" / "image (3).png")
    # An augmented copy is no repeat of its original.
    shutil.copy(first, folder / "A_b" / "image (1)_Blur.png")
    assert run(folder, "--csv", "a.csv", "--jobs", jobs) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if "identical, " in line] == [
        "identical, in several classes: A_c/image (2).png = A_d/x.png",
        "near-identical, in several classes: A_b/image (1).png = "
        "A_b/same.png ~ A_c/near.png",
        "identical, in one class: A_d/image (1).png = A_d/image (3).png"]
    assert [[row[name] for name in ("count", "identical", "near_identical",
                                    "other_classes")]
            for row in rows_of("a.csv")] == [
        ["5", "2", "0", "2"], ["4", "0", "0", "2"], ["4", "2", "0", "1"]]
    repeats = rows_of("a_repeats.csv")
    assert [(row["group"], row["kind"], row["class"], row["file"])
            for row in repeats] == [
        ("1", "identical", "A_c", "A_c/image (2).png"),
        ("1", "identical", "A_d", "A_d/x.png"),
        ("2", "near-identical", "A_b", "A_b/image (1).png"),
        ("2", "near-identical", "A_b", "A_b/same.png"),
        ("2", "near-identical", "A_c", "A_c/near.png"),
        ("3", "identical", "A_d", "A_d/image (1).png"),
        ("3", "identical", "A_d", "A_d/image (3).png")]
    assert repeats[0]["sha256"] == repeats[1]["sha256"] == hashlib.sha256(
        (folder / "A_d" / "x.png").read_bytes()).hexdigest()


def test_the_table_has_sizes_modes_and_unreadable_files(
        images, workplace, capsys):
    folder = images({"A_b": 3, "A_c": 1})
    Image.new("L", (7, 5)).save(folder / "A_b" / "grey.png")
    truncated = folder / "A_c" / "truncated.png"
    truncated.write_bytes((folder / "A_b" / "image (1).png").read_bytes()[:60])
    assert run(folder, "--csv", "a.csv") == 1
    shown = capsys.readouterr()
    assert shown.err.startswith(f"error: {truncated}: not a readable image")
    assert shown.err.count("\n") == 1
    lines = shown.out.splitlines()
    assert "20x16 (3), 7x5 (1)  RGB (3), L (1)" in lines[1]
    assert lines[2].split()[2:] == [
        "1", "20.0%", "4.00", "1", "0", "0", "0", "20x16", "RGB"]
    first, second = rows_of("a.csv")
    assert (first["count"], first["unreadable"]) == ("4", "0")
    assert (second["count"], second["unreadable"]) == ("1", "1")
    assert first["sizes"] == "20x16:3;7x5:1" and first["modes"] == "RGB:3;L:1"
    # --quick reads no file, so it finds no unreadable one.
    assert run(folder, "--quick") == 0


def test_a_class_without_readable_images_is_only_in_the_table(
        images, workplace, capsys):
    folder = images({"A_b": 2})
    (folder / "A_c").mkdir()
    (folder / "A_c" / "x.jpg").write_text("no image")
    (folder / "B_d").mkdir()
    (folder / "B_d" / "x.jpg").write_text("no image")
    assert run(folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:6] == ["A", "A_c", "0", "0.0%", "inf", "1"]
    assert [line for line in lines if line.startswith("figure")] == [
        "figure: figures/distribution_A.png"]


def test_long_lists_are_shortened_on_stdout_but_not_in_the_csv(
        images, workplace, capsys):
    folder = images({"A_b": 30})
    for number in range(1, 31):
        for copy in range(9 if number == 1 else 1):
            shutil.copy(folder / "A_b" / f"image ({number}).png",
                        folder / "A_b" / f"again {number} {copy}.png")
    assert run(folder, "--csv", "a.csv") == 0
    out = capsys.readouterr().out.splitlines()
    lines = [line for line in out if line.startswith("identical")]
    assert len(lines) == 20 and sum("and 4 more" in line
                                    for line in lines) == 1
    assert any(line.startswith("and 10 more groups") for line in out)
    assert len(rows_of("a_repeats.csv")) == 30 + 29 + 9


def test_a_folder_with_mixed_content_is_counted_correctly(
        images, workplace, capsys):
    odd = {"A scab": 1, "A_été": 2, "A_\N{RED APPLE}": 1, "A_empty": 0}
    folder = images({"A/rust": 2, "A/deep/er": 1, "A": 2, **odd})
    for name in ("A_empty", "A/also empty/below", ".git"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "A" / ".hidden.png").write_text("hidden")
    (folder / "A" / "loop").symlink_to(folder)
    (folder / "nothing").symlink_to("nothing")
    assert run(folder) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    counts = {row[1]: int(row[2]) for row in (
        re.split("  +", line) for line in lines[1:6])}
    assert counts == {"A_rust": 2, "deep_er": 1, "A scab": 1, "A_été": 2,
                      "A_\N{RED APPLE}": 1}
    assert "left out 2 images outside the class folders: A/" in err
    assert [line for line in lines if line.startswith("no ph")] == [
        "no photographs in: A_empty", "no photographs in: A/also empty"]


def test_save_is_the_file_or_the_prefix_of_several(tree, workplace):
    folder = tree(FLAT)
    run(folder / "Grape_Esca", "--save", "one.svg", "--quick")
    run(folder, "--save", "new/all.png", "--quick")
    assert sorted(map(str, workplace.rglob("*.*"))) == [
        str(workplace / name) for name in (
            "new/all_distribution_Apple.png",
            "new/all_distribution_Grape.png", "one.svg")]


def test_hidden_files_and_empty_folders_are_not_counted(tree):
    folder = tree({"A_full": 2, "A_empty": 0, ".hidden": 3})
    (folder / "A_full" / ".hidden.jpg").touch()
    (folder / "A_full" / "notes.txt").touch()
    assert counts_of(folder) == {"A": {"A_full": 2}}


def test_images_in_a_loop_of_links_are_counted_once(tree):
    folder = tree({"A_scab": 2})
    (folder / "A_scab" / "loop").symlink_to(folder)
    (folder / "self").symlink_to("self")
    assert counts_of(folder) == {"A": {"A_scab": 2}}


BAD_INPUT = {
    "no folder at all": ([], 2),
    "unknown option": (["images", "--frob"], 2),
    "missing folder": (["a\nb\x1b[31m\udcff"], 1),
    "overlong name": (["a" * 5000], 1),
    "empty folder": (["empty"], 1),
    "repeats below a file": (["images", "--csv", "figures/x.csv"], 1),
    "file instead of a folder": (["file.png"], 1),
    "csv is a folder": (["images", "--csv", "empty"], 1),
    "csv below a file": (["images", "--csv", "file.png/x.csv"], 1),
    "csv with empty name": (["images", "--csv", ""], 1),
    "figure below a file": (
        ["images/Grape_Esca", "--save", "file.png/x.png"], 1),
    "figure of unknown kind": (["images/Apple_scab", "--save", "x"], 1),
    "figures below a file": (["images"], 1),
}


@pytest.mark.parametrize("arguments, status", BAD_INPUT.values(),
                         ids=BAD_INPUT.keys())
def test_subject_1_wrong_usage_is_an_error_line_and_no_traceback(
        arguments, status, tree, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tree(FLAT)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.png").write_text("text")
    (tmp_path / "figures").write_text("in the way")
    before = sorted(tmp_path.rglob("*"))
    try:
        returned = run("--quick", *arguments)
    except SystemExit as end:       # argparse ends the program itself.
        returned = end.code
    assert returned == status
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ")
    assert "internal error" not in lines[-1]
    assert all(line.isprintable() for line in lines)
    if status == 1:
        assert len(lines) == 1
    else:
        assert lines[0].startswith("usage: ")
    assert sorted(tmp_path.rglob("*")) == before, "a file was left behind"


def test_subject_1_the_program_itself_ends_with_an_error_line(tmp_path):
    done = start("a\nb\x1b[31m\udcff", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(r"error: a\nb\x1b[31m\udcff: no such")
    assert done.stderr.count("\n") == 1


def test_subject_1_a_full_disk_is_an_error_line(tree):
    folder = tree({"A_b": 1})
    with open("/dev/full", "w") as full:
        done = start(folder, "--quick", stdout=full)
    assert done.returncode == 1
    assert done.stderr == "error: No space left on device\n"


def test_help_imports_no_heavy_library(tmp_path):
    code = ("import sys, runpy; sys.argv = [sys.argv[1], '-h']\n"
            "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "except SystemExit as end: assert end.code == 0\n"
            "heavy = {'matplotlib', 'numpy', 'cv2', 'PIL'} & set(sys.modules)"
            "\nassert not heavy, heavy")
    done = subprocess.run([sys.executable, "-c", code, PROGRAM],
                          capture_output=True, text=True, cwd=PROGRAM.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert "DIRECTORY" in done.stdout
