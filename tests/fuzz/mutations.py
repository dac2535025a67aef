"""Bytes and texts that nobody has meant: Hypothesis's strategies.

Each draws a few numbers and makes the bytes from these, so that a failing
case shrinks to few changes.
"""

import struct

from hypothesis import strategies as st

# Sides that headers declare: none, more than there is, more than fits.
SIDES = (0, 1, 2, 10_000, 20_000, 65_535, 2**16, 2**31 - 1, 2**32 - 1)


def truncate(content, place, value):
    return content[:int(place * len(content))]


def flip_bit(content, place, value):
    return set_byte(content, place, content[_at(content, place)]
                    ^ 1 << value % 8)


def set_byte(content, place, value):
    at = _at(content, place)
    return content[:at] + bytes([value]) + content[at + 1:]


def set_header(content, place, value):
    return set_byte(content[:64], place, value) + content[64:]


def cut_out(content, place, value):
    at = _at(content, place)
    return content[:at] + content[at + value:]


def repeat(content, place, value):
    at = _at(content, place)
    return content[:at] + content[at:at + value] * 3 + content[at + value:]


def insert(content, place, value):
    at = _at(content, place)
    return content[:at] + bytes([value, 0, 255, 128]) * 3 + content[at:]


def blank(content, place, value):
    at = _at(content, place)
    return content[:at] + bytes(value) + content[at + value:]


def set_number(content, place, value):
    at = _at(content, place)
    return (content[:at] + struct.pack("<I", SIDES[value % len(SIDES)])
            + content[at + 4:])


def _at(content, place):
    return min(int(place * len(content)), len(content) - 1)


OPERATIONS = (truncate, flip_bit, set_byte, set_header, cut_out, repeat,
              insert, blank, set_number)
changes = st.lists(st.tuples(
    st.sampled_from(OPERATIONS), st.floats(0, 1), st.integers(0, 255)),
    max_size=4)


def changed(content, operations):
    """Return bytes after some operations."""
    for operation, place, value in operations:
        if content:
            content = operation(content, place, value)
    return content


CELLS = ("", "file", "leaf", "a", "Apple_healthy/image (1).JPG", "\0", "\"",
         "'", "=1+1", "\r", "../x", "x" * 200_000, "\ufeff", "\u202e", ",",
         "é", "\x1b[31m")


@st.composite
def tables(draw, text):
    """Draw the content of a file that claims to be a CSV of leaves."""
    what = draw(st.integers(0, 3))
    if what == 0:
        rows = draw(st.lists(st.lists(st.sampled_from(CELLS), max_size=4),
                             max_size=6))
        text = "\n".join(",".join(row) for row in [["file", "leaf"], *rows])
    content = text.encode(draw(st.sampled_from((
        "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"))), "replace")
    return changed(content, draw(changes))
