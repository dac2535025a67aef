"""leaffliction/utils/console.py: print to stderr, and suppress it."""

import os
import sys
import threading

import pytest

from leaffliction.utils.console import (print_error, print_note, printable,
                                        suppress_native_stderr)

# Seconds in which a thread that no lock holds back would have gone on.
LONG_ENOUGH = 0.05


def test_printable_keeps_letters():
    assert printable("Été 漢 \N{RED APPLE}") == "Été 漢 \N{RED APPLE}"


def test_printable_escapes_controls_and_lone_surrogates():
    assert printable("a\nb\x1b[31m\udcff\u202e") == r"a\nb\x1b[31m\udcff\u202e"


@pytest.mark.parametrize("print_line", [print_error, print_note])
def test_a_line_printed_during_suppression_appears_after_it(
        print_line, capfd, monkeypatch):
    # pytest's own sys.stderr does not write to file descriptor 2.
    monkeypatch.setattr(sys, "stderr", open(2, "w", buffering=1,
                                            closefd=False))
    thread = threading.Thread(target=print_line, args=["truncated"])
    with suppress_native_stderr():
        thread.start()
        thread.join(LONG_ENOUGH)
    thread.join()
    assert capfd.readouterr().err.endswith("truncated\n")


def test_stderr_is_restored_when_two_threads_suppress_it(capfd):
    entered, leave = threading.Event(), threading.Event()

    def second():
        with suppress_native_stderr():
            entered.set()
            os.write(2, b"log of another library\n")
            leave.wait()

    thread = threading.Thread(target=second)
    with suppress_native_stderr():
        thread.start()
        os.write(2, b"log of a library\n")
        # Without a lock the second would take the null device for stderr,
        # and restore that.
        assert not entered.wait(LONG_ENOUGH)
    leave.set()
    thread.join()
    os.write(2, b"after both\n")
    assert capfd.readouterr().err == "after both\n"
