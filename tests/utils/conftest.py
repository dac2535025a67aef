"""What tests of paths in object stores share."""

import pytest
from object_store import memory_store


@pytest.fixture
def store():
    """Return an empty folder of an object store in memory."""
    return memory_store()
