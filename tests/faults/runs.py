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

from leaffliction.utils.images import write_image
from leaffliction.utils.storage.writing import PARTIAL
from samples.__main__ import draw_leaf

# Of each program a run that writes all it can.  "many" are enough images
# for two processes.
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
# `make faults` sets it; without, once with the programs that are quick.
TIMES = int(os.environ.get("FAULTS", "0"))
QUICK = ("Augmentation", "predict")
at_length = pytest.mark.skipif(not TIMES, reason="slow: make faults")
each_program = pytest.mark.parametrize("program", [
    pytest.param(name, marks=() if name in QUICK else at_length)
    for name in PROGRAMS])


def lay_out(folder, learned):
    """Make in/, out/ and the rest that a run needs."""
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


def start(program, folder, before=(), arguments=None, **more):
    """Return a program as a process; before: a command that starts it.

    more: variables of its environment; None takes one away.
    """
    environment = os.environ | {
        "TMPDIR": str(folder / "tmp"), "KERAS_HOME": str(folder / "tmp")}
    return subprocess.Popen(
        [*before, sys.executable, ROOT / f"{program}.py",
         *(arguments or ARGUMENTS[program]), "--no-display"], cwd=folder,
        env={name: value for name, value in (environment | more).items()
             if value is not None},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="backslashreplace",
        start_new_session=True)


def finish(process, patience=300):
    """Return the status and what was said, when a process has ended."""
    said = process.communicate(timeout=patience)[1]
    return process.returncode, said


def wait_for_group(process, seconds=5):
    """Tell whether all processes that one has started are gone by then."""
    for _ in range(int(seconds / 0.05)):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    return False


def results(folder):
    """Return {file: content} below out/, without what tells the time."""
    found = {}
    for path in sorted((folder / "out").rglob("*")):
        if not path.is_dir():
            content = path.read_bytes()
            if path.name == "report.json":
                fields = json.loads(content)
                del fields["seconds"]
                content = json.dumps(fields).encode()
            found[path.relative_to(folder / "out").as_posix()] = content
    return found


def is_between(name):
    """Tell whether a file is one of those that stand for no result."""
    parts = Path(name).parts
    # The record of a balanced tree says what will be in it.
    return (PARTIAL.fullmatch(parts[-1]) or parts[-1] == ".augmentation.json"
            or parts[0].startswith(".learning-"))


def left_over(found):
    """Return the names of what a run should have cleared away."""
    return [name for name in found if is_between(name)
            and not name.endswith(".augmentation.json")]


def half_written(found, whole):
    """Return the names under which something else stands than should."""
    return [name for name, content in found.items()
            if not is_between(name) and whole.get(name) != content]


def clear(folder):
    """Make out/ and tmp/ empty again."""
    for name in ("out", "tmp"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
