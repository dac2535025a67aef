"""leaffliction/utils/files.py: complete or not at all, one run at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from leaffliction.utils.errors import UserError
from leaffliction.utils.files import (atomic_write, directory_lock,
                                      file_digest, sha256_or_empty)
from leaffliction.utils.storage import writing
from leaffliction.utils.storage.object_store import StorePath


def contents(folder):
    """Return {name: bytes} of the files in a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("before", [None, b"old"])
@pytest.mark.parametrize("error, raised", [
    (OSError(28, "No space"), UserError), (ValueError, ValueError),
    (KeyboardInterrupt, KeyboardInterrupt)])
def test_a_failed_write_changes_nothing(tmp_path, before, error, raised):
    path = tmp_path / "a.csv"
    if before:
        path.write_bytes(before)
    with pytest.raises(raised), atomic_write(path) as partial:
        partial.write_bytes(b"half")
        raise error
    assert contents(tmp_path) == ({"a.csv": before} if before else {})


def test_a_file_appears_complete_at_the_end(tmp_path):
    path = tmp_path / "new" / "a.csv"
    with atomic_write(path) as partial:
        partial.write_bytes(b"complete")
        assert not path.exists()
        assert partial.name.startswith(".")
    assert contents(path.parent) == {"a.csv": b"complete"}


def test_two_runs_cannot_write_one_file(tmp_path):
    with atomic_write(tmp_path / "a.csv") as first:
        first.write_bytes(b"of the first run")
        with pytest.raises(UserError, match="a.csv: another run is writing"):
            with atomic_write(tmp_path / "a.csv"):
                pytest.fail("two runs at once")
        # Another file in the same folder is free.
        with atomic_write(tmp_path / "b.csv") as other:
            other.write_bytes(b"b")
    assert contents(tmp_path) == {"a.csv": b"of the first run", "b.csv": b"b"}


def test_two_runs_cannot_lock_one_folder(tmp_path):
    with directory_lock(tmp_path) as is_locked:
        assert is_locked
        with pytest.raises(UserError, match="another run is writing into"):
            with directory_lock(tmp_path):
                pytest.fail("two runs at once")
    with directory_lock(tmp_path) as is_locked:
        assert is_locked
    assert not contents(tmp_path)


HOLD_LOCKS = """
import sys, time
from pathlib import Path
from leaffliction.utils.files import atomic_write, directory_lock
folder = Path(sys.argv[1])
with directory_lock(folder), atomic_write(folder / "a.csv") as partial:
    partial.write_bytes(b"much longer")
    print(flush=True)
    time.sleep(60)
"""


def test_locks_of_a_killed_run_are_free_and_its_partial_file_is_reused(
        tmp_path):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCKS, tmp_path], cwd=ROOT,
        stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        with pytest.raises(UserError), directory_lock(tmp_path):
            pytest.fail("two runs at once")
        with pytest.raises(UserError), atomic_write(tmp_path / "a.csv"):
            pytest.fail("two runs at once")
        assert len(contents(tmp_path)) == 1, "its partial file was deleted"
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    with directory_lock(tmp_path), atomic_write(tmp_path / "a.csv") as partial:
        assert partial.exists()
        partial.write_bytes(b"a")
    assert contents(tmp_path) == {"a.csv": b"a"}


def test_a_disk_without_locks_can_be_written_to(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(writing.fcntl, "flock", refuse)
    with directory_lock(tmp_path) as is_locked:
        assert not is_locked
        with atomic_write(tmp_path / "a") as partial:
            partial.write_bytes(b"a")
    assert contents(tmp_path) == {"a": b"a"}


def test_a_file_that_another_run_renamed_before_the_lock_is_left_alone(
        tmp_path, monkeypatch):
    flock, renamed = writing.fcntl.flock, []

    def flock_late(descriptor, operation):
        # The other run finishes between this run's open and lock.
        if not renamed:
            partial, = tmp_path.glob(".partial-*")
            partial.write_bytes(b"of the other run")
            os.replace(partial, tmp_path / "done")
            renamed.append(partial)
        flock(descriptor, operation)

    monkeypatch.setattr(writing.fcntl, "flock", flock_late)
    with atomic_write(tmp_path / "a") as partial:
        # The lock is on the new partial file.
        with pytest.raises(UserError, match="another run"):
            with atomic_write(tmp_path / "a"):
                pytest.fail("two runs at once")
        partial.write_bytes(b"a")
    assert contents(tmp_path) == {"a": b"a", "done": b"of the other run"}


def test_a_device_or_a_pipe_is_written_directly(tmp_path, capfd):
    with atomic_write(Path("/dev/null")) as target:
        assert target == Path("/dev/null")
    with atomic_write(Path("/dev/stdout")) as target:
        target.write_bytes(b"seen\n")
    assert capfd.readouterr().out == "seen\n"
    with pytest.raises(UserError, match="/dev/full: cannot be written .No sp"):
        with atomic_write(Path("/dev/full")) as target:
            target.write_bytes(b"a")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(tmp_path / "pipe") as target:
        target.write_bytes(b"a")
    assert os.read(reader, 9) == b"a"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert not list(Path("/dev").glob(".partial-*"))


def test_a_store_need_not_be_readable_to_be_written_to(store, monkeypatch):
    def refuse(*_, **__):
        raise OSError(13, "Access denied")

    for name in ("_kind", "read_ends"):
        monkeypatch.setattr(StorePath, name, refuse)
    with atomic_write(store / "a") as partial:
        partial.write_bytes(b"a")
    monkeypatch.undo()
    assert (store / "a").read_bytes() == b"a"


# The checksums of "abc": FIPS 180-2, appendices A.1 and B.1.
SHA1 = "a9993e364706816aba3e25717850c26c9cd0d89d"
SHA256 = ("ba7816bf8f01cfea414140de5dae2223"
          "b00361a396177a9cb410ff61f20015ad")


def test_checksums_equal_the_published_ones(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert file_digest(path) == sha256_or_empty(path) == SHA256
    assert file_digest(path, "sha1") == SHA1
    # A file that was read already is not opened.
    assert file_digest(tmp_path / "none", content=b"abc") == SHA256


def test_what_cannot_be_read_has_an_empty_checksum(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("none", "pipe", "."):
        assert sha256_or_empty(tmp_path / name) == ""
