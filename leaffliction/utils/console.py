"""Lines on stderr: errors and notes, without what libraries write there."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SILENCE = threading.RLock()


def printable(text: object) -> str:
    """Return text without control characters or lone surrogates.

    File names may hold both; they would garble a terminal, or stop a print
    with a UnicodeEncodeError.
    """
    return "".join(
        character if character.isprintable() else
        character.encode("unicode_escape", "surrogatepass").decode()
        for character in str(text))


def print_error(message: object) -> None:
    """Print one ``error:`` line to stderr."""
    with SILENCE:       # Another thread may just have silenced stderr.
        print(f"error: {printable(message)}", file=sys.stderr)


def print_note(message: object) -> None:
    """Print one line that is neither result nor error to stderr."""
    with SILENCE:
        print(printable(message), file=sys.stderr, flush=True)


@contextmanager
def suppress_native_stderr() -> Iterator[None]:
    """Silence what libraries in C++ write to stderr past Python.

    TensorFlow and LiteRT greet with notes on processors that no user asked
    for, and that no setting turns off.  Real errors are Python exceptions.
    """
    # One thread at a time: a second would take the silence for stderr, and
    # put it back when the first is done.
    with SILENCE:
        sys.stderr.flush()
        kept = os.dup(2)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
