"""Files that claim to be an image."""

import io
import struct
import zlib
from functools import cache

import numpy as np
from hypothesis import strategies as st
from mutations import SIDES, changed, changes
from PIL import Image, ImageCms

from samples.drawing import draw_leaf

SUFFIXES = (".jpg", ".JPG", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp",
            ".gif", ".txt", "")


@cache
def images():
    """Return {name: content} of small images of all kinds."""
    leaf = Image.fromarray(draw_leaf(
        "Apple_scab", np.random.default_rng(3), 48)).crop((0, 0, 48, 40))
    alpha = leaf.convert("RGBA")
    alpha.putalpha(leaf.convert("L"))
    deep = Image.fromarray(np.asarray(leaf.convert("L")).astype(
        np.uint16) * 257)
    real = Image.fromarray(np.asarray(leaf.convert("L"), np.float32) * 200)
    turned = leaf.getexif()
    turned[0x0112], turned[0x010e] = 6, "a leaf"
    profile = ImageCms.ImageCmsProfile(
        ImageCms.createProfile("LAB")).tobytes()
    found = {}

    def save(name, image, kind, **options):
        content = io.BytesIO()
        if options.pop("frames", False):
            options |= {"save_all": True, "append_images": [leaf.rotate(90)]}
        # A copy, since Pillow keeps some options in an image.
        image.copy().save(content, kind, **options)
        found[name] = content.getvalue()

    for orientation in range(1, 9):
        turned[0x0112] = orientation
        save(f"jpeg turned {orientation}", leaf, "JPEG", exif=turned)
    save("jpeg", leaf, "JPEG")
    save("jpeg progressive", leaf, "JPEG", progressive=True, quality=95)
    save("jpeg profile", leaf, "JPEG", icc_profile=profile)
    save("jpeg of two", leaf, "MPO", frames=True)
    for mode in ("L", "CMYK"):
        save(f"jpeg {mode}", leaf.convert(mode), "JPEG", subsampling=0)
    for mode in ("1", "L", "P", "RGB"):
        save(f"bmp {mode}", leaf.convert(mode), "BMP")
    for mode in ("1", "L", "LA", "P", "RGB"):
        save(f"png {mode}", leaf.convert(mode), "PNG")
    save("png deep", deep, "PNG")
    save("png alpha", alpha, "PNG", exif=turned, icc_profile=profile)
    save("png see-through", leaf.convert("P"), "PNG", transparency=3)
    save("png animated", leaf, "PNG", frames=True)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits",
                        "jpeg"):
        save(f"tiff {compression}", leaf, "TIFF", compression=compression)
    save("tiff fax", leaf.convert("1"), "TIFF", compression="group4")
    save("tiff deep", deep, "TIFF", compression="tiff_lzw")
    save("tiff real", real, "TIFF")
    save("tiff big", alpha, "TIFF", big_tiff=True)
    save("tiff pages", leaf, "TIFF", frames=True)
    for mode in ("CMYK", "LAB", "P", "I", "YCbCr"):
        save(f"tiff {mode}", leaf.convert(mode), "TIFF")
    save("webp", leaf, "WEBP")
    save("webp exact", alpha, "WEBP", lossless=True, exif=turned)
    save("webp animated", leaf, "WEBP", frames=True)
    save("gif animated", leaf, "GIF", transparency=3, frames=True)
    save("avif", leaf, "AVIF")
    for size in ((1, 1), (1, 20_000), (20_000, 1), (2, 3)):
        save(f"png {size}", Image.new("RGB", size, "green"), "PNG")
    return found


def declare(content, width, height):
    """Return an image whose header declares another size."""
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
            at = content.find(marker)
            if at > 0:
                return (content[:at + 5] + struct.pack(
                    ">HH", height & 65535, width & 65535) + content[at + 9:])
    if content[8:16] == b"WEBPVP8X":
        return (content[:24] + (width & 0xffffff).to_bytes(3, "little")
                + (height & 0xffffff).to_bytes(3, "little") + content[30:])
    if content[:4] == b"II*\0":
        start, = struct.unpack_from("<I", content, 4)
        count, = struct.unpack_from("<H", content, start)
        content = bytearray(content)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, = struct.unpack_from("<H", content, entry)
            if tag in (256, 257):
                struct.pack_into("<HII", content, entry + 2, 4, 1,
                                 width if tag == 256 else height)
        return bytes(content)
    at = content.find(b"ispe")
    if at > 0:
        return (content[:at + 8] + struct.pack(">II", width, height)
                + content[at + 16:])
    return content


def checked_again(content):
    """Return a PNG whose checksums are right again: so more is read of it."""
    if content[:4] != b"\x89PNG":
        return content
    parts, at = [content[:8]], 8
    while at + 12 <= len(content):
        length, = struct.unpack_from(">I", content, at)
        body = content[at + 4:at + 8 + min(length, len(content))]
        parts += [content[at:at + 4], body, struct.pack(
            ">I", zlib.crc32(body))]
        at += 12 + min(length, len(content))
    return b"".join(parts)


@st.composite
def image_files(draw):
    """Draw (ending, content) of a file that claims to be an image."""
    kinds = sorted(images())
    content = images()[draw(st.sampled_from(kinds))]
    what = draw(st.integers(0, 9))
    if what == 0:       # wrong magic: the head of one, the rest of another
        other = images()[draw(st.sampled_from(kinds))]
        length = draw(st.integers(1, 40))
        content = other[:length] + content[length:]
    elif what == 1:
        content = declare(content, draw(st.sampled_from(SIDES)),
                          draw(st.sampled_from(SIDES)))
    elif what == 2:     # no image at all
        content = draw(st.binary(max_size=200))
    if what < 9:
        content = changed(content, draw(changes))
    if draw(st.booleans()):
        content = checked_again(content)
    return draw(st.sampled_from(SUFFIXES)), content
