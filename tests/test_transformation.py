"""Transformation: the views, the measurements and the command line."""

import csv
import json
import math
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
from shapes import ellipse

import Transformation
from Transformation import UNITS, VIEWS, landmarks, measure, output_names
from utils import cli
from utils.images import read_image, write_image
from utils.leaf import find_leaf, leaf_mask, on_white
from utils.samples import draw_leaf, draw_leaf_and_mask

PROGRAM = Path(Transformation.__file__)


def run(*arguments):
    """Return main's exit status, as the shell would see it."""
    return cli.run(lambda: Transformation.main(list(map(str, arguments))))


@pytest.fixture
def leaf():
    """Return a drawn leaf with lesions, RGB uint8, and its bool mask."""
    return draw_leaf_and_mask("Apple_rust", np.random.default_rng(3), 192)


@pytest.fixture
def folder(tmp_path):
    """Return a folder of three drawn leaves in two classes."""
    for name, file in (("Apple_scab", "image (1).JPG"),
                       ("Apple_scab", "image (2).JPG"),
                       ("Grape_Esca", "image (1).png")):
        write_image(tmp_path / "images" / name / file,
                    draw_leaf(name, np.random.default_rng(len(file)), 96))
    return tmp_path / "images"


def written(place):
    """Return the files below a folder, as sorted relative names."""
    return sorted(path.relative_to(place).as_posix()
                  for path in place.rglob("*") if path.is_file())


# The views.

@pytest.mark.parametrize("name", VIEWS)
def test_views_are_rgb_and_leave_the_image_alone(name, leaf):
    image, mask = leaf
    kept = image.copy(), mask.copy()
    view = VIEWS[name][1](image, mask)
    assert view.dtype == np.uint8 and view.shape[2] == 3
    assert name == "Histogram" or view.shape == image.shape
    assert (image == kept[0]).all() and (mask == kept[1]).all()
    assert (view == VIEWS[name][1](image, mask)).all()


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (24, 24)])
def test_views_of_empty_tiny_and_full_masks(name, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3))
    for mask in (np.zeros(shape, bool), np.ones(shape, bool)):
        view = VIEWS[name][1](image.astype(np.uint8), mask)
        assert view.dtype == np.uint8 and view.ndim == 3


def test_original_is_the_photograph(leaf):
    assert (VIEWS["Original"][1](*leaf) == leaf[0]).all()


def test_blur_shows_the_lesion_as_a_hole():
    image, mask = ellipse()
    cv2.circle(image, (150, 110), 15, (150, 80, 40), -1)
    view = VIEWS["Blur"][1](image, mask)
    assert (view[..., 0] == view[..., 1]).all()
    assert view[110, 150, 0] == 0          # lesion
    assert view[110, 100, 0] == 255        # green
    assert view[5, 5, 0] == 0              # table
    assert ((view > 0) & (view < 255)).any()   # blurred


def test_mask_is_the_leaf_on_white(leaf):
    assert (VIEWS["Mask"][1](*leaf) == on_white(*leaf)).all()


def test_roi_is_green_in_a_blue_frame():
    image, mask = ellipse()
    view = VIEWS["ROI"][1](image, mask)
    blue = (view == Transformation.BLUE).all(axis=2)
    green = (view == Transformation.GREEN).all(axis=2)
    assert (green | blue)[mask].all() and not green[~mask].any()
    # Bounding box: 150 +- 90, 110 +- 50; each side is blue throughout.
    assert blue[60, 60:241].all() and blue[160, 60:241].all()
    assert blue[60:161, 60].all() and blue[60:161, 240].all()
    assert not blue[:55].any() and not blue[166:].any()


def test_analyze_draws_outline_and_axes():
    image, mask = ellipse()
    view = VIEWS["Analyze"][1](image, mask)
    assert (view == Transformation.BLUE).all(axis=2).sum() > 300
    assert (view == Transformation.MAGENTA).all(axis=2).sum() > 300
    # Grey and far away stays grey.
    assert (view[220:] == 150).all()


def test_landmarks_lie_on_the_ellipse():
    _, mask = ellipse()
    left, right, middle = landmarks(mask)
    assert len(left) == len(right) == len(middle) == 20
    for points in (left, right):
        # On the ellipse, to 3 pixels: a slice is 5 pixels high and PlantCV
        # takes its lowest row.  Ends of the ellipse are too flat for that.
        radius = np.hypot((points[:, 0] - 150) / 90, (points[:, 1] - 110) / 50)
        assert np.abs(radius[3:-3] - 1).max() < 0.06
    assert np.abs(middle[:, 0] - 150).max() < 3
    # They cover the height, where PlantCV alone would leave 17 % out.
    assert middle[0, 1] < 65 and middle[-1, 1] > 150


@pytest.mark.parametrize("height", [5, 20, 41, 62, 300])
def test_landmarks_cover_leaves_of_any_height(height):
    mask = np.zeros((320, 100), bool)
    mask[10:10 + height, 30:60] = True
    points = landmarks(mask)
    assert points[..., 1].max() > 10 + 0.88 * height
    assert points[..., 1].min() < 10 + 0.1 * height
    assert 10 <= points[..., 1].min() and points[..., 1].max() < 10 + height


def test_landmarks_have_three_colours(leaf):
    view = VIEWS["Landmarks"][1](*leaf)
    for colour in (Transformation.BLUE, Transformation.MAGENTA,
                   Transformation.ORANGE):
        assert (view == colour).all(axis=2).sum() > 40


# The measurements.

def test_measurements_of_an_ellipse():
    a, b = 90, 50
    values = measure(*ellipse(a, b), 1.0)
    assert list(values) == list(UNITS)
    # Pixels are counted whole: half a pixel more on each side.
    assert values["area"] == pytest.approx(
        math.pi * (a + 0.5) * (b + 0.5), rel=0.01)
    assert values["width"] == 2 * a + 1 and values["height"] == 2 * b + 1
    assert values["center_of_mass_x"] == pytest.approx(150, abs=0.5)
    assert values["center_of_mass_y"] == pytest.approx(110, abs=0.5)
    assert values["solidity"] == pytest.approx(1, abs=0.015)
    assert values["ellipse_major_axis"] == pytest.approx(2 * a, rel=0.02)
    assert values["ellipse_minor_axis"] == pytest.approx(2 * b, rel=0.02)
    assert values["ellipse_eccentricity"] == pytest.approx(
        math.sqrt(1 - (b / a) ** 2), abs=0.01)
    assert values["longest_path"] == pytest.approx(2 * a, rel=0.03)
    # Ramanujan 1914; steps along pixels are up to 8 % longer.
    h = ((a - b) / (a + b)) ** 2
    round_it = math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
    assert round_it <= values["perimeter"] <= 1.08 * round_it
    assert values["in_bounds"] is True


def test_mean_colours():
    image, mask = ellipse()
    values = measure(image, mask, 1.0)
    assert values["red_mean"] == pytest.approx(60)
    assert values["green_mean"] == pytest.approx(130)
    assert values["blue_mean"] == pytest.approx(50)
    # Half of the leaf at 350 degrees, half at 10: on average red, not cyan.
    image[:, :150] = (255, 0, 43)
    image[:, 150:] = (255, 43, 0)
    hue = measure(image, mask, 1.0)["hue_circular_mean"]
    assert min(hue, 360 - hue) < 3


def spotted():
    """Return a green ellipse with two brown spots, and its mask."""
    image, mask = ellipse()
    for x in (100, 150):
        cv2.circle(image, (x, 128), 9, (110, 70, 40), -1)
    return image, mask


def test_lesions_are_coloured_over_the_original():
    image, mask = spotted()
    view = VIEWS["Lesions"][1](image, mask).astype(int)
    for x in (100, 150):
        red, green, blue = view[128, x]
        assert red > green + 60 and blue > green + 60
    changed = (view != image).any(axis=2)
    assert not changed[~mask].any()
    assert changed.sum() == pytest.approx(2 * np.pi * 10 ** 2, rel=0.2)
    assert (VIEWS["Lesions"][1](*ellipse()) == ellipse()[0]).all()


def test_lesions_and_quality_are_measured():
    image, mask = spotted()
    values = measure(image, mask, 0.75)
    share = 100 * 2 * np.pi * 9 ** 2 / mask.sum()
    assert values["lesion_share"] == pytest.approx(share, rel=0.2)
    assert values["spot_count"] == 2 and values["mask_quality"] == 0.75


def test_measurements_without_a_leaf():
    values = measure(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool),
                     0.0)
    assert values.pop("area") == values.pop("mask_quality") == 0
    assert set(values.values()) == {None}


def test_plantcv_forgets_one_image_before_the_next(leaf):
    before = measure(*ellipse(), 1.0)
    measure(*leaf, 1.0)
    assert measure(*ellipse(), 1.0) == before
    from plantcv import plantcv
    assert not plantcv.outputs.observations
    assert plantcv.params.debug is None


# One image.

def test_subject_10_all_views_on_a_page(
        folder, tmp_path, capsys, monkeypatch):
    from matplotlib.figure import Figure
    titles = []
    save = Figure.savefig

    def keep_titles(figure, *arguments, **options):
        titles.extend(axes.get_title() for axes in figure.axes)
        return save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep_titles)
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


def test_json_has_values_and_units(folder, tmp_path):
    image = folder / "Apple_scab" / "image (1).JPG"
    assert run(image, "--json", tmp_path / "leaf.json", "--save",
               tmp_path / "page.png", "-mask") == 0
    content = json.loads((tmp_path / "leaf.json").read_text())
    assert content["file"] == str(image)
    assert content["units"] == UNITS
    rgb_img = read_image(image)
    assert content["measurements"] == measure(rgb_img, *find_leaf(rgb_img))


@pytest.mark.parametrize("mode", ["L", "RGBA", "1", "P", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (40, 30)])
def test_odd_images(mode, size, tmp_path, capsys):
    path = tmp_path / "$odd_{$ name 叶.png"
    Image.new(mode, size).save(path)
    assert run(path, "--save", tmp_path / "page.png", "--json",
               tmp_path / "leaf.json") == 0
    assert json.loads((tmp_path / "leaf.json").read_text())[
        "measurements"]["area"] == 0


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_unreadable_image(content, tmp_path, capsys):
    path = tmp_path / "leaf.jpg"
    if content is not None:
        path.write_bytes(content)
    assert run(path) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ") and error.count("\n") == 1


def test_folder_instead_of_an_image(folder, capsys):
    assert run(folder) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and f"-src {folder} -dst" in error


@pytest.mark.parametrize("arguments", [
    [], ["-src", "a"], ["-dst", "b"], ["leaf.jpg", "-src", "a", "-dst", "b"],
    ["leaf.jpg", "--csv", "c"], ["-src", "a", "-dst", "b", "--json", "c"],
    ["--save", "page.png"], ["-mask"], ["leaf.jpg", "-spots"],
    ["leaf.jpg", "--force"],
    ["-src", "a", "-dst", "b", "--jobs", "0"]])
def test_wrong_usage(arguments, capsys):
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


def test_finished_views_are_not_made_again(folder, tmp_path, capsys):
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


def test_csv_has_a_row_for_each_image(folder, tmp_path):
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
    values = measure(rgb_img, *find_leaf(rgb_img))
    assert list(rows[3]) == ["file", *UNITS]
    assert float(rows[3]["area"]) == values["area"]
    assert float(rows[3]["hue_circular_mean"]) == pytest.approx(
        values["hue_circular_mean"])


def test_bad_images_are_named_and_the_rest_goes_on(folder, tmp_path, capsys):
    whole = (folder / "Apple_scab/image (1).JPG").read_bytes()
    (folder / "Apple_scab/cut.jpg").write_bytes(whole[:len(whole) // 2])
    (folder / "Apple_scab/text.jpg").write_text("no image")
    assert run("-src", folder, "-dst", tmp_path / "views", "-mask") == 1
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert len(errors) == 2
    assert re.match(r"error: .*cut\.jpg: not a readable image", errors[0])
    assert re.match(r"error: .*text\.jpg: not a readable image", errors[1])
    assert captured.out.startswith("3 images: 3 views written to ")
    assert captured.out.endswith("; 2 images failed\n")
    assert len(written(tmp_path / "views")) == 3


def test_processes_give_the_same_as_one(tmp_path, monkeypatch):
    from utils import workers
    monkeypatch.setattr(workers, "ITEMS_WORTH_A_PROCESS", 2)
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


def test_no_two_sources_on_one_name():
    files = [Path(name) for name in (
        "a/b.JPG", "a/b.jpg", "a/B.png", "a/b-2.jpg", "a/c.jpg", "b/b.jpg",
        "A/c.jpg")]
    names = output_names(files)
    assert len({str(name).casefold() for name in names}) == len(files)
    assert names[0] == Path("a/b") and names[3] == Path("a/b-2")
    assert names[4] == Path("a/c") and names[5] == Path("b/b")
    assert [name.parent for name in names] == [
        file.parent for file in files]


def test_sources_of_one_stem_all_arrive(tmp_path):
    for number, name in enumerate(("a.jpg", "a.png", "a.JPG", "a_Mask.jpg")):
        write_image(tmp_path / "in" / name, np.full(
            (8, 8, 3), 50 * number, np.uint8))
    assert run("-src", tmp_path / "in", "-dst", tmp_path / "out", "-mask",
               "-histogram") == 0
    assert len(written(tmp_path / "out")) == 8


def test_one_file_as_source(folder, tmp_path):
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


def test_target_around_the_source_must_not_meet_it(tmp_path, capsys):
    write_image(tmp_path / "top/sub/sub/a.png", np.zeros((4, 4, 3), np.uint8))
    assert run("-src", tmp_path / "top/sub", "-dst", tmp_path / "top") == 1
    assert written(tmp_path) == ["top/sub/sub/a.png"]


@pytest.mark.parametrize("source", ["empty", "missing"])
def test_source_without_images(source, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run("-src", tmp_path / source, "-dst", tmp_path / "out") == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / source}: ")
    assert not (tmp_path / "out").exists()


def test_target_that_cannot_be_made(folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    for target in ("file", "file/views"):
        assert run("-src", folder, "-dst", tmp_path / target) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1


# Help.

def test_subject_12_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        run("-h")
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "None" not in text and "SUPPRESS" not in text
    for action in Transformation.build_parser()._actions:
        assert action.help and len(action.help) > 15
        for option in action.option_strings:
            assert option in text
    for name, (_, view) in VIEWS.items():
        assert " ".join(view.__doc__.split()) in text


def test_subject_13_every_view_explains_itself():
    for title, view in VIEWS.values():
        what, why = view.__doc__.split("\n\n", 1)
        assert len(what) > 20, title
        assert len(" ".join(why.split())) > 100, title


def test_help_does_not_wait_for_libraries():
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, "-h"],
        capture_output=True, text=True)
    assert done.returncode == 0
    for library in ("plantcv", "matplotlib", "tensorflow", "scipy"):
        assert not re.search(rf"\| +{library}\b", done.stderr)
    # 0.3 s where nothing else runs.
    assert time.monotonic() - start < 3
