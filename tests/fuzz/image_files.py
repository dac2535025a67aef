"""Files that claim to be an image, as a Hypothesis strategy."""

import io
import struct
import zlib
from functools import cache

import numpy as np
from hypothesis import strategies as st
from mutations import DECLARED_SIZES, mutate, mutations
from PIL import Image, ImageCms

from samples.drawing import draw_leaf

SUFFIXES = (".jpg", ".JPG", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp",
            ".gif", ".txt", "")
ORIENTATION, DESCRIPTION = 0x0112, 0x010e        # EXIF tags
TIFF_WIDTH, TIFF_HEIGHT = 256, 257               # TIFF tags


@cache
def images():
    """Return {name: content} of small valid images of all kinds."""
    leaf = Image.fromarray(draw_leaf(
        "Apple_scab", np.random.default_rng(3), 48)).crop((0, 0, 48, 40))
    exif = leaf.getexif()
    exif[ORIENTATION], exif[DESCRIPTION] = 8, "a leaf"
    profile = ImageCms.ImageCmsProfile(
        ImageCms.createProfile("LAB")).tobytes()
    return {**jpegs(leaf, exif, profile), **pngs(leaf, exif, profile),
            **tiffs(leaf), **others(leaf, exif)}


def encode(image, kind, second_frame=None, **options):
    """Return an image as a file's content, animated with a second frame."""
    content = io.BytesIO()
    if second_frame is not None:
        options |= {"save_all": True, "append_images": [second_frame]}
    # A copy, because Pillow keeps some options in an image.
    image.copy().save(content, kind, **options)
    return content.getvalue()


def jpegs(leaf, exif, profile):
    found = {}
    for orientation in range(1, 9):
        turned = Image.Exif()
        turned.load(exif.tobytes())
        turned[ORIENTATION] = orientation
        found[f"jpeg turned {orientation}"] = encode(leaf, "JPEG",
                                                     exif=turned)
    for mode in ("L", "CMYK"):
        found[f"jpeg {mode}"] = encode(leaf.convert(mode), "JPEG",
                                       subsampling=0)
    return found | {
        "jpeg": encode(leaf, "JPEG"),
        "jpeg progressive": encode(leaf, "JPEG", progressive=True,
                                   quality=95),
        "jpeg profile": encode(leaf, "JPEG", icc_profile=profile),
        "jpeg of two": encode(leaf, "MPO", leaf.rotate(90))}


def with_alpha(leaf):
    image = leaf.convert("RGBA")
    image.putalpha(leaf.convert("L"))
    return image


def sixteen_bits(leaf):
    return Image.fromarray(
        np.asarray(leaf.convert("L")).astype(np.uint16) * 257)


def pngs(leaf, exif, profile):
    found = {f"png {mode}": encode(leaf.convert(mode), "PNG")
             for mode in ("1", "L", "LA", "P", "RGB")}
    for size in ((1, 1), (1, 20_000), (20_000, 1), (2, 3)):
        found[f"png {size}"] = encode(Image.new("RGB", size, "green"), "PNG")
    return found | {
        "png 16 bits": encode(sixteen_bits(leaf), "PNG"),
        "png alpha": encode(with_alpha(leaf), "PNG", exif=exif,
                            icc_profile=profile),
        "png transparent colour": encode(leaf.convert("P"), "PNG",
                                         transparency=3),
        "png animated": encode(leaf, "PNG", leaf.rotate(90))}


def tiffs(leaf):
    found = {f"tiff {compression}": encode(leaf, "TIFF",
                                           compression=compression)
             for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate",
                                 "packbits", "jpeg")}
    for mode in ("CMYK", "LAB", "P", "I", "YCbCr"):
        found[f"tiff {mode}"] = encode(leaf.convert(mode), "TIFF")
    floats = Image.fromarray(np.asarray(leaf.convert("L"), np.float32) * 200)
    return found | {
        "tiff fax": encode(leaf.convert("1"), "TIFF", compression="group4"),
        "tiff 16 bits": encode(sixteen_bits(leaf), "TIFF",
                               compression="tiff_lzw"),
        "tiff floats": encode(floats, "TIFF"),
        "tiff big": encode(with_alpha(leaf), "TIFF", big_tiff=True),
        "tiff pages": encode(leaf, "TIFF", leaf.rotate(90))}


def others(leaf, exif):
    found = {f"bmp {mode}": encode(leaf.convert(mode), "BMP")
             for mode in ("1", "L", "P", "RGB")}
    return found | {
        "webp": encode(leaf, "WEBP"),
        "webp lossless": encode(with_alpha(leaf), "WEBP", lossless=True,
                                exif=exif),
        "webp animated": encode(leaf, "WEBP", leaf.rotate(90)),
        "gif animated": encode(leaf, "GIF", leaf.rotate(90), transparency=3),
        "avif": encode(leaf, "AVIF")}


def declare_size(content, width, height):
    """Return an image whose header declares another width and height."""
    if content[:4] == b"\x89PNG":
        head = content[12:16] + struct.pack(">II", width, height)
        head += content[24:29]
        return (content[:12] + head + struct.pack(">I", zlib.crc32(head))
                + content[33:])
    if content[:2] == b"BM":
        return (content[:18] + struct.pack("<II", width, height)
                + content[26:])
    if content[:3] == b"GIF":
        return (content[:6] + struct.pack("<HH", width & 65535,
                                          height & 65535) + content[10:])
    if content[:2] == b"\xff\xd8":
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            index = content.find(marker)
            if index > 0:
                return (content[:index + 5] + struct.pack(
                    ">HH", height & 65535, width & 65535)
                    + content[index + 9:])
    if content[8:16] == b"WEBPVP8X":
        return (content[:24] + (width & 0xffffff).to_bytes(3, "little")
                + (height & 0xffffff).to_bytes(3, "little") + content[30:])
    if content[:4] == b"II*\0":
        return declare_tiff_size(content, width, height)
    index = content.find(b"ispe")       # AVIF
    if index > 0:
        return (content[:index + 8] + struct.pack(">II", width, height)
                + content[index + 16:])
    return content


def declare_tiff_size(content, width, height):
    start, = struct.unpack_from("<I", content, 4)
    count, = struct.unpack_from("<H", content, start)
    content = bytearray(content)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, = struct.unpack_from("<H", content, entry)
        if tag in (TIFF_WIDTH, TIFF_HEIGHT):
            struct.pack_into("<HII", content, entry + 2, 4, 1,
                             width if tag == TIFF_WIDTH else height)
    return bytes(content)


def correct_png_checksums(content):
    """Return a PNG with correct checksums, so that more of it is read."""
    if content[:4] != b"\x89PNG":
        return content
    chunks, index = [content[:8]], 8
    while index + 12 <= len(content):
        length, = struct.unpack_from(">I", content, index)
        body = content[index + 4:index + 8 + min(length, len(content))]
        chunks += [content[index:index + 4], body,
                   struct.pack(">I", zlib.crc32(body))]
        index += 12 + min(length, len(content))
    return b"".join(chunks)


@st.composite
def image_files(draw):
    """Generate (suffix, content) of a file that claims to be an image."""
    names = sorted(images())
    content = images()[draw(st.sampled_from(names))]
    choice = draw(st.integers(0, 9))
    if choice == 0:     # the beginning of one image, the rest of another
        other = images()[draw(st.sampled_from(names))]
        length = draw(st.integers(1, 40))
        content = other[:length] + content[length:]
    elif choice == 1:
        content = declare_size(content, draw(st.sampled_from(DECLARED_SIZES)),
                               draw(st.sampled_from(DECLARED_SIZES)))
    elif choice == 2:   # no image at all
        content = draw(st.binary(max_size=200))
    if choice < 9:
        content = mutate(content, draw(mutations))
    if draw(st.booleans()):
        content = correct_png_checksums(content)
    return draw(st.sampled_from(SUFFIXES)), content
