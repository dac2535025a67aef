"""utils/learnings.py and utils/litert.py: the archive and its network."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from utils.backbone import import_keras, to_litert
from utils.cli import UserError
from utils.learnings import (DESCRIPTION, MODEL, Description, Learnings,
                             Prediction, energies, sign, softmax,
                             write_archive)
from utils.litert import Network

CLASS_NAMES = ("Apple_scab", "Grape_Esca", "É 漢")
WEIGHTS = np.array([[4, -4, 0], [0, 3, -3], [1, 0, 2]], np.float32)
BIAS = np.array([0.5, 0, -0.5], np.float32)
FILES = [Path("Apple_scab/image (1).JPG"), Path("Apple_scab/a.JPG"),
         Path(os.fsdecode(b"caf\xe9.JPG"))]


@pytest.fixture(scope="module")
def model():
    """Return a LiteRT model: mean colours of 8 x 8 pixels to three logits."""
    keras = import_keras()
    head = keras.layers.Dense(3)
    network = keras.Sequential([keras.layers.Input((8, 8, 3)),
                                keras.layers.GlobalAveragePooling2D(), head])
    head.set_weights([WEIGHTS, BIAS])
    return to_litert(network)


@pytest.fixture
def batch():
    """Return five images of other colours, float32 (5, 8, 8, 3) in -1..1."""
    rng = np.random.default_rng(1)
    colours = rng.uniform(-0.8, 0.8, (5, 1, 1, 3))
    return (colours + rng.uniform(-0.2, 0.2, (5, 8, 8, 3))).astype(np.float32)


@pytest.fixture
def archive(model, tmp_path, monkeypatch):
    """Return the path of an archive, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for file in FILES:
        place = "augmented" / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.fsencode(file))
    write(Path("learnings.zip"), model)
    return Path("learnings.zip")


def write(path, model, files=FILES):
    write_archive(path, Description(CLASS_NAMES, 8, 2.0, 2.5, {"seed": 42}),
                  model, Path("augmented"), files)


def change(archive, member, content=None, compression=zipfile.ZIP_STORED):
    """Write the archive anew, with other content for a member, or none."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in (DESCRIPTION, MODEL)}
    members[member] = content
    with zipfile.ZipFile(archive, "w", compression) as new:
        for name, data in members.items():
            if data is not None:
                new.writestr(name, data)


# The archive.

def test_what_is_written_is_loaded_and_predicts(archive, batch):
    learnings = Learnings.load(archive)
    assert learnings.description == Description(
        CLASS_NAMES, 8, 2.0, 2.5, {"seed": 42})
    expected = batch.mean(axis=(1, 2)) @ WEIGHTS + BIAS
    assert learnings.logits(batch) == pytest.approx(expected, abs=1e-5)
    predictions = learnings.predict(batch)
    for prediction, logits in zip(predictions, expected, strict=True):
        raised = np.exp(logits / 2.0)
        assert prediction.probabilities == pytest.approx(
            raised / raised.sum(), abs=1e-5)
        energy = np.log(np.exp(logits).sum())
        assert prediction.energy == pytest.approx(energy, abs=1e-5)
        assert prediction.known == (energy >= 2.5)
        assert prediction.class_name == CLASS_NAMES[logits.argmax()]
    assert len({prediction.known for prediction in predictions}) == 2


def test_same_content_same_bytes(archive, model):
    for file in FILES:
        os.utime("augmented" / file, (1, 10 ** 9))
    write(Path("again.zip"), model, reversed(FILES))
    assert Path("again.zip").read_bytes() == archive.read_bytes()
    write(Path("other.zip"), model, FILES[1:])
    assert Path("other.zip").read_bytes() != archive.read_bytes()


def test_subject_14_the_archive_holds_the_images_in_order_without_date(
        archive):
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == [
            "augmented_directory/Apple_scab/a.JPG",
            "augmented_directory/Apple_scab/image (1).JPG",
            r"augmented_directory/caf\udce9.JPG",
            "learnings.json", "model.tflite"]
        assert opened.read(opened.namelist()[0]) == b"Apple_scab/a.JPG"
        assert {(info.date_time, info.external_attr)
                for info in opened.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 0o644 << 16)}


@pytest.mark.skipif(not shutil.which("sha1sum"), reason="compares with it")
@pytest.mark.parametrize("name", [
    "learnings.zip", "my learnings (2).zip", os.fsdecode(b"caf\xe9.zip")])
def test_subject_16_the_signature_is_what_sha1sum_prints(archive, name):
    archive.rename(name)
    line = sign(Path.cwd() / name, Path("signature.txt"))
    printed = subprocess.run(["sha1sum", name], capture_output=True).stdout
    assert Path("signature.txt").read_bytes() == printed == os.fsencode(line)


def test_an_archive_that_cannot_be_written_is_an_error(archive, model):
    Path("file").touch()
    with pytest.raises(UserError, match="file/x.zip: cannot be written"):
        write(Path("file/x.zip"), model)
    with pytest.raises(UserError, match="cannot be written"):
        write(archive, model, [Path("missing.JPG")])
    assert Learnings.load(archive), "the earlier archive is gone"
    assert not list(Path().glob(".partial-*"))


# Archives that are refused.

@pytest.mark.parametrize("spoil, reason", [
    (lambda path: path.unlink(), "no such file; train.py makes it"),
    (lambda path: path.write_text("text"), "not a zip file"),
    (lambda path: path.write_bytes(b""), "not a zip file"),
    (lambda path: path.write_bytes(path.read_bytes()[:-30]), "zip"),
    (lambda path: path.write_bytes(path.read_bytes()[300:]), ""),
    (lambda path: change(path, DESCRIPTION), "learnings.json"),
    (lambda path: change(path, MODEL), "model.tflite"),
    (lambda path: change(path, MODEL, b"other"), "model.tflite was changed"),
    (lambda path: change(path, DESCRIPTION, b'{"format": 1}'),
     "model_sha256"),
    (lambda path: change(path, DESCRIPTION, b'{"format": 2}'),
     "has format 2, this program reads format 1"),
    (lambda path: change(path, DESCRIPTION, b"[" * 99999), "recursion"),
    (lambda path: change(path, DESCRIPTION, b"[]"), "list"),
    (lambda path: change(path, DESCRIPTION, b"\xff"), "decode"),
    (lambda path: (path.unlink(), path.mkdir()), "directory"),
])
def test_what_is_no_whole_archive_is_refused(archive, spoil, reason):
    spoil(archive)
    with pytest.raises(UserError, match=f"^learnings.zip: .*{reason}"):
        Learnings.load(archive)


@pytest.mark.parametrize("field, value", [
    ("class_names", None), ("size", float("inf")), ("temperature", "warm"),
    ("threshold", [])])
def test_a_description_that_makes_no_sense_is_refused(archive, field, value):
    with zipfile.ZipFile(archive) as opened:
        fields = json.loads(opened.read(DESCRIPTION))
    change(archive, DESCRIPTION, json.dumps(fields | {field: value}))
    with pytest.raises(UserError, match="not a readable archive"):
        Learnings.load(archive)


@pytest.mark.parametrize("compression", [
    zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_byte_is_noticed_or_does_not_matter(
        archive, batch, compression):
    change(archive, "notes.txt", b"packed anew by hand", compression)
    whole = archive.read_bytes()
    expected = Learnings.load(archive).logits(batch)
    refused = 0
    for place in range(0, len(whole), 5):
        spoilt = bytearray(whole)
        spoilt[place] ^= 0xff
        archive.write_bytes(spoilt)
        try:
            assert np.array_equal(Learnings.load(archive).logits(batch),
                                  expected)
        except UserError:
            refused += 1
    # The rest is dates, flags and the notes.
    assert refused > 0.8 * len(whole) / 5


# The network.

@pytest.mark.parametrize("content", [
    b"", b"text", bytes(1000), b"\x1c\0\0\0TFL3" + b"\xff" * 1000])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(UserError, match="no LiteRT model"):
        Network(content)


def test_batches_of_any_size_give_the_same(model, batch):
    network = Network(model)
    together, = network(batch)
    for size in (1, 2, 5):
        parts = [network(batch[start:start + size])[0]
                 for start in range(0, len(batch), size)]
        assert np.concatenate(parts) == pytest.approx(together, abs=1e-6)


def test_a_result_is_not_overwritten_by_the_next(model, batch):
    network = Network(model)
    first, = network(batch[:1])
    kept = first.copy()
    network(batch[1:2])
    assert np.array_equal(first, kept)


# Logits to probabilities.

@pytest.mark.parametrize("logits, probabilities, energy", [
    ([0, 0, 0, 0], [1 / 4] * 4, np.log(4)),
    ([0, np.log(3)], [1 / 4, 3 / 4], np.log(4)),
    ([1e4, 1e4], [1 / 2, 1 / 2], 1e4 + np.log(2)),
    ([-1e4, 0], [0, 1], 0),
    ([-1e4, -1e4], [1 / 2, 1 / 2], -1e4 + np.log(2)),
])
def test_softmax_and_energy_of_small_and_of_huge_logits(
        logits, probabilities, energy):
    logits = np.array([logits, np.zeros(len(logits))], np.float32)
    assert softmax(logits)[0] == pytest.approx(probabilities)
    assert softmax(logits).sum(axis=1) == pytest.approx([1, 1])
    assert energies(logits) == pytest.approx(
        [energy, np.log(logits.shape[1])], abs=1e-3)


def test_the_most_probable_classes_come_first():
    prediction = Prediction(("a", "b", "c", "d"),
                            np.array([0.2, 0.5, 0.1, 0.2]), 1.0, True)
    assert prediction.top(3) == [("b", 0.5), ("a", 0.2), ("d", 0.2)]
    assert len(prediction.top(99)) == 4
    assert (prediction.class_name, prediction.confidence) == ("b", 0.5)
