"""What all tests need: the programs importable, no screen, small trees."""

import fcntl
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
# No test asks for the network, neither in this process nor in those that it
# starts; nor does a program, but for the weights.
os.environ["PYTHONPATH"] = str(TESTS / "no_network")
runpy.run_path(str(TESTS / "no_network" / "sitecustomize.py"))
# For the programs started as processes of their own as well.
os.environ["MPLBACKEND"] = "Agg"
os.environ.pop("DISPLAY", None)
os.environ.pop("WAYLAND_DISPLAY", None)
# Users have it buffered, and a full disk then shows at the very end.
os.environ.pop("PYTHONUNBUFFERED", None)

# Who starts the tests in the background may have Ctrl-C ignored in them.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples each time, so that what CI says depends on the code.
settings.register_profile("same", database=None, deadline=None,
                          derandomize=True, max_examples=25)
settings.load_profile("same")


@pytest.fixture
def tree(tmp_path):
    """Return a function that makes {class folder: number of empty files}."""
    def make(counts, name="images"):
        for folder, count in counts.items():
            place = tmp_path / name / folder
            place.mkdir(parents=True)
            for number in range(1, count + 1):
                (place / f"image ({number}).JPG").touch()
        return tmp_path / name
    return make


@pytest.fixture(scope="session")
def learned(tmp_path_factory):
    """Return the folder of one whole run of train.py, with random weights.

    It holds images/ (a dozen and three drawn leaves in two classes),
    leaves.csv, learnings.zip, signature.txt, report/, and the run's exit
    status and output in `status` and `stdout`.
    """
    with built_once(tmp_path_factory, "learned") as (folder, is_new):
        if is_new:
            learn_into(folder)
    return folder


@contextmanager
def built_once(tmp_path_factory, name):
    """Give a folder, and whether it is new, to one process at a time.

    The processes of pytest-xdist share it: what takes long is made once.
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
    """Have train.py run as `learned` says."""
    import contextlib
    import io

    import numpy as np
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
    with contextlib.redirect_stdout(output):
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
