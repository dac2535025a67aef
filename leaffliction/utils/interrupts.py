"""Ctrl-C, deferred, recorded or final where raising it would do damage."""

import signal
import threading
from collections.abc import Callable, Iterator
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
    deferred = []
    try:
        with _handle_interrupts(
                lambda *_: deferred.append(True)) as is_handled:
            if not is_handled:
                yield
                return
            # Processes inherit the mask.  In this process it is not enough:
            # another thread may still receive the signal, and the handler
            # above is called.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                yield
            finally:
                # The caller may have blocked the signal: restore its mask.
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    finally:
        if deferred:
            signal.raise_signal(signal.SIGINT)


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
def _handle_interrupts(handler: Callable | signal.Handlers) -> Iterator[bool]:
    """Set the handler of Ctrl-C for a block; yield whether that is possible.

    Python runs signal handlers in the main thread only, and cannot restore a
    handler that was not set from Python.
    """
    if (threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is None):
        yield False
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield True
    finally:
        signal.signal(signal.SIGINT, before)
