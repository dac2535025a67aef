"""utils/files.py: whole or not at all, and one run at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils import files
from utils.cli import UserError

ROOT = Path(files.__file__).resolve().parent.parent


@pytest.mark.parametrize("before", [None, b"old"])
@pytest.mark.parametrize("error, seen", [
    (OSError(28, "No space"), UserError), (ValueError, ValueError),
    (KeyboardInterrupt, KeyboardInterrupt)])
def test_a_failed_write_leaves_all_as_it_was(tmp_path, before, error, seen):
    path = tmp_path / "a.csv"
    if before:
        path.write_bytes(before)
    with pytest.raises(seen), files.whole_file(path) as partial:
        partial.write_bytes(b"half")
        raise error
    left = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert left == ({"a.csv": before} if before else {})


def test_a_file_appears_whole_at_the_end_only(tmp_path):
    path = tmp_path / "new" / "a.csv"
    with files.whole_file(path) as partial:
        partial.write_bytes(b"whole")
        assert not path.exists()
        assert partial.name.startswith(".")     # hidden: no image
    assert [file.name for file in path.parent.iterdir()] == ["a.csv"]
    assert path.read_bytes() == b"whole"


def run_beside(code, folder):
    """Return a process that runs code, when it has said so itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path\n"
         f"sys.path.insert(0, {str(ROOT)!r})\nfrom utils import files\n{code}"
         "    print(flush=True); time.sleep(60)"],
        cwd=folder, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_second_run_on_a_file_stops_until_the_first_is_gone(tmp_path):
    other = run_beside("with files.whole_file(Path('a.csv')) as partial:\n"
                       "    partial.write_bytes(b'much longer')\n", tmp_path)
    try:
        with pytest.raises(UserError, match="a.csv: another run is writing"):
            with files.whole_file(tmp_path / "a.csv"):
                pytest.fail("two at once")
        # Another file in the same folder is nobody else's business.
        with files.whole_file(tmp_path / "b.csv") as partial:
            partial.write_bytes(b"b")
        assert len(list(tmp_path.iterdir())) == 2, "the other's was deleted"
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    # What it has left behind is written over.
    with files.whole_file(tmp_path / "a.csv") as partial:
        assert partial.exists()
        partial.write_bytes(b"a")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "a.csv": b"a", "b.csv": b"b"}


def test_a_second_run_in_a_folder_stops_until_the_first_is_gone(tmp_path):
    other = run_beside("with files.only_run(Path('.')):\n", tmp_path)
    try:
        with pytest.raises(UserError, match="another run is writing into"):
            with files.only_run(tmp_path):
                pytest.fail("two at once")
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    with files.only_run(tmp_path) as is_alone:
        assert is_alone
    assert not list(tmp_path.iterdir())


def test_a_disk_without_locks_is_written_nevertheless(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with files.only_run(tmp_path) as is_alone:
        assert not is_alone
        with files.whole_file(tmp_path / "a") as partial:
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
    with files.whole_file(tmp_path / "a") as partial:
        # It is the new file that is locked.
        with pytest.raises(UserError, match="another run"):
            with files.whole_file(tmp_path / "a"):
                pytest.fail("two at once")
        partial.write_bytes(b"a")
    assert (tmp_path / "done").read_bytes() == b"of the other"
    assert (tmp_path / "a").read_bytes() == b"a"


def test_a_device_or_a_pipe_stays_what_it_is(tmp_path, capfd):
    with files.whole_file(Path("/dev/null")) as target:
        assert target == Path("/dev/null")
    with files.whole_file(Path("/dev/stdout")) as target:
        target.write_bytes(b"seen\n")
    assert capfd.readouterr().out == "seen\n"
    with pytest.raises(UserError, match="/dev/full: cannot be written .No sp"):
        with files.whole_file(Path("/dev/full")) as target:
            target.write_bytes(b"a")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with files.whole_file(tmp_path / "pipe") as target:
        target.write_bytes(b"a")
    assert os.read(reader, 9) == b"a"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert not list(Path("/dev").glob(".partial-*"))
