"""benchmarks/release.py: from the command line to tables, JSON and figure."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest
from judged import FromName, pixels_of, write_data

from benchmarks import release
from leaffliction.model.classifier import Classifier
from leaffliction.utils import cli


@pytest.fixture
def run(monkeypatch):
    """Return a function that runs the benchmark with arguments."""
    def run_with(*arguments):
        monkeypatch.setattr(sys, "argv", ["release", *map(str, arguments)])
        return cli.run(release.main)
    return run_with


@pytest.fixture
def from_name(monkeypatch):
    """Answer with the names of the files."""
    monkeypatch.setattr(Classifier, "load", lambda name: FromName())
    monkeypatch.setattr(release, "lay_leaf",
                        lambda leaf, ground, seed: pixels_of(leaf))


def test_tables_warnings_and_notes(tmp_path, run, from_name, capsys):
    data, split = write_data(tmp_path)
    (data / "other/everyday/broken.jpg").unlink()
    assert run(data, "--split", split) == 0
    out, err = capsys.readouterr()
    assert re.search(r"  laboratory +4 +50.0% \(15.0% to 85.0%\)", out)
    assert "small numbers\n  outdoors, all kinds together: no" in out
    assert "orchard, kept apart: not judged (no folder field)" in err


def test_json_alone_goes_to_stdout_and_unreadable_files_fail(
        tmp_path, run, from_name, capsys):
    data, split = write_data(tmp_path)
    assert run(data, "--split", split, "--json", "-") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["unreadable"] == 1
    assert "everyday/broken.jpg" in err


def test_the_figure_is_drawn(tmp_path, run, from_name):
    data, split = write_data(tmp_path)
    (data / "other/everyday/broken.jpg").unlink()
    figure = tmp_path / "answers.png"
    assert run(data, "--split", split, "--figure", figure) == 0
    assert figure.stat().st_size > 1000


@pytest.mark.parametrize("arguments, message", [
    (("nowhere", "--split", "SPLIT"), "nowhere: no such folder"),
    (("DATA", "--split", "no.csv"), "no.csv: no such file"),
    (("DATA", "--split", "SPLIT", "--figure", "a.xyz"), "a.xyz: a figure is")])
def test_bad_input_is_one_error_line(
        tmp_path, run, from_name, capsys, arguments, message):
    data, split = write_data(tmp_path)
    paths = {"DATA": data, "SPLIT": split}
    assert run(*(paths.get(word, word) for word in arguments)) == 1
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")


@pytest.mark.parametrize("learnings, split", [
    ("apple-grape", release.MODELS / "apple-grape-split.csv"),
    ("somewhere/mine.zip", Path("somewhere/mine-split.csv"))])
def test_the_split_is_beside_the_archive(learnings, split):
    assert release.default_split(learnings) == split


def test_figures_of_a_trained_network_are_those_of_its_predictions(
        learned, tmp_path, run, capsys):
    (tmp_path / "leaves").symlink_to(learned / "images")
    with open(learned / "report" / "split.csv", newline="") as lines:
        rows = [row for row in csv.DictReader(lines)
                if row["part"] != "left out"]
    with open(tmp_path / "split.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([
            ("file", "leaf", "class", "domain", "part"),
            *((f"leaves/{row['file']}", row["leaf"], row["class"],
               "laboratory", row["part"]) for row in rows)])
    archive = learned / "learnings.zip"
    assert run(tmp_path, "--learnings", archive, "--split",
               tmp_path / "split.csv", "--json", "-") == 0
    figures = json.loads(capsys.readouterr().out)["learned"]["laboratory"]
    classifier = Classifier.load(archive)
    validation = [row for row in rows if row["part"] == "validation"]
    predictions = [classifier.predict_file(learned / "images" / row["file"])
                   for row in validation]
    assert figures["n"] == len(validation) > 0
    assert figures["known"]["count"] == sum(
        prediction.known for prediction in predictions)
    assert figures["right"]["count"] == sum(
        prediction.class_name == row["class"]
        for prediction, row in zip(predictions, validation))
