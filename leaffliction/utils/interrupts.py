"""Ctrl-C, deferred where it would do damage."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Defer Ctrl-C until this block ends; KeyboardInterrupt comes then.

    Between the start of a worker process and its registration, Ctrl-C would
    leave the process running for ever; while TensorFlow loads, it would
    abort the program.  A process that is started in the block never receives
    Ctrl-C: a terminal sends it to all its processes, and one that is still
    loading would print a traceback.
    """
    if (threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is None):
        # Python runs signal handlers in the main thread only, and cannot
        # restore a handler that was not set from Python.
        yield
        return
    deferred = []
    handler = signal.signal(signal.SIGINT, lambda *_: deferred.append(True))
    # Processes inherit the mask.  In this process it is not enough: another
    # thread may still receive the signal, and the handler above is called.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        # The caller may have blocked the signal already: restore its mask.
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if deferred:
            signal.raise_signal(signal.SIGINT)
