"""No program overwrites a file that it reads, or an image of the user."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import Augmentation
import Distribution
import predict
import train
import Transformation
from leaffliction.distribution import report
from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.figures import open_pyplot
from leaffliction.utils.files import atomic_write
from leaffliction.utils.images import read_image, write_image
from leaffliction.utils.marks import MARK
from leaffliction.utils.overwrite import check_outputs
from samples.drawing import draw_leaf

AUGMENTED = ("Flip", "Rotate", "Skew", "Shear", "Crop", "Distortion")
CLASSES = ("Apple_scab", "Grape_Esca")


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Return images/, a folder of two classes, in the working directory.

    Beside it are leaves.csv and mine.svg, files of the user.
    """
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(CLASSES):
        write_image(Path(f"images/{name}/image (1).JPG"), draw_leaf(
            name, np.random.default_rng(number), 64))
    Path("leaves.csv").write_text("file,leaf\n")
    Path("mine.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return Path("images")


def content():
    """Return {path: bytes} of all files below the working directory."""
    return {str(path): path.read_bytes() for path in Path().rglob("*")
            if path.is_file()}


def run(program, *arguments):
    """Return a program's exit status, as the shell would see it."""
    return cli.run(lambda: program.main(list(map(str, arguments))))


def must_not_run(*_, **__):
    pytest.fail("the work began before the outputs were checked")


LEAF = "images/Apple_scab/image (1).JPG"
REFUSED = [
    (Transformation, LEAF, "--save", LEAF),
    (Transformation, LEAF, "--save", f"./{LEAF}"),
    (Transformation, LEAF, "--json", LEAF),
    (Transformation, LEAF, "--save", "images/Grape_Esca/image (1).JPG"),
    (Transformation, LEAF, "--save", "mine.svg"),
    (Transformation, LEAF, "--save", "a.svg", "--json", "a.svg"),
    (Transformation, "-src", "images", "-dst", "views", "--csv", LEAF),
    (Transformation, "-src", LEAF, "-dst", "views", "--csv", LEAF),
    (Distribution, "images", "--save", LEAF),
    (Distribution, "images", "--csv", LEAF),
    (Distribution, "images", "--csv", "a.png", "--save", "a.png"),
    (Distribution, "images", "--csv", "mine.csv"),
    (Distribution, "images", "--save", "mine.png"),
    (predict, "images", "--csv", LEAF), (predict, "images", "--json", LEAF),
    (predict, LEAF, "--save", LEAF),
    (predict, "images", "--csv", "learnings.zip"),
    (predict, "images", "--json", "signature.txt"),
    (predict, "images", "--learnings", "mine", "--json", "mine/learnings.zip"),
    (predict, "images", "--learnings", "mine", "--csv", "mine/signature.txt"),
    (predict, "images", "--csv", "a", "--json", "./a"),
    (predict, "images", "damaged.JPG", "--csv", "damaged.JPG"),
    (predict, "images", "--evaluate", "--save", LEAF),
    (train, "images", "--output", LEAF),
    (train, "images", "--groups", "leaves.csv", "--output", "leaves.csv"),
    (train, "images", "--groups", "report/split.csv"),
    (train, "images", "--weights", "w.h5", "--output", "w.h5"),
    (train, "images", "--output", "mine/learnings.zip"),
]


@pytest.mark.parametrize("program, arguments", [
    (program, arguments) for program, *arguments in REFUSED])
def test_an_output_that_would_overwrite_a_file_is_an_error_before_the_work(
        images, capsys, monkeypatch, program, arguments):
    for file in ("learnings.zip", "signature.txt", "damaged.JPG", "w.h5",
                 "report/split.csv", "mine_repeats.csv",
                 "mine/learnings.zip", "mine/signature.txt"):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text("content")
    for file in ("mine_distribution_Apple.png", "mine/report/errors.png"):
        write_image(Path(file), np.zeros((4, 4, 3), np.uint8))
    before = content()
    for owner, name in ((Transformation, "analyse_image"),
                        (Distribution, "analyse"), (train, "learn"),
                        (predict.Classifier, "read")):
        monkeypatch.setattr(owner, name, must_not_run)
    if "--evaluate" in arguments:
        monkeypatch.setattr(predict, "load_classifier",
                            lambda *_: predict.Classifier)
    else:
        monkeypatch.setattr(predict.Classifier, "load", must_not_run)
    assert run(program, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert any(words in error for words in (
        "is read by this run", "did not make", "two outputs go to",
        "is not a table that this program wrote"))
    assert content() == before


@pytest.mark.parametrize("program, arguments", [
    (predict, [LEAF, "--json", "signature.txt"]),
    (predict, [LEAF, "--csv", "apple-grape.zip"]),
    (predict, [LEAF, "--save", "apple-grape.md"]),
    (predict, [LEAF, "--learnings", "mine.zip", "--csv", "apple-grape.zip"]),
    (predict, ["images", "--evaluate", "--save", "apple-grape.zip"]),
    (train, ["images", "--output", "apple-grape.zip"]),
    # Its signature would replace that of the released model.
    (train, ["images", "--output", "mine.zip"]),
    (Transformation, [LEAF, "--json", "apple-grape.md"]),
    (Distribution, ["images", "--csv", "apple-grape.zip"])])
def test_no_output_overwrites_a_released_model(
        images, models_folder, capsys, monkeypatch, program, arguments):
    names = ("apple-grape.zip", "signature.txt", "apple-grape.md")
    for name in names:
        (models_folder / name).write_text("released")
    for owner, name in ((Transformation, "analyse_image"),
                        (Distribution, "analyse"), (train, "learn"),
                        (predict, "predict_images")):
        monkeypatch.setattr(owner, name, must_not_run)
    monkeypatch.setattr(predict, "load_classifier",
                        lambda *_: predict.Classifier)
    monkeypatch.setattr(predict, "check_figure_format", lambda _: None)
    assert run(program, *(models_folder / argument if argument.endswith(
        (".zip", ".txt", ".md")) else argument for argument in arguments)) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "belongs to a released model, and is not overwritten" in error
    for name in names:
        assert (models_folder / name).read_text() == "released"
    assert len(list(models_folder.iterdir())) == len(names)


def test_outputs_of_an_earlier_run_are_overwritten(images, capsys):
    for _ in range(2):
        assert run(Transformation, LEAF, "-mask", "--save", "page.png",
                   "--json", "leaf.json") == 0
        assert run(Distribution, images, "--quick", "--csv", "a.csv",
                   "--save", "a.svg") == 0
    assert {path.name for path in Path().iterdir()} == {
        "images", "leaves.csv", "mine.svg", "page.png", "leaf.json", "a.csv",
        "a_distribution_Apple.svg", "a_distribution_Grape.svg"}


# Augmentation.py with one image.

def test_subject_8_another_seed_overwrites_the_six_augmented_files(
        images, monkeypatch):
    # Without the figure, which other tests check.
    monkeypatch.setattr(Augmentation, "show_or_save", lambda *_: None)
    monkeypatch.setattr(Augmentation, "draw", lambda *_: None)
    for seed in (42, 42, 7):
        assert run(Augmentation, LEAF, "--seed", seed) == 0
    again = content()
    for path in Path(LEAF).parent.iterdir():
        if path != Path(LEAF):
            path.unlink()
    assert run(Augmentation, LEAF, "--seed", "7") == 0
    assert content() == again
    # Also after they were moved together with the original.
    images.rename("moved")
    assert run(Augmentation, f"moved/{LEAF[7:]}") == 0


@pytest.mark.parametrize("name", AUGMENTED)
def test_a_photograph_with_the_name_of_a_copy_is_not_overwritten(
        images, capsys, name):
    photograph = Path(LEAF).with_stem(f"image (1)_{name}")
    shutil.copy("images/Grape_Esca/image (1).JPG", photograph)
    before = content()
    assert run(Augmentation, LEAF) == 1
    assert capsys.readouterr().err == (
        f"error: {photograph}: is an image that this program did not make, "
        "and is not overwritten; choose another --output-dir, or delete it "
        "if an earlier version made it\n")
    assert content() == before
    assert run(Augmentation, LEAF, "--output-dir", "out") == 0


@pytest.mark.parametrize("leaf", [LEAF, "leaf.png"])
def test_augmented_copies_of_an_earlier_version_are_overwritten(
        images, monkeypatch, leaf):
    monkeypatch.setattr(Augmentation, "show_or_save", lambda *_: None)
    monkeypatch.setattr(Augmentation, "draw", lambda *_: None)
    if leaf != LEAF:
        Image.open(LEAF).save(leaf)
    assert run(Augmentation, leaf) == 0
    again = content()
    for name in AUGMENTED:
        copy = Path(leaf).with_stem(f"{Path(leaf).stem}_{name}")
        # An earlier version wrote no mark.
        copy.write_bytes(MARK.sub(b"", copy.read_bytes()))
    assert content() != again
    assert run(Augmentation, leaf, "--seed", "7") == 1
    assert run(Augmentation, leaf) == 0
    assert content() == again


def test_a_report_of_an_earlier_version_is_overwritten(
        tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("report").mkdir()
    pyplot = open_pyplot(no_display=True)
    chart = Path("report/curves.png")
    # matplotlib itself saves it without a mark.
    pyplot.figure(figsize=(1, 1)).savefig(chart)
    pyplot.close("all")
    with pytest.raises(UserError, match="delete it if an earlier version"):
        check_outputs([chart], [])
    Path("report/report.json").write_text("{}")
    check_outputs([chart], [])
    with atomic_write(chart) as partial:
        partial.write_bytes(b"new")
    write_image(chart, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UserError, match="did not make"):
        check_outputs([chart], [])


def test_copies_of_two_images_with_one_name_do_not_overwrite_each_other(
        images, capsys):
    other = "images/Grape_Esca/image (1).JPG"
    for _ in range(2):
        assert run(Augmentation, LEAF, "--output-dir", "out") == 0
    before = content()
    assert run(Augmentation, other, "--output-dir", "out") == 1
    assert "is a copy of another image" in capsys.readouterr().err
    assert content() == before
    assert run(Augmentation, other) == 0
    # Both images have a figure.
    assert {path.name for path in Path("figures").iterdir()} == {
        "augmentation_image (1).png", "augmentation_image (1)-2.png"}


# A table or an object on stdout is alone there.

def test_json_on_stdout_is_alone_there(images, capsys):
    assert run(Transformation, LEAF, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["file"] == LEAF
    assert not Path("figures").exists() and not Path("-").exists()
    assert run(Transformation, LEAF, "-mask", "--json", "-", "--save",
               "a.png") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["measurements"]
    assert printed.err == "figure: a.png\n"
    assert read_image(Path("a.png")).size


def test_csv_on_stdout_is_alone_there(images, capsys):
    assert run(Transformation, "-src", images, "-dst", "views", "-mask",
               "--csv", "-") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in rows] == [
        f"{name}/image (1).JPG" for name in CLASSES]
    assert run(Distribution, images, "--csv", "-", "--save", "a.png") == 0
    printed = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert [(row["class"], row["count"]) for row in rows] == [
        (name, "1") for name in CLASSES]
    assert printed.err.count("figure: a_distribution_") == 2
    assert not Path("-").exists() and not Path("-_repeats").exists()


def test_predictions_on_stdout_are_alone_there(
        learned, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    leaf = learned / "images/Apple_healthy/image (1).JPG"
    assert run(predict, leaf, "--learnings", learned / "learnings.zip",
               "--csv", "-", "--save", "a.png", "--no-display") == 0
    printed = capsys.readouterr()
    row, = csv.DictReader(io.StringIO(printed.out))
    assert row["file"] == str(leaf)
    assert printed.err == "figure: a.png\n"


# Distribution.py's table of repeated images.

def test_a_table_never_lies_beside_the_repeats_of_another_run(
        images, capsys, monkeypatch):
    # Without the figures, which other tests check.
    monkeypatch.setattr(Distribution, "show_or_save", lambda *_: None)
    monkeypatch.setattr(Distribution, "draw_charts", lambda *_: None)
    twice = images / "Apple_scab/again.JPG"
    shutil.copy(LEAF, twice)
    assert run(Distribution, images, "--csv", "a.csv") == 0
    assert "again.JPG" in Path("a_repeats.csv").read_text()
    # Interrupted before the new table is written: only the old table is
    # left, without repeats.
    with monkeypatch.context() as patch:
        patch.setattr(report, "write_csv", interrupt)
        assert run(Distribution, images, "--csv", "a.csv") == cli.INTERRUPTED
    assert Path("a.csv").exists() and not Path("a_repeats.csv").exists()
    assert run(Distribution, images, "--csv", "a.csv") == 0
    twice.unlink()
    assert run(Distribution, images, "--csv", "a.csv") == 0
    assert not Path("a_repeats.csv").exists()
    assert capsys.readouterr().out.splitlines()[-1] == "written: a.csv"


def interrupt(*_, **__):
    raise KeyboardInterrupt
