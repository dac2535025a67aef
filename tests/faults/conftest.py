"""Inputs for all programs, and what an undisturbed run gives."""

import time

import pytest
from runs import clear, finish, lay_out, results, start


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
