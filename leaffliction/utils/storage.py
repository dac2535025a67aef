"""Where images and results are: on a disk, or in an object store.

A path on a disk is a pathlib.Path.  One with a scheme, "s3://bucket/images",
is a StorePath of leaffliction/utils/stores.py, with as much of the same interface as the
programs use; what loads its libraries is imported only where there is one.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from leaffliction.utils.errors import UserError

if TYPE_CHECKING:
    from leaffliction.utils.stores import StorePath

SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
# "file:///a", "file://localhost/a", "file:/a"; local is fsspec's own word.
FILE_URL = re.compile(r"file:(?=/[^/])|(?:file|local)://(?:localhost(?=/))?",
                      re.IGNORECASE)
WEB = re.compile(r"""["'\s<]*(?:(?:https?|ftps?):/+|www\.)""", re.IGNORECASE)
# "~/a" and "~me/a"; but "~a", without a folder, may be a name.
HOME = re.compile(r"~(?:$|[^/]*/)")


def path_of(text: "str | Path | StorePath") -> "Path | StorePath":
    """Return the path that a text names; for argparse, too.

    Raises UserError for a web address, for a store of a kind that is
    unknown, or whose package is not installed.
    """
    if not isinstance(text, str):
        return text
    if WEB.match(text) and not os.path.lexists(text):
        raise UserError(f"{text}: a web address; files and folders of this "
                        "computer are taken: download it first")
    if url := FILE_URL.match(text):
        return _in_file_url(text, text[url.end():])
    if scheme := SCHEME.match(text):
        from leaffliction.utils.stores import open_store
        return open_store(scheme[1].lower(), text)
    if not text or "\0" in text:
        # "" would be the folder in which the program runs.
        raise UserError("a path is empty: is a variable of the shell not set?"
                        if not text else f"{text}: is no path")
    return Path(_from_home(text))


def _in_file_url(url: str, text: str) -> Path:
    """Return the path in a file: URL; %20 stands for a space in it.

    Not in a path that is there as it stands: some write them so.
    """
    if "%" in text and not os.path.lexists(text):
        text = os.fsdecode(unquote_to_bytes(os.fsencode(text)))
    if not text or "\0" in text:
        raise UserError(f"{url}: is no path")
    return Path(text)


def _from_home(text: str) -> str:
    """Return a path with a "~" that the shell has left in it expanded.

    It does so in quotes, and in --csv=~/a.csv.
    """
    if HOME.match(text) and not os.path.lexists(text.split("/")[0]):
        return os.path.expanduser(text)
    return text


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
