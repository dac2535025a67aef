"""Wildcards in paths, and hints about paths that do not exist.

Not every shell expands wildcards: that of Windows never does, and no shell
does so inside quotes.  A path that was copied from a window may bring along
quotes, spaces or backslashes.
"""

import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import (FOREIGN_HEAD_BYTES, foreign_kind,
                                           image_kind)
from leaffliction.utils.storage import (has_wildcards, lexists,
                                        match_wildcards, natural_key,
                                        read_ends)

# Characters around a path that was copied from a window or a text.
WRAPPING = " \t\r\n\"'`<>\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
WINDOWS_PATH = re.compile(r"/?[A-Za-z]:[/\\]|\\\\|%\w+%")
DRIVE = re.compile(r"/?([A-Za-z]):[/\\](.*)", re.DOTALL)


def expand_wildcards(path: Path) -> list[Path]:
    """Return the paths that a path with wildcards matches, in natural order.

    A path that exists exactly as written, such as "image [1].jpg", matches
    itself.  So does a part of it: in "May [2]/*.jpg" only the star is a
    wildcard.
    Raises UserError if nothing matches.
    """
    if not has_wildcards(path) or lexists(path):
        return [path]
    matches = _matches(path)
    if not matches:
        raise UserError(f"{path}: no such file or folder, and nothing "
                        "matches it as a wildcard")
    return matches


def missing_error(path: Path, kind: str = "file") -> UserError:
    """Return the error for a path that does not exist: no such `kind`."""
    return UserError(f"{path}: no such {kind}{path_hint(path)}")


def path_hint(path: Path) -> str:
    """Return what the user may have meant by a missing path, or ""."""
    if has_wildcards(path):
        matches = _matches(path)
        if len(matches) > 1:
            return (f"; it matches {len(matches)} files or folders, but "
                    "exactly one is needed here")
        return f"; did you mean {matches[0]}?" if matches else ""
    if similar := _similar_path(str(path)):
        return f"; did you mean {similar}?"
    if WINDOWS_PATH.match(str(path).strip(WRAPPING)) and os.name != "nt":
        return "; this is a path of Windows, but the system is not Windows"
    return ""


def not_a_folder_error(path: Path) -> UserError:
    """Return the error for a file where a folder is needed."""
    kind = None
    if path.is_file():
        head, _ = read_ends(path, FOREIGN_HEAD_BYTES, 0)
        kind = ("an image; give the folder that it is in"
                if image_kind(head) else foreign_kind(head))
    return UserError(f"{path}: not a folder"
                     + (f" but {kind}" if kind else ""))


def _matches(path: Path) -> list[Path]:
    """Return what matches a path with wildcards, in natural order."""
    return sorted(match_wildcards(path), key=natural_key)


def _similar_path(text: str) -> str | None:
    """Return an existing path that is nearly the same as a missing one."""
    tidy = "".join(character for character in text
                   if unicodedata.category(character) not in ("Cc", "Cf")
                   ).strip(WRAPPING)
    slashes = tidy.replace("\\", "/")
    candidates = [tidy, slashes, unquote(tidy),
                  os.path.expandvars(os.path.expanduser(tidy))]
    if drive := DRIVE.match(slashes):
        # WSL, the Linux inside Windows, mounts the drives there.
        candidates.append(f"/mnt/{drive[1].lower()}/{drive[2]}")
    return next((candidate for candidate in candidates
                 if candidate and os.path.exists(candidate)),
                _same_when_folded(Path(slashes)))


def _same_when_folded(path: Path) -> str | None:
    """Return the one path that differs only in case or in Unicode's forms."""
    existing = Path(path.anchor)
    for part in path.parts[bool(path.anchor):]:
        if not os.path.lexists(existing / part):
            try:
                names = [name for name in os.listdir(existing)
                         if _fold(name) == _fold(part)]
            except OSError:
                return None
            if len(names) != 1:
                return None
            part = names[0]
        existing /= part
    # A symbolic link may lead nowhere.
    return str(existing) if existing.exists() else None


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()
