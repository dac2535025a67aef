"""Files that appear complete or not at all; locks; checksums.

Whatever stops a program (a full disk, Ctrl-C, kill -9), each file that it
leaves under its final name is complete, and the next run of the same command
overwrites or deletes the rest.
"""

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from leaffliction.utils.errors import UserError
from leaffliction.utils.overwrite import check_replacement, is_device
from leaffliction.utils.storage import is_local

# Name of a file that is being written.  It is hidden, so that no program
# takes it for one of the user's images.
PARTIAL = re.compile(r"\.partial-[0-9a-f]{16}(\..*)?")
# Name of the empty object that tests whether a store can be written to.
PROBE = ".may-be-written"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to path on success.

    So a file appears complete or not at all, whatever stops the program.
    Missing folders are created.  The temporary name is derived from that of
    path, so that a run overwrites what a killed run left behind.  A device
    or a pipe (/dev/null, /dev/stdout) is written directly.  Where two runs
    write the same object of a store, the last one wins.

    Raises UserError where path cannot be written, where another run is
    writing it, and where it holds an image that the programs did not make
    (see overwrite.check_replacement).
    """
    if not is_local(path):
        with _atomic_upload(path) as partial:
            yield partial
        return
    try:
        if is_device(path):
            yield path
            return
        with _partial_file(path) as partial:
            yield partial
            check_replacement(path, partial)
            os.replace(partial, path)
    except OSError as error:
        raise write_error(path, error) from None


@contextmanager
def _partial_file(path: Path) -> Iterator[Path]:
    """Yield the temporary path of a file, locked; delete it on an error."""
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    partial = path.parent / f".partial-{name}{path.suffix}"
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = _open_locked(partial)
    except BlockingIOError:
        raise UserError(f"{path}: another run is writing it") from None
    try:
        yield partial
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    finally:
        os.close(descriptor)


@contextmanager
def _atomic_upload(path) -> Iterator[Path]:
    """Yield a local path to write to, and upload the file on success."""
    try:
        with tempfile.TemporaryDirectory(prefix="leaf-") as folder:
            partial = Path(folder, f"object{path.suffix}")
            yield partial
            check_replacement(path, partial)
            path.put(partial)
    except OSError as error:
        raise write_error(path, error) from None


def fsync(path: Path) -> None:
    """Make the system write a file, or a folder's entries, to the disk now.

    Raises OSError where that fails, for example because the disk of a file
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


# Locks: one run at a time.

@contextmanager
def directory_lock(folder: Path) -> Iterator[bool]:
    """Lock a folder against other runs until this block ends.

    A missing folder is created, and deleted at the end if it is still empty.
    Yields False where another run cannot be excluded: some network file
    systems have no locks, and object stores have none.

    Raises UserError where another run has the lock, or where the folder
    cannot be written to.
    """
    if not is_local(folder):
        _check_writable(folder)
        yield False
        return
    is_new = not folder.is_dir()
    descriptor, is_locked = _lock_folder(folder)
    try:
        yield is_locked
    finally:
        os.close(descriptor)
        if is_new:
            # This fails, as it should, where the folder has files by now.
            with suppress(OSError):
                folder.rmdir()


def _lock_folder(folder: Path) -> tuple[int, bool]:
    """Create and lock a folder; return its descriptor, and _lock's result."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(0, "Permission denied")
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            return descriptor, _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise
    except BlockingIOError:
        raise UserError(f"{folder}: another run is writing into it") from None
    except OSError as error:
        raise write_error(folder, error) from None


def _check_writable(folder) -> None:
    """Raise UserError where a store's folder cannot be written to.

    Better now than after hours of work on what is to be written there.
    """
    probe = folder / PROBE
    try:
        with tempfile.NamedTemporaryFile() as empty:
            probe.put(empty.name)
    except OSError as error:
        raise write_error(folder, error) from None
    # Permission to write does not always include permission to delete.
    with suppress(OSError):
        probe.unlink()


def remove_partial(folder: Path, files: Iterable[Path]) -> None:
    """Delete the partial files that killed runs have left in a folder.

    files: files of the folder, relative to it; those that are not partial,
    or that another run is writing now, stay.
    """
    for file in files:
        if PARTIAL.fullmatch(file.name):
            with suppress(BlockingIOError, FileNotFoundError):
                os.close(_open_locked(folder / file))
                (folder / file).unlink()


def _open_locked(path: Path) -> int:
    """Open or create a file, lock it and return its descriptor.

    Raises BlockingIOError where another run has the lock.
    """
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
            # Between the two calls, the run that had the lock may have
            # renamed the file to its final name: try again with a new one.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file or folder; return False where there are no locks.

    The system releases the lock when the process ends, however it ends.
    Raises BlockingIOError where another process has the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False    # A network file system without locks.
    return True


# Checksums.

def file_digest(path: Path, algorithm: str = "sha256",
                content: bytes | None = None) -> str:
    """Return the checksum of a file, in hexadecimal.

    algorithm: a name that hashlib knows.
    content: the file's bytes, where the caller has read them already.
    """
    if content is not None:
        return hashlib.new(algorithm, content).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def sha256_or_empty(path: Path) -> str:
    """Return the SHA-256 of a file, or "" where it cannot be read."""
    try:
        # Opening a pipe would wait for its writer for ever.
        return (file_digest(path) if not is_local(path) or path.is_file()
                else "")
    except OSError:
        return ""
