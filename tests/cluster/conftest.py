"""A Dask scheduler and two workers: processes of their own, on loopback."""

from pathlib import Path

import pytest

from benchmarks.local_cluster import local_cluster


@pytest.fixture(scope="package")
def cluster():
    """Return a running LocalCluster of two workers."""
    with local_cluster(2, "--preload", Path(__file__).with_name(
            "preload.py")) as running:
        yield running
