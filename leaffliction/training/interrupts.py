"""Ctrl-C while TensorFlow computes or waits for another machine."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def record_interrupts() -> Iterator[list]:
    """Yield a list that stays empty until Ctrl-C is pressed.

    KeyboardInterrupt is not raised inside the block: a machine that stopped
    in the middle of a step would leave the others waiting.  The caller
    finishes the step, informs the others with it, and stops.
    """
    interrupts = []
    with _handle_interrupts(lambda *_: interrupts.append(True)):
        yield interrupts


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """Let Ctrl-C end the process at once, without any clean-up.

    For waiting: while TensorFlow waits for another machine, Python cannot
    raise an exception.
    """
    with _handle_interrupts(signal.SIG_DFL):
        yield


@contextmanager
def _handle_interrupts(handler: Callable | signal.Handlers) -> Iterator[None]:
    """Set the handler of Ctrl-C for a block.

    Does nothing outside the main thread, where Python handles no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
