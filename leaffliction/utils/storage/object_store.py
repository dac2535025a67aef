"""Object stores (s3://, gs://, ...) behind the interface of pathlib.

fsspec talks to the stores, universal_pathlib makes paths of them.  A store
holds objects under names and has no folders: a "folder" exists as long as
the name of an object begins with its name.  An object appears at once and
whole.
"""

import errno
import io
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

from fsspec import get_filesystem_class
from upath.extensions import ProxyUPath

from leaffliction.utils.errors import UserError
from leaffliction.utils.storage.wildcards import has_wildcards

# Attempts of botocore (S3), each of which s3fs repeats five times.  A server
# that accepts a request and never replies costs 150 s, not 375 s.
os.environ.setdefault("AWS_MAX_ATTEMPTS", "2")
# The error number of exceptions that come without one.
ERROR_NUMBERS = {FileNotFoundError: errno.ENOENT,
                 PermissionError: errno.EACCES,
                 IsADirectoryError: errno.EISDIR}
# The object that check_writable writes and deletes.
PROBE = ".may-be-written"
# Bytes of a request where a reader asks for less: the small reads of zipfile
# become few requests.
BLOCK_BYTES = 2**16


def open_store(scheme: str, text: str) -> "StorePath":
    """Return the path that a text names, in a store of this scheme.

    Raises UserError if the kind of store is unknown, its package is not
    installed, or the text is not a path of it.
    """
    try:
        get_filesystem_class(scheme)
    except ImportError as error:
        name = getattr(error.__cause__, "name", None) or scheme
        raise UserError(f"{text}: needs the package {name} "
                        f"(pip install {name})") from None
    except ValueError:
        raise UserError(f"{text}: no store of the kind {scheme}:// is known"
                        ) from None
    # Several slashes count as one, as in pathlib.
    name = re.sub("//+", "/", text[len(f"{scheme}://"):])
    try:
        # No cache of listings: others may write at the same time.
        return StorePath(f"{scheme}://{name}", protocol=scheme,
                         use_listings_cache=False)
    except (ValueError, TypeError) as error:
        raise UserError(f"{text}: is not a path ({error})") from None


@contextmanager
def store_errors(path: "StorePath") -> Iterator[None]:
    """Turn every exception of a store's library into an OSError with the path.

    Each library has its own exceptions, for wrong credentials or a server
    that cannot be reached.
    """
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None) or next(
            (number for kind, number in ERROR_NUMBERS.items()
             if isinstance(error, kind)), errno.EIO)
        reason = (getattr(error, "strerror", None) or str(error)
                  or type(error).__name__)
        raise OSError(number, reason, str(path)) from None


class StorePath(ProxyUPath):
    """A path in a store; every failure raises an OSError with the path.

    It can be pickled: another process or machine connects to the store anew.
    """

    __slots__ = ()

    def is_below(self, other: "StorePath") -> bool:
        """Return whether this path equals another, or lies below it."""
        return type(self.fs) is type(other.fs) and PurePosixPath(
            self.path).is_relative_to(other.path)

    def relative_to(self, other: "StorePath", *_, **__) -> Path:
        """Return the path that leads from another one to this one."""
        return Path(PurePosixPath(self.path).relative_to(other.path))

    def _kind(self) -> str:
        """Return "file", "directory", or "" if nothing has this name."""
        with store_errors(self):
            try:
                return self.fs.info(self.path)["type"]
            except FileNotFoundError:
                return ""

    def exists(self, **_) -> bool:
        """Return whether an object has this name, or lies below it."""
        return bool(self._kind())

    def is_dir(self) -> bool:
        """Return whether objects lie below this name."""
        return self._kind() == "directory"

    def is_file(self) -> bool:
        """Return whether an object has this name."""
        return self._kind() == "file"

    def stat(self, **_):
        """Return at least st_size, and st_mtime: the time of the upload."""
        with store_errors(self):
            return self.__wrapped__.stat()

    def open(self, mode: str = "r", **options) -> IO:
        """Open an object for reading, as a local file with its content."""
        if not mode.startswith("r") or "+" in mode:
            raise ValueError(f"mode {mode}: write with staged_write")
        with tempfile.TemporaryDirectory(prefix="leaf-") as folder:
            copy = Path(folder, "object")
            with store_errors(self):
                self.fs.get_file(self.path, str(copy))
            # The open file remains after its name is deleted.
            return open(copy, mode, **options)

    def open_seekable(self) -> io.BufferedReader:
        """Open an object for reading, without a copy of it on the disk."""
        return io.BufferedReader(_ObjectReader(self), BLOCK_BYTES)

    def read_bytes(self) -> bytes:
        """Return an object's content."""
        with self.open("rb") as content:
            return content.read()

    def list_files(self) -> list[Path]:
        """Return all objects below this name, relative to it.

        One request lists all of them, not one for each folder.
        """
        with store_errors(self):
            names = self.fs.find(self.path)
        # Some tools store an object "folder/" to show an empty folder.
        return [Path(PurePosixPath(name).relative_to(self.path))
                for name in names if not name.endswith("/")]

    def match_wildcards(self) -> list["StorePath"]:
        """Return the objects and folders that match this path's wildcards.

        The name of a bucket can hold none: then the list is empty.
        """
        above = next((folder for folder in self.parents
                      if not has_wildcards(folder)), None)
        if above is None:
            return []
        with store_errors(self):
            return [above / Path(name).relative_to(above.path)
                    for name in self.fs.glob(self.path)]

    def read_ends(self, files: Sequence[Path], head: int, tail: int
                  ) -> list[tuple[bytes, bytes]]:
        """Return the first and last bytes of objects below this name.

        All are requested together; both are empty for an object that is
        refused or missing.
        """
        names = [(self / file.as_posix()).path for file in files]
        return list(zip(self._read_ranges(names, 0, head),
                        self._read_ranges(names, -tail, None)))

    def _read_ranges(self, names: list[str], start: int, end: int | None
                     ) -> list[bytes]:
        """Return the bytes start..end of each of the store's objects.

        start: negative to count from the end; end: None for the end.
        """
        if start == (end or 0):     # Servers refuse a range of no bytes.
            return [b""] * len(names)
        count = len(names)
        with store_errors(self):
            ranges = self.fs.cat_ranges(names, [start] * count, [end] * count,
                                        on_error="return")
        return [content if isinstance(content, bytes) else b""
                for content in ranges]

    def put(self, file: Path | str) -> None:
        """Upload a local file to this name: all of it or nothing."""
        with store_errors(self):
            self.fs.put_file(str(file), self.path)

    @contextmanager
    def staged_write(self) -> Iterator[Path]:
        """Yield a local file, which is uploaded if the block succeeds."""
        with tempfile.TemporaryDirectory(prefix="leaf-") as folder:
            partial = Path(folder, f"object{self.suffix}")
            yield partial
            self.put(partial)

    def check_writable(self) -> None:
        """Raise OSError if nothing can be written below this name.

        Called before minutes or hours of work whose results go there.
        """
        probe = self / PROBE
        with tempfile.NamedTemporaryFile() as empty:
            probe.put(empty.name)
        # Permission to write does not imply permission to delete.
        with suppress(OSError):
            probe.unlink()

    def copy_to(self, target: "StorePath") -> None:
        """Have the store copy this object to another of its names."""
        with store_errors(target):
            self.fs.cp_file(self.path, target.path)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete an object."""
        try:
            with store_errors(self):
                self.fs.rm_file(self.path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rmdir(self, recursive: bool = False) -> None:
        """Do nothing: a folder disappears with its last object."""


class _ObjectReader(io.RawIOBase):
    """A stream of an object; each read requests the bytes that it returns.

    Raises OSError with the path where the store refuses.
    """

    def __init__(self, path: StorePath) -> None:
        self._path, self._size = path, path.stat().st_size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position,
                  os.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise OSError(errno.EINVAL, "Invalid argument", str(self._path))
        self._position = origin + offset
        return self._position

    def readinto(self, buffer) -> int:
        end = min(self._position + len(buffer), self._size)
        # Servers refuse a range of no bytes.
        if end <= self._position:
            return 0
        with store_errors(self._path):
            content = self._path.fs.cat_file(
                self._path.path, start=self._position, end=end)
        buffer[:len(content)] = content
        self._position += len(content)
        return len(content)
