"""What all tests need: the programs importable, no screen, shared fixtures."""

import fcntl
import importlib
import os
import runpy
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS.parent))
# Disable the network, in this process and in those that the tests start.
os.environ["PYTHONPATH"] = str(TESTS / "no_network")
runpy.run_path(str(TESTS / "no_network" / "sitecustomize.py"))
# Where the environment says that nothing may be compiled to a file, as in many
# containers, each program that the tests start would compile anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# The programs that the tests start open no window.
os.environ["MPLBACKEND"] = "Agg"
os.environ.pop("DISPLAY", None)
os.environ.pop("WAYLAND_DISPLAY", None)
# Users have stdout buffered, so that a full disk shows only at the end.
os.environ.pop("PYTHONUNBUFFERED", None)

# Two processes test at once: further threads of numpy's matrix products would
# wait for each other at full speed.  numpy reads this when it is imported; the
# programs that the tests start have the threads that users have.
if "OPENBLAS_NUM_THREADS" not in os.environ:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    importlib.import_module("numpy")
    del os.environ["OPENBLAS_NUM_THREADS"]

# A shell that starts the tests in the background ignores Ctrl-C for them.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run: the result must depend on the code alone.
settings.register_profile("same", database=None, deadline=None,
                          derandomize=True, max_examples=25)
settings.load_profile("same")

# Tests with one of these fixtures, or in one of these folders, run in one
# process of pytest-xdist: each of these starts a server or a browser, loads
# TensorFlow or runs a program undisturbed for comparison, once for all.
GROUPS_BY_FIXTURE = {"cluster": "cluster", "server": "s3",
                     "workspace": "faults", "prepared": "machines",
                     "browser": "browser"}
GROUPS_BY_FOLDER = {"training": "tensorflow"}


def pytest_itemcollected(item):
    """Put a test into the group of what it shares with others."""
    groups = [group for fixture, group in GROUPS_BY_FIXTURE.items()
              if fixture in getattr(item, "fixturenames", ())]
    groups += [group for folder, group in GROUPS_BY_FOLDER.items()
               if item.path.parent == TESTS / folder]
    if groups:
        # pytest-xdist reads the groups in pytest_collection_modifyitems.
        item.add_marker(pytest.mark.xdist_group(groups[0]))


@pytest.fixture
def tree(tmp_path):
    """Return a function that makes {class folder: number of empty files}."""
    def make(counts, name="images"):
        for folder, count in counts.items():
            path = tmp_path / name / folder
            path.mkdir(parents=True)
            for number in range(1, count + 1):
                (path / f"image ({number}).JPG").touch()
        return tmp_path / name
    return make


@pytest.fixture(scope="session")
def learned(tmp_path_factory):
    """Return the folder of one short run of train.py, with random weights.

    It holds images/ (fifteen drawn leaves in two classes), leaves.csv,
    learnings.zip, signature.txt, report/, and the run's exit status and
    output in `status` and `stdout`.
    """
    with built_once(tmp_path_factory, "learned") as (folder, is_new):
        if is_new:
            learn_into(folder)
    return folder


@pytest.fixture
def models_folder(tmp_path_factory, monkeypatch):
    """Return an empty folder, which holds the released models of a test."""
    from leaffliction.utils import models_folder
    folder = tmp_path_factory.mktemp("released") / "models"
    folder.mkdir()
    monkeypatch.setattr(models_folder, "FOLDER", folder)
    return folder


@pytest.fixture
def quick_training(monkeypatch):
    """Shorten the trainings of a test."""
    from quick_training import shorten
    shorten(monkeypatch.setattr)


@contextmanager
def built_once(tmp_path_factory, name):
    """Yield a folder, and whether it is new, to one process at a time.

    The processes of pytest-xdist share it, so that slow fixtures run once.
    """
    root = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        root = root.parent
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_new = not (root / name).is_dir()
        (root / name).mkdir(exist_ok=True)
        yield root / name, is_new


def learn_into(folder):
    """Draw the leaves and run train.py for the fixture `learned`."""
    import contextlib
    import io

    import numpy as np
    from quick_training import shorten
    from tiny import SMALL

    import train
    from leaffliction.utils import cli
    from leaffliction.utils.images import write_image
    from samples.drawing import draw_leaf
    rows = ["file,leaf"]
    for name, count in (("Apple_healthy", 9), ("Grape_Esca", 6)):
        for number in range(1, count + 1):
            file = f"{name}/image ({number}).JPG"
            rng = np.random.default_rng([number, len(name)])
            write_image(folder / "images" / file, draw_leaf(name, rng, 64))
            # Two photographs show the same leaf.
            rows.append(f"{file},{name}-{max(number, 2)}")
    (folder / "leaves.csv").write_text("\n".join(rows) + "\n")
    output = io.StringIO()
    with (contextlib.redirect_stdout(output),
          pytest.MonkeyPatch.context() as patch):
        shorten(patch.setattr)
        status = cli.run(lambda: train.main([
            str(folder / "images"), "--groups", str(folder / "leaves.csv"),
            "--output", str(folder / "learnings.zip"), *SMALL]))
    (folder / "status").write_text(str(status))
    (folder / "stdout").write_text(output.getvalue())


@pytest.fixture
def store():
    """Return an empty folder of an object store in memory."""
    from object_store import memory_store
    return memory_store()
