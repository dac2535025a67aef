"""Paths that name nothing: wildcards are expanded, slips are pointed out.

Not every shell expands wildcards (that of Windows does not, and none does in
quotes); and a path that was copied brings along quotes, spaces or backslashes.
"""

import glob
import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import (FOREIGN_HEAD, foreign_kind,
                                           image_kind)
from leaffliction.utils.storage import is_local

WILDCARD = re.compile(r"[*?[]")
# What comes along with a path that is copied from a window or a text.
WRAPPING = " \t\r\n\"'`<>\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
WINDOWS = re.compile(r"/?[A-Za-z]:[/\\]|\\\\|%\w+%")
DRIVE = re.compile(r"/?([A-Za-z]):[/\\](.*)", re.DOTALL)


def expand(path):
    """Return the paths that one with wildcards stands for, in natural order.

    A path that is there as it stands is itself: "image [1].jpg".  So is a
    part of it: in "May [2]/*.jpg" the star alone is a wildcard.
    Raises UserError where nothing matches.
    """
    if not WILDCARD.search(str(path)) or _exists(path):
        return [path]
    found = _matches(path)
    if not found:
        raise UserError(f"{path}: no such file or folder, and nothing "
                        "matches it as a wildcard")
    return found


def absent(path, kind: str = "file") -> UserError:
    """Return the error for a path that names nothing: no such `kind`."""
    return UserError(f"{path}: no such {kind}{hint(path)}")


def hint(path) -> str:
    """Return what may be meant by a path that names nothing, or ""."""
    if WILDCARD.search(str(path)):
        found = _matches(path)
        if len(found) > 1:
            return (f"; it matches {len(found)} files or folders, and here "
                    "one has to be named")
        return f"; did you mean {found[0]}?" if found else ""
    if not is_local(path):
        return ""
    meant = _meant(str(path))
    if meant:
        return f"; did you mean {meant}?"
    if WINDOWS.match(str(path).strip(WRAPPING)) and os.name != "nt":
        return "; that is a path of Windows, and this system is another"
    return ""


def not_a_folder(path) -> UserError:
    """Return the error for a file where a folder is wanted."""
    kind = ""
    if is_local(path) and path.is_file():
        try:
            with path.open("rb") as opened:
                head = opened.read(FOREIGN_HEAD)
        except OSError:
            head = b""
        kind = ("an image; give the folder that it is in"
                if image_kind(head) else foreign_kind(head))
    return UserError(f"{path}: not a folder" + (f" but {kind}" if kind
                                                else ""))


def _exists(path) -> bool:
    return os.path.lexists(path) if is_local(path) else path.exists()


def _matches(path) -> list:
    """Return what matches a path with wildcards, in natural order."""
    from leaffliction.utils.images import natural_key
    if not is_local(path):
        return sorted(_stored(path), key=natural_key)
    found = [path.anchor]
    for part in path.parts[bool(path.anchor):]:
        found = [match for folder in found for match in _in(folder, part)]
    if "**" in path.parts:
        # It follows links, and so enters a loop again and again.
        found = {os.path.realpath(match): match
                 for match in reversed(found)}.values()
    return sorted(map(Path, found), key=natural_key)


def _stored(path) -> list:
    """Return the paths in a store that match one with wildcards."""
    from leaffliction.utils.stores import store_errors
    above = next((folder for folder in path.parents
                  if not WILDCARD.search(str(folder))), None)
    if above is None:
        return []       # In a bucket's own name there are none.
    with store_errors(path):
        return [above / Path(name).relative_to(above.path)
                for name in path.fs.glob(path.path)]


def _in(folder: str, part: str) -> list[str]:
    """Return what a part of a path stands for in a folder."""
    literal = os.path.join(folder, part)
    if os.path.lexists(literal):
        return [literal]
    return glob.glob(os.path.join(glob.escape(folder), part), recursive=True)


def _meant(text: str) -> str | None:
    """Return a path that is there, and is nearly the one that is not."""
    tidy = "".join(character for character in text
                   if unicodedata.category(character) not in ("Cc", "Cf")
                   ).strip(WRAPPING)
    slashes = tidy.replace("\\", "/")
    candidates = [tidy, slashes, unquote(tidy),
                  os.path.expandvars(os.path.expanduser(tidy))]
    if drive := DRIVE.match(slashes):
        # Where Windows' drives are in its Linux.
        candidates.append(f"/mnt/{drive[1].lower()}/{drive[2]}")
    return next((candidate for candidate in candidates
                 if candidate and os.path.exists(candidate)),
                _in_other_letters(Path(slashes)))


def _in_other_letters(path: Path) -> str | None:
    """Return a path that differs in capitals, or in how accents are made."""
    place = Path(path.anchor)
    for part in path.parts[bool(path.anchor):]:
        if not os.path.lexists(place / part):
            try:
                found = [name for name in os.listdir(place)
                         if _folded(name) == _folded(part)]
            except OSError:
                return None
            if len(found) != 1:
                return None
            part = found[0]
        place /= part
    # A link may lead nowhere.
    return str(place) if place.exists() else None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()
