"""train.py: the split, the two phases, and the files of a run."""

import csv
import hashlib
import json
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from slow import slow
from small_backbone import load_backbone
from tiny import SMALL

import train
from leaffliction.model.classifier import Classifier
from leaffliction.training import backgrounds, budget, field_images, loop
from leaffliction.training import split as splits
from leaffliction.training import training_set
from leaffliction.training.config import EARLY_STOPPING_SHARE
from leaffliction.training.keras import import_keras
from leaffliction.utils import cli, labels, models_folder
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import read_image, write_image
from leaffliction.utils.storage import natural_key, writing
from samples.drawing import draw_leaf

PROGRAM = Path(train.__file__)
pytestmark = pytest.mark.usefixtures("quick_training")


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


def test_subject_3_and_14_a_dozen_images_become_learnings_zip(learned):
    assert (learned / "status").read_text() == "0"
    with zipfile.ZipFile(learned / "learnings.zip") as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert {"learnings.json", "model.tflite", "familiarity.npz"} < set(names)
    # It is written on request.
    assert "model_float32.tflite" not in names
    assert names == sorted(names)


def test_subject_14_the_zip_holds_the_augmented_images(learned):
    images = zipped_images(learned)
    counts = Counter(file.parts[0] for file in images)
    assert counts["Apple_healthy"] == counts["Grape_Esca"]
    assert augmented_copies(images)


@slow
def test_without_images_the_rest_of_the_archive_is_the_same(
        learned, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(learned)
    assert run("images", "--groups", "leaves.csv", "--no-images", "--output",
               tmp_path / "learnings.zip", *SMALL) == 0
    output, whole = capfd.readouterr().out, (learned / "stdout").read_text()
    assert output.splitlines()[:-3] == whole.splitlines()[:-3]
    contents = []
    for path in (learned / "learnings.zip", tmp_path / "learnings.zip"):
        with zipfile.ZipFile(path) as archive:
            contents.append({name: archive.read(name)
                             for name in archive.namelist()})
    complete, small = contents
    assert not any(name.startswith("augmented") for name in small)
    assert small.items() < complete.items()
    assert Classifier.load(tmp_path, verify=True).class_names == (
        "Apple_healthy", "Grape_Esca")


def test_subject_15_each_image_and_each_leaf_is_in_one_part(learned):
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


def test_subject_15_no_held_out_image_or_its_copy_is_trained_on(learned):
    allowed = {Path(row["file"]) for row in split_rows(learned)
               if row["part"] == "training"}
    images = zipped_images(learned)
    copies = augmented_copies(images)
    sources = {copies.get(file, file) for file in images}
    assert sources == allowed


def test_subject_15_the_accuracy_is_printed_with_the_requirement(learned):
    report = json.loads((learned / "report" / "report.json").read_text())
    printed = (learned / "stdout").read_text()
    assert f"accuracy {report['validation']['accuracy']:.2%}" in printed
    # Three images are too few, whatever the accuracy.
    assert "on at least 100 validation images: no" in printed
    held_out = [row for row in split_rows(learned)
                if row["part"] == "validation"]
    assert report["validation"]["images"] == len(held_out)
    assert np.sum(report["validation"]["confusion"]) == len(held_out)


def test_subject_16_signature_is_what_sha1sum_prints(learned):
    digest = hashlib.sha1((learned / "learnings.zip").read_bytes())
    assert ((learned / "signature.txt").read_text()
            == f"{digest.hexdigest()}  learnings.zip\n")


def test_a_run_leaves_archive_signature_and_report_only(learned):
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
def test_subject_1_too_few_classes_or_leaves_are_refused(
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
def test_subject_1_missing_and_unwritable_paths_are_named(
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

    monkeypatch.setattr(train, "load_backbone", interrupt)
    assert run(tmp_path / "images", "--weights", "none", "--output",
               tmp_path / "learnings.zip") == cli.INTERRUPTED
    assert set(tmp_path.rglob("*")) == before


def test_a_run_deletes_the_scratch_folder_of_a_killed_run(
        tmp_path, monkeypatch):
    left = tmp_path / ".learning-0a1b2c3d"
    left.mkdir()
    (left / "training.npy").write_bytes(b"features")

    def learn(config, run):
        assert run.scratch.is_dir() and not left.exists()
        return 0

    monkeypatch.setattr(train, "learn", learn)
    assert run("images", "--output", tmp_path / "learnings.zip") == 0
    assert not list(tmp_path.iterdir())
    # Without locks, it may belong to a run that is still going on.
    left.mkdir()
    monkeypatch.setattr(writing, "_lock", lambda _: False)
    monkeypatch.setattr(train, "learn", lambda *_: 0)
    assert run("images", "--output", tmp_path / "learnings.zip") == 0
    assert left.exists()


@pytest.mark.parametrize("arguments", [
    [], ["images", "--size", "20"], ["images", "--validation", "1"],
    ["images", "--field-views", "-1"], ["images", "--field-views", "x"],
    ["images", "--epochs", "0"], ["images", "--learning-rate", "x"],
    ["images", "--unfreeze", "block_17"], ["images", "--budget", "0"],
    ["images", "--budget", "nan"],
    ["images", "--budget", "2", "--size", "96"],
    ["images", "--budget", "2", "--epochs", "3"]])
def test_wrong_usage_is_status_2_and_one_error_line(arguments, capfd):
    with pytest.raises(SystemExit) as ended:
        train.main(arguments)
    assert ended.value.code == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")


def test_the_program_starts_without_tensorflow_and_the_modules_of_scale():
    # -X importtime prints each imported module to stderr.
    done = subprocess.run([sys.executable, "-X", "importtime", PROGRAM,
                           "images", "--size", "20"],
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    modules = {line.rpartition("|")[2].strip()
               for line in done.stderr.splitlines()
               if line.startswith("import time:")}
    assert "leaffliction.training.loop" in modules
    assert not modules & {"keras", "tensorflow", "leaffliction.scale"}


@pytest.fixture
def without_scale(monkeypatch):
    """Let every import of leaffliction.scale or its modules fail."""
    for name in [*sys.modules]:
        if name.startswith("leaffliction.scale."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "leaffliction.scale", None)


MAGENTA = np.array([255, 0, 255])


def is_magenta(rgb_img):
    return (np.abs(rgb_img - MAGENTA).max(axis=2) < 90).mean() > 0.2


def name_leaves():
    """Return {file: leaf} for two classes of eight leaves, three photographs
    each, with an augmented copy and a near-duplicate of each first one.
    """
    leaf_of = {}
    for name in ("a", "b"):
        for leaf in range(8):
            stems = [f"{leaf}_{shot}" for shot in range(3)]
            for stem in (*stems, f"{leaf}_0_Flip", f"again {leaf}_0"):
                leaf_of[Path(name, f"{stem}.png")] = f"{name}{leaf}"
    return leaf_of


def draw_leaves(folder, leaf_of, marked):
    """Write a pattern for each leaf, moved in each file; magenta if marked."""
    rng = np.random.default_rng(1)
    for leaf in sorted(set(leaf_of.values())):
        coarse = rng.integers(0, 255, (8, 8, 3), np.uint8)
        pattern = cv2.resize(coarse, (32, 32), interpolation=cv2.INTER_AREA)
        for file in (file for file, own in leaf_of.items() if own == leaf):
            rgb_img = np.roll(pattern, int(rng.integers(32)), axis=1)
            rgb_img[..., 1] = np.maximum(rgb_img[..., 1], 120)
            if leaf == marked:
                rgb_img[:] = MAGENTA
            write_image(folder / file, rgb_img)


def test_subject_15_a_validation_leaf_never_reaches_training(
        tmp_path, monkeypatch):
    """All photographs of one validation leaf are magenta."""
    leaf_of = name_leaves()
    files = tuple(sorted(leaf_of, key=natural_key))
    dataset = labels.Dataset(
        tmp_path, files, np.array([file.parent.name == "b" for file in files],
                                  int), ("a", "b"), ("a", "b"))
    parts = splits.split_dataset(
        dataset, [leaf_of[file] for file in files], 0.2,
        EARLY_STOPPING_SHARE, 42)
    marked = next(file for file, part in zip(files, parts)
                  if part == "validation")
    draw_leaves(tmp_path, leaf_of, leaf_of[marked])
    (tmp_path / "leaves.csv").write_text("file,leaf\n" + "".join(
        f"{file},{leaf}\n" for file, leaf in leaf_of.items()))
    seen = {}

    def fit(config, backbone, training, calibration, run):
        seen.update(training=training.images(),
                    early_stopping=calibration.images.paths(),
                    ood=calibration.field_images)
        seen.update({name: [image.render(calibration.backgrounds)
                            if isinstance(image, field_images.FieldImage)
                            else read_image(image) for image in found]
                     for name, found in seen.items()})
        raise UserError("enough")

    def collect_backgrounds(part, *arguments):
        seen.update(backgrounds=part.paths())
        return backgrounds.collect_backgrounds(part, *arguments)

    monkeypatch.setattr(train, "fit", fit)
    monkeypatch.setattr(train, "collect_backgrounds", collect_backgrounds)
    monkeypatch.setattr(train, "load_backbone", lambda *_: None)
    assert run(tmp_path, "--groups", tmp_path / "leaves.csv", "--output",
               tmp_path / "out" / "learnings.zip") == 1
    assert is_magenta(read_image(tmp_path / marked))
    # Two balanced classes of 25, and a fifth as many field images.
    assert len(seen["training"]) == 60
    for part in ("training", "early_stopping", "ood", "backgrounds"):
        assert seen[part] and not any(map(is_magenta, seen[part]))


@pytest.fixture
def released(learned, monkeypatch):
    """Make the archive of `learned` the released model "learnings"."""
    monkeypatch.setattr(models_folder, "FOLDER", learned)


@pytest.mark.usefixtures("released")
@pytest.mark.parametrize("flags", [
    ["--keep-partial", "--float-model", "--no-images", "--weights",
     "learnings"],
    pytest.param([], marks=slow)])
def test_ctrl_c_during_fine_tuning_keeps_all_or_nothing(
        learned, tmp_path, monkeypatch, without_scale, flags, capfd):
    def interrupted(bar, title, *_):
        def stop(*_, **__):
            if title == "Fine-tuning":
                raise KeyboardInterrupt

        keras = import_keras()
        return keras.callbacks.LambdaCallback(on_train_batch_end=stop)

    monkeypatch.setattr(loop, "advance_bar", interrupted)
    assert run(learned / "images", "--output", tmp_path / "learnings.zip",
               *SMALL, *flags) == cli.INTERRUPTED
    errors = capfd.readouterr().err
    assert errors.count("error:") == 1 and "interrupted" in errors
    if not flags:
        assert not list(tmp_path.iterdir())
        return
    assert {path.name for path in tmp_path.iterdir()} == {
        "learnings.zip", "signature.txt", "report"}
    description = Classifier.load(tmp_path / "learnings.zip").description
    assert description.details["interrupted"] is True
    assert description.details["epochs_done"][1] == 0
    settings = description.details["settings"]
    assert settings["weights"] == "released model learnings"
    assert settings["weights_sha256"] == hashlib.sha256(
        (learned / "learnings.zip").read_bytes()).hexdigest()
    with zipfile.ZipFile(tmp_path / "learnings.zip") as archive:
        assert set(archive.namelist()) == {
            "learnings.json", "model.tflite", "model_float32.tflite",
            "familiarity.npz"}


def test_the_report_has_the_settings_for_few_images(learned):
    report = json.loads((learned / "report" / "report.json").read_text())
    settings = report["settings"]
    assert settings["patience"] is None and settings["learning_rate"] == 1e-4
    # Two images do not stop the head early.
    assert report["epochs_done"] == [loop.HEAD_EPOCHS, 1]
    assert report["augmented_images"] == 2 * training_set.MIN_IMAGES


def test_a_network_that_collapses_stops_the_run(
        learned, tmp_path, capfd, monkeypatch):
    def collapse(network, *_):
        network.set_weights([np.zeros_like(values) for values
                             in network.get_weights()])
        return {"loss": [9.0], "val_loss": [9.0]}, False

    monkeypatch.setattr(train, "load_backbone", load_backbone)
    monkeypatch.setattr(loop, "fine_tune", collapse)
    monkeypatch.setattr(training_set, "MIN_IMAGES", 10)
    assert run(learned / "images", "--output", tmp_path / "learnings.zip",
               *SMALL) == 1
    error = capfd.readouterr().err
    assert error.count("error:") == 1 and "lower --learning-rate" in error
    assert "few images (the early-stopping set has 2, fewer than 100)" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["--cluster", "TF_CONFIG"])
def test_several_machines_need_a_disk_that_all_see(
        how, tmp_path, capfd, monkeypatch):
    more = ["--cluster", "tcp://127.0.0.1:9"] if how == "--cluster" else []
    if how == "TF_CONFIG":
        monkeypatch.setenv(how, json.dumps({
            "cluster": {"worker": ["a:1", "b:2"]},
            "task": {"type": "worker", "index": 0}}))
    assert run(tmp_path, "--output", "memory://out/learnings.zip", *more) == 1
    error, = capfd.readouterr().err.splitlines()
    assert "written to a disk that all of them see" in error


def test_an_invalid_tf_config_stops_the_run_first(
        tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": 1}')
    assert run(tmp_path) == 1
    error, = capfd.readouterr().err.splitlines()
    assert error.startswith("error: TF_CONFIG")


def test_a_budget_is_for_one_machine(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TF_CONFIG", json.dumps(
        {"cluster": {"worker": ["localhost:1", "localhost:2"]},
         "task": {"type": "worker", "index": 0}}))
    assert run(tmp_path, "--budget", "2", "--output",
               tmp_path / "learnings.zip") == cli.FAILED
    assert "--budget is for one machine" in capfd.readouterr().err


@slow
def test_a_budget_gives_what_its_size_and_epochs_give(
        learned, tmp_path, quick_training, monkeypatch):
    monkeypatch.setattr(budget, "SIZES", (64,))

    def train_with(*options):
        assert run(learned / "images", "--output", tmp_path / "learnings.zip",
                   "--weights", "none", "--unfreeze", "block_16",
                   "--no-display", *options) == 0
        return json.loads((tmp_path / "report/report.json").read_text())

    report = train_with("--budget", "0.6")
    settings = report["settings"]
    assert settings["budget_minutes"] == 0.6 and settings["size"] == 64
    again = train_with("--size", str(settings["size"]), "--epochs",
                       str(settings["epochs"]))
    assert again["model_sha256"] == report["model_sha256"]
