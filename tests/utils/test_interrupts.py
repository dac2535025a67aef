"""leaffliction/utils/interrupts.py: Ctrl-C waits, is recorded, or is final."""

import signal

import pytest

from leaffliction.utils.interrupts import (defer_interrupts, exit_on_interrupt,
                                           record_interrupts)


def test_ctrl_c_is_raised_at_the_end_of_the_block():
    with pytest.raises(KeyboardInterrupt):
        with defer_interrupts():
            # The system may deliver the signal to another thread, which has
            # not blocked it; Python then calls the handler in this one.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            signal.raise_signal(signal.SIGINT)
            is_end_reached = True
    assert is_end_reached
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_signal_that_was_blocked_before_stays_blocked():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with defer_interrupts():
            pass
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_handler_that_python_did_not_set_stays(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda _: None)
    monkeypatch.setattr(signal, "signal", None)     # A call would fail.
    with defer_interrupts():
        is_entered = True
    assert is_entered


@pytest.mark.parametrize("context", [defer_interrupts, record_interrupts,
                                     exit_on_interrupt])
def test_an_error_in_the_block_restores_the_handler(context):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError):
        with context():
            assert signal.getsignal(signal.SIGINT) != before
            raise ValueError
    assert signal.getsignal(signal.SIGINT) == before


def test_ctrl_c_is_deferred_although_the_block_raises():
    with pytest.raises(KeyboardInterrupt):
        with defer_interrupts():
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            signal.raise_signal(signal.SIGINT)
            raise ValueError
