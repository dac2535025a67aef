"""Fixtures of all fault tests: inputs, and the outputs without a fault."""

import time

import pytest
from runs import clear_outputs, finish, make_workspace, read_outputs, start


@pytest.fixture(scope="session")
def workspace(learned, tmp_path_factory):
    """Return a folder with inputs for all programs, and out/ and tmp/."""
    folder = tmp_path_factory.mktemp("faults")
    make_workspace(folder, learned)
    return folder


@pytest.fixture(scope="session")
def reference(workspace):
    """Return a function: program to (outputs, seconds) of a normal run.

    Each program runs once.  Every call leaves out/ and tmp/ empty.
    """
    known = {}

    def run(program):
        if program not in known:
            clear_outputs(workspace)
            begin = time.monotonic()
            status, stderr = finish(start(program, workspace))
            assert status == 0, stderr
            known[program] = (read_outputs(workspace),
                              time.monotonic() - begin)
            assert not list((workspace / "tmp").glob("tmp*"))
        clear_outputs(workspace)
        return known[program]

    return run
