"""Tests that `make test` leaves out, and `make test-all` runs."""

import os

import pytest

# Repetitions of each fault, which `make faults` and `make test-all` set.
# 0 (`make test`): each fault once, with one program.
REPEATS = int(os.environ.get("FAULTS", "0"))
slow = pytest.mark.skipif(not REPEATS, reason="slow: make test-all")
