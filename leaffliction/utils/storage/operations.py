"""Questions about one or two paths; reading, linking, copying, deleting."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from leaffliction.utils.storage.paths import StoragePath
from leaffliction.utils.storage.wildcards import match_on_disk


def lexists(path: StoragePath) -> bool:
    """Return whether a path exists; a link that leads nowhere does."""
    return (os.path.lexists(path) if isinstance(path, Path)
            else path.exists())


def is_folder(path: StoragePath) -> bool:
    """Return whether a path is a folder, or has objects below it."""
    return os.path.isdir(path) if isinstance(path, Path) else path.is_dir()


def is_disk_file(path: StoragePath) -> bool:
    """Return whether a path is a file on a disk: some libraries need one."""
    return isinstance(path, Path) and path.is_file()


def is_special_file(path: StoragePath) -> bool:
    """Return whether a path is a pipe, a socket or a device.

    Opening a pipe would wait, perhaps for ever, for a process that writes
    to it.
    """
    if not isinstance(path, Path):
        return False
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_device(path: StoragePath) -> bool:
    """Return whether a path must be written in place, such as /dev/stdout.

    Moving a finished file there would replace the device itself.
    """
    return isinstance(path, Path) and (
        os.path.abspath(path).startswith(("/dev/", "/proc/"))
        or is_special_file(path))


def same_file(one: StoragePath, other: StoragePath) -> bool:
    """Return whether two paths name one existing file, links followed."""
    if not (isinstance(one, Path) and isinstance(other, Path)):
        return str(one) == str(other)
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def same_target(one: StoragePath, other: StoragePath) -> bool:
    """Return whether two paths name one file, even if it does not exist yet.

    Names of missing files are compared without case: some file systems do
    not distinguish it.
    """
    if same_file(one, other):
        return True
    return (isinstance(one, Path) and isinstance(other, Path)
            and not os.path.exists(one)
            and os.path.realpath(one).casefold()
            == os.path.realpath(other).casefold())


def match_wildcards(path: StoragePath) -> list[StoragePath]:
    """Return the paths that match a path with wildcards, in any order."""
    return (match_on_disk(path) if isinstance(path, Path)
            else path.match_wildcards())


def read_ends(path: StoragePath, head: int, tail: int
              ) -> tuple[bytes, bytes]:
    """Return the first `head` and the last `tail` bytes of a file.

    Both are empty for a file that cannot be read and for a special file.
    """
    if not isinstance(path, Path):
        try:
            return path.parent.read_ends([Path(path.name)], head, tail)[0]
        except OSError:
            return b"", b""
    try:
        # Without O_NONBLOCK, opening a pipe would wait for its writer.
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
                         | getattr(os, "O_BINARY", 0))
    except OSError:
        return b"", b""
    try:
        state = os.fstat(opened)
        if not stat.S_ISREG(state.st_mode):
            return b"", b""
        beginning = os.read(opened, head)
        os.lseek(opened, max(0, state.st_size - tail), os.SEEK_SET)
        return beginning, os.read(opened, tail)
    except OSError:
        return b"", b""
    finally:
        os.close(opened)


def download(path: StoragePath) -> bytes | None:
    """Return an object's content; None for a file on a disk.

    For callers that read a file several times: a disk's can be opened again,
    an object would be downloaded again.
    """
    return None if isinstance(path, Path) else path.read_bytes()


def open_seekable(path: StoragePath) -> BinaryIO:
    """Open a file of which only parts are read; a store sends only these."""
    return path.open("rb") if isinstance(path, Path) else path.open_seekable()


def hard_link(source: StoragePath, new: Path) -> bool:
    """Give a file on a disk a second name; return whether that worked.

    It takes neither time nor space, but some file systems have no hard
    links, and none leads from one disk to another.  `new` is replaced.
    """
    if not isinstance(source, Path):
        return False
    try:
        new.unlink(missing_ok=True)
        # A second name of the file itself, not of a symbolic link to it.
        os.link(os.path.realpath(source, strict=True)
                if source.is_symlink() else source, new)
    except OSError:
        return False
    return True


def copy_within_store(source: StoragePath, target: StoragePath) -> bool:
    """Have an object store copy an object; return whether both are in one.

    Its bytes do not pass through this computer.
    """
    if (isinstance(source, Path) or isinstance(target, Path)
            or source.fs is not target.fs):
        return False
    source.copy_to(target)
    return True


def delete_if_permitted(path: StoragePath) -> None:
    """Delete a file, if it exists.

    In a store, a user who may write objects need not be allowed to delete
    them: then the object stays.
    """
    if isinstance(path, Path):
        path.unlink(missing_ok=True)
    else:
        with suppress(PermissionError):
            path.unlink(missing_ok=True)
