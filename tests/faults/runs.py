"""The five programs on a small folder, as processes that can be disturbed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from slow import slow

from leaffliction.utils.images import write_image
from leaffliction.utils.storage.writing import PARTIAL
from samples.drawing import draw_leaf

# For each program a run that writes every kind of output.  in/many has
# enough images for two processes.
ARGUMENTS = {
    "Distribution": ("in/many", "--csv", "out/a.csv", "--save", "out/a.png"),
    "Augmentation": ("in/many", "--output-dir", "out/tree", "--target", "90"),
    "Transformation": ("-src", "in/many", "-dst", "out/views", "-mask",
                       "-histogram", "--csv", "out/a.csv"),
    "predict": ("in/many", "--learnings", "in/learnings.zip", "--csv",
                "out/a.csv", "--json", "out/a.json", "--save", "out/a.png"),
    "train": ("in/images", "--groups", "in/leaves.csv", "--output",
              "out/learnings.zip", "--weights", "none", "--size", "32",
              "--epochs", "1")}
PROGRAMS = tuple(ARGUMENTS)


def each_program(default):
    """Parametrize a test by program; `make test` runs the default alone."""
    return pytest.mark.parametrize("program", [
        pytest.param(name, marks=() if name == default else slow)
        for name in PROGRAMS])


def make_workspace(folder, learned):
    """Write the inputs of all programs to in/, and make out/ and tmp/.

    learned: folder of a training, as the fixture returns it.
    """
    source = folder / "in"
    shutil.copytree(learned / "images", source / "images")
    shutil.copy(learned / "leaves.csv", source)
    shutil.copy(learned / "learnings.zip", source)
    for name in ("Apple_scab", "Grape_Esca"):
        for number in range(60 if name == "Grape_Esca" else 80):
            rng = np.random.default_rng([number, len(name)])
            write_image(source / "many" / name / f"{number}.jpg",
                        draw_leaf(name, rng, 24))
    (folder / "out").mkdir()
    (folder / "tmp").mkdir()


def clear_outputs(workspace):
    """Make out/ and tmp/ empty again."""
    for name in ("out", "tmp"):
        shutil.rmtree(workspace / name)
        (workspace / name).mkdir()


def start(program, workspace, launcher=(), arguments=None, **variables):
    """Start a program in a workspace; return the process.

    launcher: a command that runs the program.  arguments: by default those
    of ARGUMENTS.  variables: of its environment; None removes one.
    """
    environment = os.environ | {
        "TMPDIR": str(workspace / "tmp"), "KERAS_HOME": str(workspace / "tmp")}
    return subprocess.Popen(
        [*launcher, sys.executable, ROOT / f"{program}.py",
         *(arguments or ARGUMENTS[program]), "--no-display"], cwd=workspace,
        env={name: value for name, value in (environment | variables).items()
             if value is not None},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="backslashreplace",
        start_new_session=True)


def finish(process, timeout=300):
    """Wait for a process to end; return its exit status and stderr."""
    stderr = process.communicate(timeout=timeout)[1]
    return process.returncode, stderr


def group_has_ended(process, seconds=5):
    """Return whether a process and all its children end within a time.

    Those that do not are killed.
    """
    for _ in range(int(seconds / 0.05)):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    return False


def read_outputs(workspace):
    """Return {name: content} of the files in out/, without any duration."""
    outputs = {}
    for path in sorted((workspace / "out").rglob("*")):
        if not path.is_dir():
            content = path.read_bytes()
            if path.name == "report.json":
                fields = json.loads(content)
                del fields["seconds"]
                content = json.dumps(fields).encode()
            outputs[path.relative_to(workspace / "out").as_posix()] = content
    return outputs


def is_temporary(name):
    """Return whether a file belongs to a run that has not ended."""
    parts = Path(name).parts
    # The record of a balanced tree lists the files that will be in it.
    return (PARTIAL.fullmatch(parts[-1]) or parts[-1] == ".augmentation.json"
            or parts[0].startswith(".learning-"))


def leftovers(outputs):
    """Return the names of temporary files that a run should have deleted."""
    return [name for name in outputs if is_temporary(name)
            and not name.endswith(".augmentation.json")]


def damaged_files(outputs, expected):
    """Return the final names under which there is no expected content."""
    return [name for name, content in outputs.items()
            if not is_temporary(name) and expected.get(name) != content]
