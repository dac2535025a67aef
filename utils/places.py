"""Where images and results are: on a disk, or in an object store.

A path on a disk is a pathlib.Path.  One with a scheme, "s3://bucket/images",
is a StorePath of utils/stores.py, with as much of the same interface as the
programs use; what loads its libraries is imported only where there is one.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli import UserError

if TYPE_CHECKING:
    from utils.stores import StorePath

SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def path_of(text: "str | Path | StorePath") -> "Path | StorePath":
    """Return the path that a text names; for argparse, too.

    Raises UserError for a store of a kind that is unknown, or whose package
    is not installed.
    """
    scheme = SCHEME.match(text) if isinstance(text, str) else None
    if scheme is None:
        return Path(text) if isinstance(text, str) else text
    if scheme[1].lower() in ("file", "local"):
        return Path(text[scheme.end():])
    from utils.stores import open_store
    return open_store(scheme[1].lower(), text)


def is_local(path: "Path | StorePath") -> bool:
    """Tell whether a path is on a disk, not in an object store."""
    return isinstance(path, Path)


def resolved(path: "Path | StorePath") -> "Path | StorePath":
    """Return the absolute path behind all links.

    A loop of links is left as it is: Path.resolve would stop at it.
    """
    return (Path(os.path.realpath(path)) if is_local(path)
            else path.resolve())


def is_inside(inner: "Path | StorePath", outer: "Path | StorePath") -> bool:
    """Tell whether a resolved path is another, or lies below it."""
    if is_local(inner) and is_local(outer):
        return inner.is_relative_to(outer)
    return (not is_local(inner) and not is_local(outer)
            and inner.is_below(outer))


def common_folder(folders: "list[Path | StorePath]") -> "Path | StorePath":
    """Return the folder that holds all of these resolved ones.

    Raises UserError where they are on several disks or in several stores.
    """
    first, *others = folders
    for folder in (first, *first.parents):
        if all(is_inside(other, folder) for other in others):
            return folder
    apart = next(other for other in others
                 if not is_inside(other, folder))
    raise UserError(f"{apart}: is on another drive, or in another store, "
                    f"than {first}")
