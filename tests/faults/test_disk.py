"""A full disk, a disk that may not be written, and one that changes."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from runs import (ARGUMENTS, PROGRAMS, ROOT, TIMES, at_length, clear,
                  each_program, finish, half_written, left_over, results,
                  start)

from leaffliction.utils.files import atomic_write, directory_lock

# Without this right even root may not write where the owner may not.
SETPRIV = ("setpriv", "--bounding-set",
           "-dac_override,-dac_read_search,-fowner")


@contextmanager
def small_disk(folder, kilobytes):
    """Mount a disk of so many KB; skip where that is not allowed."""
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
    if os.geteuid() or subprocess.run(["mount", *options],
                                      capture_output=True).returncode:
        pytest.skip("no disk can be mounted")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@each_program
def test_a_full_disk_is_told_and_nothing_is_half_written(
        program, place, undisturbed):
    whole, _ = undisturbed(program)
    needed = sum(len(content) // 1024 + 4 for content in whole.values())
    # From nearly nothing to all that is needed.
    count = min(TIMES, 10)
    shares = np.linspace(0, 1, count + 1)[1:] if TIMES else [0.6]
    for share in shares:
        clear(place)
        with small_disk(place / "out", max(8, int(share * needed))):
            status, said = finish(start(program, place))
            assert "Traceback" not in said and "internal error" not in said
            assert status in (0, 1), (share, status, said)
            assert status == 0 or "No space left" in said, (share, said)
            if status == 0:
                assert results(place) == whole, share
            else:
                assert not half_written(results(place), whole), share
            # The same command on a larger disk goes on.
            subprocess.run(["mount", "-o", "remount,size=500m",
                            place / "out"], check=True)
            status, said = finish(start(program, place))
            assert (status, results(place)) == (0, whole), (share, said)


FEATURES = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from leaffliction.training import features
answer = [np.ones((1, 4, 4, 100), np.float16)]
features.answers = lambda *_: iter([answer] * 1000)
features.frozen_features(b"", [None] * 1000, None, None, Path("out/a.npy"),
                         "")
"""


def test_features_without_room_are_an_error_and_no_signal(place):
    clear(place)
    with small_disk(place / "out", 64):
        done = subprocess.run([sys.executable, "-c", FEATURES, ROOT],
                              cwd=place, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith("OSError: [Errno 28] No space left on "
                                "device\n")


def test_files_may_not_grow_and_that_is_told(place, undisturbed):
    # What a full disk is where none can be mounted: a limit to each file.
    for program in ("Augmentation", "predict"):
        whole, _ = undisturbed(program)
        status, said = finish(start(program, place, before=(
            "sh", "-c", 'ulimit -f 1; exec "$@"', "sh")))
        assert status == 1 and "File too large" in said
        assert "Traceback" not in said
        assert not half_written(results(place), whole)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_folder_that_may_not_be_written_is_told(program, place,
                                                  undisturbed):
    if shutil.which("setpriv") is None or os.geteuid():
        pytest.skip("no setpriv")
    clear(place)
    (place / "out").chmod(0o555)
    try:
        status, said = finish(start(program, place, before=SETPRIV))
    finally:
        (place / "out").chmod(0o755)
    assert status == 1 and "ermission denied" in said
    assert said.count("error: ") == 1 and "Traceback" not in said
    assert not results(place)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_second_run_on_one_output_says_so_and_stops(program, place):
    clear(place)
    folder = place / "out"
    if program in ("Augmentation", "Transformation"):
        folder /= next(
            argument for argument in ARGUMENTS[program]
            if argument.startswith("out/")).removeprefix("out/")
        folder.mkdir()
        first = directory_lock(folder)
    elif program == "train":
        first = directory_lock(folder)
    else:
        first = atomic_write(folder / "a.csv")
    with first as partial:
        if program in ("Distribution", "predict"):
            partial.write_text("of the first")
        status, said = finish(start(program, place))
    assert status == 1 and said.count("error: ") == 1
    assert "another run is writing" in said


@at_length
@pytest.mark.parametrize("program", PROGRAMS)
def test_two_runs_at_once_end_as_one(program, place, undisturbed):
    whole, seconds = undisturbed(program)
    rng = random.Random(program)
    for _ in range(max(1, TIMES // 5)):
        undisturbed(program)
        first = start(program, place)
        time.sleep(rng.uniform(0, seconds))
        second = start(program, place)
        ends = [finish(process) for process in (first, second)]
        for status, said in ends:
            assert "Traceback" not in said
            assert status == 0 or "another run is writing" in said, said
        assert any(status == 0 for status, _ in ends)
        assert results(place) == whole


def restless(folder, originals, rng, is_over):
    """Delete, cut, exchange and put back files until it is over."""
    while not is_over.is_set():
        file = rng.choice(originals)
        path = folder / file.relative_to(folder.with_name("calm"))
        what = rng.randrange(5)
        if what == 0:
            path.unlink(missing_ok=True)
        elif what == 1 and path.exists():
            os.truncate(path, rng.randrange(200))
        elif what == 2:
            shutil.copy(rng.choice(originals), path)
        elif what == 3:
            shutil.rmtree(path.parent)
            path.parent.mkdir()
        else:
            shutil.copytree(file.parent, path.parent, dirs_exist_ok=True)
        time.sleep(0.005)


@each_program
def test_a_folder_that_changes_while_it_is_read(program, place, undisturbed):
    name = "images" if program == "train" else "many"
    calm = place / "in" / "calm"
    shutil.copytree(place / "in" / name, calm)
    originals = [path for path in calm.rglob("*") if path.is_file()]
    rng = random.Random(program)
    try:
        for _ in range(max(1, TIMES // 5)):
            clear(place)
            is_over = threading.Event()
            thread = threading.Thread(target=restless, args=(
                place / "in" / name, originals, rng, is_over))
            thread.start()
            try:
                status, said = finish(start(program, place))
            finally:
                is_over.set()
                thread.join()
            assert status in (0, 1), said
            assert (status == 1) == ("error: " in said), said
            for word in ("Traceback", "internal error"):
                assert word not in said
            assert not left_over(results(place))
    finally:
        shutil.rmtree(place / "in" / name)
        calm.rename(place / "in" / name)
