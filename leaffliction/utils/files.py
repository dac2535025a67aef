"""Files that appear complete or not at all; locks; checksums.

Whatever stops a program (a full disk, Ctrl-C, kill -9), each file that it
leaves under its final name is complete, and the next run of the same command
overwrites or deletes the rest.  utils/storage does the work; this module
turns its errors into messages, and protects the user's images.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from leaffliction.utils.errors import UserError
from leaffliction.utils.overwrite import check_replacement
from leaffliction.utils.storage import (FileLockedError, is_special_file,
                                        locked_folder, remove_partial,
                                        staged_write)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to path on success.

    So a file appears complete or not at all, whatever stops the program.
    Missing folders are created.  A device or a pipe (/dev/null, /dev/stdout)
    is written directly.  Where two runs write the same object of a store,
    the last one wins.

    Raises UserError if path cannot be written, if another run is writing it,
    or if it holds an image that the programs did not make (see
    overwrite.check_replacement).
    """
    try:
        with staged_write(path) as partial:
            yield partial
            # A device, which is written directly, holds nothing.
            if partial is not path:
                check_replacement(path, partial)
    except FileLockedError:
        raise UserError(f"{path}: another run is writing it") from None
    except OSError as error:
        raise write_error(path, error) from None


@contextmanager
def directory_lock(folder: Path) -> Iterator[bool]:
    """Lock a folder against other runs until this block ends.

    A missing folder is created, and deleted at the end if it is still empty.
    Yields False if another run cannot be excluded: some network file
    systems have no locks, and object stores have none.

    Raises UserError if another run has the lock, or if the folder cannot be
    written to.
    """
    with ExitStack() as stack:
        try:
            is_locked = stack.enter_context(locked_folder(folder))
        except FileLockedError:
            raise UserError(f"{folder}: another run is writing into it"
                            ) from None
        except OSError as error:
            raise write_error(folder, error) from None
        yield is_locked


@contextmanager
def lock_output_tree(folder: Path) -> Iterator[None]:
    """Lock a folder of results against other runs until this block ends.

    Partial files that a killed run left are deleted at the start, and those
    of this run if an error or Ctrl-C ends the block.  Raises UserError if
    another run has the lock, or if the folder cannot be written to.
    """
    with directory_lock(folder):
        remove_partial(folder)
        try:
            yield
        except BaseException:
            remove_partial(folder)
            raise


def fsync(path: Path) -> None:
    """Make the system write a file, or a folder's entries, to the disk now.

    Raises OSError if that fails, for example because the disk of a file
    server is full.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_error(path: Path, error: OSError) -> UserError:
    """Return the UserError that says why a path cannot be written."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        for folder in (path, *path.parents):
            if folder.exists() and not folder.is_dir():
                return UserError(f"{path}: cannot be written ({folder} is a "
                                 "file, not a folder)")
    return UserError(f"{path}: cannot be written "
                     f"({error.strerror or error})")


def is_nonempty_file(path: Path) -> bool:
    """Return whether a file exists that a power cut has not left empty."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def file_digest(path: Path, algorithm: str = "sha256",
                content: bytes | None = None) -> str:
    """Return the checksum of a file, in hexadecimal.

    algorithm: a name that hashlib knows.
    content: the file's bytes, if the caller has read them already.
    """
    if content is not None:
        return hashlib.new(algorithm, content).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def sha256_or_empty(path: Path) -> str:
    """Return the SHA-256 of a file, or "" if it cannot be read."""
    try:
        # Opening a pipe would wait for its writer for ever.
        return "" if is_special_file(path) else file_digest(path)
    except OSError:
        return ""
