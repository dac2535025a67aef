"""From the text of a command line to a path; how two paths are related."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote_to_bytes

from leaffliction.utils.errors import UserError

if TYPE_CHECKING:
    from leaffliction.utils.storage.object_store import StorePath

StoragePath: TypeAlias = "Path | StorePath"

SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
# "file:///a", "file://localhost/a", "file:/a"; "local" is fsspec's synonym.
FILE_URL = re.compile(r"file:(?=/[^/])|(?:file|local)://(?:localhost(?=/))?",
                      re.IGNORECASE)
WEB_ADDRESS = re.compile(r"""["'\s<]*(?:(?:https?|ftps?):/+|www\.)""",
                         re.IGNORECASE)
# "~/a" and "~user/a"; but "~a", without a slash, may be a file's name.
HOME = re.compile(r"~(?:$|[^/]*/)")


def path_of(text: "str | StoragePath") -> StoragePath:
    """Return the path that a text names; usable as a type of argparse.

    Raises UserError for a web address, for a store of an unknown kind, and
    for one whose package is not installed.
    """
    if not isinstance(text, str):
        return text
    if WEB_ADDRESS.match(text) and not os.path.lexists(text):
        raise UserError(f"{text}: a web address; the programs read files "
                        "and folders of this computer: download it first")
    if url := FILE_URL.match(text):
        return _path_in_file_url(text, text[url.end():])
    if scheme := SCHEME.match(text):
        from leaffliction.utils.storage.object_store import open_store
        return open_store(scheme[1].lower(), text)
    if not text or "\0" in text:
        # Path("") would be the current folder.
        raise UserError("a path is empty: is a variable of the shell not set?"
                        if not text else f"{text}: is not a path")
    return Path(_expand_home(text))


def _path_in_file_url(url: str, text: str) -> Path:
    """Return the path in a file: URL, in which %20 stands for a space.

    A path that exists exactly as written is taken literally, because some
    programs write file: URLs without escapes.
    """
    if "%" in text and not os.path.lexists(text):
        text = os.fsdecode(unquote_to_bytes(os.fsencode(text)))
    if not text or "\0" in text:
        raise UserError(f"{url}: is not a path")
    return Path(text)


def _expand_home(text: str) -> str:
    """Expand a "~" that the shell left: in quotes, and in --csv=~/a.csv."""
    if HOME.match(text) and not os.path.lexists(text.split("/")[0]):
        return os.path.expanduser(text)
    return text


def natural_key(path: "str | StoragePath") -> list:
    """Return the sort key by which "image (2)" comes before "image (10)"."""
    parts = re.split(r"([0-9]+)", str(path))
    folded = [int(part) if part.isdecimal() else part.casefold()
              for part in parts]
    return [folded, str(path)]


def absolute_name(path: "str | StoragePath") -> str:
    """Return a name of the path that does not depend on the current folder.

    A text is returned unchanged.
    """
    return os.path.abspath(path) if isinstance(path, Path) else str(path)


def resolved(path: StoragePath) -> StoragePath:
    """Return the absolute path with all links followed.

    A loop of links is left as it is; Path.resolve would raise RuntimeError.
    """
    if isinstance(path, Path):
        return Path(os.path.realpath(path))
    return path.resolve()


def is_inside(inner: StoragePath, outer: StoragePath) -> bool:
    """Return whether a resolved path equals another, or lies below it."""
    if isinstance(inner, Path) != isinstance(outer, Path):
        return False
    if isinstance(inner, Path):
        return inner.is_relative_to(outer)
    return inner.is_below(outer)


def common_folder(folders: list[StoragePath]) -> StoragePath:
    """Return the deepest folder that contains all of these resolved ones.

    Raises UserError if they are on several drives or in several stores.
    """
    first, *others = folders
    for folder in (first, *first.parents):
        if all(is_inside(other, folder) for other in others):
            return folder
    apart = next(other for other in others
                 if not is_inside(other, folder))
    raise UserError(f"{apart}: is on another drive, or in another store, "
                    f"than {first}")


def require_disk(path: StoragePath, reason: str) -> None:
    """Raise UserError, with this reason, for a path in an object store."""
    if not isinstance(path, Path):
        raise UserError(f"{path}: {reason}")


def scratch_parent(folder: StoragePath) -> Path | None:
    """Return where temporary files of results in this folder should lie.

    On the same disk, which the user chose for its size.  For an object store
    None: the system's folder of temporary files (see TMPDIR).
    """
    return folder if isinstance(folder, Path) else None
