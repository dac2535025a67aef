"""leaffliction/utils/formats.py: damaged metadata, plugins, raw files."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from encoded_images import (MASK, NEAR_INFRARED, RED, RGB, SIZE, SWAPPED,
                            add_band, encode, encode_tiff, exif_of,
                            is_red_and_blue, png_chunk, png_with, write)
from PIL import Image

from leaffliction.distribution.inspection import inspect_image
from leaffliction.utils import images
from leaffliction.utils.errors import UserError

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
JXL_BOXES = (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "
             b"\0\0\0\x08free")


@pytest.mark.parametrize("kind, options", [
    ("JPEG", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}),
    ("BMP", {}), ("GIF", {}), ("AVIF", {"quality": 95})])
@pytest.mark.parametrize("name", ["a", "a.jfif", "a.jpg?w=300", "a.HEIC",
                                  "a.png", "a.tif", "a.txt"])
def test_content_not_name_decides_the_format(kind, options, name, tmp_path):
    path = write(tmp_path / name, encode(kind, **options))
    assert is_red_and_blue(images.read_image(path), 16)
    assert images.check_image(path) == SIZE
    assert inspect_image(path).size == SIZE


def jxl_header(width, height, orientation=1):
    """Return the header of a JPEG XL, bit by bit (ISO/IEC 18181-1)."""
    number, at = 0, 0
    fields = [(0, 1), (3, 2), (height - 1, 30), (0, 3), (3, 2),
              (width - 1, 30), (0, 1), (1, 1), (orientation - 1, 3)]
    for value, bits in fields:
        number, at = number | value << at, at + bits
    return b"\xff\x0a" + number.to_bytes(32, "little")


@pytest.fixture
def install_stub(tmp_path, monkeypatch):
    """Return a function that installs a stub of a plugin's package.

    The stub decodes a PNG that follows the format's first bytes, and counts
    how often it is registered.
    """
    (tmp_path / "packages").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    for kind, module in (("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")):
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.delitem(Image.OPEN, kind, raising=False)

    def install(kind, module):
        (tmp_path / "packages" / f"{module}.py").write_text(f"""
import io
from PIL import Image, PngImagePlugin
registered = []
def register_heif_opener():
    registered.append(1)
    Image.register_open({kind!r}, read, lambda prefix: True)
def read(stream, name):
    content = stream.read()
    start = content.index(b"\\x89PNG")
    image = PngImagePlugin.PngImageFile(io.BytesIO(content[start:]))
    image.jpeg = b"jbrd" in content
    return image
if {kind!r} == "JXL":
    register_heif_opener()
""")
    yield install
    for kind in ("HEIF", "JXL"):
        Image.OPEN.pop(kind, None)
    for module in ("pillow_heif", "pillow_jxl"):
        sys.modules.pop(module, None)


PLUGINS = [("HEIF", "pillow_heif", HEIC, "HEIC", "pillow-heif"),
           ("JXL", "pillow_jxl", jxl_header(*SIZE), "JPEG XL",
            "pillow-jxl-plugin"),
           ("JXL", "pillow_jxl", JXL_BOXES + b"\0\0\0\0jxlc"
            + jxl_header(*SIZE), "JPEG XL", "pillow-jxl-plugin")]


@pytest.mark.parametrize("name", ["a.HEIC", "a.jpg", "a"])
@pytest.mark.parametrize("kind, module, head, called, pip", PLUGINS)
def test_plugins_are_loaded_once_or_named_if_missing(
        kind, module, head, called, pip, name, install_stub, tmp_path,
        monkeypatch):
    path = write(tmp_path / name, head + encode("PNG"))
    monkeypatch.setitem(sys.modules, module, None)
    for read in (images.read_image, images.check_image, inspect_image):
        with pytest.raises(UserError) as error:
            read(path)
        assert str(error.value) == (
            f"{path}: is a {called} image; install {pip} to read it "
            f"(pip install {pip}), or save it as JPEG")
    monkeypatch.delitem(sys.modules, module)
    install_stub(kind, module)
    images.read_image(write(tmp_path / "other.jpg", encode("JPEG")))
    assert module not in sys.modules
    for _ in range(2):
        assert (images.read_image(path) == RGB).all()
    assert sys.modules[module].registered == [1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_xl_is_turned_exactly_once(orientation, install_stub, tmp_path):
    install_stub("JXL", "pillow_jxl")
    path = write(tmp_path / "a.jxl", jxl_header(*SIZE, orientation)
                 + encode("PNG", exif=exif_of(6)))
    # The plugin turns the pixels if the header gives an orientation.
    assert images.read_image(path).shape == (
        RGB.shape if orientation > 1 else (40, 20, 3))
    # It does not turn a JPEG that was packed as JPEG XL (box jbrd).
    path = write(path, path.read_bytes() + b"jbrd")
    assert images.read_image(path).shape == (40, 20, 3)


@pytest.mark.parametrize("head", [
    b"\xff\x0a" + bytes([0b00100111, 0b00000000]),    # 8 * 20, 1:1
    b"\xff\x0a" + (1 | 19 << 1 | 2 << 6).to_bytes(2, "little")])
def test_short_jpeg_xl_header_gives_the_size(head):
    from leaffliction.utils.formats import _read_jxl_header
    width, height, is_turned = _read_jxl_header(io.BytesIO(head + b"\xff" * 9))
    assert height == 8 * ((head[2] >> 1 & 31) + 1)
    ratio = int.from_bytes(head[2:4], "little") >> 6 & 7
    assert width == {0: width, 1: height, 2: height * 12 // 10}[ratio]
    assert not is_turned


@pytest.mark.parametrize("content", [
    encode_tiff(RGB, {50706: [1, 4], 254: [1]}),
    encode_tiff(RGB, {254: [1], 330: [0]}),
    encode_tiff(RGB[..., :1], colours=32803), encode_tiff(RGB, colours=34892),
    encode_tiff(RGB, head=b"CR\2\0")], ids="DNG NEF CFA linear CR2".split())
def test_raw_files_are_refused_not_shown_by_their_preview(content, tmp_path):
    with pytest.raises(UserError, match="camera's raw file; develop it"):
        images.read_image(write(tmp_path / "a.tif", content))


def test_subfile_type_alone_makes_no_raw_file(tmp_path):
    path = write(tmp_path / "a.tif", encode_tiff(RGB, {254: [1]}))
    assert (images.read_image(path) == RGB).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("tags", [{}, {338: [0]}, {338: [2]}])
def test_separate_planes_are_read_or_refused(dtype, tags, tmp_path):
    bands = add_band(NEAR_INFRARED, dtype)
    for count in (3, 4):
        planes = np.moveaxis(bands[..., :count], 2, 0).tobytes()
        size = len(planes) // count
        layout = {**(tags if count == 4 else {}), 284: [2],
                  273: [0] * count, 279: [size] * count}
        start = len(encode_tiff(bands[..., :count], layout)) - len(planes)
        layout[273] = [start + size * band for band in range(count)]
        path = write(tmp_path / "a.tif", encode_tiff(
            bands[..., :count], layout)[:start] + planes)
        if count == 4 and not tags:
            with pytest.raises(UserError, match="a TIFF of 4 planes"):
                images.read_image(path)
            continue
        assert (images.read_image(path) == RGB).all()


def test_five_bands_are_read_only_if_rgb_is_declared(tmp_path):
    five = np.dstack([RGB, NEAR_INFRARED, MASK]).astype(np.uint8)
    path = write(tmp_path / "a.tif", encode_tiff(five, {338: [0, 0]}))
    assert (images.read_image(path) == RGB).all()
    for content, reason in (
            (encode_tiff(five, {338: [0] * 4}, colours=1), "5 bands, which"),
            (encode_tiff(five.astype(np.uint16), {338: [0, 0]}),
             "5 bands of 16 bits")):
        with pytest.raises(UserError, match=f"not a readable.*{reason}"):
            images.read_image(write(path, content))


LARGE = bytes(range(97, 123)) * 100_000     # 2.6 MB
BOMB = zlib.compress(bytes(100 << 20))      # 100 MB in 100 kB


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("chunks", [
    [png_chunk(b"tEXt", b"Comment\0" + LARGE)],
    [png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LARGE))],
    [png_chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB)],
    [png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)],
    [png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + BOMB)],
    [png_chunk(b"iTXt", b"Comment\0\0\0\0\0" + LARGE)],
    [png_chunk(b"tEXt", b"Comment\0" + LARGE[:1 << 20])] * 70,
    [png_chunk(b"tEXt", b"Comment\0a", 1)],
    [png_chunk(b"zTXt", b"Comment\0\7a")],
    [png_chunk(b"iCCP", b"name\0\0" + zlib.compress(LARGE))],
    [png_chunk(b"iCCP", b"name\0\0" + BOMB)],
    [png_chunk(b"iCCP", b"name\0\7x")],
    [png_chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40)],
    [png_chunk(b"eXIf", b"nonsense")], [png_chunk(b"eXIf", exif_of()[6:], 1)],
    [png_chunk(b"pHYs", b"1")], [png_chunk(b"acTL", b"1")],
    [png_chunk(b"gAMA", b"")], [png_chunk(b"viSt", LARGE)]])
def test_png_is_read_whatever_its_ancillary_chunks_hold(
        chunks, before, tmp_path):
    path = write(tmp_path / "a.png", png_with(*chunks, before=before))
    assert (images.read_image(path) == RGB).all()
    assert images.check_image(path) == SIZE


def test_png_profile_of_3_mb_is_used(tmp_path):
    large = SWAPPED + np.random.default_rng(0).bytes(3 << 20)
    large = struct.pack(">I", len(large)) + large[4:]
    for profile in (SWAPPED, large):
        path = write(tmp_path / "a.png", png_with(
            png_chunk(b"iCCP", b"name\0\0" + zlib.compress(profile)),
            png_chunk(b"tEXt", b"Comment\0" + LARGE)))
        back = images.read_image(path).astype(int)
        assert np.abs(back[:, :18] - np.array(RED)[[1, 0, 2]]).max() < 8


@pytest.mark.parametrize("chunks", [
    [png_chunk(b"eXIf", exif_of()[6:])],
    [png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(
        f"\nexif\n{len(exif_of()):8}\n{exif_of().hex()}\n".encode()))],
    [png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0"
               b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/>')]])
def test_png_texts_that_hold_the_orientation_are_kept(chunks, tmp_path):
    path = write(tmp_path / "a.png", png_with(
        png_chunk(b"tEXt", b"Comment\0" + LARGE), *chunks))
    assert images.read_image(path).shape == (40, 20, 3)


@pytest.mark.parametrize("damage", [
    b"Exif\0\0nonsense", b"Exif\0\0", b"Exif\0\0II*\0",
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\xff\xff\xff",
    exif_of()[:20], exif_of().replace(b"\x12\x01", b"\x69\x87"),
    exif_of().replace(b"II*", b"XX*").replace(b"MM\0*", b"XX\0*")])
@pytest.mark.parametrize("kind, options", [
    ("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}),
    ("AVIF", {"quality": 95})])
def test_damaged_exif_does_not_prevent_reading(kind, options, damage,
                                               tmp_path):
    # AVIF's writer only takes valid EXIF data: they are damaged afterwards,
    # at the same length.
    good = exif_of().ljust(len(damage), b"\0")
    content = encode(kind, exif=good if kind == "AVIF" else damage, **options)
    if kind == "AVIF":
        body = good[6:]
        at = content.find(body[:4])
        if at > 0:
            content = (content[:at] + damage[6:].ljust(len(body), b"\xff")
                       [:len(body)] + content[at + len(body):])
    path = write(tmp_path / "a", content)
    back = images.read_image(path)
    # AVIF gives the orientation in a box of its own as well.
    assert back.shape in (RGB.shape, (40, 20, 3))
    assert np.abs(np.sort(back.reshape(-1, 3).astype(int), axis=0)
                  - np.sort(RGB.reshape(-1, 3), axis=0)).mean() < 8
    assert images.check_image(path) and inspect_image(path)


@pytest.mark.parametrize("tags", [
    {34665: [5000]}, {34665: [0]}, {34853: [8]}, {274: [99]}, {282: [0]},
    {700: [1, 2]}, {34675: [1, 2, 3]}, {33723: [1]}])
def test_damaged_tags_do_not_prevent_reading_a_tiff(tags, tmp_path):
    path = write(tmp_path / "a.tif", encode_tiff(RGB, tags))
    assert (images.read_image(path) == RGB).all()
