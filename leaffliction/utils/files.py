"""Files that are there whole or not at all, and one run at a time.

Whatever stops a program (a full disk, Ctrl-C, kill -9), what it leaves under
a final name is complete, and the same command again clears up after it.
"""

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import image_kind, is_picture
from leaffliction.utils.marks import COPY, DRAWING, MARK, TAIL, marked_kind
from leaffliction.utils.storage import is_local, path_of

# A file that is being written: hidden, so that no program takes it for an
# image of the user's.
PARTIAL = re.compile(r"\.partial-[0-9a-f]{16}(\..*)?")
# So much of a file's beginning tells whether it is an image, or a figure.
BEGINNING = 1024
# A figure of lines and text: PDF, PostScript, SVG.
FIGURE = re.compile(rb"%PDF|%!PS|\s*(<[?!][^>]*>\s*)*<svg")
# By which matplotlib's PNG files begin, and the file beside those of a report.
MATPLOTLIB, REPORT = b"Software\0Matplotlib", "report.json"
# Written into a store to see whether that is possible.
PROBE = ".may-be-written"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a name beside path to write to, moved to path when all is well.

    So a file is there whole or not at all, whatever stops the program.
    Folders on the way are made.  The name follows from that of path: what a
    killed run has left there, the next one writes over.  A device or a pipe
    (/dev/null, /dev/stdout) is written to itself.  In an object store the
    last of two runs has its way.  Raises UserError where it can't write,
    where another run is writing this very file, or where path holds an image
    that the programs have not made: see may_replace.
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
        _check_replacement(path, partial)
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
            _check_replacement(path, partial)
            path.put(partial)
    except OSError as error:
        raise unwritable(path, error) from None


def may_replace(path: Path, new: str | None = None) -> bool:
    """Tell whether a file may be written over: no image of the user's is.

    new: the mark's kind of what would be written.  A figure or a view that
    the programs drew may be replaced by anything, an augmented copy by
    another.  What can't be read is left to the system.
    """
    beginning, end = _ends(path)
    kind = marked_kind(end)
    return (kind == DRAWING or kind == new == COPY
            or not (image_kind(beginning) or FIGURE.match(beginning)
                    or is_picture(beginning))
            # An earlier version's figures have no mark.
            or MATPLOTLIB in beginning and (path.parent / REPORT).is_file())


def last_bytes(path: Path) -> bytes:
    """Return the end of a file, where its mark is; b"" without a file."""
    return _ends(path)[1]


def _ends(path: Path) -> tuple[bytes, bytes]:
    """Return a file's first and last bytes, empty where there are none."""
    try:
        if not is_local(path):
            return path.parent.ends([Path(path.name)], BEGINNING, TAIL)[0]
    except OSError:
        return b"", b""
    return both_ends(path, BEGINNING)


def both_ends(path: Path, head: int) -> tuple[bytes, bytes]:
    """Return the first `head` and the last TAIL bytes of a file on a disk.

    Nothing of what is no regular file, or can't be opened.
    """
    try:
        # Without it, opening a pipe would wait for its writer.
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
                         | getattr(os, "O_BINARY", 0))
    except OSError:
        return b"", b""
    try:
        state = os.fstat(opened)
        if not stat.S_ISREG(state.st_mode):
            return b"", b""
        beginning = os.read(opened, head)
        os.lseek(opened, max(0, state.st_size - TAIL), os.SEEK_SET)
        return beginning, os.read(opened, TAIL)
    except OSError:
        return b"", b""
    finally:
        os.close(opened)


def _check_replacement(path: Path, new: Path) -> None:
    """Raise UserError where path holds an image that new may not replace.

    The same bytes may: a run that is repeated changes nothing.  So may an
    augmented copy of an earlier version, which wrote the same without a mark.
    """
    kind = marked_kind(_ends(new)[1])
    if may_replace(path, kind):
        return
    before, after = path.read_bytes(), new.read_bytes()
    if before == after or kind == COPY and before == MARK.sub(b"", after):
        return
    raise _foreign(path)


def _foreign(path: Path) -> UserError:
    return UserError(f"{path}: is an image that these programs did not make, "
                     "and is not written over; choose another name, or "
                     "delete it if an earlier version made it")


def check_outputs(outputs: Iterable[Path | str | None],
                  inputs: Iterable[Path]) -> None:
    """Raise UserError where a file that is to be written can't be.

    Before the work begins: no output may be a folder, an image that the
    programs have not made, an input of this run, or the same file as another
    output.  Links and other names of one file count as that file.  None and
    "-" (stdout) are no files, devices keep nothing.
    """
    files = [path_of(output) for output in outputs
             if output is not None and str(output) != "-"]
    files = [file for file in files
             if not (is_local(file) and _is_device(file))]
    present = [file for file in files if _exists(file)]
    for file in present:
        if file.is_dir():
            raise UserError(f"{file}: cannot be written (Is a directory)")
    for path in inputs if present else ():
        for file in present:
            if _is_same(file, path):
                raise UserError(f"{file}: is read by this run, and is not "
                                "written over; choose another name")
    for file in present:
        if not may_replace(file):
            raise _foreign(file)
    for place, file in enumerate(files):
        if any(_is_same(file, other) for other in files[:place]):
            raise UserError(f"{file}: two outputs go to this file")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False    # Who may write to a store need not be let look.


def _is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths name one file, there or not.

    Of files that are not there yet, capitals do not tell them apart: on some
    disks they would not.
    """
    if not (is_local(one) and is_local(other)):
        return str(one) == str(other)
    try:
        return os.path.samefile(one, other)
    except OSError:
        return not os.path.exists(one) and (
            os.path.realpath(one).casefold()
            == os.path.realpath(other).casefold())


def sync(path: Path) -> None:
    """Have the system write a file, or a folder's names, to the disk now.

    Raises OSError where that fails: a full disk on another machine, say.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
def directory_lock(folder: Path) -> Iterator[bool]:
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


def file_sha1(path: Path) -> str:
    """Return the SHA-1 of a file's content, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha1").hexdigest()


def file_sha256(path: Path, content: bytes | None = None) -> str:
    """Return the SHA-256 of a file's content, in hex.

    content: that, if it was fetched already.
    """
    if content is not None:
        return hashlib.sha256(content).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_or_empty(path: Path) -> str:
    """Return a file's digest, or "" where it can't be read."""
    try:
        # Opening a pipe would wait for its writer for ever.
        return (file_sha256(path) if not is_local(path) or path.is_file()
                else "")
    except OSError:
        return ""
