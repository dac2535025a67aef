"""Hard-link or copy one file, on a disk or in an object store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write, write_error
from leaffliction.utils.storage import copy_within_store, hard_link, same_file

CHUNK = 2**20            # bytes copied at a time


class SourceError(UserError):
    """A source file cannot be read or used: the run continues without it.

    Any other UserError means that the output cannot be written.
    """


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file, or copy its bytes where that is not possible.

    A link takes neither time nor space, but not every file system supports
    it, and none across disks.
    Raises SourceError where the source cannot be read or has disappeared,
    and UserError where the target cannot be written.
    """
    if same_file(target, source):
        return  # Renaming one name of a file to another would do nothing.
    try:
        if copy_within_store(source, target):
            return
    except OSError as error:
        # The store's error does not say whether reading or writing failed.
        with _source_errors(source):
            source.stat()
        raise write_error(target, error) from None
    with atomic_write(target) as new:
        if not hard_link(source, new):
            _copy_bytes(source, new)


@contextmanager
def _source_errors(source: Path) -> Iterator[None]:
    """Turn an OSError into a SourceError: reading failed, not writing."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"{source}: cannot be read any more "
                          f"({error.strerror or error})") from None


def _copy_bytes(source: Path, new: Path) -> None:
    """Copy a file.

    Raises SourceError where reading fails and OSError where writing does.
    """
    with _source_errors(source):
        stream = source.open("rb")
    with stream, new.open("wb") as written:
        while True:
            with _source_errors(source):
                chunk = stream.read(CHUNK)
            if not chunk:
                return
            written.write(chunk)
