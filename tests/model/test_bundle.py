"""leaffliction/model/classifier.py and leaffliction/model/runtime.py: the archive and its network."""

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tiny import (BIAS, CLASS_NAMES, FAMILIAR, THRESHOLD, WEIGHTS, make_model,
                  write)

from leaffliction.model.bundle import (DESCRIPTION, FAMILIARITY, IMAGES, MODEL,
                                       Description, sign, write_archive)
from leaffliction.model.classifier import Classifier, Prediction, middle
from leaffliction.model.metrics import softmax
from leaffliction.model.ood import OODDetector
from leaffliction.model.runtime import Network
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import file_digest
from leaffliction.utils.images import preprocess

FILES = [Path("Apple_scab/image (1).JPG"), Path("Apple_scab/a.JPG"),
         Path(os.fsdecode(b"caf\xe9.JPG"))]


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture
def images():
    """Return five images of other colours, RGB uint8 (5, 8, 8, 3)."""
    rng = np.random.default_rng(1)
    colours = rng.uniform(20, 230, (5, 1, 1, 3))
    return (colours + rng.uniform(-20, 20, (5, 8, 8, 3))).astype(np.uint8)


@pytest.fixture
def batch(images):
    """Return the images preprocessed, float32 (5, 8, 8, 3) in -1..1."""
    return np.stack([preprocess(image, 8) for image in images])


@pytest.fixture
def archive(model, tmp_path, monkeypatch):
    """Return the path of an archive, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for file in FILES:
        place = "augmented" / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.fsencode(file))
    write(Path("learnings.zip"), model, FILES)
    return Path("learnings.zip")


def change(archive, member, content=None, compression=zipfile.ZIP_STORED):
    """Write the archive anew, with other content for a member, or none."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in (
            DESCRIPTION, MODEL, FAMILIARITY)}
    members[member] = content
    with zipfile.ZipFile(archive, "w", compression) as new:
        for name, data in members.items():
            if data is not None:
                new.writestr(name, data)


# The archive.

def test_what_is_written_is_loaded_and_predicts(archive, images, batch):
    learnings = Classifier.load(archive)
    assert learnings.description == Description(
        CLASS_NAMES, 8, 2.0, THRESHOLD, 3.0, {"seed": 42})
    with zipfile.ZipFile(archive) as opened:
        assert learnings.checksum == hashlib.sha256(
            opened.read(DESCRIPTION)).hexdigest()
    means = batch.mean(axis=(1, 2))
    expected = means @ WEIGHTS + BIAS
    near = np.square(2 * (means[:, None] - FAMILIAR.class_means)).sum(axis=2)
    scores = np.square(means).sum(axis=1) - near.min(axis=1)
    predictions = learnings.predict(list(images))
    for prediction, logits, score, image in zip(
            predictions, expected, scores, batch, strict=True):
        if prediction.known:
            assert prediction.probabilities == pytest.approx(
                softmax(logits[np.newaxis] / 2.0)[0], abs=1e-5)
        assert prediction.familiarity == pytest.approx(score, abs=1e-4)
        assert prediction.known == (score >= THRESHOLD)
        assert prediction.class_name == CLASS_NAMES[logits.argmax()]
        # Exact: the mean of the class maps is what the logits are.
        assert prediction.class_maps.mean(axis=(0, 1)) == pytest.approx(
            logits, abs=1e-5)
        assert prediction.class_maps[0, 1] == pytest.approx(
            image[:4, 4:].mean(axis=(0, 1)) @ WEIGHTS + BIAS, abs=1e-5)
    assert len({prediction.known for prediction in predictions}) == 2


def test_what_is_not_known_is_looked_at_from_nearer_and_mirrored(
        archive, images):
    learnings = Classifier.load(archive)
    strange = [image for image, found in zip(
        images, learnings.predict(images)) if not found.known]
    for image in strange:
        # A mark in the corner, which the nearer views do not show.
        image[0, 0] = 255
        near = image[1:7, 1:7]
        looks = [softmax((preprocess(view, 8).mean(axis=(0, 1)) @ WEIGHTS
                          + BIAS)[np.newaxis] / 3.0)[0]
                 for view in (image, image[:, ::-1], near, near[:, ::-1])]
        found = learnings.predict_image(image).probabilities
        assert found == pytest.approx(np.mean(looks, axis=0), abs=2e-5)
        assert np.abs(found - looks[0]).max() > 2e-4
    assert strange


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (10, 20)])
def test_the_middle_of_an_image_is_never_empty(shape):
    found = middle(np.zeros(shape), 0.8)
    assert found.shape == tuple(side - 2 * round(side * 0.1)
                                for side in shape)
    assert found.size


def test_threads_predict_with_the_same_learnings(archive, images):
    learnings = Classifier.load(archive)
    alone = learnings.predict(images)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(learnings.predict_image,
                                 [*images] * 200))
    for one, other in zip(alone * 200, together, strict=True):
        assert np.array_equal(one.probabilities, other.probabilities)
        assert np.array_equal(one.class_maps, other.class_maps)


def test_only_the_members_that_are_needed_are_read(archive, monkeypatch):
    read = []

    def watch(opened, name, *arguments):
        read.append(name)
        return original(opened, name, *arguments)

    original = zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", watch)
    Classifier.load(archive)
    assert sorted(read) == [FAMILIARITY, DESCRIPTION, MODEL]


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
            r"augmented_directory/caf\udce9.JPG", "familiarity.npz",
            "learnings.json", "model.tflite", "model_float32.tflite"]
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
    assert Classifier.load(archive), "the earlier archive is gone"
    assert not list(Path().glob(".partial-*"))


def stopped_at_each_step(archive, model, monkeypatch):
    """Stop what writes an archive and its signature at each step; yield then.

    A pair from an earlier run is there before.
    """
    for count in range(1, 100):
        write(archive, model)
        sign(archive, Path("signature.txt"))
        Path("report").mkdir(exist_ok=True)
        Path("report/report.json").write_text(file_digest(archive, "sha1"))
        steps = iter(range(1, 100))

        def stopping(real):
            def step(*arguments, **options):
                if next(steps) == count:
                    raise KeyboardInterrupt
                return real(*arguments, **options)
            return step

        with monkeypatch.context() as patch:
            for owner, name in ((os, "replace"), (os, "fsync"),
                                (Path, "unlink")):
                patch.setattr(owner, name, stopping(getattr(owner, name)))
            try:
                write(archive, model, FILES[:1],
                      stale=[Path("report/report.json")])
                sign(archive, Path("signature.txt"))
                return
            except KeyboardInterrupt:
                yield


def test_a_run_stopped_while_it_writes_leaves_a_pair_that_fits(
        archive, model, monkeypatch):
    states = []
    for _ in stopped_at_each_step(archive, model, monkeypatch):
        # As after kill -9 and a restart: nothing is refused, nor truncated.
        assert Classifier.load(archive).class_names
        with zipfile.ZipFile(archive) as opened:
            is_new = any(name.startswith(IMAGES)
                         for name in opened.namelist())
        report = Path("report/report.json")
        if report.exists():
            assert report.read_text() == file_digest(archive, "sha1")
        states.append((is_new, Path("signature.txt").exists(),
                       report.exists()))
    # The steps in their order: old pair, unsigned, new archive, new pair.
    assert states == sorted(states, key=lambda state: (state[0], -state[1],
                                                       -state[2]))
    assert {(False, True, True), (False, False, False),
            (True, False, False)} <= set(states)
    assert Path("signature.txt").read_text().split()[0] == file_digest(archive, "sha1")


def test_an_image_that_vanishes_is_named_and_not_the_archive_alone(
        archive, model):
    with pytest.raises(UserError, match=(
            "learnings.zip: cannot be written: augmented/gone.JPG cannot be "
            "read .No such")):
        write(archive, model, [Path("gone.JPG")])


# The signature.

def test_an_archive_that_is_not_the_signed_one_is_refused(archive, model):
    sign(archive, Path("signature.txt"))
    assert Classifier.load(archive)
    with zipfile.ZipFile(archive) as opened:
        text = opened.read(DESCRIPTION)
    # All sums of the zip itself are right; only the signature tells.
    change(archive, DESCRIPTION, text.replace(b"Grape_Esca", b"Grape_Eska"))
    with pytest.raises(UserError, match="not the archive that signature.txt "
                                        "was made for; --no-verify"):
        Classifier.load(archive)
    assert "Grape_Eska" in Classifier.load(archive, False).class_names


@pytest.mark.parametrize("compression, readable", [
    (zipfile.ZIP_DEFLATED, True), (zipfile.ZIP_BZIP2, False),
    (zipfile.ZIP_LZMA, False)])
def test_an_archive_may_be_deflated_but_not_packed_otherwise(
        archive, model, compression, readable):
    change(archive, MODEL, model, compression)
    if readable:
        Classifier.load(archive)
    else:
        with pytest.raises(UserError, match="packed in an unknown way"):
            Classifier.load(archive)


def test_a_changed_byte_is_refused_without_a_signature(archive):
    whole = archive.read_bytes()
    for place in (whole.index(b"Grape_Esca"), whole.index(b"TFL3") + 900):
        changed = bytearray(whole)
        changed[place] ^= 1
        archive.write_bytes(changed)
        with pytest.raises(UserError, match="not a readable archive"):
            Classifier.load(archive)


@pytest.mark.parametrize("line, accepted", [
    (b"", False), (b"text", False), (b"0" * 40, False),
    (b"0" * 40 + b"  learnings.zip\n", False),
    (b"0" * 40 + b"  other.zip\n", False)])
def test_only_a_signature_of_this_file_counts(archive, line, accepted):
    Path("signature.txt").write_bytes(line)
    if accepted:
        assert Classifier.load(archive)
    else:
        with pytest.raises(UserError, match="signature.txt.*--no-verify"):
            Classifier.load(archive)


# Archives that were packed again.

def pack(target, prefix, extra=(), parts=(DESCRIPTION, MODEL, FAMILIARITY)):
    """Pack the members of learnings.zip below a prefix, as others do."""
    with zipfile.ZipFile("learnings.zip") as old, zipfile.ZipFile(
            target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in parts:
            new.writestr(prefix + name, old.read(name))
        for name in extra:
            new.writestr(name, b"of the file manager's")


@pytest.mark.parametrize("prefix, extra", [
    ("learnings/", ["learnings/"]), ("a/b c/é/", []), ("learnings\\", []),
    ("./", []), ("learnings/", [
        "__MACOSX/._learnings", "__MACOSX/learnings/._learnings.json",
        "__MACOSX/learnings/learnings.json", "learnings/.DS_Store",
        "learnings/augmented_directory/a/learnings.json"]),
    ("", ["old/learnings.json"])])
def test_an_archive_that_was_packed_again_in_a_folder_is_read(
        archive, images, prefix, extra):
    expected = Classifier.load(archive)
    pack("again.zip", prefix, extra)
    found = Classifier.load("again.zip")
    assert found.description == expected.description
    assert found.checksum == expected.checksum
    for one, other in zip(found.predict(images), expected.predict(images)):
        assert np.array_equal(one.probabilities, other.probabilities)


def test_a_folder_with_the_archive_stands_for_it(archive):
    expected = Classifier.load(archive).checksum
    assert Classifier.load(".").checksum == expected
    sign(archive, Path("signature.txt"))
    assert Classifier.load(Path.cwd()).checksum == expected
    Path("signature.txt").write_text("0" * 40 + "  learnings.zip\n")
    with pytest.raises(UserError, match="--no-verify"):
        Classifier.load(".")


@pytest.mark.parametrize("make, reason", [
    (lambda: pack("x.zip", "a/", ["b/learnings.json"]),
     "it holds several, in the folders 'a/', 'b/'"),
    (lambda: pack("x.zip", "", ["a/learnings.zip"], ()),
     "it holds a/learnings.zip: unpack it, and give that"),
    (lambda: pack("x.zip", "", ["photo.jpg"], ()),
     "it holds no learnings.json"),
    (lambda: pack("x.zip", "", ["__MACOSX/learnings.json"], ()),
     "it holds no learnings.json"),
    (lambda: pack("x.zip", "a/", [], (DESCRIPTION, MODEL)),
     "a/familiarity.npz"),
    (lambda: zipfile.ZipFile("learnings.zip").extractall("x.zip"),
     "x.zip: an archive that was unpacked; .*pack this folder as a zip"),
])
def test_what_was_packed_otherwise_is_said(archive, make, reason):
    make()
    with pytest.raises(UserError, match=f"^x.zip: .*{reason}|^{reason}"):
        Classifier.load("x.zip")


@pytest.mark.parametrize("content, what", [
    (b"Rar!\x1a\x07\x01\x00", "a RAR archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (b"\x1f\x8b\x08\x00", "a compressed archive, such as .tar.gz"),
    (b"\xfd7zXZ\x00", "a compressed archive"),
    (b"a" + bytes(256) + b"ustar\x0000", "a tar archive; unpack it"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
     "a pointer of Git LFS, not the file itself; fetch that"),
    (b"\n <!DOCTYPE html>\n<html>", "a web page, saved in place"),
    (b"\xef\xbb\xbf<!-- x --><HTML lang='en'>", "a web page"),
    (b"<?xml version='1.0'?><!doctype html>", "a web page"),
    (b"<?xml version='1.0'?><Error>", r"a text \(XML or JSON\)"),
    (b'{"message": "Not Found"}', r"a text \(XML or JSON\)"),
    (b"%PDF-1.7", "a PDF"), (b"", "empty; copy or download it again"),
    (b"\xff\xd8\xff\xe0", r"an image \(JPEG\)"),
    (b"PK\x03\x04" + bytes(99), "a truncated zip"),
    (b"any", "File is not a zip file")])
def test_what_is_no_zip_is_told_by_its_content(content, what, tmp_path):
    (tmp_path / "learnings.zip").write_bytes(content)
    with pytest.raises(UserError, match=rf"of learnings \({what}"):
        Classifier.load(tmp_path / "learnings.zip")


# Archives that are refused.

@pytest.mark.parametrize("spoil, reason", [
    (lambda path: path.unlink(), "no such file; train.py makes it"),
    (lambda path: path.write_text("text"), "not a zip file"),
    (lambda path: path.write_bytes(b""), "empty; copy or download"),
    (lambda path: path.write_bytes(path.read_bytes()[:-30]),
     "truncated zip: copy or download it again"),
    (lambda path: path.write_bytes(path.read_bytes()[300:]), ""),
    (lambda path: change(path, DESCRIPTION), "learnings.json"),
    (lambda path: change(path, MODEL), "model.tflite"),
    (lambda path: change(path, MODEL, b"other"), "model.tflite was changed"),
    (lambda path: change(path, FAMILIARITY), "familiarity.npz"),
    (lambda path: change(path, FAMILIARITY, b"PK"), "familiarity.npz was"),
    (lambda path: change(path, DESCRIPTION, b'{"format": 2}'), "sha256"),
    (lambda path: change(path, DESCRIPTION, b'{"format": 1}'),
     "has format 1, this program reads format 2; train again"),
    (lambda path: change(path, DESCRIPTION, b'{"format": 3}'),
     "has format 3, this program reads format 2; use a newer version"),
    (lambda path: change(path, DESCRIPTION, b"[" * 99999), "recursion"),
    (lambda path: change(path, DESCRIPTION, b"[]"), "list"),
    (lambda path: change(path, DESCRIPTION, b"\xff"), "decode"),
    (lambda path: (path.unlink(), path.mkdir()),
     "a folder without learnings.zip in it"),
])
def test_what_is_no_whole_archive_is_refused(archive, spoil, reason):
    spoil(archive)
    with pytest.raises(UserError, match=f"^learnings.zip: .*{reason}"):
        Classifier.load(archive)


@pytest.mark.parametrize("field, value", [
    ("class_names", None), ("size", float("inf")), ("temperature", "warm"),
    ("threshold", []), ("class_names", ["a", "b"]), ("class_names", "abc"),
    ("class_names", ["a", "a", "b"]), ("class_names", [1, 2, 3]),
    ("size", 0), ("size", 10**9), ("temperature", 0),
    ("strange_temperature", 0),
    ("temperature", float("nan"))])
def test_a_description_that_makes_no_sense_is_refused(archive, field, value):
    with zipfile.ZipFile(archive) as opened:
        fields = json.loads(opened.read(DESCRIPTION))
    change(archive, DESCRIPTION, json.dumps(fields | {field: value}))
    with pytest.raises(UserError, match="not a readable archive"):
        Classifier.load(archive)


@pytest.mark.parametrize("compression", [
    zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_byte_is_noticed_or_does_not_matter(
        archive, images, compression):
    def answers():
        return [(*found.probabilities, found.known, found.class_name)
                for found in Classifier.load(archive).predict(images)]

    change(archive, "notes.txt", b"packed anew by hand", compression)
    whole = archive.read_bytes()
    expected = answers()
    refused = 0
    for place in range(0, len(whole), 5):
        spoilt = bytearray(whole)
        spoilt[place] ^= 0xff
        archive.write_bytes(spoilt)
        try:
            assert answers() == expected
        except UserError:
            refused += 1
    # The rest is dates, flags and the notes.
    assert refused > 0.8 * len(whole) / 5


def test_parts_that_do_not_fit_each_other_are_refused(archive, model):
    fewer = OODDetector(FAMILIAR.mean, FAMILIAR.class_means[:2],
                        FAMILIAR.within, FAMILIAR.overall)
    write_archive(archive, Description(CLASS_NAMES, 8, 2.0, THRESHOLD, 3.0),
                  {MODEL: model, FAMILIARITY: fewer.to_bytes()},
                  Path("augmented"), FILES)
    with pytest.raises(UserError, match="does not have 3 classes"):
        Classifier.load(archive)


# The network.

@pytest.mark.parametrize("content", [
    b"", b"text", bytes(1000), b"\x1c\0\0\0TFL3" + b"\xff" * 1000])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(ValueError, match="no LiteRT model"):
        Network(content)


def test_batches_of_any_size_give_the_same(model, batch):
    network = Network(model)
    together, *_ = network(batch)
    for size in (1, 2, 5):
        parts = [network(batch[start:start + size])[0]
                 for start in range(0, len(batch), size)]
        assert np.concatenate(parts) == pytest.approx(together, abs=1e-6)


def test_a_result_is_not_overwritten_by_the_next(model, batch):
    network = Network(model)
    first, *_ = network(batch[:1])
    kept = first.copy()
    network(batch[1:2])
    assert np.array_equal(first, kept)


# Logits to probabilities.

@pytest.mark.parametrize("logits, probabilities", [
    ([0, 0, 0, 0], [1 / 4] * 4), ([0, np.log(3)], [1 / 4, 3 / 4]),
    ([1e4, 1e4], [1 / 2, 1 / 2]), ([-1e4, 0], [0, 1]),
    ([-1e4, -1e4], [1 / 2, 1 / 2])])
def test_softmax_of_small_and_of_huge_logits(logits, probabilities):
    logits = np.array([logits, np.zeros(len(logits))], np.float32)
    assert softmax(logits)[0] == pytest.approx(probabilities)
    assert softmax(logits).sum(axis=1) == pytest.approx([1, 1])


def test_the_most_probable_classes_come_first():
    prediction = Prediction(("a", "b", "c", "d"),
                            np.array([0.2, 0.5, 0.1, 0.2]), 1.0, True,
                            np.zeros((1, 1, 4)))
    assert prediction.top(3) == [("b", 0.5), ("a", 0.2), ("d", 0.2)]
    assert len(prediction.top(99)) == 4
    assert (prediction.class_name, prediction.confidence) == ("b", 0.5)
