"""A Dask scheduler and two workers: processes of their own, on loopback."""

import os
from pathlib import Path

import pytest

from benchmarks.local_cluster import local_cluster


@pytest.fixture(scope="package")
def cluster():
    """Return a running LocalCluster of two workers."""
    here = Path(__file__).resolve().parent
    with pytest.MonkeyPatch.context() as patch:
        # The workers find counted.py there.
        patch.setenv("PYTHONPATH", str(here), prepend=os.pathsep)
        with local_cluster(2, "--preload", here / "preload.py") as running:
            yield running
