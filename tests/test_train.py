"""train.py: the split, the two phases, and what a run leaves behind."""

import csv
import hashlib
import json
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import train
from utils import cli
from utils.images import write_image
from utils.labels import original_of
from utils.samples import draw_leaf

PROGRAM = Path(train.__file__)


def run(*arguments):
    """Return main's exit status, as the shell would see it."""
    return cli.run(lambda: train.main([*map(str, arguments)]))


def split_rows(learned):
    """Return the rows of split.csv as dictionaries."""
    with open(learned / "report" / "split.csv", newline="") as lines:
        return list(csv.DictReader(lines))


def zipped_images(learned):
    """Return the augmented images in the archive, relative to their tree."""
    with zipfile.ZipFile(learned / "learnings.zip") as archive:
        return [Path(*Path(name).parts[1:]) for name in archive.namelist()
                if name.startswith("augmented_directory/")]


@pytest.fixture
def leaves(tmp_path):
    """Return a function that draws {class folder: number of leaves}."""
    def make(counts):
        for folder, count in counts.items():
            for number in range(count):
                write_image(
                    tmp_path / "images" / folder / f"{number}.png",
                    draw_leaf("Apple_rust", np.random.default_rng(
                        [number, len(folder), ord(folder[-1])]), 32))
        return tmp_path / "images"
    return make


def test_subject_3_and_14_a_dozen_images_become_a_zip_of_learnings(learned):
    assert (learned / "status").read_text() == "0"
    with zipfile.ZipFile(learned / "learnings.zip") as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert {"learnings.json", "model.tflite"} < set(names)
    assert names == sorted(names)


def test_subject_14_the_zip_holds_the_increased_and_modified_images(learned):
    images = zipped_images(learned)
    counts = Counter(file.parts[0] for file in images)
    assert counts["Apple_healthy"] == counts["Grape_Esca"]
    assert any(original_of(file) for file in images)


def test_subject_15_every_image_is_in_one_part_and_no_leaf_in_two(learned):
    rows = split_rows(learned)
    files = [row["file"] for row in rows]
    assert len(files) == len(set(files)) == 15
    parts = {}
    for row in rows:
        parts.setdefault(row["leaf"], set()).add(row["part"])
    assert all(len(names) == 1 for names in parts.values())
    for name in ("Apple_healthy", "Grape_Esca"):
        assert {row["part"] for row in rows if row["class"] == name} == {
            "training", "stopping", "validation"}


def test_subject_15_no_held_out_image_or_copy_of_one_was_learned(learned):
    allowed = {Path(row["file"]) for row in split_rows(learned)
               if row["part"] == "training"}
    images = zipped_images(learned)
    sources = {original_of(file) or file for file in images}
    assert sources == allowed


def test_subject_15_the_accuracy_is_printed_with_what_it_proves(learned):
    report = json.loads((learned / "report" / "report.json").read_text())
    printed = (learned / "stdout").read_text()
    assert f"accuracy {report['validation']['accuracy']:.2%}" in printed
    # Three images can't prove it, whatever the accuracy is.
    assert "on at least 100 validation images: no" in printed
    held_out = [row for row in split_rows(learned)
                if row["part"] == "validation"]
    assert report["validation"]["images"] == len(held_out)
    assert np.sum(report["validation"]["confusion"]) == len(held_out)


def test_subject_16_signature_is_what_sha1sum_prints(learned):
    digest = hashlib.sha1((learned / "learnings.zip").read_bytes())
    assert ((learned / "signature.txt").read_text()
            == f"{digest.hexdigest()}  learnings.zip\n")


def test_the_report_is_complete_and_nothing_else_is_left(learned):
    assert {path.name for path in learned.iterdir()} == {
        "images", "leaves.csv", "learnings.zip", "signature.txt", "report",
        "status", "stdout"}
    assert {path.name for path in (learned / "report").iterdir()} == {
        "report.json", "split.csv", "confusion.png", "curves.png",
        "errors.png"}


@pytest.mark.parametrize("counts, message", [
    ({"Apple_rust": 4}, "one class only (Apple_rust)"),
    ({"Apple_rust": 6, "Apple_scab": 1}, "Apple_scab shows 1 different leaf"),
    ({"Apple_rust": 0}, "no such folder")])
def test_subject_1_too_little_to_learn_from_is_refused(
        leaves, tmp_path, counts, message, capfd):
    folder = leaves(counts)
    before = set(tmp_path.rglob("*"))
    assert run(folder, "--output", tmp_path / "learnings.zip") == 1
    error = capfd.readouterr().err
    assert error.count("error:") == 1 and message in error
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option, value, message", [
    ("--weights", "missing.h5", "missing.h5: no such file of weights"),
    ("--groups", "missing.csv", "missing.csv: not readable"),
    ("--output", "images/Apple_rust/0.png/learnings.zip", "not be written")])
def test_subject_1_what_is_missing_or_read_only_is_named(
        leaves, tmp_path, monkeypatch, option, value, message, capfd):
    monkeypatch.chdir(tmp_path)
    leaves({"Apple_rust": 4, "Apple_scab": 3})
    before = set(tmp_path.rglob("*"))
    assert run("images", option, value) == 1
    error = capfd.readouterr().err
    assert "error:" in error and message in error
    assert set(tmp_path.rglob("*")) == before


def test_an_interrupted_run_leaves_nothing_behind(
        leaves, tmp_path, monkeypatch, capfd):
    leaves({"Apple_rust": 4, "Apple_scab": 3})
    before = set(tmp_path.rglob("*"))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "build_frozen", interrupt)
    assert run(tmp_path / "images", "--weights", "none", "--output",
               tmp_path / "learnings.zip") == cli.INTERRUPTED
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [
    [], ["images", "--size", "20"], ["images", "--validation", "1"],
    ["images", "--epochs", "0"], ["images", "--learning-rate", "x"]])
def test_wrong_usage_is_status_2_and_one_error_line(arguments):
    done = subprocess.run([sys.executable, PROGRAM, *arguments],
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
