"""Opening an image file by its content, whatever its name and metadata say.

Pillow decodes; here stands what it leaves to its caller: which kinds need
another package, which files it would take for another picture, and metadata
that are damaged or huge, but say nothing about the pixels.
"""

import importlib
import io
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import (FOREIGN_HEAD, RAW, foreign_kind,
                                           image_kind)

UNKNOWN = "unknown or damaged format"
# The name of the kind, the module that teaches it to Pillow, its package.
EXTRA = {"HEIF": ("HEIC", "pillow_heif", "pillow-heif"),
         "JXL": ("JPEG XL", "pillow_jxl", "pillow-jxl-plugin")}
# Colour profiles and texts of a PNG beyond this are left aside: the largest
# profile that a JPEG could hold.
MAX_METADATA = 16 << 20
# A text that may say how the camera was turned is read up to Pillow's limit.
MAX_TEXT = 1 << 20
# What a PNG's other chunks say (text, time, animation) is not needed.
PNG_CHUNKS = {b"tRNS", b"eXIf"}
PNG_READ = PNG_CHUNKS | {b"iCCP", b"tEXt", b"zTXt", b"iTXt"}
PNG_TEXTS = re.compile(
    rb"(Raw profile type (exif|APP1)|XML:com\.adobe\.xmp)\0")
# Where EXIF data and lists of further pictures begin: in JPEG, in AVIF and
# HEIF.  With another letter there they are skipped.
MARKS = {"JPEG": re.compile(rb"(\xff[\xe1\xe2]..)(?:Exif|MPF\0)", re.S),
         "AVIF": re.compile(rb"(infe[\2\3]...(?:..){2,3})Exif", re.S)}
MARKS["HEIF"] = MARKS["AVIF"]
# TIFF's tags (TIFF 6.0; DNG 1.7; TIFF/EP for the colours of raw data).
SUBFILE, BITS, COLOURS = 254, 258, 262
BANDS, PLANES, SUB_IFDS, EXTRA_BANDS, DNG_VERSION = 277, 284, 330, 338, 50706
RAW_COLOURS = (32803, 34892)
# The widths by the ratio that a JPEG XL may give instead.
RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def open_format(path: Path, stream: BinaryIO, max_pixels: int
                ) -> Image.Image:
    """Return the image in a stream as Pillow has it, its pixels not read.

    path: for the errors.  The stream has to stay open.
    Raises UserError for kinds that are not read, and for more than
    max_pixels; for damaged files whatever Pillow raises.
    """
    head = stream.read(FOREIGN_HEAD)
    kind = image_kind(head)
    if kind is None or kind == "JPEG2000":
        raise UserError(f"{path}: not a readable image ("
                        f"{foreign_kind(head) or UNKNOWN})")
    if kind in EXTRA and kind not in Image.OPEN:
        _learn(path, kind)
    turned = False
    if kind == "PNG":
        stream, profile = _plain_png(stream)
    elif kind == "TIFF":
        _check_tiff(path, stream)
    elif kind == "JXL":
        # Its package decodes all of the image at once.
        width, height, turned = _jxl_header(stream)
        check_size(path, width, height, max_pixels)
    image = _open(stream, kind)
    if kind == "PNG" and profile:
        image.info["icc_profile"] = profile
    if kind == "TIFF":
        # Pillow looks in it for the orientation, which is a tag of its own,
        # and fails where it is not text.
        image.info.pop("xmp", None)
    if turned and not getattr(image, "jpeg", False):
        # Its pixels come upright; the EXIF data say how they were.  Those
        # of a JPEG packed as JPEG XL come as the JPEG has them.
        image.info.pop("exif", None)
    check_size(path, *image.size, max_pixels)
    return image


def check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise UserError for an image of more than max_pixels."""
    if width * height > max_pixels:
        raise UserError(f"{path}: {width}x{height} pixels are more than "
                        f"{max_pixels:,}; save it smaller")


def _learn(path: Path, kind: str) -> None:
    """Teach Pillow a kind of image, if the package for it is installed."""
    name, module, package = EXTRA[kind]
    try:
        learned = importlib.import_module(module)
    except ImportError:
        raise UserError(
            f"{path}: is a {name} image; install {package} to read it "
            f"(pip install {package}), or save it as JPEG") from None
    if kind == "HEIF":
        learned.register_heif_opener()


def _open(stream: BinaryIO, kind: str) -> Image.Image:
    """Return an image; one with damaged metadata without them."""
    stream.seek(0)
    try:
        return Image.open(stream, formats=(kind,))
    except Exception:
        if kind == "JXL":
            # Its package says how to build its library.
            raise ValueError(UNKNOWN) from None
        if kind not in MARKS:
            raise
        stream.seek(0)
        content, found = MARKS[kind].subn(rb"\1none", stream.read())
        if not found:
            raise
        return Image.open(io.BytesIO(content), formats=(kind,))


def _plain_png(stream: BinaryIO) -> tuple[BinaryIO, bytes | None]:
    """Return a PNG without what its pixels don't need, and its profile.

    Pillow refuses a PNG with a damaged or large text or profile, and reads
    those of hundreds of megabytes into memory first.
    The first picture of an animation is what the PNG shows without it.
    """
    kept, profile, start = [(0, 8)], None, 8
    while True:
        stream.seek(start)
        header = stream.read(8)
        if len(header) < 8:
            break
        length, name = struct.unpack(">I4s", header)
        end = start + 12 + length
        if not name.isalpha():
            # Pillow ends with an error here.
            kept.append((start, start + 8))
            break
        if name[0] & 0x20:      # small: an ancillary chunk
            body = (stream.read(length + 4) if length <= MAX_METADATA
                    and name in PNG_READ else b"")
            is_whole = body and zlib.crc32(name + body[:-4]) == (
                int.from_bytes(body[-4:], "big"))
            if is_whole and name == b"iCCP":
                packed = body[:-4].partition(b"\0")[2][1:]
                profile = _inflate(packed)
            elif is_whole and (name in PNG_CHUNKS or _turns(name, body[:-4])):
                kept.append((start, end))
        elif kept[-1][1] == start:
            kept[-1] = (kept[-1][0], end)
        else:
            kept.append((start, end))
        start = end
        if name == b"IEND":
            break
    stream.seek(0)
    if kept == [(0, start)]:
        return stream, profile
    plain = io.BytesIO()
    for begin, end in kept:
        stream.seek(begin)
        plain.write(stream.read(end - begin))
    return plain, profile


def _turns(name: bytes, body: bytes) -> bool:
    """Tell whether a PNG's text may say how its camera was turned."""
    if not PNG_TEXTS.match(body) or len(body) > MAX_TEXT:
        return False
    rest = body.partition(b"\0")[2]
    if name == b"zTXt":
        return _inflate(rest[1:], MAX_TEXT) is not None
    # XMP is never packed: its first byte would say so.
    return name == b"tEXt" or rest[:1] == b"\0"


def _inflate(packed: bytes, most: int = MAX_METADATA) -> bytes | None:
    """Return what zlib has packed, or None where damaged or too large."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, most)
    except zlib.error:
        return None
    return content if unpacking.eof else None


def _check_tiff(path: Path, stream: BinaryIO) -> None:
    """Raise UserError for a TIFF of which Pillow gives another picture.

    Raw files of cameras are TIFF whose first picture is a small preview.
    """
    from PIL import TiffImagePlugin

    # Pillow's own way with uncompressed TIFF confuses separate planes.
    TiffImagePlugin.READ_LIBTIFF = True
    stream.seek(0)
    head = stream.read(16)
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(
            head if head[2] == 43 or head[3] == 43 else head[:8])
        stream.seek(tags.next)
        tags.load(stream)
        bands, colours = tags.get(BANDS, 1), tags.get(COLOURS)
        bits = max(tags.get(BITS, (1,)))
    except Exception:
        # Pillow says what is wrong with it.
        return
    if (DNG_VERSION in tags or head[8:10] == b"CR" or colours in RAW_COLOURS
            or tags.get(SUBFILE, 0) & 1 and SUB_IFDS in tags):
        raise UserError(f"{path}: not a readable image ({RAW})")
    if colours in (0, 1) and bands > 2:
        raise UserError(
            f"{path}: not a readable image (a TIFF of {bands} bands, which "
            "doesn't say which are red, green and blue; save those alone)")
    if colours == 2 and bands > 3 and PLANES in tags and (
            tags[PLANES] == 2 and EXTRA_BANDS not in tags):
        # Pillow divides its colours by the fourth band.
        raise UserError(
            f"{path}: not a readable image (a TIFF of {bands} planes, which "
            "doesn't say what the fourth is; save the first three alone)")
    if colours == 2 and bands > 4 and bits > 8:
        raise UserError(
            f"{path}: not a readable image (a TIFF of {bands} bands of {bits} "
            "bits; save its red, green and blue alone)")


def _jxl_header(stream: BinaryIO) -> tuple[int, int, bool]:
    """Return a JPEG XL's width, height and whether it is turned by itself.

    ISO/IEC 18181-1, SizeHeader and ImageMetadata.
    """
    stream.seek(0)
    start = stream.read(2)
    if start != b"\xff\x0a":
        # A file of boxes: the first of the image's own, or of its parts.
        stream.seek(0)
        while True:
            size, name = struct.unpack(">I4s", stream.read(8))
            rest = size - 8
            if size == 1:
                rest = struct.unpack(">Q", stream.read(8))[0] - 16
            if name in (b"jxlc", b"jxlp"):
                stream.read(6 if name == b"jxlp" else 2)
                break
            if size == 0 or rest < 0:
                raise ValueError("no image in it")
            stream.seek(rest, io.SEEK_CUR)
    number = int.from_bytes(stream.read(32), "little")

    def take(bits: int) -> int:
        nonlocal number
        value = number & (1 << bits) - 1
        number >>= bits
        return value

    def length() -> int:
        return 8 * (take(5) + 1) if small else (
            1 + take((9, 13, 18, 30)[take(2)]))

    small = take(1)
    height, ratio = length(), RATIOS[take(3)]
    width = height * ratio[0] // ratio[1] if ratio else length()
    is_default = take(1)
    turned = not is_default and take(1) and take(3) > 0
    return width, height, bool(turned)
