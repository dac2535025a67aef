"""Object stores (s3://, gs://, ...) behind the interface of paths.

fsspec speaks with the stores, universal_pathlib makes paths of them.  A store
has objects under names, and no folders: one is there as long as an object's
name begins with its own.  An object is written at once and whole.
"""

import errno
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from fsspec import get_filesystem_class
from upath.extensions import ProxyUPath

from leaffliction.utils.errors import UserError

# Attempts of botocore (S3), each of which s3fs makes five of: a server that
# takes a request and never answers is given up after 150 s, not 375.
os.environ.setdefault("AWS_MAX_ATTEMPTS", "2")
# What kind of OSError an error without a number is.
NUMBERS = {FileNotFoundError: errno.ENOENT, PermissionError: errno.EACCES,
           IsADirectoryError: errno.EISDIR}


def open_store(scheme: str, text: str) -> "StorePath":
    """Return the path that a text names, in a store of this scheme.

    Raises UserError where there is no such kind of store, its package is not
    installed, or the text is no path of it.
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
    # As pathlib does, one slash for several.
    name = re.sub("//+", "/", text[len(f"{scheme}://"):])
    try:
        # Others write at the same time: each listing is asked for anew.
        return StorePath(f"{scheme}://{name}", protocol=scheme,
                         use_listings_cache=False)
    except (ValueError, TypeError) as error:
        raise UserError(f"{text}: is no path ({error})") from None


@contextmanager
def store_errors(path: "StorePath") -> Iterator[None]:
    """Make an OSError that names the path of all that a store raises.

    Its library has errors of its own, for wrong credentials or a server that
    can't be reached.
    """
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None) or next(
            (number for kind, number in NUMBERS.items()
             if isinstance(error, kind)), errno.EIO)
        reason = (getattr(error, "strerror", None) or str(error)
                  or type(error).__name__)
        raise OSError(number, reason, str(path)) from None


class StorePath(ProxyUPath):
    """A path in a store.  What fails raises an OSError with its name.

    It travels to other processes and machines, and asks the store anew
    there.
    """

    __slots__ = ()

    def is_below(self, other: "StorePath") -> bool:
        """Tell whether this is another path of the store, or below it."""
        return type(self.fs) is type(other.fs) and PurePosixPath(
            self.path).is_relative_to(other.path)

    def relative_to(self, other: "StorePath", *_, **__) -> Path:
        """Return what is to be added to another path to get this one."""
        return Path(PurePosixPath(self.path).relative_to(other.path))

    def _kind(self) -> str:
        """Return "file", "directory", or "" where there is nothing."""
        with store_errors(self):
            try:
                return self.fs.info(self.path)["type"]
            except FileNotFoundError:
                return ""

    def exists(self, **_) -> bool:
        """Tell whether there is an object, or any below this name."""
        return bool(self._kind())

    def is_dir(self) -> bool:
        """Tell whether there are objects below this name."""
        return self._kind() == "directory"

    def is_file(self) -> bool:
        """Tell whether there is an object of this name."""
        return self._kind() == "file"

    def stat(self, **_):
        """Return at least st_size, and st_mtime: when it was put there."""
        with store_errors(self):
            return self.__wrapped__.stat()

    def open(self, mode: str = "r", **options) -> IO:
        """Open an object to read, as a file that is fetched at once."""
        if not mode.startswith("r") or "+" in mode:
            raise ValueError(f"mode {mode}: atomic_write writes")
        with tempfile.TemporaryDirectory(prefix="leaf-") as folder:
            copy = Path(folder, "object")
            with store_errors(self):
                self.fs.get_file(self.path, str(copy))
            # The open file outlives its name.
            return open(copy, mode, **options)

    def read_bytes(self) -> bytes:
        """Return an object's content."""
        with self.open("rb") as content:
            return content.read()

    def files(self) -> list[Path]:
        """Return all objects below this name, relative to it.

        The store is asked once for all, not once for each folder.
        """
        with store_errors(self):
            found = self.fs.find(self.path)
        # What ends in a slash stands for a folder, in some tools.
        return [Path(PurePosixPath(name).relative_to(self.path))
                for name in found if not name.endswith("/")]

    def ends(self, files: Sequence[Path], head: int, tail: int
             ) -> list[tuple[bytes, bytes]]:
        """Return the first and last bytes of objects below this name.

        Asked for all at once; empty for an object that isn't given.
        """
        names = [(self / file.as_posix()).path for file in files]
        asked = len(names)
        with store_errors(self):
            found = [self.fs.cat_ranges(names, [start] * asked, [end] * asked,
                                        on_error="return")
                     for start, end in ((0, head), (-tail, None))]
        return [tuple(part if isinstance(part, bytes) else b""
                      for part in parts) for parts in zip(*found)]

    def put(self, file: Path | str) -> None:
        """Write a local file's content here: all of it or nothing."""
        with store_errors(self):
            self.fs.put_file(str(file), self.path)

    def copy_to(self, target: "StorePath") -> None:
        """Copy an object to another name of the same store, inside it."""
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
        """Do nothing: a folder goes with the last object in it."""
