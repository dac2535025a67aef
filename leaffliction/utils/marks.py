"""A mark on the images that the programs make, which are no photographs.

Charts, figures, views and augmented copies of leaves may lie among the
photographs from which they were made.  So that none is ever counted, or
learned, as a leaf of its own, each ends with a line after the image's end,
which decoders ignore.  In figures of lines and text it is a comment.
"""

import hashlib
import os
import re
from pathlib import Path

from leaffliction.utils.storage import absolute_name

# What an image shows that the programs made: a chart, a figure or a view of
# a leaf; or a leaf still, augmented.
DRAWING, COPY = "drawing", "copy"
MARK = re.compile(rb"\n(?:% |<!-- )?Leaffliction (drawing|copy) "
                  rb"([0-9a-f]{16})(?: -->)?\n\Z")
# Around the mark, in files that are read to their very end.
COMMENTS = {".svg": (b"<!-- ", b" -->"), ".pdf": (b"% ", b""),
            ".ps": (b"% ", b""), ".eps": (b"% ", b"")}
# So many of a file's last bytes hold the mark.
TAIL = 64


def source_key(source: Path | str) -> str:
    """Return 16 hexadecimal digits that stand for a path, or for a text."""
    return hashlib.sha256(os.fsencode(absolute_name(source))
                          ).hexdigest()[:16]


def mark_line(source: Path | str, kind: str = DRAWING) -> bytes:
    """Return the line that marks an image of this kind.

    source: what it was made of, an image or a folder; a text stands for
    itself.
    """
    return b"\nLeaffliction %s %s\n" % (kind.encode(),
                                        source_key(source).encode())


def mark(path: Path, source: Path | str, kind: str = DRAWING) -> None:
    """Mark a file that was just written: see mark_line."""
    before, after = COMMENTS.get(path.suffix.lower(), (b"", b""))
    line = b"\n%s%s%s\n" % (before, mark_line(source, kind).strip(), after)
    if path.suffix.lower() == ".avif":
        # Boxes to its end (ISO/IEC 14496-12): one that readers skip.
        line = (8 + len(line)).to_bytes(4, "big") + b"free" + line
    with path.open("ab") as stream:
        stream.write(line)


def marked_kind(tail: bytes) -> str | None:
    """Return DRAWING or COPY by a file's last TAIL bytes, or None."""
    found = MARK.search(tail)
    return found and found[1].decode()


def marked_source(tail: bytes) -> str | None:
    """Return the source_key in a file's last TAIL bytes, or None."""
    found = MARK.search(tail)
    return found and found[2].decode()
