"""Unusual surroundings give the same outputs, or one line that says why."""

import fcntl
import importlib
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
from runs import (ARGUMENTS, PROGRAMS, ROOT, clear_outputs, each_program,
                  finish, read_outputs, start)
from slow import slow
from test_disk import WITHOUT_ROOT_RIGHTS

from leaffliction.utils import cli
from leaffliction.utils.images import write_image
from samples.drawing import draw_leaf

# A sitecustomize.py: the system does not know the user.
UNKNOWN_USER = """
import pwd


def unknown(number):
    raise KeyError(number)


pwd.getpwuid = unknown
"""
# Environment variables by surroundings; None removes one.
SURROUNDINGS = {
    "no home": {"HOME": None, "XDG_CACHE_HOME": None, "PATH": None,
                "MPLCONFIGDIR": None, "LANG": None, "USER": None},
    "missing home folder": {"HOME": "/nonexistent/home",
                            "XDG_CACHE_HOME": None, "MPLCONFIGDIR": None},
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0",
                 "PYTHONCOERCECLOCALE": "0"},
    "python -O": {"PYTHONOPTIMIZE": "1"},
    "python -OO": {"PYTHONOPTIMIZE": "2"},
    "dumb terminal": {"TERM": "dumb", "COLUMNS": "40"}}
# `make test` tries those that can be combined in one run.
COMBINED = "no home, C locale, python -O, dumb terminal"
SURROUNDINGS[COMBINED] = {
    name: value for one in COMBINED.split(", ")
    for name, value in SURROUNDINGS[one].items()}


@pytest.mark.parametrize("surroundings", [
    pytest.param(name, marks=() if name == COMBINED else slow)
    for name in SURROUNDINGS])
@each_program("predict")
def test_surroundings_do_not_change_the_outputs(
        program, surroundings, workspace, reference):
    expected, _ = reference(program)
    (workspace / "no_user").mkdir(exist_ok=True)
    (workspace / "no_user/sitecustomize.py").write_text(UNKNOWN_USER)
    variables = dict(SURROUNDINGS[surroundings])
    if "no home" in surroundings:
        variables["PYTHONPATH"] = str(workspace / "no_user")
    status, stderr = finish(start(program, workspace, **variables))
    # PlantCV's libraries read their own docstrings.
    if (program, surroundings) == ("Transformation", "python -OO"):
        assert status == 1 and "libraries need their docstrings" in stderr
    else:
        assert (status, read_outputs(workspace)) == (0, expected), stderr
        assert not re.search(r"\bwarning|matplotlib", stderr, re.I), stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_works_with_python_oo(program):
    done = subprocess.run(
        [sys.executable, ROOT / f"{program}.py", "-h"], text=True,
        capture_output=True, env=os.environ | {"PYTHONOPTIMIZE": "2",
                                               "COLUMNS": "40"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: " in done.stdout


@each_program("predict")
@pytest.mark.parametrize("redirect", ["| head -n 1", ">&-", ">/dev/full"])
def test_a_stdout_that_takes_no_more_gives_no_traceback(
        program, redirect, workspace, reference):
    reference(program)
    launcher = ("sh", "-c", f'"$@" {redirect} || exit $?', "sh")
    status, stderr = finish(start(program, workspace, launcher))
    assert status in (0, 1), stderr
    assert "Traceback" not in stderr and "BrokenPipe" not in stderr
    assert ("No space left" in stderr) == (redirect == ">/dev/full"), stderr


def run_in_terminal(program, workspace, columns):
    """Run a program in a terminal; return its exit status and the output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                struct.pack("4H", 10, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, ROOT / f"{program}.py", *ARGUMENTS[program],
         "--no-display"], cwd=workspace, stdin=theirs, stdout=theirs,
        stderr=theirs)
    os.close(theirs)
    output = b""
    while True:
        try:
            received = os.read(ours, 10_000)
        except OSError:     # Linux: the other end was closed.
            break
        if not received:
            break
        output += received
    os.close(ours)
    return process.wait(), output


@each_program("Augmentation")
def test_a_narrow_terminal_does_not_change_the_outputs(
        program, workspace, reference):
    expected, _ = reference(program)
    status, output = run_in_terminal(program, workspace, columns=40)
    assert status == 0, output
    assert read_outputs(workspace) == expected
    assert b"Traceback" not in output


@pytest.mark.parametrize("program", [
    pytest.param("Distribution", marks=slow),
    pytest.param("Augmentation", marks=slow), "predict"])
def test_where_no_figure_can_be_saved_all_else_is_done(
        program, workspace, reference):
    if shutil.which("setpriv") is None or os.geteuid():
        pytest.skip("no setpriv")
    clear_outputs(workspace)
    (workspace / "read-only").mkdir(exist_ok=True)
    (workspace / "read-only").chmod(0o555)
    leaf = workspace / "in/many/Apple_scab/1.jpg"
    arguments = {
        "Distribution": [workspace / "in/many"],
        "Augmentation": [leaf, "--output-dir", workspace / "out"],
        "predict": [leaf, "--learnings", workspace / "in/learnings.zip"]}
    done = subprocess.run(
        [*WITHOUT_ROOT_RIGHTS, sys.executable, ROOT / f"{program}.py",
         *arguments[program], "--no-display"], cwd=workspace / "read-only",
        capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: figures")
    assert done.stderr.count("\n") == 1
    assert ("Apple_scab" in done.stdout if program != "Augmentation"
            else len(read_outputs(workspace)) == 6)


def run(program, arguments):
    """Run a program in this process; return its exit status."""
    module = importlib.import_module(program)
    return cli.run(lambda: module.main([*arguments, "--no-display"]))


def make_deep_folder(top, length):
    """Make nested folders; return a path of `length` characters."""
    before = os.getcwd()
    # Step by step, because the system takes no path of this length.
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
        os.chdir(before)


@pytest.mark.parametrize("length", [
    3_900, pytest.param(4_060, marks=slow)])
def test_paths_of_four_thousand_characters(
        length, workspace, monkeypatch, capfd):
    clear_outputs(workspace)
    monkeypatch.chdir(workspace)
    folder = make_deep_folder(workspace / "out", length)
    for name in ("Apple_a", "Apple_b"):
        os.mkdir(f"{folder}/{name}")
        shutil.copy(workspace / "in/many/Apple_scab/1.jpg",
                    f"{folder}/{name}")
    for program, arguments in (
            ("Distribution", [folder, "--csv", "tmp/a.csv"]),
            ("Augmentation", [folder, "--output-dir", "tmp/tree"]),
            ("Augmentation", [f"{folder}/Apple_a/1.jpg"]),
            ("Transformation", ["-src", folder, "-dst", "tmp/views",
                                "-mask"]),
            ("predict", [folder, "--learnings", "in/learnings.zip", "--csv",
                         f"{folder}/a.csv"])):
        status = run(program, arguments)
        stderr = capfd.readouterr().err
        assert status in (0, 1), stderr
        assert "Traceback" not in stderr and "internal" not in stderr, stderr
        assert (status == 1) == ("error: " in stderr), stderr
        # The longest paths leave no room for the name of an output.
        assert length > 4_000 or status == 0, stderr
    shutil.rmtree(workspace / "tmp")
    (workspace / "tmp").mkdir()
    # shutil.rmtree cannot delete such paths.
    subprocess.run(["rm", "-r", workspace / "out"], check=True)
    (workspace / "out").mkdir()


def test_names_that_differ_only_in_capitals(workspace, monkeypatch, capfd):
    clear_outputs(workspace)
    monkeypatch.chdir(workspace)
    names = ["a.jpg", "A.jpg", "a.JPG", "A.JPG", "a.png"]
    for number, name in enumerate(names):
        for kind in ("Apple_a", "apple_a", "Apple_b"):
            write_image(workspace / "tmp/images" / kind / name, draw_leaf(
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
        status = run(program, arguments)
        assert status == 0, capfd.readouterr().err
    outputs = read_outputs(workspace)
    # Both spellings are one class, in two folders.
    assert len(outputs["a.csv"].splitlines()) == 3
    assert len(outputs["b.csv"].splitlines()) == 16
    assert sum(name.startswith("views/") for name in outputs) == 15
    tree = [name for name in outputs if name.startswith("tree/")
            and "." not in name.split("/")[1][:1]]
    assert len(tree) == 18
    # No two outputs are one file on a disk that ignores capitals.
    assert len({name.casefold() for name in outputs
                if name.startswith("views/Apple_a")}) == 5


@slow
@pytest.mark.parametrize("program, arguments", [
    ("Distribution", ["tmp/images", "--csv", "out/a.csv"]),
    ("Distribution", ["tmp/images", "--quick"]),
    ("Augmentation", ["tmp/images", "--output-dir", "out/tree"]),
    ("Transformation", ["-src", "tmp/images", "-dst", "out/views", "-mask"]),
    ("predict", ["tmp/images", "--learnings", "in/learnings.zip", "--csv",
                 "out/b.csv"])])
def test_ten_thousand_files_in_a_folder(program, arguments, workspace,
                                        reference):
    clear_outputs(workspace)
    for number in range(10_000):
        write_image(workspace / f"tmp/images/Apple_a/{number}.png", np.full(
            (8, 8, 3), (number % 251, number // 251, 9), np.uint8))
    shutil.copytree(workspace / "in/many/Grape_Esca",
                    workspace / "tmp/images/b")
    begin = time.monotonic()
    status, stderr = finish(start(program, workspace, arguments=arguments),
                            600)
    print(f"{program} {arguments}: {time.monotonic() - begin:.1f} s")
    assert status == 0, stderr
    if program == "predict":
        rows = read_outputs(workspace)["b.csv"].splitlines()
        assert len(rows) == 10_061
