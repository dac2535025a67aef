"""Opening an image file by its content, not by its name.

Pillow decodes.  This module handles what Pillow leaves to its caller:
formats that need another package, files of which Pillow would show another
picture, and metadata that are damaged or huge but irrelevant to the pixels.
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
from leaffliction.utils.file_types import (CAMERA_RAW, FOREIGN_HEAD_BYTES,
                                           foreign_kind, image_kind)

UNKNOWN = "unknown or damaged format"
# Formats that a package adds to Pillow: their usual name, the package's
# module, its name for pip.
PLUGINS = {"HEIF": ("HEIC", "pillow_heif", "pillow-heif"),
           "JXL": ("JPEG XL", "pillow_jxl", "pillow-jxl-plugin")}
# Larger colour profiles and texts of a PNG are ignored: 16 MB is the largest
# profile that a JPEG could hold.
MAX_METADATA = 16 << 20
# Pillow's limit for texts, one of which may hold the camera's orientation.
MAX_TEXT = 1 << 20
# The ancillary chunks of a PNG that affect its pixels, unlike texts, time and
# animation.
PNG_KEPT_CHUNKS = {b"tRNS", b"eXIf"}
PNG_READ_CHUNKS = PNG_KEPT_CHUNKS | {b"iCCP", b"tEXt", b"zTXt", b"iTXt"}
PNG_ORIENTATION_TEXTS = re.compile(
    rb"(Raw profile type (exif|APP1)|XML:com\.adobe\.xmp)\0")
# Where EXIF data and lists of further pictures (MPF) begin.  With "none"
# written over the name, readers skip them.
METADATA_NAMES = {
    "JPEG": re.compile(rb"(\xff[\xe1\xe2]..)(?:Exif|MPF\0)", re.S),
    "AVIF": re.compile(rb"(infe[\2\3]...(?:..){2,3})Exif", re.S)}
METADATA_NAMES["HEIF"] = METADATA_NAMES["AVIF"]
# Tags of TIFF 6.0 and DNG 1.7.
NEW_SUBFILE_TYPE, BITS_PER_SAMPLE, PHOTOMETRIC = 254, 258, 262
SAMPLES_PER_PIXEL, PLANAR_CONFIGURATION = 277, 284
SUB_IFDS, EXTRA_SAMPLES, DNG_VERSION = 330, 338, 50706
# Photometric interpretations: white or black is 0; RGB; a sensor's colour
# filter array (TIFF/EP) and DNG's linear raw.
GREY, RGB, RAW = (0, 1), 2, (32803, 34892)
SEPARATE_PLANES = 2
# Ratios of width to height that a JPEG XL may give instead of its width.
JXL_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def open_format(path: Path, stream: BinaryIO, max_pixels: int
                ) -> Image.Image:
    """Return the image in a stream as a Pillow image, its pixels not read.

    path: for error messages.  The stream must stay open while the image is
    used.
    Raises UserError for formats that are not read and for more than
    max_pixels; Pillow's own exceptions for a damaged file.
    """
    head = stream.read(FOREIGN_HEAD_BYTES)
    kind = image_kind(head)
    if kind is None or kind == "JPEG2000":
        raise UserError(f"{path}: not a readable image ("
                        f"{foreign_kind(head) or UNKNOWN})")
    if kind in PLUGINS and kind not in Image.OPEN:
        _load_plugin(path, kind)
    is_turned, profile = False, None
    if kind == "PNG":
        stream, profile = _strip_png(stream)
    elif kind == "TIFF":
        _check_tiff(path, stream)
    elif kind == "JXL":
        # Checked here, because its plugin decodes all pixels on opening.
        width, height, is_turned = _read_jxl_header(stream)
        check_size(path, width, height, max_pixels)
    image = _open(stream, kind)
    if profile:
        image.info["icc_profile"] = profile
    if kind == "TIFF":
        # TIFF has a tag for the orientation.  Pillow would also search XMP
        # for it, and fails if that is not text.
        image.info.pop("xmp", None)
    if is_turned and not getattr(image, "jpeg", False):
        # The plugin has turned the pixels upright, but EXIF still gives the
        # camera's orientation.  A JPEG packed as JPEG XL is not turned.
        image.info.pop("exif", None)
    check_size(path, *image.size, max_pixels)
    return image


def check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise UserError for an image of more than max_pixels."""
    if width * height > max_pixels:
        raise UserError(f"{path}: {width}x{height} pixels are more than "
                        f"{max_pixels:,}; save it smaller")


def _load_plugin(path: Path, kind: str) -> None:
    """Add a format to Pillow; UserError if its package is not installed."""
    name, module, package = PLUGINS[kind]
    try:
        plugin = importlib.import_module(module)
    except ImportError:
        raise UserError(
            f"{path}: is a {name} image; install {package} to read it "
            f"(pip install {package}), or save it as JPEG") from None
    if kind == "HEIF":
        plugin.register_heif_opener()


def _open(stream: BinaryIO, kind: str) -> Image.Image:
    """Return an image; if its metadata are damaged, without them."""
    stream.seek(0)
    try:
        return Image.open(stream, formats=(kind,))
    except Exception:
        if kind == "JXL":
            # The plugin's message would be how to build its library.
            raise ValueError(UNKNOWN) from None
        if kind not in METADATA_NAMES:
            raise
        stream.seek(0)
        content, count = METADATA_NAMES[kind].subn(rb"\1none", stream.read())
        if not count:
            raise
        return Image.open(io.BytesIO(content), formats=(kind,))


def _strip_png(stream: BinaryIO) -> tuple[BinaryIO, bytes | None]:
    """Return a PNG without the chunks its pixels do not need, and its profile.

    Pillow refuses a PNG with a damaged or large text or profile, and first
    reads texts of hundreds of megabytes into memory.  Without the chunks of
    an animation the PNG shows its first picture.  Chunks are copied as
    ranges of bytes.
    """
    ranges, profile, start = [(0, 8)], None, 8    # the signature
    while True:
        stream.seek(start)
        header = stream.read(8)
        if len(header) < 8:
            break
        length, name = struct.unpack(">I4s", header)
        end = start + 12 + length
        if not name.isalpha():
            # Damaged: copied, so that Pillow raises its own error.
            ranges.append((start, start + 8))
            break
        is_ancillary = name[0] & 0x20   # a lower-case letter
        if is_ancillary:
            body = _read_png_chunk(stream, name, length)
            if name == b"iCCP" and body is not None:
                packed = body.partition(b"\0")[2][1:]
                profile = _inflate(packed, MAX_METADATA)
            elif body is not None and (name in PNG_KEPT_CHUNKS
                                       or _may_hold_orientation(name, body)):
                ranges.append((start, end))
        elif ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((start, end))
        start = end
        if name == b"IEND":
            break
    stream.seek(0)
    if ranges == [(0, start)]:
        return stream, profile
    stripped = io.BytesIO()
    for begin, end in ranges:
        stream.seek(begin)
        stripped.write(stream.read(end - begin))
    return stripped, profile


def _read_png_chunk(stream: BinaryIO, name: bytes, length: int
                    ) -> bytes | None:
    """Return an ancillary chunk's body; None if unneeded, huge or damaged."""
    if length > MAX_METADATA or name not in PNG_READ_CHUNKS:
        return None
    body, checksum = stream.read(length), stream.read(4)
    is_whole = zlib.crc32(name + body) == int.from_bytes(checksum, "big")
    return body if is_whole and len(checksum) == 4 else None


def _may_hold_orientation(name: bytes, body: bytes) -> bool:
    """Return whether a PNG's text may hold the orientation of its camera."""
    if not PNG_ORIENTATION_TEXTS.match(body) or len(body) > MAX_TEXT:
        return False
    text = body.partition(b"\0")[2]
    if name == b"zTXt":
        return _inflate(text[1:], MAX_TEXT) is not None
    # Of iTXt, which holds XMP, the first byte says whether it is compressed;
    # XMP never is.
    return name == b"tEXt" or text[:1] == b"\0"


def _inflate(packed: bytes, max_bytes: int) -> bytes | None:
    """Return what zlib compressed; None if it is damaged or too large."""
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(packed, max_bytes)
    except zlib.error:
        return None
    return content if decompressor.eof else None


def _check_tiff(path: Path, stream: BinaryIO) -> None:
    """Raise UserError for a TIFF of which Pillow would show another picture.

    Raw files of cameras are TIFF files whose first picture is a small
    preview.
    """
    from PIL import TiffImagePlugin

    # Pillow's own reader of uncompressed TIFF mixes up separate planes.
    TiffImagePlugin.READ_LIBTIFF = True
    stream.seek(0)
    head = stream.read(16)
    try:
        is_big_tiff = head[2] == 43 or head[3] == 43
        tags = TiffImagePlugin.ImageFileDirectory_v2(
            head if is_big_tiff else head[:8])
        stream.seek(tags.next)
        tags.load(stream)
        bands, colours = tags.get(SAMPLES_PER_PIXEL, 1), tags.get(PHOTOMETRIC)
        bits = max(tags.get(BITS_PER_SAMPLE, (1,)))
    except Exception:
        # Pillow will say what is wrong with the file.
        return
    # The lowest bit of the subfile's type marks a preview of another picture.
    if (DNG_VERSION in tags or head[8:10] == b"CR" or colours in RAW
            or tags.get(NEW_SUBFILE_TYPE, 0) & 1 and SUB_IFDS in tags):
        raise UserError(f"{path}: not a readable image ({CAMERA_RAW})")
    if colours in GREY and bands > 2:
        raise UserError(
            f"{path}: not a readable image (a TIFF of {bands} bands, which "
            "does not say which are red, green and blue; save those alone)")
    if (colours == RGB and bands > 3 and EXTRA_SAMPLES not in tags
            and tags.get(PLANAR_CONFIGURATION) == SEPARATE_PLANES):
        # Pillow would divide the colours by the fourth band.
        raise UserError(
            f"{path}: not a readable image (a TIFF of {bands} planes, which "
            "does not say what the fourth is; save the first three alone)")
    if colours == RGB and bands > 4 and bits > 8:
        raise UserError(
            f"{path}: not a readable image (a TIFF of {bands} bands of {bits} "
            "bits; save its red, green and blue alone)")


def _read_jxl_header(stream: BinaryIO) -> tuple[int, int, bool]:
    """Return a JPEG XL's width, height and whether a decoder must turn it.

    ISO/IEC 18181-1, SizeHeader and ImageMetadata.
    """
    _seek_jxl_codestream(stream)
    bits = int.from_bytes(stream.read(32), "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & (1 << count) - 1
        bits >>= count
        return value

    def take_length() -> int:
        return 8 * (take(5) + 1) if is_small else (
            1 + take((9, 13, 18, 30)[take(2)]))

    is_small = take(1)
    height, ratio = take_length(), JXL_RATIOS[take(3)]
    width = height * ratio[0] // ratio[1] if ratio else take_length()
    is_default = take(1)
    is_turned = not is_default and take(1) and take(3) > 0
    return width, height, bool(is_turned)


def _seek_jxl_codestream(stream: BinaryIO) -> None:
    """Move to the image's header: behind a signature, or inside a box.

    Raises ValueError if no box holds the image (jxlc) or its parts (jxlp).
    """
    stream.seek(0)
    if stream.read(2) == b"\xff\x0a":
        return
    stream.seek(0)
    while True:
        size, name = struct.unpack(">I4s", stream.read(8))
        rest = size - 8
        if size == 1:
            rest = struct.unpack(">Q", stream.read(8))[0] - 16
        if name in (b"jxlc", b"jxlp"):
            # The signature; in jxlp behind the number of the part.
            stream.read(6 if name == b"jxlp" else 2)
            return
        if size == 0 or rest < 0:
            raise ValueError("no image in it")
        stream.seek(rest, io.SEEK_CUR)
