"""A full disk, a read-only folder, a second run, a folder that changes."""

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
from runs import (ARGUMENTS, PROGRAMS, ROOT, clear_outputs, damaged_files,
                  each_program, finish, leftovers, read_outputs, start)
from slow import REPEATS, slow

from leaffliction.utils.files import atomic_write, directory_lock

# Takes the capabilities away by which root may write to any file.
WITHOUT_ROOT_RIGHTS = ("setpriv", "--bounding-set",
                       "-dac_override,-dac_read_search,-fowner")
FULL_DISK_RUNS = 10      # at most, of each program


@contextmanager
def small_disk(folder, kilobytes):
    """Mount a disk of a size on a folder; skip the test if root may not."""
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
    if os.geteuid() or subprocess.run(["mount", *options],
                                      capture_output=True).returncode:
        pytest.skip("no disk can be mounted")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@each_program("predict")
def test_full_disk_is_an_error_and_damages_no_file(
        program, workspace, reference):
    expected, _ = reference(program)
    needed = sum(len(content) // 1024 + 4 for content in expected.values())
    # Disks from a tenth of what is needed to all of it.
    count = min(REPEATS, FULL_DISK_RUNS)
    shares = np.linspace(0, 1, count + 1)[1:] if REPEATS else [0.6]
    for share in shares:
        clear_outputs(workspace)
        with small_disk(workspace / "out", max(8, int(share * needed))):
            status, stderr = finish(start(program, workspace))
            assert "Traceback" not in stderr
            assert "please report it" not in stderr
            assert status in (0, 1), (share, status, stderr)
            assert status == 0 or "No space left" in stderr, (share, stderr)
            if status == 0:
                assert read_outputs(workspace) == expected, share
            else:
                assert not damaged_files(read_outputs(workspace),
                                         expected), share
            # On a larger disk the same command completes the outputs.
            subprocess.run(["mount", "-o", "remount,size=500m",
                            workspace / "out"], check=True)
            status, stderr = finish(start(program, workspace))
            assert (status, read_outputs(workspace)) == (0, expected), (
                share, stderr)


EXTRACT_FEATURES = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from leaffliction.training import features
outputs = [np.ones((1, 4, 4, 100), np.float16)]
features.predict_batches = lambda *_: iter([outputs] * 1000)
features.extract_features(b"", [None] * 1000, None, None, Path("out/a.npy"),
                          "")
"""


def test_full_disk_while_storing_features_is_an_error_and_no_signal(
        workspace):
    clear_outputs(workspace)
    with small_disk(workspace / "out", 64):
        done = subprocess.run([sys.executable, "-c", EXTRACT_FEATURES, ROOT],
                              cwd=workspace, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith("OSError: [Errno 28] No space left on "
                                "device\n")


@pytest.mark.parametrize("program", [
    "Augmentation", pytest.param("predict", marks=slow)])
def test_a_file_that_may_not_grow_is_an_error(program, workspace, reference):
    # Stands for a full disk where none can be mounted.
    limit_size = ("sh", "-c", 'ulimit -f 1; exec "$@"', "sh")
    expected, _ = reference(program)
    status, stderr = finish(start(program, workspace, limit_size))
    assert status == 1 and "File too large" in stderr
    assert "Traceback" not in stderr
    assert not damaged_files(read_outputs(workspace), expected)


@each_program("Transformation")
def test_a_read_only_folder_is_one_error(program, workspace, reference):
    if shutil.which("setpriv") is None or os.geteuid():
        pytest.skip("no setpriv")
    clear_outputs(workspace)
    (workspace / "out").chmod(0o555)
    try:
        status, stderr = finish(start(program, workspace,
                                      WITHOUT_ROOT_RIGHTS))
    finally:
        (workspace / "out").chmod(0o755)
    assert status == 1 and "ermission denied" in stderr
    assert stderr.count("error: ") == 1 and "Traceback" not in stderr
    assert not read_outputs(workspace)


@contextmanager
def first_run(program, folder):
    """Hold what a run of a program holds while it writes into a folder."""
    if program in ("Distribution", "predict"):
        with atomic_write(folder / "a.csv") as partial:
            partial.write_text("of the first run")
            yield
        return
    if program != "train":
        folder /= next(
            argument for argument in ARGUMENTS[program]
            if argument.startswith("out/")).removeprefix("out/")
        folder.mkdir()
    with directory_lock(folder):
        yield


@each_program("train")
def test_a_second_run_on_the_same_output_stops(program, workspace):
    clear_outputs(workspace)
    with first_run(program, workspace / "out"):
        status, stderr = finish(start(program, workspace))
    assert status == 1 and stderr.count("error: ") == 1
    assert "another run is writing" in stderr


@slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_two_runs_at_once_give_the_outputs_of_one(
        program, workspace, reference):
    expected, seconds = reference(program)
    rng = random.Random(program)
    for _ in range(max(1, REPEATS // 5)):
        reference(program)
        first = start(program, workspace)
        time.sleep(rng.uniform(0, seconds))
        second = start(program, workspace)
        ends = [finish(process) for process in (first, second)]
        for status, stderr in ends:
            assert "Traceback" not in stderr
            assert status == 0 or "another run is writing" in stderr, stderr
        assert any(status == 0 for status, _ in ends)
        assert read_outputs(workspace) == expected


def change_files(folder, originals, rng, stop):
    """Delete, truncate, exchange and restore files until stop is set.

    originals: the files of the folder `backup` beside it.
    """
    while not stop.is_set():
        file = rng.choice(originals)
        path = folder / file.relative_to(folder.with_name("backup"))
        choice = rng.randrange(5)
        if choice == 0:
            path.unlink(missing_ok=True)
        elif choice == 1 and path.exists():
            os.truncate(path, rng.randrange(200))
        elif choice == 2:
            shutil.copy(rng.choice(originals), path)
        elif choice == 3:
            shutil.rmtree(path.parent)
            path.parent.mkdir()
        else:
            shutil.copytree(file.parent, path.parent, dirs_exist_ok=True)
        time.sleep(0.005)


@contextmanager
def changing(folder, originals, rng):
    """Change the files of a folder while the block runs."""
    stop = threading.Event()
    thread = threading.Thread(target=change_files,
                              args=(folder, originals, rng, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@each_program("Augmentation")
def test_a_folder_that_changes_while_it_is_read(
        program, workspace, reference):
    source = workspace / "in" / ("images" if program == "train" else "many")
    backup = source.with_name("backup")
    shutil.copytree(source, backup)
    originals = [path for path in backup.rglob("*") if path.is_file()]
    rng = random.Random(program)
    try:
        for _ in range(max(1, REPEATS // 5)):
            clear_outputs(workspace)
            with changing(source, originals, rng):
                status, stderr = finish(start(program, workspace))
            assert status in (0, 1), stderr
            assert (status == 1) == ("error: " in stderr), stderr
            for word in ("Traceback", "please report it"):
                assert word not in stderr
            assert not leftovers(read_outputs(workspace))
    finally:
        shutil.rmtree(source)
        backup.rename(source)
