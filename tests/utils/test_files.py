"""leaffliction/utils/files.py: whole or not at all, and one run at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from leaffliction.utils import files
from leaffliction.utils.errors import UserError
from leaffliction.utils.marks import COPY, mark_line
from leaffliction.utils.stores import StorePath


@pytest.mark.parametrize("before", [None, b"old"])
@pytest.mark.parametrize("error, seen", [
    (OSError(28, "No space"), UserError), (ValueError, ValueError),
    (KeyboardInterrupt, KeyboardInterrupt)])
def test_a_failed_write_leaves_all_as_it_was(tmp_path, before, error, seen):
    path = tmp_path / "a.csv"
    if before:
        path.write_bytes(before)
    with pytest.raises(seen), files.atomic_write(path) as partial:
        partial.write_bytes(b"half")
        raise error
    left = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert left == ({"a.csv": before} if before else {})


def test_a_file_appears_whole_at_the_end_only(tmp_path):
    path = tmp_path / "new" / "a.csv"
    with files.atomic_write(path) as partial:
        partial.write_bytes(b"whole")
        assert not path.exists()
        assert partial.name.startswith(".")     # hidden: no image
    assert [file.name for file in path.parent.iterdir()] == ["a.csv"]
    assert path.read_bytes() == b"whole"


def run_beside(code, folder):
    """Return a process that runs code, when it has said so itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path\n"
         f"sys.path.insert(0, {str(ROOT)!r})\nfrom leaffliction.utils import files\n{code}"
         "    print(flush=True); time.sleep(60)"],
        cwd=folder, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_second_run_on_a_file_stops_until_the_first_is_gone(tmp_path):
    other = run_beside("with files.atomic_write(Path('a.csv')) as partial:\n"
                       "    partial.write_bytes(b'much longer')\n", tmp_path)
    try:
        with pytest.raises(UserError, match="a.csv: another run is writing"):
            with files.atomic_write(tmp_path / "a.csv"):
                pytest.fail("two at once")
        # Another file in the same folder is nobody else's business.
        with files.atomic_write(tmp_path / "b.csv") as partial:
            partial.write_bytes(b"b")
        assert len(list(tmp_path.iterdir())) == 2, "the other's was deleted"
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    # What it has left behind is written over.
    with files.atomic_write(tmp_path / "a.csv") as partial:
        assert partial.exists()
        partial.write_bytes(b"a")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "a.csv": b"a", "b.csv": b"b"}


def test_a_second_run_in_a_folder_stops_until_the_first_is_gone(tmp_path):
    other = run_beside("with files.directory_lock(Path('.')):\n", tmp_path)
    try:
        with pytest.raises(UserError, match="another run is writing into"):
            with files.directory_lock(tmp_path):
                pytest.fail("two at once")
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    with files.directory_lock(tmp_path) as is_alone:
        assert is_alone
    assert not list(tmp_path.iterdir())


def test_a_disk_without_locks_is_written_nevertheless(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with files.directory_lock(tmp_path) as is_alone:
        assert not is_alone
        with files.atomic_write(tmp_path / "a") as partial:
            partial.write_bytes(b"a")
    assert (tmp_path / "a").read_bytes() == b"a"


def test_a_file_that_moved_away_before_it_was_locked_is_not_taken(
        tmp_path, monkeypatch):
    real, moved = files.fcntl.flock, []

    def lock_late(descriptor, how):
        # The other run finishes between this one's opening and locking.
        if not moved:
            partial, = tmp_path.glob(".partial-*")
            partial.write_bytes(b"of the other")
            os.replace(partial, tmp_path / "done")
            moved.append(partial)
        real(descriptor, how)

    monkeypatch.setattr(files.fcntl, "flock", lock_late)
    with files.atomic_write(tmp_path / "a") as partial:
        # It is the new file that is locked.
        with pytest.raises(UserError, match="another run"):
            with files.atomic_write(tmp_path / "a"):
                pytest.fail("two at once")
        partial.write_bytes(b"a")
    assert (tmp_path / "done").read_bytes() == b"of the other"
    assert (tmp_path / "a").read_bytes() == b"a"


def test_a_device_or_a_pipe_stays_what_it_is(tmp_path, capfd):
    with files.atomic_write(Path("/dev/null")) as target:
        assert target == Path("/dev/null")
    with files.atomic_write(Path("/dev/stdout")) as target:
        target.write_bytes(b"seen\n")
    assert capfd.readouterr().out == "seen\n"
    with pytest.raises(UserError, match="/dev/full: cannot be written .No sp"):
        with files.atomic_write(Path("/dev/full")) as target:
            target.write_bytes(b"a")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with files.atomic_write(tmp_path / "pipe") as target:
        target.write_bytes(b"a")
    assert os.read(reader, 9) == b"a"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert not list(Path("/dev").glob(".partial-*"))


# What is there already.

PHOTOGRAPH = b"\xff\xd8\xff\xe0 a leaf"
DRAWING = PHOTOGRAPH + mark_line("a")
COPIED = PHOTOGRAPH + mark_line("a", COPY)


@pytest.mark.parametrize("before, after, replaced", [
    (b"", b"text", True), (b"text", b"other text", True),
    (b"text", PHOTOGRAPH, True), (PHOTOGRAPH, PHOTOGRAPH, True),
    (PHOTOGRAPH, b"text", False), (PHOTOGRAPH, PHOTOGRAPH + b"!", False),
    (PHOTOGRAPH, DRAWING, False), (PHOTOGRAPH + b"!", COPIED, False),
    # An earlier version wrote the same copy without a mark.
    (PHOTOGRAPH, COPIED, True),
    (DRAWING, b"text", True), (DRAWING, DRAWING + mark_line("b"), True),
    (COPIED, COPIED + mark_line("b", COPY), True), (COPIED, b"text", False),
    (COPIED, DRAWING, False), (b"%PDF-1.7 his", b"text", False),
    (b"\n<!-- x --><svg/>", b"text", False), (b"<html/>", b"text", True),
    (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", b"text", False),
    # Images that are not read: a camera's raw file, Photoshop, JPEG 2000.
    (b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01", b"text", False),
    (b"8BPS\x00\x01", b"text", False),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"text", False),
    (b"PK\x03\x04", b"text", True), (b'{"file": 1}', b"text", True)])
@pytest.mark.parametrize("place", ["disk", "store"])
def test_no_image_but_our_own_is_written_over(
        tmp_path, place, before, after, replaced):
    path = tmp_path / "a"
    path.write_bytes(before)
    if place == "store":
        path = StorePath(f"file://{path}", protocol="file",
                         use_listings_cache=False)
    try:
        with files.atomic_write(path) as partial:
            partial.write_bytes(after)
    except UserError as error:
        assert "is an image that these programs did not make" in str(error)
        assert not replaced
    assert (tmp_path / "a").read_bytes() == (after if replaced else before)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_an_output_is_no_input_and_no_other_output(tmp_path, monkeypatch):
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

    def check(*outputs):
        files.check_outputs(outputs, inputs)

    check(None, "-", "-", "/dev/null", Path("/dev/null"), Path("old.csv"),
          "chart.png", "new/a.csv", "pipe", "pipe")
    for output in ("leaves.csv", tmp_path / "leaves.csv", "hard.csv",
                   "soft.csv", "folder/../leaves.csv"):
        with pytest.raises(UserError, match="is read by this run"):
            check(output)
    for output in ("photo.JPG", "soft.JPG"):
        with pytest.raises(UserError, match="is an image that these"):
            check(None, output)
    with pytest.raises(UserError, match="folder: cannot be written .Is a dir"):
        check("folder")
    for one, other in (("a", "./a"), ("a", "A"), ("old.csv", "old.csv"),
                       ("new.csv", "dead.csv"), ("folder/b", "folder/./B")):
        with pytest.raises(UserError, match="two outputs go to this file"):
            check(one, "c", Path(other))


def test_what_may_not_be_looked_at_in_a_store_is_written(
        store, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError(13, "Access denied")

    for name in ("_kind", "ends"):
        monkeypatch.setattr(StorePath, name, refuse)
    files.check_outputs([store / "a"], [])
    with files.atomic_write(store / "a") as partial:
        partial.write_bytes(b"a")
    monkeypatch.undo()
    assert (store / "a").read_bytes() == b"a"
