"""predict.py: the answer, its figure, its rows, and what it needs."""

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import predict
from leaffliction.model import classifier
from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.prediction.figure import draw_predictions
from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import read_image, write_image
from leaffliction.utils.parallel import Workers

PROGRAM = Path(predict.__file__)
HEAVY = {"tensorflow", "keras", "plantcv", "sklearn"}


@pytest.fixture
def leaves(learned, tmp_path, monkeypatch):
    """Return a folder of three learned images under strange names.

    The working directory holds it and learnings.zip.
    """
    monkeypatch.chdir(tmp_path)
    shutil.copy(learned / "learnings.zip", tmp_path)
    for file, name in (("Apple_healthy/image (1).JPG", "x10.jpg"),
                       ("Grape_Esca/image (1).JPG", "x9.jpg"),
                       ("Grape_Esca/image (2).JPG", "Apple_healthy.jpg")):
        (tmp_path / "leaves").mkdir(exist_ok=True)
        shutil.copy(learned / "images" / file, tmp_path / "leaves" / name)
    return tmp_path / "leaves"


def run(*arguments):
    """Return main's exit status, as the shell would see it."""
    return cli.run(lambda: predict.main([*map(str, arguments),
                                         "--no-display"]))


def test_subject_17_the_class_is_printed_and_shown_under_both_images(
        leaves, capfd):
    assert run(leaves / "x10.jpg") == 0
    printed = capfd.readouterr().out
    assert re.search(r"x10\.jpg: .*(Apple_healthy|Grape_Esca) \(\d", printed)
    assert "figure: figures/prediction_x10.png" in printed
    figure = read_image(Path("figures/prediction_x10.png"))
    assert figure.shape[0] > 300 and figure.std() > 10


def test_subject_17_the_figure_has_original_transformed_and_class(leaves):
    from matplotlib import pyplot
    sure = Prediction(("Apple_scab", "Grape_$x$"), np.array([0.1, 0.9]), 5.0,
                      True, np.zeros((2, 2, 2), np.float32))
    figure = draw_predictions(pyplot, [(leaves / "x9.jpg", sure)])
    figure.canvas.draw()
    part, = figure.subfigs
    assert [ax.get_title() for ax in part.axes] == [
        "Original", "Transformed: lesions", "What it looked at",
        "Most probable classes"]
    original, transformed, _ = (ax.images[0].get_array()
                                for ax in part.axes[:3])
    assert (original == read_image(leaves / "x9.jpg")).all()
    assert (transformed == 255).all(axis=2).mean() > 0.1
    assert part.get_supxlabel() == r"Grape_\$x\$   90.0%"
    pyplot.close("all")


def test_subject_18_nothing_is_read_from_names_or_folders(leaves, learned):
    network = Classifier.load(learned / "learnings.zip")
    one, same = predict.predict_files(
        network, [learned / "images/Grape_Esca/image (2).JPG",
                  leaves / "Apple_healthy.jpg"], Workers(2))
    assert (one.probabilities == same.probabilities).all()


def test_csv_has_a_row_for_each_image_in_the_order_given(leaves, capfd):
    (leaves / "text.jpg").write_text("no image")
    assert run(leaves / "x10.jpg", leaves, "gone.png", "--csv", "a.csv") == 1
    with open("a.csv", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["file", "class", "confidence", "known", "error"]
    assert [Path(row[0]).name for row in rows] == [
        "x10.jpg", "Apple_healthy.jpg", "text.jpg", "x9.jpg", "x10.jpg",
        "gone.png"]
    assert rows[0] == rows[4]
    for row in rows:
        if row[4]:
            assert row[1:4] == ["", "", ""]
        else:
            assert row[1] in ("Apple_healthy", "Grape_Esca")
            assert 0.5 <= float(row[2]) <= 1 and row[3] in ("yes", "no")
    assert [bool(row[4]) for row in rows] == [0, 0, 1, 0, 0, 1]
    assert capfd.readouterr().err.count("error: ") == 2


def test_no_cell_of_the_csv_is_a_formula_or_moves_a_terminal(leaves, capfd):
    shutil.copy(leaves / "x9.jpg", "=1+1\x1b[2J.jpg")
    assert run("=1+1\x1b[2J.jpg", "@gone.jpg", "--csv", "a.csv") == 1
    with open("a.csv", newline="", encoding="utf-8") as lines:
        _, found, gone = csv.reader(lines)
    assert found[0] == r"'=1+1\x1b[2J.jpg" and found[1]
    assert gone[0] == "'@gone.jpg" and gone[4].startswith("'@gone.jpg: no")
    assert "\x1b" not in "".join(capfd.readouterr())


def test_csv_to_stdout_is_nothing_but_csv(leaves, capfd):
    assert run(leaves, "--csv", "-") == 0
    rows = list(csv.reader(io.StringIO(capfd.readouterr().out)))
    assert len(rows) == 4 and {len(row) for row in rows} == {5}


def test_evaluate_says_what_train_has_said(learned, tmp_path, capfd):
    report = json.loads((learned / "report" / "report.json").read_text())
    with open(learned / "report" / "split.csv", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["part"] == "validation":
                target = tmp_path / "held out" / row["file"]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(learned / "images" / row["file"], target)
    assert run(tmp_path / "held out", "--evaluate", "--learnings",
               learned / "learnings.zip") == 0
    printed = capfd.readouterr().out
    assert f"accuracy {report['validation']['accuracy']:.2%}" in printed


@pytest.mark.parametrize("folder, part", [
    ("Apple/healthy", ""), ("Apple/healthy", "Apple"),
    ("Apple/healthy", "Apple/healthy"), ("APPLE  Healthy ", ""),
    ("apple-healthy", ""), ("test/Apple_healthy", "")])
def test_evaluate_knows_a_class_by_any_of_its_names(
        learned, tmp_path, monkeypatch, capfd, folder, part):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(learned / "images" / "Apple_healthy", Path("tree", folder))
    assert run(Path("tree", part), "--evaluate", "--learnings",
               learned / "learnings.zip") == 0
    output = capfd.readouterr().out
    assert "not learned" not in output
    assert re.search(r"^Apple_healthy .* 9$", output, re.MULTILINE)


def test_evaluate_reads_plant_folders_and_counts_strange_classes_apart(
        leaves, learned, tmp_path, capfd):
    for target in ("Grape/esca", "Grape/mildew"):
        shutil.copytree(learned / "images" / "Grape_Esca",
                        tmp_path / "tree" / target)
    (tmp_path / "tree/Grape/esca").rename(tmp_path / "tree/Grape/Grape_Esca")
    (tmp_path / "tree/Grape/mildew/image (1).JPG").write_text("no image")
    assert run(tmp_path / "tree", "--evaluate") == 1
    printed = capfd.readouterr()
    assert "of 6 images" in printed.out
    assert re.search(r"mildew +5 +[0-5] +\d+.0%", printed.out)
    assert re.search(r"refused \d+.\d+% of the images", printed.out)
    assert "figure: figures/evaluation.png" in printed.out
    assert printed.err.count("error:") == 1
    assert read_image(Path("figures/evaluation.png")).std() > 10
    shutil.rmtree(tmp_path / "tree/Grape/Grape_Esca")
    assert run(tmp_path / "tree", "--evaluate") == 1
    printed = capfd.readouterr()
    assert "mildew" in printed.out
    assert "no image of a class that was learned (Apple_h" in printed.err


def test_json_has_all_probabilities_versions_and_the_checksum(
        leaves, capfd):
    (leaves / "text.jpg").write_text("no image")
    assert run(leaves, "--json", "-") == 1
    found = json.loads(capfd.readouterr().out)
    with zipfile.ZipFile("learnings.zip") as archive:
        text = archive.read("learnings.json")
    assert found["learnings"]["sha256"] == hashlib.sha256(text).hexdigest()
    assert found["learnings"]["class_names"] == json.loads(
        text)["class_names"]
    assert {"python", "numpy", "ai-edge-litert"} <= set(found["versions"])
    assert [Path(row["file"]).name for row in found["images"]] == [
        "Apple_healthy.jpg", "text.jpg", "x9.jpg", "x10.jpg"]
    assert set(found["images"][1]) == {"file", "error"}
    for row in (found["images"][0], *found["images"][2:]):
        shares = row["probabilities"]
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=shares.get) == row["class"]
        assert max(shares.values()) == row["confidence"]
        assert isinstance(row["known"], bool)


def test_csv_and_json_can_be_had_together_but_not_on_one_stream(leaves):
    assert run(leaves, "--csv", "a.csv", "--json", "a.json") == 0
    with open("a.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    images = json.loads(Path("a.json").read_text())["images"]
    assert [(row["file"], row["class"]) for row in rows] == [
        (row["file"], row["class"]) for row in images]
    with pytest.raises(SystemExit) as stopped:
        run(leaves, "--csv", "-", "--json", "-")
    assert stopped.value.code == 2


def test_rows_are_written_while_later_images_are_not_yet_read(
        leaves, monkeypatch, learned):
    written, read = [], []
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    paths = [leaves / "x9.jpg"] * 200

    def read_one(path, size):
        read.append(path)
        written.append(stream.getvalue().count("x9.jpg"))
        return original(path, size)

    original = classifier.read_for
    monkeypatch.setattr(classifier, "read_for", read_one)
    assert predict.main([*map(str, paths), "--csv", "-"]) == 0
    assert len(read) == 200
    # When the last image is read, nearly all others have their row.
    assert max(written) > 150


def test_a_csv_that_was_interrupted_is_not_there(leaves, monkeypatch):
    def stop(path, size):
        raise KeyboardInterrupt

    monkeypatch.setattr(classifier, "read_for", stop)
    assert run(leaves, "--csv", "a.csv") == cli.INTERRUPTED
    assert not Path("a.csv").exists()
    assert not list(Path().glob(".partial*"))


def test_a_signature_of_another_archive_is_an_error_unless_told(
        leaves, capfd):
    Path("signature.txt").write_text("0" * 40 + "  learnings.zip\n")
    assert run(leaves) == 1
    assert "is not the archive that signature.txt" in capfd.readouterr().err
    assert run(leaves, "--no-verify", "--csv", "-") == 0


def test_unknown_images_get_no_diagnosis():
    strange = Prediction(("a", "b"), np.array([0.7, 0.3]), -9.0, False,
                         np.zeros((1, 1, 2)))
    assert predict.describe(strange, 1) == (
        "not like any leaf it has learned: no diagnosis; nearest is "
        "a (70.0%)")


def test_many_images_print_a_line_each_and_draw_no_figure(leaves, capfd):
    for number in range(predict.SHOWN):
        shutil.copy(leaves / "x9.jpg", leaves / f"y{number}.jpg")
    assert run(leaves) == 0
    printed = capfd.readouterr().out.splitlines()
    assert len(printed) == predict.SHOWN + 3
    assert not any(line.startswith("figure") for line in printed)


def strange_or_not(path):
    """Predict as learnings do, but know no image whose name has an x."""
    if path.read_bytes() == b"no image":
        raise UserError(f"{path}: not a readable image")
    return Prediction(("a", "b"), np.array([0.7, 0.3]), 0.0,
                      "x" not in path.name, np.zeros((1, 1, 2)))


@pytest.mark.parametrize("arguments, noted", [
    (["leaves"], "4 images: 2 not like any leaf it has learned, "
                 "1 could not be read"),
    (["leaves", "--csv", "-"], "4 images: 2 not like any leaf it has learned, "
                               "1 could not be read"),
    (["leaves/x9.jpg", "leaves/x10.jpg"],
     "2 images: 2 not like any leaf it has learned"),
    (["leaves/text.jpg"] * 2, "2 images: 2 could not be read"),
    (["leaves/Apple_healthy.jpg"] * 3,
     "3 images: all like leaves it has learned"),
    (["leaves/x9.jpg"], None)])
def test_a_run_ends_with_what_was_refused_and_what_unreadable(
        leaves, arguments, noted, monkeypatch, capfd):
    (leaves / "text.jpg").write_text("no image")
    monkeypatch.setattr(Classifier, "predict_file",
                        lambda self, path: strange_or_not(path))
    monkeypatch.setattr(predict, "show_predictions", lambda *_: None)
    run(*arguments)
    said = [line for line in capfd.readouterr().err.splitlines()
            if not line.startswith("error: ")]
    assert said == [noted] * bool(noted)


def test_wildcards_that_the_shell_has_left_are_expanded(leaves, capfd):
    shutil.copy(leaves / "x9.jpg", leaves / "x [1].jpg")
    assert run("leaves/x*.jpg", "--csv", "-") == 0
    rows = capfd.readouterr().out.splitlines()[1:]
    # In natural order.
    assert [row.split(",")[0] for row in rows] == [
        "leaves/x9.jpg", "leaves/x10.jpg", "leaves/x [1].jpg"]
    assert run("leaves/x [1].jpg", "*es", "--csv", "-") == 0
    assert len(capfd.readouterr().out.splitlines()) == 1 + 1 + 4
    assert run("leaves/*.gif", "leaves/x9.jpg") == 1
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err.startswith(
        "error: leaves/*.gif: no such file or folder, and nothing matches it")
    assert printed.err.count("\n") == 1


def test_evaluating_what_cannot_be_read_blames_the_images(leaves, capfd):
    for name in ("a", "b"):
        (leaves.parent / "bad" / name).mkdir(parents=True)
        (leaves.parent / "bad" / name / "1.jpg").write_text("no image")
    assert run("bad", "--evaluate") == 1
    *_, last = capfd.readouterr().err.splitlines()
    assert last == "error: bad: none of its 2 images can be read"


@pytest.mark.parametrize("name", ["missing", "text", "cut", "empty zip"])
def test_subject_1_a_missing_or_damaged_zip_is_one_error(
        leaves, name, capfd):
    path = leaves.parent / "other.zip"
    if name == "text":
        path.write_text("no zip")
    elif name == "cut":
        path.write_bytes(Path("learnings.zip").read_bytes()[:-900])
    elif name == "empty zip":
        zipfile.ZipFile(path, "w").close()
    assert run(leaves, "--learnings", path) == 1
    error = capfd.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "other.zip" in error


def test_subject_1_no_traceback_whatever_is_given(leaves):
    (leaves / "cut.jpg").write_bytes((leaves / "x9.jpg").read_bytes()[:900])
    (leaves.parent / "empty").mkdir()
    write_image(leaves / "dot.png", np.zeros((1, 1, 3), np.uint8))
    for status, arguments in ((1, [leaves / "cut.jpg"]), (1, ["empty"]),
                              (1, ["gone"]), (2, []), (2, ["--top", "0"]),
                              (2, [leaves, "--evaluate", "--csv", "a.csv"]),
                              (0, [leaves / "dot.png"]),
                              (1, [leaves / "dot.png", "--csv", "/dev/null/a"])
                              ):
        done = subprocess.run([sys.executable, PROGRAM, *arguments],
                              capture_output=True, text=True)
        assert done.returncode == status, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
        assert ("error: " in done.stderr) == (status > 0)


def test_predicting_imports_nothing_heavy_and_is_quiet(leaves):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, leaves / "x9.jpg",
         "--no-display"], capture_output=True, text=True)
    assert done.returncode == 0
    timed, said = [], []
    for line in done.stderr.splitlines():
        (timed if line.startswith("import time:") else said).append(line)
    names = {line.split("|")[-1].strip().split(".")[0] for line in timed}
    assert "numpy" in names and not names & HEAVY
    assert not said
