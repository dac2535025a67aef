"""The figures of the photographs in judged.py."""

import pytest
from judged import FromName, pixels_of, write_data

from leaffliction.release import evaluation
from leaffliction.utils.parallel import Workers


@pytest.fixture
def laid(monkeypatch):
    """Return the calls of `lay`, which answers as for the leaf alone."""
    monkeypatch.setattr(evaluation, "LAID_IMAGES", 8)
    calls = []

    def lay(leaf, ground, seed):
        calls.append((leaf, ground, seed))
        return pixels_of(leaf)

    return calls, lay


@pytest.fixture
def figures(tmp_path, laid, capsys):
    """Return the figures of all files."""
    return evaluation.evaluate_release(
        FromName(), *write_data(tmp_path), Workers(2), laid[1])
