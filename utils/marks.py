"""A mark on the images that the programs draw, which are no photographs.

Charts, figures and views of leaves may lie among the photographs from which
they were made.  So that none is ever counted, or learned, as a leaf, each
ends with a line of its own after the image's end, which decoders ignore.
"""

import hashlib
import os
import re
from pathlib import Path

MARK = re.compile(rb"\nLeaffliction drawing ([0-9a-f]{16})\n\Z")
# So many of a file's last bytes hold the mark.
TAIL = len(b"\nLeaffliction drawing 0123456789abcdef\n")


def source_key(source: Path | str) -> str:
    """Return 16 hexadecimal digits that stand for a path."""
    name = os.path.abspath(source) if isinstance(source, Path) else source
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def mark(path: Path, source: Path | str) -> None:
    """Mark a file that is being written as drawn by the programs.

    source: what it shows, an image or a folder; a text stands for itself.
    """
    with path.open("ab") as stream:
        stream.write(b"\nLeaffliction drawing %s\n"
                     % source_key(source).encode())


def marked_source(tail: bytes) -> str | None:
    """Return the source_key in a file's last TAIL bytes, or None."""
    found = MARK.search(tail)
    return found and found[1].decode()
