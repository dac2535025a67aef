"""Random changes of bytes and texts, as Hypothesis strategies.

A strategy generates only a few numbers, from which the bytes are computed.
So Hypothesis can shrink a failing case to few changes.
"""

import struct

from hypothesis import strategies as st

# Widths, heights and lengths that a header may declare: zero, more than the
# file contains, more than fits into memory.
DECLARED_SIZES = (0, 1, 2, 10_000, 20_000, 65_535, 2**16, 2**31 - 1,
                  2**32 - 1)


# Each operation takes bytes, a position (0..1 of their length) and a value
# (0..255), and returns the changed bytes.

def truncate(content, position, value):
    return content[:int(position * len(content))]


def flip_bit(content, position, value):
    index = _index(content, position)
    return set_byte(content, position, content[index] ^ 1 << value % 8)


def set_byte(content, position, value):
    index = _index(content, position)
    return content[:index] + bytes([value]) + content[index + 1:]


def set_header_byte(content, position, value):
    return set_byte(content[:64], position, value) + content[64:]


def remove(content, position, value):
    index = _index(content, position)
    return content[:index] + content[index + value:]


def repeat(content, position, value):
    index = _index(content, position)
    return (content[:index] + content[index:index + value] * 3
            + content[index + value:])


def insert(content, position, value):
    index = _index(content, position)
    return content[:index] + bytes([value, 0, 255, 128]) * 3 + content[index:]


def zero(content, position, value):
    index = _index(content, position)
    return content[:index] + bytes(value) + content[index + value:]


def set_number(content, position, value):
    index = _index(content, position)
    number = DECLARED_SIZES[value % len(DECLARED_SIZES)]
    return content[:index] + struct.pack("<I", number) + content[index + 4:]


def _index(content, position):
    return min(int(position * len(content)), len(content) - 1)


OPERATIONS = (truncate, flip_bit, set_byte, set_header_byte, remove, repeat,
              insert, zero, set_number)
mutations = st.lists(st.tuples(
    st.sampled_from(OPERATIONS), st.floats(0, 1), st.integers(0, 255)),
    max_size=4)


def mutate(content, operations):
    """Return bytes after (operation, position, value) one after the other."""
    for operation, position, value in operations:
        if content:
            content = operation(content, position, value)
    return content


FIELDS = ("", "file", "leaf", "a", "Apple_healthy/image (1).JPG", "\0", "\"",
          "'", "=1+1", "\r", "../x", "x" * 200_000, "\ufeff", "\u202e", ",",
          "é", "\x1b[31m")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32")


@st.composite
def leaf_tables(draw, text):
    """Generate the content of a file that claims to be a CSV of leaves.

    text: of a valid one.
    """
    choice = draw(st.integers(0, 3))
    if choice == 0:
        rows = draw(st.lists(st.lists(st.sampled_from(FIELDS), max_size=4),
                             max_size=6))
        text = "\n".join(",".join(row) for row in [["file", "leaf"], *rows])
    content = text.encode(draw(st.sampled_from(ENCODINGS)), "replace")
    return mutate(content, draw(mutations))
