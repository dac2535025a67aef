"""Ctrl-C, deferred where it would do damage."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Let Ctrl-C wait for the end of this block.

    Stopped between starting a process and noting it, a program would leave
    that behind; stopped while it loads, TensorFlow aborts.  Processes that
    are started here never get it: it goes to all those of a terminal, and
    one that is still loading would print a traceback.
    """
    if (threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is None):
        # Python tells the main thread alone; and a handler that is not of
        # its making it could not put back.
        yield
        return
    waiting = []
    handler = signal.signal(signal.SIGINT, lambda *_: waiting.append(True))
    # What is started inherits this; here another thread may still get it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        # A program that uses this package may have it blocked by itself.
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if waiting:
            signal.raise_signal(signal.SIGINT)
