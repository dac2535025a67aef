"""leaffliction/utils/overwrite.py: no input and no photograph is lost."""

import os
from pathlib import Path

import pytest

from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write
from leaffliction.utils.marks import COPY, mark_line
from leaffliction.utils.overwrite import check_outputs
from leaffliction.utils.storage.object_store import StorePath

PHOTOGRAPH = b"\xff\xd8\xff\xe0 a leaf"
DRAWING = PHOTOGRAPH + mark_line("a")
AUGMENTED = PHOTOGRAPH + mark_line("a", COPY)


@pytest.mark.parametrize("before, after, is_replaced", [
    (b"", b"text", True), (b"text", b"other text", True),
    (b"text", PHOTOGRAPH, True), (PHOTOGRAPH, PHOTOGRAPH, True),
    (PHOTOGRAPH, b"text", False), (PHOTOGRAPH, PHOTOGRAPH + b"!", False),
    (PHOTOGRAPH, DRAWING, False), (PHOTOGRAPH + b"!", AUGMENTED, False),
    # An earlier version wrote the same copy without a mark.
    (PHOTOGRAPH, AUGMENTED, True),
    (DRAWING, b"text", True), (DRAWING, DRAWING + mark_line("b"), True),
    (AUGMENTED, AUGMENTED + mark_line("b", COPY), True),
    (AUGMENTED, b"text", False),
    (AUGMENTED, DRAWING, False), (b"%PDF-1.7 mine", b"text", False),
    (b"\n<!-- x --><svg/>", b"text", False), (b"<html/>", b"text", True),
    (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", b"text", False),
    # Images that the programs cannot read: raw, Photoshop, JPEG 2000.
    (b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01", b"text", False),
    (b"8BPS\x00\x01", b"text", False),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"text", False),
    (b"PK\x03\x04", b"text", True), (b'{"file": 1}', b"text", True)])
@pytest.mark.parametrize("storage", ["disk", "store"])
def test_only_images_of_the_programs_are_overwritten(
        tmp_path, storage, before, after, is_replaced):
    path = tmp_path / "a"
    path.write_bytes(before)
    if storage == "store":
        path = StorePath(f"file://{path}", protocol="file",
                         use_listings_cache=False)
    try:
        with atomic_write(path) as partial:
            partial.write_bytes(after)
    except UserError as error:
        assert "is an image that these programs did not make" in str(error)
        assert not is_replaced
    assert (tmp_path / "a").read_bytes() == (after if is_replaced else before)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Return a function that checks outputs beside files of all kinds.

    The inputs of the run are leaves.csv and a missing file.
    """
    monkeypatch.chdir(tmp_path)
    Path("leaves.csv").write_text("file,leaf")
    Path("photo.JPG").write_bytes(PHOTOGRAPH)
    Path("old.csv").write_text("of an earlier run")
    Path("chart.png").write_bytes(DRAWING)
    Path("folder").mkdir()
    os.link("leaves.csv", "hard.csv")
    Path("soft.csv").symlink_to("leaves.csv")
    Path("soft.JPG").symlink_to("photo.JPG")
    Path("dead.csv").symlink_to("new.csv")
    os.mkfifo("pipe")
    inputs = [Path("leaves.csv"), Path("gone.csv")]
    return lambda *outputs: check_outputs(outputs, inputs)


def test_devices_results_and_new_files_are_outputs(check):
    check(None, "-", "-", "/dev/null", Path("/dev/null"), Path("old.csv"),
          "chart.png", "new/a.csv", "pipe", "pipe")


@pytest.mark.parametrize("output", [
    "leaves.csv", "./leaves.csv", "hard.csv", "soft.csv",
    "folder/../leaves.csv"])
def test_an_input_is_no_output(check, output):
    for path in (output, os.path.abspath(output)):
        with pytest.raises(UserError, match="is read by this run"):
            check(path)


@pytest.mark.parametrize("output, message", [
    ("photo.JPG", "photo.JPG: is an image that these"),
    ("soft.JPG", "soft.JPG: is an image that these"),
    ("folder", "folder: cannot be written .Is a directory")])
def test_a_photograph_or_a_folder_is_no_output(check, output, message):
    with pytest.raises(UserError, match=message):
        check(None, output)


@pytest.mark.parametrize("one, other", [
    ("a", "./a"), ("a", "A"), ("old.csv", "old.csv"),
    ("new.csv", "dead.csv"), ("folder/b", "folder/./B")])
def test_two_outputs_are_two_files(check, one, other):
    with pytest.raises(UserError, match="two outputs go to this file"):
        check(one, "c", Path(other))


def test_a_store_that_cannot_be_read_holds_no_file_to_protect(
        store, monkeypatch):
    def refuse(*_, **__):
        raise OSError(13, "Access denied")

    for name in ("_kind", "read_ends"):
        monkeypatch.setattr(StorePath, name, refuse)
    check_outputs([store / "a"], [])


@pytest.mark.parametrize("name", [
    "apple-grape.zip", "signature.txt", "apple-grape.md"])
def test_a_file_of_a_released_model_is_no_output(check, models_folder, name):
    released = models_folder / name
    released.write_text("released")
    Path("link").symlink_to(released)
    for path in (released, models_folder / "../models" / name, "link"):
        with pytest.raises(UserError, match="belongs to a released model"):
            check(None, path)
    check(models_folder / "new.csv", name)
