"""leaffliction/utils/progress.py: a bar on a terminal, nothing elsewhere."""

import io
import sys

import pytest

from leaffliction.utils import progress as module
from leaffliction.utils.progress import progress


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def test_progress_is_silent_without_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_WITHOUT_BAR", -1)
    assert list(progress(iter("abc"), 3, "Reading")) == list("abc")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("seconds, is_shown", [(60, False), (-1, True)])
def test_progress_shows_a_bar_only_for_work_that_takes_long(
        seconds, is_shown, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "SECONDS_WITHOUT_BAR", seconds)
    assert list(progress(range(5), 5, "Reading")) == list(range(5))
    assert ("Reading" in terminal.getvalue()) == is_shown
