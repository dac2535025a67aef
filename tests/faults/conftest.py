"""How often each fault is tried, and what an undisturbed run gives."""

import os
import time

import pytest
from runs import PROGRAMS, clear, finish, lay_out, results, start

# `make faults` sets it; without, a few times in what is quickly done.
TIMES = int(os.environ.get("FAULTS", "0"))


def programs(slow=()):
    """Return the programs for a test; the slow ones with `make faults`."""
    return [pytest.param(name, marks=pytest.mark.skipif(
        not TIMES and name in slow, reason="slow: make faults"))
        for name in PROGRAMS]


@pytest.fixture(scope="session")
def place(learned, tmp_path_factory):
    """Return a folder with inputs for all programs."""
    folder = tmp_path_factory.mktemp("faults")
    lay_out(folder, learned)
    return folder


@pytest.fixture(scope="session")
def undisturbed(place):
    """Return a function: program to (results, seconds) of a whole run."""
    known = {}

    def run(program):
        if program not in known:
            clear(place)
            begin = time.monotonic()
            status, said = finish(start(program, place))
            assert status == 0, said
            known[program] = results(place), time.monotonic() - begin
            assert not list((place / "tmp").glob("tmp*"))
        clear(place)
        return known[program]

    return run
