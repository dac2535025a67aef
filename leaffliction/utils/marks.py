"""The mark on each image that the programs make, which is no photograph.

Charts, figures, views and augmented copies may lie in the same folders as
the photographs they were made from.  The mark, a line after the end of the
image, which decoders ignore, keeps them from being counted or learned as
further leaves.  In vector figures it is a comment.
"""

import hashlib
import os
import re
from pathlib import Path

from leaffliction.utils.storage import absolute_name, read_ends

# Kinds of images that the programs make: a chart, a figure or a view of a
# leaf; and an augmented copy, which still shows a leaf.
DRAWING, COPY = "drawing", "copy"
MARK = re.compile(rb"\n(?:% |<!-- )?Leaffliction (drawing|copy) "
                  rb"([0-9a-f]{16})(?: -->)?\n\Z")
# The beginning and end of a comment, in formats whose readers parse the
# whole file.
COMMENTS = {".svg": (b"<!-- ", b" -->"), ".pdf": (b"% ", b""),
            ".ps": (b"% ", b""), ".eps": (b"% ", b"")}
# Number of bytes at the end of a file that hold the mark.
TAIL = 64


def source_key(source: Path | str) -> str:
    """Return 16 hexadecimal digits that identify a path, or a text."""
    return hashlib.sha256(os.fsencode(absolute_name(source))
                          ).hexdigest()[:16]


def mark_line(source: Path | str, kind: str = DRAWING) -> bytes:
    """Return the line that marks an image.

    source: the image or folder that it was made from, or a text that
    identifies it.  kind: DRAWING or COPY.
    """
    return b"\nLeaffliction %s %s\n" % (kind.encode(),
                                        source_key(source).encode())


def mark(path: Path, source: Path | str, kind: str = DRAWING) -> None:
    """Append the mark to a file; for the arguments see mark_line."""
    before, after = COMMENTS.get(path.suffix.lower(), (b"", b""))
    line = b"\n%s%s%s\n" % (before, mark_line(source, kind).strip(), after)
    if path.suffix.lower() == ".avif":
        # An AVIF file consists of boxes (ISO/IEC 14496-12) up to its end;
        # readers skip a box of the type "free".
        line = (8 + len(line)).to_bytes(4, "big") + b"free" + line
    with path.open("ab") as stream:
        stream.write(line)


def marked_kind(tail: bytes) -> str | None:
    """Return DRAWING or COPY, given a file's last TAIL bytes, or None."""
    match = MARK.search(tail)
    return match and match[1].decode()


def marked_source(tail: bytes) -> str | None:
    """Return the source_key, given a file's last TAIL bytes, or None."""
    match = MARK.search(tail)
    return match and match[2].decode()


def last_bytes(path: Path) -> bytes:
    """Return a file's last TAIL bytes; b"" if it cannot be read."""
    return read_ends(path, 0, TAIL)[1]
