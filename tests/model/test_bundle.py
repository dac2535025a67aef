"""leaffliction/model/bundle.py: the archive, and its signature."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import CLASS_NAMES, DETECTOR, OOD_THRESHOLD, write

from leaffliction.model.bundle import (DESCRIPTION, IMAGES, LABELS, MODEL,
                                       OOD_DETECTOR, Bundle, Description,
                                       familiarity, from_fields, read_archive,
                                       sign, to_fields)
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import file_digest

READ_MEMBERS = (DESCRIPTION, MODEL, OOD_DETECTOR)


def change(archive, member, content=None, compression=zipfile.ZIP_STORED):
    """Write the archive again, with other content for a member, or without."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in READ_MEMBERS}
    members[member] = content
    with zipfile.ZipFile(archive, "w", compression) as new:
        for name, data in members.items():
            if data is not None:
                new.writestr(name, data)


# Written and read.

def test_a_written_archive_is_read_back(archive, model):
    with zipfile.ZipFile(archive) as opened:
        checksum = hashlib.sha256(opened.read(DESCRIPTION)).hexdigest()
    assert read_archive(archive) == Bundle(
        archive, Description(CLASS_NAMES, 8, 2.0, OOD_THRESHOLD, 3.0,
                             {"seed": 42}),
        model, DETECTOR.to_bytes(), checksum)


def test_the_description_keeps_its_keys_and_signs_in_the_file(archive):
    with zipfile.ZipFile(archive) as opened:
        fields = json.loads(opened.read(DESCRIPTION))
    del fields["sha256"]
    assert fields == {
        "format": 3, "class_names": list(CLASS_NAMES), "size": 8,
        "temperature": 2.0, "threshold": -OOD_THRESHOLD,
        "strange_temperature": 3.0, "details": {"seed": 42}}
    # Archives of an earlier version have only one temperature.
    del fields["strange_temperature"]
    assert from_fields(fields).ood_temperature == 2.0


def test_an_archive_of_format_2_is_read(archive):
    new = read_archive(archive)
    with zipfile.ZipFile(archive) as opened:
        fields = json.loads(opened.read(DESCRIPTION))
    text = json.dumps(fields | {"format": 2}).encode()
    change(archive, DESCRIPTION, text)
    assert read_archive(archive) == replace(
        new, checksum=hashlib.sha256(text).hexdigest())


@pytest.mark.parametrize("number", [0.0, 0.1, -1 / 3, 3.4028234663852886e38])
def test_negated_thresholds_come_back_exactly(number):
    description = Description(("a", "b"), 8, 1.0, number, 1.0)
    assert from_fields(to_fields(description)) == description
    assert familiarity(familiarity(number)) == number
    assert str(familiarity(0.0)) == "0.0"


def test_only_the_members_that_are_needed_are_read(archive, monkeypatch):
    read = []

    def watch(opened, name, *arguments):
        read.append(name)
        return original(opened, name, *arguments)

    original = zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", watch)
    read_archive(archive)
    assert sorted(read) == sorted(READ_MEMBERS)


def test_equal_content_gives_equal_bytes(archive, model, files):
    for file in files:
        os.utime("augmented" / file, (1, 10 ** 9))
    write(Path("again.zip"), model, reversed(files))
    assert Path("again.zip").read_bytes() == archive.read_bytes()
    write(Path("other.zip"), model, files[1:])
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


def test_an_archive_that_cannot_be_written_is_an_error(archive, model):
    Path("file").touch()
    with pytest.raises(UserError, match="file/x.zip: cannot be written"):
        write(Path("file/x.zip"), model)
    with pytest.raises(UserError, match="cannot be written"):
        write(archive, model, [Path("missing.JPG")])
    assert read_archive(archive), "the earlier archive is gone"
    assert not list(Path().glob(".partial-*"))


def test_an_image_that_vanishes_is_named_in_the_error(archive, model):
    with pytest.raises(UserError, match=(
            "learnings.zip: cannot be written: augmented/gone.JPG cannot be "
            "read .No such")):
        write(archive, model, [Path("gone.JPG")])


def stopped_at_each_step(archive, model, files, monkeypatch):
    """Interrupt writing an archive and its signature at each step in turn.

    Yields after each interruption.  A signed archive of an earlier run is
    there before.
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
                write(archive, model, files[:1],
                      stale=[Path("report/report.json")])
                sign(archive, Path("signature.txt"))
                return
            except KeyboardInterrupt:
                yield


def test_an_interrupted_write_leaves_an_archive_and_signature_that_match(
        archive, model, files, monkeypatch):
    states = []
    for _ in stopped_at_each_step(archive, model, files, monkeypatch):
        # As after kill -9 and a restart: neither refused nor truncated.
        assert read_archive(archive)
        with zipfile.ZipFile(archive) as opened:
            is_new = any(name.startswith(IMAGES)
                         for name in opened.namelist())
        report = Path("report/report.json")
        if report.exists():
            assert report.read_text() == file_digest(archive, "sha1")
        states.append((is_new, Path("signature.txt").exists(),
                       report.exists()))
    # The steps in order: old and signed, unsigned, new, new and signed.
    assert states == sorted(states, key=lambda state: (state[0], -state[1],
                                                       -state[2]))
    assert {(False, True, True), (False, False, False),
            (True, False, False)} <= set(states)
    assert Path("signature.txt").read_text().split()[0] == file_digest(
        archive, "sha1")


# The signature.

@pytest.mark.skipif(not shutil.which("sha1sum"), reason="compares with it")
@pytest.mark.parametrize("name", [
    "learnings.zip", "my learnings (2).zip", os.fsdecode(b"caf\xe9.zip")])
def test_subject_16_the_signature_is_what_sha1sum_prints(archive, name):
    archive.rename(name)
    line = sign(Path.cwd() / name, Path("signature.txt"))
    printed = subprocess.run(["sha1sum", name], capture_output=True).stdout
    assert Path("signature.txt").read_bytes() == printed == os.fsencode(line)


def test_an_archive_that_is_not_the_signed_one_is_refused(archive):
    sign(archive, Path("signature.txt"))
    assert read_archive(archive, verify=True) == read_archive(archive)
    with zipfile.ZipFile(archive) as opened:
        text = opened.read(DESCRIPTION)
    # All checksums inside the zip are right; only the signature tells.
    change(archive, DESCRIPTION, text.replace(b"Grape_Esca", b"Grape_Eska"))
    with pytest.raises(UserError, match="not the archive that signature.txt "
                                        "was made for; leave --verify out"):
        read_archive(archive, verify=True)
    bundle = read_archive(archive)
    assert "Grape_Eska" in bundle.description.class_names


@pytest.mark.parametrize("text", [
    "", "text", "0" * 40, "0" * 40 + "  learnings.zip\n",
    "0" * 40 + "  other.zip\n"])
def test_a_signature_without_the_digest_is_an_error(archive, text):
    Path("signature.txt").write_text(text)
    with pytest.raises(UserError, match="signature.txt.*--verify"):
        read_archive(archive, verify=True)
    assert read_archive(archive)


def test_changed_images_are_seen_only_when_all_is_verified(archive):
    sign(archive, Path("signature.txt"))
    whole = archive.read_bytes()
    archive.write_bytes(whole.replace(b"Apple_scab/a.JPG", b"apple_scab/a.JPG",
                                      1))
    assert archive.read_bytes() != whole
    assert read_archive(archive)
    with pytest.raises(UserError, match="not the archive"):
        read_archive(archive, verify=True)


def test_an_archive_that_ends_after_its_network_is_truncated(archive, model):
    # The network ends with a zip of its own, as train.py writes it.
    stream = io.BytesIO(model)
    with zipfile.ZipFile(stream, "a") as labels:
        labels.writestr(LABELS, "Apple_scab")
    network = stream.getvalue()
    write(archive, network)
    assert read_archive(archive).model == network
    whole = archive.read_bytes()
    archive.write_bytes(whole[:whole.index(network) + len(network)])
    with pytest.raises(UserError, match="a truncated zip: copy or download"):
        read_archive(archive)


IMAGE_BYTES = 10 * 2**20


@pytest.fixture
def large_archive(archive, model):
    """Return an archive in which images take nearly all the space."""
    Path("augmented/large.JPG").write_bytes(bytes(IMAGE_BYTES))
    write(archive, model, [Path("large.JPG")])
    return archive


def test_images_on_a_disk_are_not_read(large_archive, monkeypatch):
    opened = []

    def watch(path, *arguments, **options):
        opened.append(Counted(original(path, *arguments, **options)))
        return opened[-1]

    class Counted(io.BufferedReader):
        count = 0

        def read(self, *size):
            content = super().read(*size)
            self.count += len(content)
            return content

    original = Path.open
    monkeypatch.setattr(Path, "open", watch)
    read_archive(large_archive)
    stream, = opened
    assert 1000 < stream.count < IMAGE_BYTES / 20


def test_a_store_sends_only_the_members_that_are_needed(
        large_archive, store, monkeypatch):
    def send(path, start=None, end=None):
        content = original(path, start, end)
        sent.append(len(content))
        return content

    def refuse(*_):
        pytest.fail("all of the archive is downloaded")

    sent = []
    (store / "learnings.zip").put(large_archive)
    sign(large_archive, Path("signature.txt"))
    original = store.fs.cat_file
    with monkeypatch.context() as patch:
        patch.setattr(store.fs, "cat_file", send)
        patch.setattr(store.fs, "get_file", refuse)
        bundle = read_archive(store / "learnings.zip")
    assert 1000 < sum(sent) < IMAGE_BYTES / 20 and len(sent) < 20
    assert replace(bundle, path=large_archive) == read_archive(large_archive)
    (store / "signature.txt").put("signature.txt")
    assert read_archive(store / "learnings.zip", verify=True) == bundle
    (store / "signature.txt").unlink()
    with pytest.raises(UserError, match="signature.txt: no such file"):
        read_archive(store / "learnings.zip", verify=True)


# Archives that a user packed again.

def pack(target, prefix, extra=(), members=READ_MEMBERS):
    """Pack members of learnings.zip below a prefix, as file managers do."""
    with zipfile.ZipFile("learnings.zip") as old, zipfile.ZipFile(
            target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in members:
            new.writestr(prefix + name, old.read(name))
        for name in extra:
            new.writestr(name, b"of the file manager")


@pytest.mark.parametrize("prefix, extra", [
    ("learnings/", ["learnings/"]), ("a/b c/é/", []), ("learnings\\", []),
    ("./", []), ("learnings/", [
        "__MACOSX/._learnings", "__MACOSX/learnings/._learnings.json",
        "__MACOSX/learnings/learnings.json", "learnings/.DS_Store",
        "learnings/augmented_directory/a/learnings.json"]),
    ("", ["old/learnings.json"])])
def test_an_archive_packed_again_in_a_folder_is_read(archive, prefix, extra):
    pack("again.zip", prefix, extra)
    bundle = read_archive(Path("again.zip"))
    assert replace(bundle, path=archive) == read_archive(archive)


@pytest.mark.parametrize("compression, readable", [
    (zipfile.ZIP_DEFLATED, True), (zipfile.ZIP_BZIP2, False),
    (zipfile.ZIP_LZMA, False)])
def test_an_archive_may_be_deflated_and_not_compressed_otherwise(
        archive, model, compression, readable):
    change(archive, MODEL, model, compression)
    if readable:
        assert read_archive(archive).model == model
    else:
        with pytest.raises(UserError, match="has an unknown compression"):
            read_archive(archive)


def test_a_folder_that_holds_the_archive_is_read(archive):
    expected = read_archive(archive)
    assert read_archive(Path()) == expected
    sign(archive, Path("signature.txt"))
    assert read_archive(Path.cwd(), verify=True).checksum == expected.checksum
    Path("signature.txt").write_text("0" * 40 + "  learnings.zip\n")
    with pytest.raises(UserError, match="not the archive"):
        read_archive(Path(), verify=True)


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
def test_the_error_says_how_an_archive_was_packed_wrongly(
        archive, make, reason):
    make()
    with pytest.raises(UserError, match=f"^x.zip: .*{reason}|^{reason}"):
        read_archive(Path("x.zip"))


# Files that are refused.

@pytest.mark.parametrize("content, kind", [
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
def test_the_error_names_the_kind_of_a_file_that_is_no_zip(
        content, kind, tmp_path):
    (tmp_path / "learnings.zip").write_bytes(content)
    with pytest.raises(UserError, match=rf"of learnings \({kind}"):
        read_archive(tmp_path / "learnings.zip")


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
    (lambda path: change(path, OOD_DETECTOR), "familiarity.npz"),
    (lambda path: change(path, OOD_DETECTOR, b"PK"), "familiarity.npz was"),
    (lambda path: change(path, DESCRIPTION, b'{"format": 3}'), "sha256"),
    (lambda path: change(path, DESCRIPTION, b'{"format": 1}'),
     "has format 1, this program reads formats 2 to 3; train again"),
    (lambda path: change(path, DESCRIPTION, b'{"format": 4}'),
     "has format 4, this program reads formats 2 to 3; use a newer version"),
    (lambda path: change(path, DESCRIPTION, b'{"format": "3"}'), "not supp"),
    (lambda path: change(path, DESCRIPTION, b"[" * 99999), "recursion"),
    (lambda path: change(path, DESCRIPTION, b"[]"), "list"),
    (lambda path: change(path, DESCRIPTION, b"\xff"), "decode"),
    (lambda path: (path.unlink(), path.mkdir()),
     "a folder without learnings.zip in it"),
])
def test_a_damaged_or_missing_archive_is_refused(archive, spoil, reason):
    spoil(archive)
    with pytest.raises(UserError, match=f"^learnings.zip: .*{reason}"):
        read_archive(archive)


@pytest.mark.parametrize("field, value", [
    ("class_names", None), ("size", float("inf")), ("temperature", "warm"),
    ("threshold", []), ("class_names", "abc"),
    ("class_names", ["a", "a", "b"]), ("class_names", [1, 2, 3]),
    ("size", 0), ("size", 10**9), ("temperature", 0),
    ("strange_temperature", 0), ("temperature", float("nan"))])
def test_a_description_with_nonsense_is_refused(archive, field, value):
    with zipfile.ZipFile(archive) as opened:
        fields = json.loads(opened.read(DESCRIPTION))
    change(archive, DESCRIPTION, json.dumps(fields | {field: value}))
    with pytest.raises(UserError, match="not a readable archive"):
        read_archive(archive)


def test_a_changed_byte_is_refused_without_a_signature(archive):
    whole = archive.read_bytes()
    for offset in (whole.index(b"Grape_Esca"), whole.index(b"TFL3") + 900):
        changed = bytearray(whole)
        changed[offset] ^= 1
        archive.write_bytes(changed)
        with pytest.raises(UserError, match="not a readable archive"):
            read_archive(archive)


@pytest.mark.parametrize("compression", [
    zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_byte_is_refused_or_changes_nothing(archive, compression):
    change(archive, "notes.txt", b"packed again by hand", compression)
    whole = archive.read_bytes()
    expected = read_archive(archive)
    refused = 0
    for offset in range(0, len(whole), 5):
        flipped = bytearray(whole)
        flipped[offset] ^= 0xff
        archive.write_bytes(flipped)
        try:
            assert read_archive(archive) == expected
        except UserError:
            refused += 1
    # The other bytes are dates, flags and the notes.
    assert refused > 0.8 * len(whole) / 5
