"""leaffliction/program.py: how a program starts and ends."""

import ast
import os
import re
import signal
import subprocess
import sys

import pytest
from paths import ROOT

from leaffliction import program
from leaffliction.scale.dask import DaskWorkers
from leaffliction.utils import cli
from leaffliction.utils.parallel import Workers


def run_program(name, *options, **environment):
    """Run a program in another process; return the finished process."""
    return subprocess.run(
        [sys.executable, *options, ROOT / f"{name}.py", "x"], cwd=ROOT,
        env=os.environ | environment, capture_output=True, text=True,
        timeout=30)


@pytest.fixture
def numpy_that_runs(tmp_path):
    """Return a function that makes a NumPy whose import runs code.

    It returns the environment in which that NumPy is imported.
    """
    def make(code):
        (tmp_path / "numpy.py").write_text(code)
        return {"PYTHONPATH": str(tmp_path)}
    return make


@pytest.mark.parametrize("name", program.PROGRAMS)
def test_without_libraries_a_program_is_one_error_line(name):
    # -S: without the folder in which packages are installed.
    done = run_program(name, "-S")
    assert (done.returncode, done.stdout) == (1, "")
    # Transformation imports OpenCV first.
    package = re.search(r"package (numpy|cv2) is", done.stderr)[1]
    assert done.stderr == (
        f"error: the Python package {package} is not installed for "
        f"{sys.executable}; run `make demo` once and start the programs with "
        ".venv/bin/python, or install requirements.txt\n")


def test_a_library_that_cannot_be_loaded_is_one_error_line(numpy_that_runs):
    done = run_program("predict", **numpy_that_runs(
        "raise ImportError('libGL.so.1: no such file', name='cv2')"))
    assert (done.returncode, done.stderr) == (
        1, "error: the Python package cv2 cannot be loaded: libGL.so.1: no "
        "such file\n")


def test_ctrl_c_during_the_imports_ends_a_program_silently(numpy_that_runs):
    done = run_program("predict", **numpy_that_runs(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)"))
    assert (done.returncode, done.stdout, done.stderr) == (
        -signal.SIGINT, "", "")


def test_windows_is_one_error_line(monkeypatch, capsys):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(program.os, "name", "nt")
    with pytest.raises(SystemExit) as end:
        program._prepare_imports()
    assert end.value.code == 1
    monkeypatch.undo()
    assert capsys.readouterr().err == (
        "error: Windows is not supported; run the programs in WSL "
        "(https://learn.microsoft.com/windows/wsl)\n")


def test_an_old_python_is_named_in_the_error(monkeypatch):
    assert program.unsupported_system() is None
    monkeypatch.setattr(sys, "version_info", (3, 9, 18, "final", 0))
    assert program.unsupported_system() == (
        f"Python 3.11 or newer is needed, and {sys.executable} is Python "
        "3.9; run `make demo` once and start the programs with "
        ".venv/bin/python")


@pytest.mark.parametrize("file", [
    "leaffliction/__init__.py", "leaffliction/program.py",
    *(f"{name}.py" for name in program.PROGRAMS)])
def test_an_old_python_parses_what_it_reads_before_that_error(file):
    ast.parse((ROOT / file).read_text(), feature_version=(3, 8))


@pytest.mark.parametrize("main_file, is_program", [
    ("predict.py", True), ("/a/train.py", True), ("pytest", False),
    ("/a/__main__.py", False), (None, False)])
def test_only_the_programs_change_how_a_process_ends(main_file, is_program):
    assert program._is_program(main_file) == is_program


def test_the_programs_are_those_of_the_repository():
    assert sorted(program.PROGRAMS) == sorted(
        file.stem for file in ROOT.glob("*.py"))


def test_start_exits_with_the_status_and_ignores_a_second_ctrl_c():
    def main():
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as end:
            program.start(main)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, handler)
    assert end.value.code == cli.INTERRUPTED


def test_workers_are_of_this_computer_or_of_a_cluster():
    assert program.make_workers(3, None) == Workers(3)
    assert program.make_workers(3, "tcp://host:8786") == DaskWorkers(
        3, "tcp://host:8786")
