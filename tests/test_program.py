"""leaffliction/program.py: how a program begins and ends."""

import signal

import pytest

from leaffliction import program
from leaffliction.utils import cli


def test_start_exits_with_the_status_and_ignores_a_second_ctrl_c():
    def main():
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as end:
            program.start(main)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, handler)
    assert end.value.code == cli.INTERRUPTED
