"""predict.py: the predictions, their figure and rows, and what it imports."""

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
from run_predict import run

import predict
from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.prediction.batch import PredictedFile, predict_files
from leaffliction.utils import cli, images
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import read_image, write_image
from leaffliction.utils.parallel import Workers

PROGRAM = Path(predict.__file__)
HEAVY = {"tensorflow", "keras", "plantcv", "sklearn", "scipy", "pandas"}


@pytest.fixture
def no_figure(monkeypatch):
    """Leave out the figure, which takes longer than the predictions."""
    monkeypatch.setattr(predict, "show_predictions", lambda *_: None)


def test_subject_17_the_class_is_printed_and_shown_under_both_images(
        leaves, capfd):
    assert run(leaves / "x10.jpg") == 0
    printed = capfd.readouterr().out
    assert re.search(r"x10\.jpg: .*(Apple_healthy|Grape_Esca) \(\d", printed)
    assert "figure: figures/prediction_x10.png" in printed
    figure = read_image(Path("figures/prediction_x10.png"))
    assert figure.shape[0] > 300 and figure.std() > 10


def test_the_figure_shows_the_pixels_that_the_network_read(
        leaves, monkeypatch, capfd):
    monkeypatch.setattr(predict, "MAX_ROWS", 2)
    (leaves / "Apple_healthy.jpg").write_text("no image")
    shown, decoded = [], []
    monkeypatch.setattr(predict, "show_predictions",
                        lambda results, _: shown.extend(results))
    open_image = images.open_image
    monkeypatch.setattr(
        images, "open_image", lambda path, *rest: decoded.append(path.name)
        or open_image(path, *rest))
    assert run(leaves / "x9.jpg", leaves / "x10.jpg") == 0
    assert sorted(decoded) == ["x10.jpg", "x9.jpg"]
    assert [result.path.name for result in shown] == ["x9.jpg", "x10.jpg"]
    for result in shown:
        assert (result.rgb_img == read_image(result.path)).all()
    # The first of three is unreadable: the third takes its row, read again.
    shown.clear()
    decoded.clear()
    assert run(leaves, "--save", "a.png") == 1
    assert [result.path.name for result in shown] == ["x9.jpg", "x10.jpg"]
    assert sorted(decoded) == ["Apple_healthy.jpg", "x10.jpg", "x10.jpg",
                               "x9.jpg"]
    assert (shown[1].rgb_img == read_image(leaves / "x10.jpg")).all()
    assert "figure shows the first 2 images" in capfd.readouterr().err


def test_subject_18_names_and_folders_do_not_change_a_prediction(
        leaves, learned):
    classifier = Classifier.load(learned / "learnings.zip")
    one, same = predict_files(
        classifier, [learned / "images/Grape_Esca/image (2).JPG",
                     leaves / "Apple_healthy.jpg"], Workers(2))
    assert (one.prediction.probabilities
            == same.prediction.probabilities).all()


def test_csv_has_a_row_for_each_image_in_the_order_given(
        leaves, no_figure, capfd):
    (leaves / "text.jpg").write_text("no image")
    assert run(leaves / "x10.jpg", leaves, "gone.png", "--csv", "a.csv") == 1
    with open("a.csv", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["file", "class", "confidence", "known", "error", "hints"]
    assert [Path(row[0]).name for row in rows] == [
        "x10.jpg", "Apple_healthy.jpg", "text.jpg", "x9.jpg", "x10.jpg",
        "gone.png"]
    assert rows[0] == rows[4]
    for row in rows:
        if row[4]:
            assert row[1:4] == ["", "", ""] and row[5] == ""
        else:
            assert row[1] in ("Apple_healthy", "Grape_Esca")
            assert 0.5 <= float(row[2]) <= 1 and row[3] in ("yes", "no")
    assert [bool(row[4]) for row in rows] == [0, 0, 1, 0, 0, 1]
    assert capfd.readouterr().err.count("error: ") == 2


def test_csv_holds_no_formulas_and_no_control_characters(
        leaves, no_figure, capfd):
    shutil.copy(leaves / "x9.jpg", "=1+1\x1b[2J.jpg")
    assert run("=1+1\x1b[2J.jpg", "@gone.jpg", "--csv", "a.csv") == 1
    with open("a.csv", newline="", encoding="utf-8") as lines:
        _, row, gone = csv.reader(lines)
    assert row[0] == r"'=1+1\x1b[2J.jpg" and row[1]
    assert gone[0] == "'@gone.jpg" and gone[4].startswith("'@gone.jpg: no")
    assert "\x1b" not in "".join(capfd.readouterr())


def test_csv_on_stdout_is_alone_there(leaves, capfd):
    assert run(leaves, "--csv", "-") == 0
    rows = list(csv.reader(io.StringIO(capfd.readouterr().out)))
    assert len(rows) == 4 and {len(row) for row in rows} == {6}


def test_per_folder_prints_and_writes_a_row_for_each_plant(
        leaves, capfd):
    (leaves / "other").mkdir()
    (leaves / "x9.jpg").rename(leaves / "other" / "x9.jpg")
    (leaves / "other" / "text.jpg").write_text("no image")
    assert run("leaves", "--per-folder", "--csv", "a.csv") == 1
    printed = capfd.readouterr()
    first, second = printed.out.splitlines()
    assert re.match(r"leaves: .*; [12] of 2 photographs agree", first)
    assert re.match(r"leaves/other: .*%\)$", second)
    error, note = printed.err.splitlines()[-2:]
    assert error.startswith("error: leaves/other/text.jpg: not a readable")
    assert note.startswith("2 plants in 4 images: ")
    assert note.endswith("1 of the images could not be read")
    assert not Path("figures").exists()
    with open("a.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["file"] for row in rows] == [
        "leaves", "leaves/other/text.jpg", "leaves/other"]
    assert rows[0]["photographs"] == "2" and rows[1]["error"]
    # A plant of one photograph has the prediction of this photograph.
    assert run("leaves/other/x9.jpg", "--csv", "-") == 0
    row, = csv.DictReader(io.StringIO(capfd.readouterr().out))
    assert row["confidence"] == rows[2]["confidence"]


def test_the_report_shows_each_photograph_and_each_plant(
        leaves, no_figure, monkeypatch, capfd):
    monkeypatch.setenv("LC_ALL", "C")
    (leaves / "text.jpg").write_text("no image")
    assert run(leaves, "--report", "a.html") == 1
    assert run(leaves, "--report", "b.html", "--per-folder") == 1
    for name, plants in (("a.html", 0), ("b.html", 1)):
        html = Path(name).read_text(encoding="utf-8")
        assert html.count("data:image/jpeg;base64,") == 3
        # The drawn leaves lie on a plain ground.
        assert html.count("of the leaf area") == 3
        assert "text.jpg</h3>" in html and "leaves: 1" in html
        assert html.count("<h2>Plants</h2>") == plants
    assert len(capfd.readouterr().out.splitlines()) == 3 + 1


def test_evaluate_prints_the_accuracy_that_train_reported(
        learned, tmp_path, capfd):
    report = json.loads((learned / "report" / "report.json").read_text())
    with open(learned / "report" / "split.csv", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["part"] == "validation":
                target = tmp_path / "validation" / row["file"]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(learned / "images" / row["file"], target)
    assert run(tmp_path / "validation", "--evaluate", "--learnings",
               learned / "learnings.zip") == 0
    printed = capfd.readouterr().out
    assert f"accuracy {report['validation']['accuracy']:.2%}" in printed


def test_evaluate_reads_plant_folders_and_counts_unlearned_classes(
        leaves, learned, tmp_path, capfd):
    for target in ("Grape/esca", "Grape/mildew"):
        shutil.copytree(learned / "images" / "Grape_Esca",
                        tmp_path / "tree" / target)
    (tmp_path / "tree/Grape/esca").rename(tmp_path / "tree/Grape/Grape_Esca")
    (tmp_path / "tree/Grape/mildew/image (1).JPG").write_text("no image")
    assert run(tmp_path / "tree", "--evaluate") == 1
    printed = capfd.readouterr()
    assert "of 6 images" in printed.out
    assert "classes that were not learned, counted separately" in printed.out
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
    content = json.loads(capfd.readouterr().out)
    with zipfile.ZipFile("learnings.zip") as archive:
        text = archive.read("learnings.json")
    assert content["learnings"]["sha256"] == hashlib.sha256(text).hexdigest()
    assert content["learnings"]["class_names"] == json.loads(
        text)["class_names"]
    assert {"python", "numpy", "ai-edge-litert"} <= set(content["versions"])
    assert [Path(row["file"]).name for row in content["images"]] == [
        "Apple_healthy.jpg", "text.jpg", "x9.jpg", "x10.jpg"]
    assert set(content["images"][1]) == {"file", "error"}
    for row in (content["images"][0], *content["images"][2:]):
        shares = row["probabilities"]
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=shares.get) == row["class"]
        assert max(shares.values()) == row["confidence"]
        assert isinstance(row["known"], bool)


def test_csv_and_json_are_written_together(leaves, no_figure):
    assert run(leaves, "--csv", "a.csv", "--json", "a.json") == 0
    with open("a.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    images = json.loads(Path("a.json").read_text())["images"]
    assert [(row["file"], row["class"]) for row in rows] == [
        (row["file"], row["class"]) for row in images]


def test_rows_are_written_while_later_images_are_not_yet_read(
        leaves, monkeypatch):
    rows_at_read = []
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    paths = [leaves / "x9.jpg"] * 200
    read = Classifier.read

    def read_one(classifier, path):
        rows_at_read.append(stream.getvalue().count("x9.jpg"))
        return read(classifier, path)

    monkeypatch.setattr(Classifier, "read", read_one)
    assert predict.main([*map(str, paths), "--csv", "-"]) == 0
    assert len(rows_at_read) == 200
    # When the last image is read, nearly all others have their row.
    assert max(rows_at_read) > 150


def test_an_interrupted_run_leaves_no_csv(leaves, monkeypatch):
    def stop(classifier, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "read", stop)
    assert run(leaves, "--csv", "a.csv") == cli.INTERRUPTED
    assert not Path("a.csv").exists()
    assert not list(Path().glob(".partial*"))


def test_many_images_get_a_line_each_and_no_figure(leaves, capfd):
    for number in range(predict.MAX_ROWS):
        shutil.copy(leaves / "x9.jpg", leaves / f"y{number}.jpg")
    assert run(leaves) == 0
    printed = capfd.readouterr().out.splitlines()
    assert len(printed) == predict.MAX_ROWS + 3
    assert not any(line.startswith("figure") for line in printed)


@pytest.mark.parametrize("arguments, note", [
    (["leaves"], "4 images: 2 not like any leaf it has learned, "
                 "1 could not be read"),
    (["leaves", "--csv", "-"], "4 images: 2 not like any leaf it has learned, "
                               "1 could not be read"),
    (["leaves/x9.jpg"], None)])
def test_a_run_of_several_images_ends_with_a_summary(
        leaves, arguments, note, no_figure, monkeypatch, capfd):
    def predict_by_name(classifier, paths, *_, **__):
        for path in paths:
            yield (UserError(f"{path}: not a readable image")
                   if "page" in path.name else
                   PredictedFile(path, Prediction(
                       ("a", "b"), np.array([0.7, 0.3]), 0.0,
                       "x" not in path.stem, np.zeros((1, 1, 2)))))

    (leaves / "page.jpg").write_text("no image")
    monkeypatch.setattr(predict, "predict_files", predict_by_name)
    monkeypatch.setattr(predict, "ensure_pixels", lambda row, _: row)
    run(*arguments)
    first, *notes = [line for line in capfd.readouterr().err.splitlines()
                     if not line.startswith("error: ")]
    assert first.startswith("using learnings.zip of this folder, which knows")
    assert notes[:-1] == [note] * bool(note)
    assert notes[-1].startswith("it knows only leaves of these plants: apple")


def test_hints_follow_the_prediction_and_stand_in_csv_and_json(
        leaves, no_figure, monkeypatch, capfd):
    monkeypatch.setattr(Classifier, "predict_image", lambda *_: Prediction(
        ("Apple_healthy", "Grape_Esca"), np.array([0.7, 0.3]), 0.0, False,
        np.zeros((1, 1, 2))))
    leaf = read_image(leaves / "x9.jpg")
    write_image(Path("dark.png"), leaf // 8)
    assert run("dark.png", leaves / "x9.jpg", "--csv", "a.csv", "--json",
               "a.json") == 0
    printed = capfd.readouterr()
    dark, hint, bright = printed.out.splitlines()
    assert dark.startswith("dark.png: not like") and "x9.jpg: not" in bright
    assert hint == ("    hint: take it again in more light: the photograph is "
                    "too dark")
    # What holds for all photographs is said once.
    assert printed.err.splitlines()[-1].startswith(
        "it knows only leaves of these plants: apple, grape; come closer")
    with open("a.csv", newline="") as lines:
        assert [row["hints"] for row in csv.DictReader(lines)] == [
            "too_dark not_like_learned", "not_like_learned"]
    expected = {"code": "not_like_learned",
                "values": {"plants": "apple, grape"}}
    assert [image["hints"] for image in json.loads(
        Path("a.json").read_text())["images"]] == [
            [{"code": "too_dark", "values": {}}, expected], [expected]]


def test_wildcards_that_the_shell_left_are_expanded(leaves, capfd):
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


def test_evaluating_only_unreadable_images_is_an_error(leaves, capfd):
    for name in ("a", "b"):
        (leaves.parent / "bad" / name).mkdir(parents=True)
        (leaves.parent / "bad" / name / "1.jpg").write_text("no image")
    assert run("bad", "--evaluate") == 1
    *_, last = capfd.readouterr().err.splitlines()
    assert last == "error: bad: none of its 2 images can be read"


@pytest.mark.parametrize("name", ["missing", "text", "truncated", "empty zip"])
def test_subject_1_a_missing_or_damaged_zip_is_one_error(
        leaves, name, capfd):
    path = leaves.parent / "other.zip"
    if name == "text":
        path.write_text("no zip")
    elif name == "truncated":
        path.write_bytes(Path("learnings.zip").read_bytes()[:-900])
    elif name == "empty zip":
        zipfile.ZipFile(path, "w").close()
    assert run(leaves, "--learnings", path) == 1
    error = capfd.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert "other.zip" in error


@pytest.mark.parametrize("status, arguments", [
    (1, ["leaves/half.jpg"]), (1, ["empty"]), (1, ["gone"]),
    (0, ["leaves/dot.png"]), (1, ["leaves/dot.png", "--csv", "/dev/null/a"])])
def test_subject_1_bad_input_is_an_error_line_and_not_a_traceback(
        leaves, no_figure, capfd, status, arguments):
    (leaves / "half.jpg").write_bytes((leaves / "x9.jpg").read_bytes()[:900])
    (leaves.parent / "empty").mkdir()
    write_image(leaves / "dot.png", np.zeros((1, 1, 3), np.uint8))
    assert run(*arguments) == status
    error = capfd.readouterr().err
    assert error.count("error: ") == (status > 0)
    assert "internal error" not in error


@pytest.mark.parametrize("arguments", [
    [], ["leaves", "--top", "0"], ["leaves", "--evaluate", "--csv", "a.csv"],
    ["leaves", "leaves", "--evaluate"], ["a", "--evaluate", "--per-folder"],
    ["leaves", "--per-folder", "--save", "a.png"],
    ["leaves", "--report", "-"], ["a", "--evaluate", "--report", "b.html"],
    ["leaves", "--csv", "-", "--json", "-"]])
def test_wrong_usage_is_exit_status_2(arguments, capfd):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2
    assert capfd.readouterr().err.count("error: ") == 1


def test_a_run_imports_nothing_heavy_and_prints_no_warning(leaves):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, leaves / "x9.jpg",
         "--no-display"], capture_output=True, text=True)
    assert done.returncode == 0
    imports, others = [], []
    for line in done.stderr.splitlines():
        is_import = line.startswith("import time:")
        (imports if is_import else others).append(line)
    names = {line.split("|")[-1].strip().split(".")[0] for line in imports}
    assert "numpy" in names and not names & HEAVY
    note, = others
    assert note.startswith("using learnings.zip of this folder, which knows")
