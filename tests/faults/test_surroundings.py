"""Old and odd surroundings: the same results, or one line that says why."""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time

import numpy as np
import pytest
from runs import (ARGUMENTS, PROGRAMS, QUICK, ROOT, TIMES, at_length, clear,
                  each_program, finish, results, start)
from test_disk import SETPRIV

from leaffliction.utils.images import write_image
from samples.drawing import draw_leaf

# No HOME, and a user whom the system does not know.
NO_USER = """
import pwd


def nobody(number):
    raise KeyError(number)


pwd.getpwuid = nobody
"""
SURROUNDINGS = {
    "no home": {"HOME": None, "XDG_CACHE_HOME": None, "PATH": None,
                "MPLCONFIGDIR": None, "LANG": None, "USER": None},
    "a home that is not there": {"HOME": "/nonexistent/home",
                                 "XDG_CACHE_HOME": None,
                                 "MPLCONFIGDIR": None},
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0",
                 "PYTHONCOERCECLOCALE": "0"},
    "optimised": {"PYTHONOPTIMIZE": "1"},
    "without docstrings": {"PYTHONOPTIMIZE": "2"},
    "a terminal of no kind": {"TERM": "dumb", "COLUMNS": "40"}}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@each_program
def test_the_same_results_elsewhere(program, surroundings, place,
                                    undisturbed):
    if not TIMES and (list(SURROUNDINGS).index(surroundings)
                      + QUICK.index(program)) % 2:
        pytest.skip("slow: make faults; the other program is tried here")
    whole, _ = undisturbed(program)
    (place / "no_user").mkdir(exist_ok=True)
    (place / "no_user/sitecustomize.py").write_text(NO_USER)
    more = dict(SURROUNDINGS[surroundings])
    if surroundings == "no home":
        more["PYTHONPATH"] = str(place / "no_user")
    status, said = finish(start(program, place, **more))
    if (program, surroundings) == ("Transformation", "without docstrings"):
        assert status == 1 and "libraries need their docstrings" in said
    else:
        assert (status, results(place)) == (0, whole), said
        assert not re.search(r"\bwarning|matplotlib", said, re.I), said


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_needs_no_docstrings(program):
    done = subprocess.run(
        [sys.executable, ROOT / f"{program}.py", "-h"], text=True,
        capture_output=True, env=os.environ | {"PYTHONOPTIMIZE": "2",
                                               "COLUMNS": "40"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: " in done.stdout


@each_program
@pytest.mark.parametrize("redirect", ["| head -n 1", ">&-", ">/dev/full"])
def test_a_stdout_that_ends_early(program, redirect, place, undisturbed):
    undisturbed(program)
    before = ("sh", "-c", f'"$@" {redirect} || exit $?', "sh")
    status, said = finish(start(program, place, before))
    assert status in (0, 1), said
    assert "Traceback" not in said and "BrokenPipe" not in said
    assert ("No space left" in said) == (redirect == ">/dev/full"), said


@each_program
def test_a_terminal_of_40_columns(program, place, undisturbed):
    whole, _ = undisturbed(program)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 10, 40, 0, 0))
    process = subprocess.Popen(
        [sys.executable, ROOT / f"{program}.py", *ARGUMENTS[program],
         "--no-display"], cwd=place, stdin=theirs, stdout=theirs,
        stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 10_000)
        except OSError:     # as a terminal ends
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert process.wait() == 0, seen
    assert results(place) == whole
    assert b"Traceback" not in seen


@pytest.mark.parametrize("program", ["Distribution", "Augmentation",
                                     "predict"])
def test_a_folder_that_may_not_be_written_into(program, place, undisturbed):
    if shutil.which("setpriv") is None or os.geteuid():
        pytest.skip("no setpriv")
    clear(place)
    (place / "bare").mkdir(exist_ok=True)
    (place / "bare").chmod(0o555)
    leaf = place / "in/many/Apple_scab/1.jpg"
    arguments = {"Distribution": [place / "in/many"],
                 "Augmentation": [leaf, "--output-dir", place / "out"],
                 "predict": [leaf, "--learnings", place / "in/learnings.zip"]}
    done = subprocess.run(
        [*SETPRIV, sys.executable, ROOT / f"{program}.py",
         *arguments[program], "--no-display"], cwd=place / "bare",
        capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: figures")
    assert done.stderr.count("\n") == 1
    # All but the figure is there.
    assert ("Apple_scab" in done.stdout if program != "Augmentation"
            else len(results(place)) == 6)


def deep_folder(top, length):
    """Make folders inside each other, a path of so many characters."""
    kept = os.getcwd()
    os.chdir(top)
    path = str(top)
    try:
        while len(path) < length - 210:
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
            path += "/" + "d" * 200
        rest = "d" * (length - len(path) - 1)
        os.mkdir(rest)
        return f"{path}/{rest}"
    finally:
        os.chdir(kept)


@pytest.mark.parametrize("length", [
    3_900, pytest.param(4_060, marks=at_length)])
def test_paths_of_four_thousand_characters(length, place, undisturbed):
    clear(place)
    folder = deep_folder(place / "out", length)
    for name in ("Apple_a", "Apple_b"):
        os.mkdir(f"{folder}/{name}")
        shutil.copy(place / "in/many/Apple_scab/1.jpg", f"{folder}/{name}")
    for program, arguments in (
            ("Distribution", [folder, "--csv", "tmp/a.csv"]),
            ("Augmentation", [folder, "--output-dir", "tmp/tree"]),
            ("Augmentation", [f"{folder}/Apple_a/1.jpg"]),
            ("Transformation", ["-src", folder, "-dst", "tmp/views",
                                "-mask"]),
            ("predict", [folder, "--learnings", "in/learnings.zip", "--csv",
                         f"{folder}/a.csv"])):
        status, said = finish(start(program, place, arguments=arguments))
        assert status in (0, 1), said
        assert "Traceback" not in said and "internal" not in said, said
        assert (status == 1) == ("error: " in said), said
        assert length > 4_000 or status == 0, said
    shutil.rmtree(place / "tmp")
    (place / "tmp").mkdir()
    subprocess.run(["rm", "-r", place / "out"], check=True)
    (place / "out").mkdir()


def test_names_that_differ_in_capitals_alone(place, undisturbed):
    clear(place)
    names = ["a.jpg", "A.jpg", "a.JPG", "A.JPG", "a.png"]
    for number, name in enumerate(names):
        for kind in ("Apple_a", "apple_a", "Apple_b"):
            write_image(place / "tmp/images" / kind / name, draw_leaf(
                "Apple_scab", np.random.default_rng([number, *map(
                    ord, kind)]), 32))
    for program, arguments in (
            ("Distribution", ["tmp/images", "--csv", "out/a.csv"]),
            ("Augmentation", ["tmp/images", "--output-dir", "out/tree",
                              "--target", "9"]),
            ("Transformation", ["-src", "tmp/images", "-dst", "out/views",
                                "-mask"]),
            ("predict", ["tmp/images", "--learnings", "in/learnings.zip",
                         "--csv", "out/b.csv"])):
        status, said = finish(start(program, place, arguments=arguments))
        assert status == 0, said
    found = results(place)
    # Two spellings are one class, in two folders.
    assert len(found["a.csv"].splitlines()) == 3
    assert len(found["b.csv"].splitlines()) == 16
    assert sum(name.startswith("views/") for name in found) == 15
    tree = [name for name in found if name.startswith("tree/")
            and "." not in name.split("/")[1][:1]]
    # As a file system sees them that knows no capitals.
    assert len(tree) == 18
    assert len({name.casefold() for name in found
                if name.startswith("views/Apple_a")}) == 5


@at_length
@pytest.mark.parametrize("program, arguments", [
    ("Distribution", ["tmp/images", "--csv", "out/a.csv"]),
    ("Distribution", ["tmp/images", "--quick"]),
    ("Augmentation", ["tmp/images", "--output-dir", "out/tree"]),
    ("Transformation", ["-src", "tmp/images", "-dst", "out/views", "-mask"]),
    ("predict", ["tmp/images", "--learnings", "in/learnings.zip", "--csv",
                 "out/b.csv"])])
def test_ten_thousand_files_in_a_folder(program, arguments, place,
                                        undisturbed):
    clear(place)
    for number in range(10_000):
        write_image(place / f"tmp/images/Apple_a/{number}.png", np.full(
            (8, 8, 3), (number % 251, number // 251, 9), np.uint8))
    shutil.copytree(place / "in/many/Grape_Esca", place / "tmp/images/b")
    begin = time.monotonic()
    status, said = finish(start(program, place, arguments=arguments), 600)
    print(f"{program} {arguments}: {time.monotonic() - begin:.1f} s")
    assert status == 0, said
    if program == "predict":
        assert len(results(place)["b.csv"].splitlines()) == 10_061
