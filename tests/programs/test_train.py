"""train.py: the split, the two phases, and what a run leaves behind."""

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
from tiny import SMALL

import train
from leaffliction.model.classifier import Classifier
from leaffliction.training import field_images
from leaffliction.training import split as splits
from leaffliction.utils import cli, files, labels
from leaffliction.utils.copies import original_of
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import natural_key, read_image, write_image
from samples.__main__ import draw_leaf

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
    assert {"learnings.json", "model.tflite", "familiarity.npz",
            "model_float32.tflite"} < set(names)
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
    # Three images can't evaluate_classifier it, whatever the accuracy is.
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


def test_what_a_killed_run_has_left_is_cleared_away(tmp_path, monkeypatch):
    left = tmp_path / ".learning-0a1b2c3d"
    left.mkdir()
    (left / "Training.npy").write_bytes(b"features")

    def learn(options, folder, strategy):
        assert folder.is_dir() and not left.exists()
        return 0

    monkeypatch.setattr(train, "learn", learn)
    assert run("images", "--output", tmp_path / "learnings.zip") == 0
    assert not list(tmp_path.iterdir())
    # Where there are no locks it may be another run's, which is at it.
    left.mkdir()
    monkeypatch.setattr(files, "_lock", lambda _: False)
    monkeypatch.setattr(train, "learn", lambda *_: 0)
    assert run("images", "--output", tmp_path / "learnings.zip") == 0
    assert left.exists()


@pytest.mark.parametrize("arguments", [
    [], ["images", "--size", "20"], ["images", "--validation", "1"],
    ["images", "--field-views", "-1"], ["images", "--field-views", "x"],
    ["images", "--epochs", "0"], ["images", "--learning-rate", "x"],
    ["images", "--unfreeze", "block_17"]])
def test_wrong_usage_is_status_2_and_one_error_line(arguments):
    done = subprocess.run([sys.executable, PROGRAM, *arguments],
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_subject_15_a_marked_leaf_of_validation_never_reaches_training(
        tmp_path, monkeypatch):
    """One leaf's photographs are magenta; they are followed by colour."""
    leaves, magenta = {}, np.array([255, 0, 255])
    for name in ("a", "b"):
        for leaf in range(8):
            for shot in range(3):
                leaves[Path(name, f"{leaf}_{shot}.png")] = f"{name}{leaf}"
    # Beside them a copy of each first shot augmented, and one saved again.
    names = {}
    for file, leaf in leaves.items():
        names[file] = leaf
        if file.stem.endswith("_0"):
            names[file.with_stem(f"{file.stem}_Flip")] = leaf
            names[file.with_stem(f"again {file.stem}")] = leaf
    dataset = labels.Dataset(
        tmp_path, tuple(sorted(names, key=natural_key)),
        np.array([file.parent.name == "b" for file in sorted(
            names, key=natural_key)], int), ("a", "b"), ("a", "b"))
    parts = splits.split_dataset(
        dataset, [names[file] for file in dataset.files], 0.2,
        train.STOPPING_SHARE, 42)
    marked = next(names[file] for file, part in zip(dataset.files, parts)
                  if part == "validation")
    rng = np.random.default_rng(1)
    for leaf in sorted(set(names.values())):
        coarse = rng.integers(0, 255, (8, 8, 3), np.uint8)
        ground = cv2.resize(coarse, (32, 32), interpolation=cv2.INTER_AREA)
        for file in (file for file, own in names.items() if own == leaf):
            rgb_img = np.roll(ground, int(rng.integers(32)), axis=1)
            rgb_img[..., 1] = np.maximum(rgb_img[..., 1], 120)
            if leaf == marked:
                rgb_img[:] = magenta
            write_image(tmp_path / file, rgb_img)
    (tmp_path / "leaves.csv").write_text("file,leaf\n" + "".join(
        f"{file},{leaf}\n" for file, leaf in names.items()))
    seen = {}

    def fit(options, frozen, images, targets, training, stopping, strange,
            *_):
        seen.update(training=images, stopping=stopping.paths())
        seen.update({name: [image.draw(strange[-1]) if isinstance(
                                image, field_images.FieldImage)
                            else read_image(image) for image in found]
                     for name, found in seen.items()})
        raise UserError("enough")

    def scene(part, *arguments):
        seen.update(backgrounds=part.paths())
        return field_images.collect_backgrounds(part, *arguments)

    monkeypatch.setattr(train, "fit", fit)
    monkeypatch.setattr(train, "collect_backgrounds", scene)
    monkeypatch.setattr(train, "build_frozen", lambda *_: None)
    assert run(tmp_path, "--groups", tmp_path / "leaves.csv", "--output",
               tmp_path / "out" / "learnings.zip") == 1

    def is_marked(rgb_img):
        return (np.abs(rgb_img - magenta).max(axis=2) < 90).mean() > 0.2

    assert is_marked(read_image(next(
        tmp_path / file for file, leaf in names.items() if leaf == marked)))
    # Two classes of 200, and a fifth as many field views.
    assert len(seen["training"]) == 480 and seen["stopping"]
    for part in ("training", "stopping", "backgrounds"):
        assert seen[part] and not any(map(is_marked, seen[part]))


@pytest.mark.parametrize("flags, left_out", [
    ([], 2), (["--keep-contradictions"], 0)])
def test_a_photograph_in_two_classes_is_left_out_or_kept(
        leaves, tmp_path, monkeypatch, capfd, flags, left_out):
    folder = leaves({"Apple_rust": 4, "Apple_scab": 4})
    twice = draw_leaf("Apple_rust", np.random.default_rng(99), 32)
    write_image(folder / "Apple_rust" / "x.png", twice)
    write_image(folder / "Apple_scab" / "y.png",
                np.ascontiguousarray(np.rot90(twice)))
    found = {}

    def stop(options, images, folder):
        raise UserError("enough")

    def split(found_leaves, options):
        found["parts"] = train_split(found_leaves, options)
        found["leaves"] = found_leaves
        return found["parts"]

    train_split = train.split_leaves
    monkeypatch.setattr(train, "split_leaves", split)
    monkeypatch.setattr(train, "build_frozen", stop)
    assert run(folder, "--output", tmp_path / "learnings.zip", *flags) == 1
    notes = capfd.readouterr().err
    assert "in several classes: 1, in 2 images" in notes
    assert ("--keep-contradictions" in notes) == bool(left_out)
    parts, files = found["parts"], found["leaves"].dataset.files
    assert (parts == splits.LEFT_OUT).sum() == left_out
    ours = {part for part, file in zip(parts.tolist(), files)
            if file.stem in "xy"}
    assert len(ours) == 1 and (ours == {splits.LEFT_OUT}) == bool(left_out)


def test_a_class_of_contradictions_alone_is_refused(
        leaves, tmp_path, capfd):
    folder = leaves({"Apple_rust": 4, "Apple_scab": 4})
    for number in range(4):
        write_image(folder / "Grape_Esca" / f"{number}.png", read_image(
            folder / "Apple_rust" / f"{number}.png"))
    leaves({"Apple_rust": 9})
    assert run(folder, "--output", tmp_path / "learnings.zip") == 1
    error = capfd.readouterr().err
    assert error.count("error:") == 1
    assert "in Grape_Esca\n" in error


def test_several_folders_weigh_the_same_in_a_class(leaves, tmp_path,
                                                   monkeypatch, capfd):
    for place, counts in (("lab", {"Apple_rust": 12, "Apple_scab": 9}),
                          ("orchard", {"Apple_rust": 4})):
        leaves({f"../{place}/{name}": count
                for name, count in counts.items()})
    seen = {}

    def fit(options, frozen, images, targets, training, stopping, strange,
            folder, *_):
        files = [image.relative_to(folder / "augmented_directory")
                 for image in images if isinstance(image, Path)]
        seen.update(files=Counter(file.parts[0] for file in files),
                    targets=targets[:len(files)], training=training,
                    of_file=[file.parts[1] for file in files])
        raise UserError("enough")

    monkeypatch.setattr(train, "fit", fit)
    monkeypatch.setattr(train, "build_frozen", lambda *_: None)
    assert run(tmp_path / "lab", tmp_path / "orchard", "--output",
               tmp_path / "out" / "learnings.zip") == 1
    assert "enough" in capfd.readouterr().err
    assert seen["training"].class_names == ("Apple_rust", "Apple_scab")
    # Two cells of the laboratory, one of the orchard, all as large.
    largest = seen["files"]["orchard"]
    assert seen["files"] == {"lab": 2 * largest, "orchard": largest}
    assert [seen["training"].class_names[target] for target in
            seen["targets"]] == seen["of_file"]


@pytest.mark.parametrize("flags", [["--keep-partial"], []])
def test_ctrl_c_during_fine_tuning_keeps_all_or_nothing(
        learned, tmp_path, monkeypatch, flags, capfd):
    def interrupted(bar, title, *_):
        def stop(*_, **__):
            if title == "Fine-tuning":
                raise KeyboardInterrupt

        keras = train.backbones.import_keras()
        return keras.callbacks.LambdaCallback(on_train_batch_end=stop)

    monkeypatch.setattr(train.loop, "advancing", interrupted)
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


@pytest.mark.parametrize("images, batch_size, epochs", [
    (7552, 32, 2), (10**6, 32, 2), (4800, 32, 2), (4768, 32, 3),
    (312, 16, 15), (640, 32, 15), (700, 32, 14), (12, 32, 15)])
def test_few_images_are_seen_more_often(images, batch_size, epochs):
    assert train.default_epochs(images, batch_size) == epochs


@pytest.mark.parametrize("stopping, rate, patience", [
    (478, 4e-4, 3), (100, 4e-4, 3), (99, 1e-4, None), (2, 1e-4, None)])
def test_few_images_do_not_decide_when_to_stop(stopping, rate, patience):
    parser = train.build_parser()
    plan = train.plan_fine_tuning(parser.parse_args(["images"]), 640, stopping)
    assert (plan.rate, plan.patience) == (rate, patience)
    assert (plan.epochs, plan.batch_size) == (15, 32)
    options = parser.parse_args(["images", "--patience", "2", "--epochs", "4",
                                 "--learning-rate", "0.1"])
    plan = train.plan_fine_tuning(options, 640, stopping)
    assert (plan.rate, plan.patience, plan.epochs) == (0.1, 2, 4)


def test_the_report_says_how_few_images_were_learned(learned):
    report = json.loads((learned / "report" / "report.json").read_text())
    settings = report["settings"]
    assert settings["patience"] is None and settings["learning_rate"] == 1e-4
    # All epochs of the head, whatever its loss on two images.
    assert report["epochs_done"] == [train.loop.HEAD_EPOCHS, 1]
    assert report["augmented_images"] == 2 * train.LEAST_IMAGES


def test_a_network_that_collapses_stops_the_run(
        learned, tmp_path, capfd, monkeypatch):
    def collapse(classifier, *_):
        classifier.set_weights([np.zeros_like(values) for values
                                in classifier.get_weights()])
        return {"loss": [9.0], "val_loss": [9.0]}, False

    monkeypatch.setattr(train.loop, "fine_tune", collapse)
    monkeypatch.setattr(train, "LEAST_IMAGES", 10)
    assert run(learned / "images", "--output", tmp_path / "learnings.zip",
               *SMALL) == 1
    error = capfd.readouterr().err
    assert error.count("error:") == 1 and "lower --learning-rate" in error
    assert "few images (the early-stopping set has 2, fewer than 100)" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["--cluster", "TF_CONFIG"])
def test_several_machines_need_a_disk_that_all_see(how, tmp_path, capfd,
                                                   monkeypatch):
    more = ["--cluster", "tcp://127.0.0.1:9"] if how == "--cluster" else []
    if how == "TF_CONFIG":
        monkeypatch.setenv(how, json.dumps({
            "cluster": {"worker": ["a:1", "b:2"]},
            "task": {"type": "worker", "index": 0}}))
    assert run(tmp_path, "--output", "memory://out/learnings.zip", *more) == 1
    error, = capfd.readouterr().err.splitlines()
    assert "written to a disk that all of them see" in error
