"""Transformation.py: the page, the files and the command line."""

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import Transformation
from leaffliction.transformation.analysis import analyse_image
from leaffliction.transformation.mask import leaf_mask, on_white
from leaffliction.transformation.measurements import UNITS, measure
from leaffliction.transformation.views import VIEWS
from leaffliction.utils import cli
from leaffliction.utils.images import read_image, write_image
from samples.drawing import draw_leaf

PROGRAM = Path(Transformation.__file__)


def run(*arguments):
    """Return main's exit status, as the shell would see it."""
    return cli.run(lambda: Transformation.main(list(map(str, arguments))))


@pytest.fixture
def folder(tmp_path):
    """Return a folder of three drawn leaves in two classes."""
    for name, file in (("Apple_scab", "image (1).JPG"),
                       ("Apple_scab", "image (2).JPG"),
                       ("Grape_Esca", "image (1).png")):
        write_image(tmp_path / "images" / name / file,
                    draw_leaf(name, np.random.default_rng(len(file)), 96))
    return tmp_path / "images"


def written(folder):
    """Return the files below a folder, as sorted relative names."""
    return sorted(path.relative_to(folder).as_posix()
                  for path in folder.rglob("*") if path.is_file())


# One image.

def test_subject_10_all_views_on_a_page(
        folder, tmp_path, capsys, monkeypatch):
    from matplotlib.figure import Figure
    titles = []
    save = Figure.savefig

    def record_titles(figure, *arguments, **options):
        titles.extend(axes.get_title() for axes in figure.axes)
        return save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", record_titles)
    page = tmp_path / "page.png"
    image = folder / "Apple_scab" / "image (1).JPG"
    assert run(image, "--save", page, "--no-display") == 0
    assert titles == ["Original", "Gaussian blur", "Mask", "ROI objects",
                      "Analyze object", "Pseudolandmarks", "Lesions",
                      "Color histogram"]
    assert capsys.readouterr().out == f"figure: {page}\n"
    assert min(read_image(page).shape[:2]) > 600
    assert written(folder.parent / "images") == [
        "Apple_scab/image (1).JPG", "Apple_scab/image (2).JPG",
        "Grape_Esca/image (1).png"]


def test_page_without_a_name_goes_to_figures(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = folder / "Grape_Esca" / "image (1).png"
    assert run(image, "-mask", "-histogram") == 0
    assert Path("figures/transformation_image (1).png").is_file()


def test_json_has_measurements_and_units(folder, tmp_path):
    image = folder / "Apple_scab" / "image (1).JPG"
    assert run(image, "--json", tmp_path / "leaf.json", "--save",
               tmp_path / "page.png", "-mask") == 0
    content = json.loads((tmp_path / "leaf.json").read_text())
    assert content["file"] == str(image)
    assert content["units"] == UNITS
    rgb_img = read_image(image)
    values, = measure(analyse_image(rgb_img))
    assert content["measurements"] == values
    assert content["leaves"] == [{"leaf": 1, "measurements": values}]


@pytest.mark.parametrize("mode", ["L", "RGBA", "1", "P", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (40, 30)])
def test_images_of_any_mode_and_name(mode, size, tmp_path, capsys):
    path = tmp_path / "$odd_{$ name 叶.png"
    Image.new(mode, size).save(path)
    assert run(path, "--save", tmp_path / "page.png", "--json",
               tmp_path / "leaf.json") == 0
    assert json.loads((tmp_path / "leaf.json").read_text())[
        "measurements"]["area"] == 0


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_unreadable_image_is_one_error_line(content, tmp_path, capsys):
    path = tmp_path / "leaf.jpg"
    if content is not None:
        path.write_bytes(content)
    assert run(path) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ") and error.count("\n") == 1


def test_folder_instead_of_an_image_is_an_error(folder, capsys):
    assert run(folder) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and f"-src {folder} -dst" in error


@pytest.mark.parametrize("arguments", [
    [], ["-src", "a"], ["-dst", "b"], ["leaf.jpg", "-src", "a", "-dst", "b"],
    ["leaf.jpg", "--csv", "c"], ["-src", "a", "-dst", "b", "--json", "c"],
    ["--save", "page.png"], ["-mask"], ["leaf.jpg", "-spots"],
    ["leaf.jpg", "--force"],
    ["-src", "a", "-dst", "b", "--jobs", "0"]])
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    assert "\nerror: " in capsys.readouterr().err


# Many images.

def test_subject_11_all_views_of_every_image(folder, tmp_path, capsys):
    assert run("-src", folder, "-dst", tmp_path / "views") == 0
    expected = sorted(
        f"{stem}_{name}{'.png' if name == 'Histogram' else suffix}"
        for stem, suffix in (("Apple_scab/image (1)", ".JPG"),
                             ("Apple_scab/image (2)", ".JPG"),
                             ("Grape_Esca/image (1)", ".png"))
        for name in VIEWS)
    assert written(tmp_path / "views") == expected
    assert capsys.readouterr().out == (
        f"3 images: 24 views written to {tmp_path / 'views'}\n")
    image = folder / "Grape_Esca" / "image (1).png"
    view = read_image(tmp_path / "views/Grape_Esca/image (1)_Mask.png")
    assert (view == on_white(read_image(image),
                             leaf_mask(read_image(image)))).all()


@pytest.mark.parametrize("name", VIEWS)
def test_subject_11_one_flag_writes_one_view(name, folder, tmp_path):
    views = tmp_path / "views"
    assert run("-src", f"{folder}/", "-dst", views, f"-{name.lower()}") == 0
    files = written(views)
    assert len(files) == 3
    assert all(Path(file).stem.endswith(f"_{name}") for file in files)


def test_views_up_to_date_are_not_made_again(folder, tmp_path, capsys):
    views = tmp_path / "views"
    assert run("-src", folder, "-dst", views, "-mask", "-roi") == 0
    files = [views / file for file in written(views)]
    content = {file: file.read_bytes() for file in files}
    gone, empty, old = files[:3]
    gone.unlink()
    os.truncate(empty, 0)
    os.utime(old, (1, 1))     # older than its image
    times = {file: file.stat().st_mtime_ns for file in files[3:]}
    assert run("-src", folder, "-dst", views, "-mask", "-roi") == 0
    assert {file: file.read_bytes() for file in files} == content
    assert old.stat().st_mtime > 1
    assert all(file.stat().st_mtime_ns == times[file] for file in files[3:])
    files[4].write_bytes(b"spoilt")
    assert run("-src", folder, "-dst", views, "-mask", "-roi",
               "--force") == 0
    assert files[4].read_bytes() == content[files[4]]


def test_csv_has_a_row_for_each_image(folder, tmp_path, capsys):
    write_image(folder / "Apple_scab/blank.png",
                np.zeros((20, 20, 3), np.uint8))
    table = tmp_path / "leaves.csv"
    assert run("-src", folder, "-dst", tmp_path / "views", "-mask", "--csv",
               table) == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["file"] for row in rows] == [
        "Apple_scab/blank.png", "Apple_scab/image (1).JPG",
        "Apple_scab/image (2).JPG", "Grape_Esca/image (1).png"]
    assert rows[0]["area"] == "0" and rows[0]["solidity"] == ""
    rgb_img = read_image(folder / rows[3]["file"])
    values, = measure(analyse_image(rgb_img))
    assert list(rows[3]) == ["file", *UNITS, "leaf"]
    assert [row["leaf"] for row in rows] == ["", "1", "1", "1"]
    assert capsys.readouterr().out.endswith(
        "; 1 of 4 images: no leaf found\n")
    assert float(rows[3]["area"]) == values["area"]
    assert float(rows[3]["hue_circular_mean"]) == pytest.approx(
        values["hue_circular_mean"])


@pytest.fixture
def tray(tmp_path):
    """Return the file of a healthy and a spotted leaf on one tray."""
    image = np.full((300, 620, 3), 150, np.uint8)
    for x in (150, 460):
        cv2.ellipse(image, (x, 150), (70, 120), 0, 0, 360, (60, 130, 50), -1)
    for y in (90, 150, 210):
        cv2.circle(image, (460, y), 15, (110, 70, 40), -1)
    write_image(tmp_path / "trays" / "tray.png", image)
    return tmp_path / "trays" / "tray.png"


def test_csv_has_a_row_for_each_leaf(tray, tmp_path):
    table = tmp_path / "leaves.csv"
    assert run("-src", tray.parent, "-dst", tmp_path / "views", "-roi",
               "--csv", table) == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(row["file"], row["leaf"]) for row in rows] == [
        ("tray.png", "1"), ("tray.png", "2")]
    assert float(rows[0]["lesion_share"]) == 0
    assert float(rows[1]["lesion_share"]) == pytest.approx(
        100 * 3 * 15 ** 2 / (70 * 120), rel=0.1)
    assert float(rows[1]["center_of_mass_x"]) == pytest.approx(460, abs=1)


def test_json_has_the_largest_leaf_and_each_leaf(tray, tmp_path, monkeypatch):
    from matplotlib.figure import Figure
    titles = []
    monkeypatch.setattr(Figure, "suptitle",
                        lambda figure, title: titles.append(title))
    assert run(tray, "--json", tmp_path / "leaf.json", "--save",
               tmp_path / "page.png") == 0
    content = json.loads((tmp_path / "leaf.json").read_text())
    one, two = content["leaves"]
    assert (one["leaf"], two["leaf"]) == (1, 2)
    assert content["measurements"] == max(
        (leaf["measurements"] for leaf in (one, two)),
        key=lambda values: values["area"])
    share = two["measurements"]["lesion_share"]
    assert one["measurements"]["lesion_share"] == 0 < share
    assert "".join(titles).replace("\u00a0", " ").replace("\n", " ") == (
        f"tray.png: 2 leaves, lesions on 1: 0.0 %, 2: {share:.1f} %")


def test_unreadable_images_are_named_and_skipped(folder, tmp_path, capsys):
    whole = (folder / "Apple_scab/image (1).JPG").read_bytes()
    (folder / "Apple_scab/half.jpg").write_bytes(whole[:len(whole) // 2])
    (folder / "Apple_scab/text.jpg").write_text("no image")
    assert run("-src", folder, "-dst", tmp_path / "views", "-mask") == 1
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert len(errors) == 2
    assert re.match(r"error: .*half\.jpg: not a readable image", errors[0])
    assert re.match(r"error: .*text\.jpg: not a readable image", errors[1])
    assert captured.out.startswith("3 images: 3 views written to ")
    assert captured.out.endswith("; 2 images failed\n")
    assert len(written(tmp_path / "views")) == 3


def test_number_of_processes_does_not_change_the_files(tmp_path, monkeypatch):
    from leaffliction.utils import parallel
    monkeypatch.setattr(parallel, "MIN_ITEMS_PER_PROCESS", 2)
    for number in range(4):
        write_image(tmp_path / f"in/{number}.png", draw_leaf(
            "Grape_spot", np.random.default_rng(number), 64))
    for jobs in (1, 2):
        assert run("-src", tmp_path / "in", "-dst", tmp_path / f"out{jobs}",
                   "--jobs", jobs) == 0
    assert written(tmp_path / "out1") == written(tmp_path / "out2")
    for file in written(tmp_path / "out1"):
        assert ((tmp_path / "out1" / file).read_bytes()
                == (tmp_path / "out2" / file).read_bytes())


def test_sources_of_one_stem_have_views_of_their_own(tmp_path):
    for number, name in enumerate(("a.jpg", "a.png", "a.JPG", "a_Blur.jpg")):
        write_image(tmp_path / "in" / name, np.full(
            (8, 8, 3), 50 * number, np.uint8))
    assert run("-src", tmp_path / "in", "-dst", tmp_path / "out", "-blur",
               "-histogram") == 0
    assert len(written(tmp_path / "out")) == 8


def test_source_may_be_one_file(folder, tmp_path):
    assert run("-src", folder / "Grape_Esca/image (1).png", "-dst",
               tmp_path / "views", "-roi", "-histogram") == 0
    assert written(tmp_path / "views") == ["image (1)_Histogram.png",
                                           "image (1)_ROI.png"]


@pytest.mark.parametrize("target", [
    "images", "images/views", "images/Apple_scab", "link", "images/../images"])
def test_target_inside_the_source_is_refused(target, folder, capsys):
    os.symlink(folder, folder.parent / "link")
    before = written(folder)
    assert run("-src", folder, "-dst", folder.parent / target) == 1
    assert "choose a folder outside" in capsys.readouterr().err
    assert written(folder) == before


def test_target_around_the_source_must_not_add_to_it(tmp_path, capsys):
    write_image(tmp_path / "top/sub/sub/a.png", np.zeros((4, 4, 3), np.uint8))
    assert run("-src", tmp_path / "top/sub", "-dst", tmp_path / "top") == 1
    assert written(tmp_path) == ["top/sub/sub/a.png"]


@pytest.mark.parametrize("source", ["empty", "missing"])
def test_source_without_images_is_an_error(source, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run("-src", tmp_path / source, "-dst", tmp_path / "out") == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / source}: ")
    assert not (tmp_path / "out").exists()


def test_target_that_cannot_be_created_is_an_error(folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    for target in ("file", "file/views"):
        assert run("-src", folder, "-dst", tmp_path / target) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1


# Help.

def test_subject_12_help_explains_every_option(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")        # No word is hyphenated.
    with pytest.raises(SystemExit) as stop:
        run("-h")
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "None" not in text and "SUPPRESS" not in text
    for action in Transformation.build_parser()._actions:
        assert action.help and len(action.help) > 15
        for option in action.option_strings:
            assert option in text
    for view in VIEWS.values():
        assert f"{view.title}. {view.shows} {view.reason}" in text


def test_help_imports_no_large_library():
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, "-h"],
        capture_output=True, text=True)
    assert done.returncode == 0
    for library in ("plantcv", "matplotlib", "tensorflow", "scipy"):
        assert not re.search(rf"\| +{library}\b", done.stderr)
    # It takes 0.3 s on a machine that does nothing else.
    assert time.monotonic() - start < 3
