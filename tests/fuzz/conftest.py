"""Fixtures of all fuzz tests: a small archive, and a folder for each case."""

import os
import zipfile
from pathlib import Path

import pytest
from tiny import make_model, write
from watch import Case

from leaffliction.model.bundle import FLOAT_MODEL


@pytest.fixture(scope="session")
def members(tmp_path_factory):
    """Return the members of a small learnings.zip, {name: content}."""
    path = tmp_path_factory.mktemp("small") / "learnings.zip"
    write(path, make_model())
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()
                if name != FLOAT_MODEL} | {
            "augmented_directory/a.jpg": b"an image"}


@pytest.fixture
def case(request, tmp_path):
    """Return a Case of the kind that is the test's parameter.

    Its folder is FUZZ_FILES, if that is set, so that files outlive a crash.
    """
    folder = Path(os.environ.get("FUZZ_FILES", tmp_path))
    folder = folder / os.environ.get("PYTEST_XDIST_WORKER", "alone")
    folder.mkdir(parents=True, exist_ok=True)
    return Case(request.param, folder)
