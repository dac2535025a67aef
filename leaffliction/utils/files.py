"""Files that are there whole or not at all, and one run at a time.

Whatever stops a program (a full disk, Ctrl-C, kill -9), what it leaves under
a final name is complete, and the same command again clears up after it.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from leaffliction.utils.cli import UserError
from leaffliction.utils.file_types import FOREIGN_HEAD_BYTES, is_any_picture
from leaffliction.utils.marks import COPY, DRAWING, MARK, TAIL, marked_kind
from leaffliction.utils.storage import (FileLockedError, is_device, is_folder,
                                        is_special_file, locked_folder,
                                        path_of, read_ends, same_target,
                                        staged_write)

# By which matplotlib's PNG files begin, and the file beside those of a report.
MATPLOTLIB, REPORT = b"Software\0Matplotlib", "report.json"


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
    try:
        with staged_write(path) as partial:
            yield partial
            # A device, which is written in place, keeps nothing.
            if partial is not path:
                _check_replacement(path, partial)
    except FileLockedError:
        raise UserError(f"{path}: another run is writing it") from None
    except OSError as error:
        raise unwritable(path, error) from None


def may_replace(path: Path, new: str | None = None) -> bool:
    """Tell whether a file may be written over: no image of the user's is.

    new: the mark's kind of what would be written.  A figure or a view that
    the programs drew may be replaced by anything, an augmented copy by
    another.  What can't be read is left to the system.
    """
    beginning, end = read_ends(path, FOREIGN_HEAD_BYTES, TAIL)
    kind = marked_kind(end)
    return (kind == DRAWING or kind == new == COPY
            or not is_any_picture(beginning)
            # An earlier version's figures have no mark.
            or MATPLOTLIB in beginning and (path.parent / REPORT).is_file())


def last_bytes(path: Path) -> bytes:
    """Return the end of a file, where its mark is; b"" without a file."""
    return read_ends(path, 0, TAIL)[1]


def _check_replacement(path: Path, new: Path) -> None:
    """Raise UserError where path holds an image that new may not replace.

    The same bytes may: a run that is repeated changes nothing.  So may an
    augmented copy of an earlier version, which wrote the same without a mark.
    """
    kind = marked_kind(last_bytes(new))
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
    files = [file for file in files if not is_device(file)]
    present = [file for file in files if _exists(file)]
    for file in present:
        if file.is_dir():
            raise UserError(f"{file}: cannot be written (Is a directory)")
    for path in inputs if present else ():
        for file in present:
            if same_target(file, path):
                raise UserError(f"{file}: is read by this run, and is not "
                                "written over; choose another name")
    for file in present:
        if not may_replace(file):
            raise _foreign(file)
    for place, file in enumerate(files):
        if any(same_target(file, other) for other in files[:place]):
            raise UserError(f"{file}: two outputs go to this file")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False    # Who may write to a store need not be let look.


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
    if is_folder(path):
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


@contextmanager
def directory_lock(folder: Path) -> Iterator[bool]:
    """Let no other run write into a folder until this block ends.

    It is made where it is missing, and goes again if it stays empty.  Gives
    False where its disk knows no locks, so that there may be another run;
    an object store knows none.
    Raises UserError where there is one, or nothing can be written.
    """
    with ExitStack() as stack:
        try:
            has_lock = stack.enter_context(locked_folder(folder))
        except FileLockedError:
            raise UserError(f"{folder}: another run is writing into it"
                            ) from None
        except OSError as error:
            raise unwritable(folder, error) from None
        yield has_lock


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
        return "" if is_special_file(path) else file_sha256(path)
    except OSError:
        return ""
