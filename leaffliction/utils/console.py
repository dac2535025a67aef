"""Print lines to stderr; suppress stderr while native libraries log to it."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Held while stderr is suppressed or written to, so that no line of another
# thread is lost.  Reentrant: blocks that suppress it may be nested.
_STDERR_LOCK = threading.RLock()


def printable(text: object) -> str:
    """Return text with control characters and lone surrogates escaped.

    File names may contain both.  The first would garble a terminal; the
    second make print raise UnicodeEncodeError.
    """
    return "".join(
        character if character.isprintable() else
        character.encode("unicode_escape", "surrogatepass").decode()
        for character in str(text))


def print_error(message: object) -> None:
    """Print one ``error:`` line to stderr."""
    with _STDERR_LOCK:
        print(f"error: {printable(message)}", file=sys.stderr)


def print_note(message: object) -> None:
    """Print one line to stderr that is neither a result nor an error."""
    with _STDERR_LOCK:
        print(printable(message), file=sys.stderr, flush=True)


@contextmanager
def suppress_native_stderr() -> Iterator[None]:
    """Discard what native code writes to stderr until this block ends.

    TensorFlow and LiteRT write notes about the processor there, which no
    setting turns off; their errors arrive as Python exceptions.
    """
    # One thread at a time: a second one would save the null device as if it
    # were stderr, and restore that in the end.
    with _STDERR_LOCK:
        sys.stderr.flush()
        saved = os.dup(2)
        with open(os.devnull, "wb") as null_device:
            os.dup2(null_device.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
