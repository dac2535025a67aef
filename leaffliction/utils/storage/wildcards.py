"""Paths with wildcards (* ? [): recognise them, and match them on a disk.

object_store.py imports this module too, so it must not import paths.py.
"""

import glob
import os
import re
from pathlib import Path

WILDCARD = re.compile(r"[*?[]")


def has_wildcards(path: object) -> bool:
    """Return whether a path, or its text, contains a wildcard."""
    return WILDCARD.search(str(path)) is not None


def match_on_disk(path: Path) -> list[Path]:
    """Return the paths that match a path with wildcards, in any order.

    Parts that exist exactly as written are taken literally.
    """
    matches = [path.anchor]
    for part in path.parts[bool(path.anchor):]:
        matches = [match for folder in matches
                   for match in _match_part(folder, part)]
    if "**" in path.parts:
        # "**" follows links, and enters a loop of links repeatedly.
        matches = {os.path.realpath(match): match
                   for match in reversed(matches)}.values()
    return list(map(Path, matches))


def _match_part(folder: str, part: str) -> list[str]:
    """Return the paths in a folder that one part of a path matches."""
    literal = os.path.join(folder, part)
    if os.path.lexists(literal):
        return [literal]
    return glob.glob(os.path.join(glob.escape(folder), part), recursive=True)
