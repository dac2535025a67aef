"""A Dask scheduler and two workers on this computer, for all tests here."""

import os
from pathlib import Path

import pytest

from benchmarks.local_cluster import local_cluster


@pytest.fixture(scope="module")
def cluster():
    """Return a running LocalCluster with two workers of one thread."""
    here = Path(__file__).resolve().parent
    with pytest.MonkeyPatch.context() as patch:
        # The workers import counted.py from this folder.
        patch.setenv("PYTHONPATH", str(here), prepend=os.pathsep)
        with local_cluster(2, "--preload", here / "preload.py") as running:
            yield running
