"""A red and blue image, and files of it in many formats, damaged ones too."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

# Left half red, right half blue, twice as wide as high.
RED, BLUE = (200, 30, 30), (30, 30, 200)
RGB = np.zeros((20, 40, 3), np.uint8)
RGB[:, :20], RGB[:, 20:] = RED, BLUE
SIZE = RGB.shape[1::-1]
# Brightness as Pillow weighs it (ITU-R 601): 0.299 R + 0.587 G + 0.114 B.
GREY = np.asarray(Image.fromarray(RGB).convert("L"))
# A band of near infrared: many values, hardly any of them 0 or 255.
NEAR_INFRARED = np.arange(800).reshape(20, 40) * 7 % 200 + 30
MASK = np.where(np.arange(40) < 20, 255, 0) + np.zeros((20, 1), int)


def is_red_and_blue(image, tolerance=8):
    """Return whether an image is red on the left and blue on the right."""
    left, right = image[:, :18].astype(int), image[:, 22:].astype(int)
    return (image.shape == RGB.shape
            and np.abs(left - RED).max() <= tolerance
            and np.abs(right - BLUE).max() <= tolerance)


def save(path, image, **options):
    """Save an array with Pillow, and return its path."""
    Image.fromarray(image).save(path, **options)
    return path


def write(path, content):
    """Write bytes, and return their path."""
    path.write_bytes(content)
    return path


def encode(kind, image=RGB, **options):
    """Return an image as the bytes of a file, in Pillow's format `kind`."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def exif_of(orientation=6):
    """Return EXIF data of a camera that was turned; 6: by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def encode_tiff(bands, tags=(), colours=2, head=b""):
    """Return an uncompressed TIFF of one strip, with exactly these tags.

    bands: (H, W, N) of uint8 or uint16.  tags: {number: 16-bit values}.
    colours: the photometric interpretation.  head: bytes behind the header.
    """
    height, width, count = bands.shape
    bits = 8 * bands.itemsize
    entries = {256: [width], 257: [height], 258: [bits] * count, 259: [1],
               262: [colours], 273: [0], 277: [count], 278: [height],
               279: [bands.nbytes], **dict(tags)}
    start = 8 + len(head)
    after = start + 2 + 12 * len(entries) + 4
    table, extra = struct.pack("<H", len(entries)), b""
    sizes = [len(values) * (4 if number in (273, 279) else 2)
             for number, values in entries.items()]
    if len(entries[273]) == 1:
        entries[273] = [after + sum(size for size in sizes if size > 4)]
    for number, values in sorted(entries.items()):
        wide = number in (273, 279)
        packed = struct.pack(f"<{len(values)}{'I' if wide else 'H'}", *values)
        if len(packed) > 4:
            extra, packed = (extra + packed,
                             struct.pack("<I", after + len(extra)))
        table += struct.pack("<HHI4s", number, 4 if wide else 3, len(values),
                             packed.ljust(4, b"\0"))
    return (b"II*\0" + struct.pack("<I", start) + head + table + bytes(4)
            + extra + bands.astype(bands.dtype.newbyteorder("<")).tobytes())


def add_band(band, dtype=np.uint8):
    """Return RGB with a fourth band, (20, 40, 4)."""
    scale = 257 if dtype == np.uint16 else 1
    return np.dstack([RGB, band]).astype(dtype) * scale


def encode_profile(primaries, gamma=2.2):
    """Return an ICC profile (version 2) of a display with these primaries.

    primaries: XYZ of red, green and blue, relative to D50.
    """
    pack = struct.pack

    def fixed(value):
        return pack(">i", round(value * 65536))

    parts = {name: b"XYZ \0\0\0\0" + b"".join(map(fixed, colour))
             for name, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries)}
    parts[b"wtpt"] = b"XYZ \0\0\0\0" + b"".join(map(fixed, (
        0.9642, 1, 0.8249)))
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        parts[name] = b"curv" + bytes(4) + pack(">IHxx", 1,
                                                round(gamma * 256))
    text = b"a display of the test\0"
    parts[b"desc"] = (b"desc" + bytes(4) + pack(">I", len(text)) + text
                      + bytes(80 - len(text) % 4))
    table, content = b"", b""
    for name, part in parts.items():
        table += name + pack(">II", 132 + 12 * len(parts) + len(content),
                             len(part))
        content += part
    head = (pack(">I4xI4s4s4s", 132 + 12 * len(parts) + len(content),
                 0x02100000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
            + bytes(28) + b"".join(map(fixed, (0.9642, 1, 0.8249))))
    return head.ljust(128, b"\0") + pack(">I", len(parts)) + table + content


# The primaries of sRGB relative to D50, red and green exchanged.
SWAPPED = encode_profile([(0.3851, 0.7169, 0.0971), (0.4361, 0.2225, 0.0139),
                          (0.1431, 0.0606, 0.7141)])


def png_chunk(name, body, checksum=None):
    """Return a chunk of a PNG; its checksum is right unless given."""
    return (struct.pack(">I", len(body)) + name + body
            + struct.pack(">I", zlib.crc32(name + body)
                          if checksum is None else checksum))


def png_with(*chunks, before=True, **options):
    """Return a PNG with further chunks before or after its pixels."""
    content = encode("PNG", **options)
    at = content.index(b"IDAT" if before else b"IEND") - 4
    return content[:at] + b"".join(chunks) + content[at:]
