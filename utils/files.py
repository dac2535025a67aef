"""Files that are there whole or not at all, and one run at a time.

Whatever stops a program (a full disk, Ctrl-C, kill -9), what it leaves under
a final name is complete, and the same command again clears up after it.
"""

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.cli import UserError
from utils.places import is_local

# A file that is being written: hidden, so that no program takes it for an
# image of the user's.
PARTIAL = re.compile(r"\.partial-[0-9a-f]{16}(\..*)?")
# Written into a store to see whether that is possible.
PROBE = ".may-be-written"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name beside path to write to, moved to path when all is well.

    So a file is there whole or not at all, whatever stops the program.
    Folders on the way are made.  The name follows from that of path: what a
    killed run has left there, the next one writes over.  A device or a pipe
    (/dev/null, /dev/stdout) is written to itself.  In an object store the
    last of two runs has its way.  Raises UserError where it can't write, or
    where another run is writing this very file.
    """
    if not is_local(path):
        with _whole_object(path) as partial:
            yield partial
        return
    if _is_device(path):
        try:
            yield path
        except OSError as error:
            raise unwritable(path, error) from None
        return
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    partial = path.parent / f".partial-{name}{path.suffix}"
    lock = None
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock_file(partial)
        yield partial
        os.replace(partial, path)
    except BaseException as error:
        if lock is not None:
            with suppress(OSError):
                partial.unlink()
        if lock is None and isinstance(error, BlockingIOError):
            raise UserError(f"{path}: another run is writing it") from None
        if isinstance(error, OSError):
            raise unwritable(path, error) from None
        raise
    finally:
        if lock is not None:
            os.close(lock)


@contextmanager
def _whole_object(path) -> Iterator[Path]:
    """Give a local file to write to, put into a store when all is well."""
    try:
        with tempfile.TemporaryDirectory(prefix="leaf-") as folder:
            partial = Path(folder, f"object{path.suffix}")
            yield partial
            path.put(partial)
    except OSError as error:
        raise unwritable(path, error) from None


def refuse_folder(path: Path) -> None:
    """Raise UserError where a store has a folder of a file's name.

    On a disk the system does; an object of that name would hide the folder.
    """
    if not is_local(path) and path.is_dir():
        raise UserError(f"{path}: cannot be written (Is a directory)")


def unwritable(path: Path, error: OSError) -> UserError:
    """Return the error line of a path that can't be written."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        for folder in (path, *path.parents):
            if folder.exists() and not folder.is_dir():
                return UserError(f"{path}: cannot be written ({folder} is a "
                                 "file, not a folder)")
    return UserError(f"{path}: cannot be written "
                     f"({error.strerror or error})")


def _is_device(path: Path) -> bool:
    """Tell whether a path is no place for a file of its own.

    To move a file there would put it in the device's place.
    """
    return os.path.abspath(path).startswith(("/dev/", "/proc/")) or (
        os.path.exists(path) and not os.path.isfile(path)
        and not os.path.isdir(path))


def _lock_file(path: Path) -> int:
    """Return a descriptor of a file that no other run has locked.

    Raises BlockingIOError where one has.
    """
    while True:
        lock = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            _lock(lock)
            # The one before may have moved the file to its final name
            # between the two calls: then this is no longer the same file.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(path)):
                    return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _lock(descriptor: int) -> bool:
    """Lock an open file or folder; tell whether its disk knows locks.

    The system frees it when the process ends, however that ends.  Raises
    BlockingIOError where another has it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False    # Some network file systems have none.
    return True


@contextmanager
def only_run(folder: Path) -> Iterator[bool]:
    """Let no other run write into a folder until this block ends.

    It is made where it is missing, and goes again if it stays empty.  Gives
    False where its disk knows no locks, so that there may be another run;
    an object store knows none.
    Raises UserError where there is one, or nothing can be written.
    """
    if not is_local(folder):
        _try_to_write(folder)
        yield False
        return
    is_new = not folder.is_dir()
    descriptor = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(0, "Permission denied")
        descriptor = os.open(folder, os.O_RDONLY)
        is_alone = _lock(descriptor)
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise UserError(f"{folder}: another run is writing into it"
                            ) from None
        raise unwritable(folder, error) from None
    try:
        yield is_alone
    finally:
        os.close(descriptor)
        if is_new:
            with suppress(OSError):
                folder.rmdir()


def _try_to_write(folder) -> None:
    """Raise UserError where nothing can be written into a store's folder.

    Now, not after the minutes or hours of work that are to be written.
    """
    trial = folder / PROBE
    try:
        with tempfile.NamedTemporaryFile() as empty:
            trial.put(empty.name)
    except OSError as error:
        raise unwritable(folder, error) from None
    # Who may write need not be allowed to delete.
    with suppress(OSError):
        trial.unlink()


def remove_partial(folder: Path, files: Iterable[Path]) -> None:
    """Delete what a run that was killed was writing at that moment.

    files: some of the folder, relative to it.  What another run is writing
    right now stays.
    """
    for file in files:
        if PARTIAL.fullmatch(file.name):
            with suppress(BlockingIOError, FileNotFoundError):
                os.close(_lock_file(folder / file))
                (folder / file).unlink()


def is_whole(path: Path) -> bool:
    """Tell whether a file is there; a power cut may leave an empty one."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
