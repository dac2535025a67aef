"""Writing files that appear whole or not at all; locks between processes.

On a disk a file is written under a temporary name beside its final one, and
renamed at the end.  The temporary name follows from the final one, and its
writer holds a lock on it: so a later run recognises what a killed run left,
and two runs never write one file at the same time.  In an object store a
finished local file is uploaded, which is atomic; there are no locks, and the
last of two writers wins.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from leaffliction.utils.storage.operations import is_device
from leaffliction.utils.storage.paths import StoragePath
from leaffliction.utils.storage.trees import list_files

# The temporary name of a file that is being written.  Hidden, so that no
# program takes it for one of the user's images.
PARTIAL = re.compile(r"\.partial-[0-9a-f]{16}(\..*)?")


class FileLockedError(BlockingIOError):
    """Another process is writing this file, or into this folder."""


@contextmanager
def staged_write(path: StoragePath) -> Iterator[Path]:
    """Yield a local file to write, which becomes `path` if the block succeeds.

    Missing folders are made.  If the block raises, `path` is unchanged.  A
    device or a pipe (/dev/stdout) is yielded itself.
    Raises FileLockedError while another process writes the same path, and
    OSError if it cannot be written.
    """
    if not isinstance(path, Path):
        with path.staged_write() as partial:
            yield partial
        return
    if is_device(path):
        yield path
        return
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    partial = path.parent / f".partial-{name}{path.suffix}"
    lock = _lock_file(partial)
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    finally:
        os.close(lock)


def _lock_file(path: Path) -> int:
    """Return the descriptor of a new file that this process has locked.

    Raises FileLockedError if another process has the lock.
    """
    while True:
        lock = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            _lock(lock)
            # Between open and lock the previous writer may have renamed the
            # file to its final name: then `path` is another file now.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(path)):
                    return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _lock(descriptor: int) -> bool:
    """Lock an open file or folder; return whether its disk has locks.

    The system releases the lock when the process ends, even by kill -9.
    Raises FileLockedError if another process has it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileLockedError(*error.args) from None
    except OSError:
        return False    # Some network file systems have no locks.
    return True


@contextmanager
def locked_folder(folder: StoragePath) -> Iterator[bool]:
    """Lock a folder against other processes until the block ends.

    Yields False if the disk or the store has no locks.  A missing folder
    is made, and deleted at the end if it is still empty.
    Raises FileLockedError if another process has the lock, and OSError if
    nothing can be written into it.
    """
    if not isinstance(folder, Path):
        folder.check_writable()
        yield False
        return
    is_new = not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(0, "Permission denied")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        has_lock = _lock(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    try:
        yield has_lock
    finally:
        os.close(descriptor)
        if is_new:
            with suppress(OSError):
                folder.rmdir()


def remove_partial(folder: StoragePath) -> None:
    """Delete the unfinished files that a killed run left below a folder.

    Those that another run is writing stay.  In a store no object exists before
    it is complete.
    """
    if not isinstance(folder, Path):
        return
    for file in list_files(folder):
        if PARTIAL.fullmatch(file.name):
            with suppress(FileLockedError, FileNotFoundError):
                os.close(_lock_file(folder / file))
                (folder / file).unlink()
