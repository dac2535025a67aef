"""leaffliction/utils/formats.py: images by their content, damaged, large and of others."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from test_images import BLUE, RED, RGB, SWAPPED

from leaffliction.distribution.inspection import inspect_image
from leaffliction.utils import images
from leaffliction.utils.errors import UserError

SIZE = RGB.shape[1::-1]


def encoded(kind, image=RGB, **options):
    """Return an image as the bytes of a file of a kind."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def written(path, content):
    path.write_bytes(content)
    return path


def is_rgb(image, tolerance=8):
    """Tell whether an image is red on the left and blue on the right."""
    left, right = image[:, :18].astype(int), image[:, 22:].astype(int)
    return (image.shape == RGB.shape
            and np.abs(left - RED).max() <= tolerance
            and np.abs(right - BLUE).max() <= tolerance)


def turned(number=6, **more):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif.tobytes()


def tiff(bands, tags=(), colours=2, head=b""):
    """Return an uncompressed TIFF of one strip, with tags as they are given.

    bands: (H, W, N) of uint8 or uint16.  tags: {number: values of 16 bits}.
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


def with_band(band, dtype=np.uint8):
    scale = 257 if dtype == np.uint16 else 1
    return np.dstack([RGB, band]).astype(dtype) * scale


# What a near infrared camera sees: many values, hardly one 0 or 255.
NEAR_INFRARED = np.arange(800).reshape(20, 40) * 7 % 200 + 30
MASK = np.where(np.arange(40) < 20, 255, 0) + np.zeros((20, 1), int)


@pytest.mark.parametrize("kind, options", [
    ("JPEG", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}),
    ("BMP", {}), ("GIF", {}), ("AVIF", {"quality": 95})])
@pytest.mark.parametrize("name", ["a", "a.jfif", "a.jpg?w=300", "a.HEIC",
                                  "a.png", "a.tif", "a.txt"])
def test_the_content_tells_how_a_file_is_read(kind, options, name, tmp_path):
    path = written(tmp_path / name, encoded(kind, **options))
    assert is_rgb(images.read_image(path), 16)
    assert images.check_image(path) == SIZE
    assert inspect_image(path).size == SIZE


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def jxl_header(width, height, orientation=1):
    """Return the beginning of a JPEG XL, bit by bit as its standard says."""
    number, at = 0, 0
    fields = [(0, 1), (3, 2), (height - 1, 30), (0, 3), (3, 2),
              (width - 1, 30), (0, 1), (1, 1), (orientation - 1, 3)]
    for value, bits in fields:
        number, at = number | value << at, at + bits
    return b"\xff\x0a" + number.to_bytes(32, "little")


JXL_BOXES = (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "
             b"\0\0\0\x08free")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that installs a stub which shows what it is given.

    It reads a PNG behind the first bytes of the kind, and counts itself.
    """
    (tmp_path / "packages").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    for kind, module in (("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")):
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.delitem(Image.OPEN, kind, raising=False)

    def install(kind, module, head):
        (tmp_path / "packages" / f"{module}.py").write_text(f"""
import io
from PIL import Image, PngImagePlugin
learned = []
def register_heif_opener():
    learned.append(1)
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


FOREIGN = [("HEIF", "pillow_heif", HEIC, "HEIC", "pillow-heif"),
           ("JXL", "pillow_jxl", jxl_header(*SIZE), "JPEG XL",
            "pillow-jxl-plugin"),
           ("JXL", "pillow_jxl", JXL_BOXES + b"\0\0\0\0jxlc"
            + jxl_header(*SIZE), "JPEG XL", "pillow-jxl-plugin")]


@pytest.mark.parametrize("name", ["a.HEIC", "a.jpg", "a"])
@pytest.mark.parametrize("kind, module, head, called, pip", FOREIGN)
def test_what_another_package_reads_is_read_where_it_is_installed(
        kind, module, head, called, pip, name, package, tmp_path,
        monkeypatch):
    path = written(tmp_path / name, head + encoded("PNG"))
    monkeypatch.setitem(sys.modules, module, None)
    for read in (images.read_image, images.check_image, inspect_image):
        with pytest.raises(UserError) as error:
            read(path)
        assert str(error.value) == (
            f"{path}: is a {called} image; install {pip} to read it "
            f"(pip install {pip}), or save it as JPEG")
    monkeypatch.delitem(sys.modules, module)
    package(kind, module, head)
    images.read_image(written(tmp_path / "other.jpg", encoded("JPEG")))
    assert module not in sys.modules
    for _ in range(2):
        assert (images.read_image(path) == RGB).all()
    assert sys.modules[module].learned == [1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_xl_is_not_turned_twice(orientation, package, tmp_path):
    package("JXL", "pillow_jxl", b"")
    path = written(tmp_path / "a.jxl", jxl_header(*SIZE, orientation)
                   + encoded("PNG", exif=turned(6)))
    # Its package has turned it as its header says, if that says so.
    assert images.read_image(path).shape == (
        RGB.shape if orientation > 1 else (40, 20, 3))
    # It gives a JPEG that was packed as the JPEG was.
    path = written(path, path.read_bytes() + b"jbrd")
    assert images.read_image(path).shape == (40, 20, 3)


@pytest.mark.parametrize("head", [
    b"\xff\x0a" + bytes([0b00100111, 0b00000000]),    # 8 * 20, 1:1
    b"\xff\x0a" + (1 | 19 << 1 | 2 << 6).to_bytes(2, "little")])
def test_a_short_header_of_a_jpeg_xl_gives_its_size(head):
    from leaffliction.utils.formats import _jxl_header
    width, height, is_turned = _jxl_header(io.BytesIO(head + b"\xff" * 9))
    assert height == 8 * ((head[2] >> 1 & 31) + 1)
    ratio = int.from_bytes(head[2:4], "little") >> 6 & 7
    assert width == {0: width, 1: height, 2: height * 12 // 10}[ratio]
    assert not is_turned


@pytest.mark.parametrize("content, reason", [
    (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "JPEG 2000"),
    (b"8BPS\0\1" + bytes(99), "Photoshop"),
    (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera's raw file"),
    (b"IIRO\x08\0\0\0" + bytes(99), "camera's raw file"),
    (b"%PDF-1.7\n", "a PDF document"),
    (b"<?xml version='1.0'?>\n<!-- by hand -->\n<svg xmlns='x'>", "SVG"),
    (b"\xef\xbb\xbf\n <!DOCTYPE html><html>", "a web page"),
    (b"<HTML><HEAD><TITLE>404", "a web page"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied", "XML or JSON"),
    (b'{"error": "not found"}', "XML or JSON"),
    (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    (b"\0\0\0\x18ftypmp42" + bytes(9), "a video"),
    (b"PK\3\4" + bytes(30), "a zip archive"), (bytes(4096), "zeros"),
    (b"", "empty"), (b"one leaf\n", "unknown or damaged format")])
def test_what_is_not_read_is_named(content, reason, tmp_path):
    path = written(tmp_path / "a.jpg", content)
    with pytest.raises(UserError) as error:
        images.read_image(path)
    assert str(error.value).startswith(f"{path}: not a readable image (")
    assert reason in str(error.value)


@pytest.mark.parametrize("content", [
    tiff(RGB, {50706: [1, 4], 254: [1]}), tiff(RGB, {254: [1], 330: [0]}),
    tiff(RGB[..., :1], colours=32803), tiff(RGB, colours=34892),
    tiff(RGB, head=b"CR\2\0")], ids="DNG NEF CFA linear CR2".split())
def test_a_raw_file_is_not_its_preview(content, tmp_path):
    with pytest.raises(UserError, match="camera's raw file; develop it"):
        images.read_image(written(tmp_path / "a.tif", content))


def test_a_small_picture_of_its_own_is_no_raw_file(tmp_path):
    path = written(tmp_path / "a.tif", tiff(RGB, {254: [1]}))
    assert (images.read_image(path) == RGB).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("tags, band", [
    ({}, NEAR_INFRARED), ({}, MASK), ({338: [0]}, NEAR_INFRARED),
    ({338: [0]}, MASK), ({338: [2]}, NEAR_INFRARED)])
def test_a_fourth_band_of_near_infrared_is_no_transparency(
        tags, band, dtype, tmp_path):
    path = written(tmp_path / "a.tif", tiff(with_band(band, dtype), tags))
    assert (images.read_image(path) == RGB).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("band", [MASK, np.full((20, 40), 128)])
def test_a_tiffs_own_transparency_is_laid_over_white(band, dtype, tmp_path):
    wanted = RGB * (band / 255)[..., None] + 255 - band[..., None]
    plain = written(tmp_path / "a.tif", tiff(with_band(band, dtype),
                                             {338: [2]}))
    assert np.abs(images.read_image(plain) - wanted).max() <= 1
    # The same, but multiplied by its transparency already.
    bands = with_band(band, dtype).astype(float)
    bands[..., :3] *= (band / 255)[..., None]
    path = written(tmp_path / "b.tif", tiff(
        bands.round().astype(dtype), {338: [1]}))
    assert np.abs(images.read_image(path) - wanted).max() <= 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("tags", [{}, {338: [0]}, {338: [2]}])
def test_bands_that_lie_one_after_the_other_are_told_apart(dtype, tags,
                                                           tmp_path):
    bands = with_band(NEAR_INFRARED, dtype)
    for count in (3, 4):
        planes = np.moveaxis(bands[..., :count], 2, 0).tobytes()
        size = len(planes) // count
        layout = {**(tags if count == 4 else {}), 284: [2],
                  273: [0] * count, 279: [size] * count}
        start = len(tiff(bands[..., :count], layout)) - len(planes)
        layout[273] = [start + size * band for band in range(count)]
        path = written(tmp_path / "a.tif", tiff(
            bands[..., :count], layout)[:start] + planes)
        if count == 4 and not tags:
            with pytest.raises(UserError, match="a TIFF of 4 planes"):
                images.read_image(path)
            continue
        assert (images.read_image(path) == RGB).all()


def test_of_five_bands_the_named_three_are_read_or_none(tmp_path):
    five = np.dstack([RGB, NEAR_INFRARED, MASK]).astype(np.uint8)
    path = written(tmp_path / "a.tif", tiff(five, {338: [0, 0]}))
    assert (images.read_image(path) == RGB).all()
    for content, reason in (
            (tiff(five, {338: [0] * 4}, colours=1), "5 bands, which"),
            (tiff(five.astype(np.uint16), {338: [0, 0]}),
             "5 bands of 16 bits")):
        with pytest.raises(UserError, match=f"not a readable.*{reason}"):
            images.read_image(written(path, content))


@pytest.mark.parametrize("colours", [0, 1])
def test_sixteen_bits_of_grey_are_dark_where_the_file_says(colours, tmp_path):
    deep = np.linspace(0, 65535, 800).astype(np.uint16).reshape(20, 40, 1)
    path = written(tmp_path / "a.tif", tiff(deep, colours=colours))
    wanted = np.rint((deep if colours else 65535 - deep.astype(int)) / 257)
    assert (images.read_image(path) == wanted).all()


def chunk(name, body, sum_of=None):
    return (struct.pack(">I", len(body)) + name + body
            + struct.pack(">I", zlib.crc32(name + body)
                          if sum_of is None else sum_of))


def with_chunks(*chunks, before=True, **options):
    """Return a PNG with more chunks before its pixels, or behind them."""
    content = encoded("PNG", **options)
    at = content.index(b"IDAT" if before else b"IEND") - 4
    return content[:at] + b"".join(chunks) + content[at:]


LARGE = bytes(range(97, 123)) * 100_000     # 2.6 MB
BOMB = zlib.compress(bytes(100 << 20))      # 100 MB in 100 kB


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("chunks", [
    [chunk(b"tEXt", b"Comment\0" + LARGE)],
    [chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LARGE))],
    [chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB)],
    [chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)],
    [chunk(b"iTXt", b"Comment\0\1\0\0\0" + BOMB)],
    [chunk(b"iTXt", b"Comment\0\0\0\0\0" + LARGE)],
    [chunk(b"tEXt", b"Comment\0" + LARGE[:1 << 20])] * 70,
    [chunk(b"tEXt", b"Comment\0a", 1)], [chunk(b"zTXt", b"Comment\0\7a")],
    [chunk(b"iCCP", b"name\0\0" + zlib.compress(LARGE))],
    [chunk(b"iCCP", b"name\0\0" + BOMB)], [chunk(b"iCCP", b"name\0\7x")],
    [chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40)],
    [chunk(b"eXIf", b"nonsense")], [chunk(b"eXIf", turned()[6:], 1)],
    [chunk(b"pHYs", b"1")], [chunk(b"acTL", b"1")], [chunk(b"gAMA", b"")],
    [chunk(b"viSt", LARGE)]])
def test_a_png_is_read_whatever_is_beside_its_pixels(chunks, before,
                                                     tmp_path):
    path = written(tmp_path / "a.png", with_chunks(*chunks, before=before))
    assert (images.read_image(path) == RGB).all()
    assert images.check_image(path) == SIZE


def test_the_profile_of_a_png_counts_however_large(tmp_path):
    large = SWAPPED + np.random.default_rng(0).bytes(3 << 20)
    large = struct.pack(">I", len(large)) + large[4:]
    for profile in (SWAPPED, large):
        path = written(tmp_path / "a.png", with_chunks(
            chunk(b"iCCP", b"name\0\0" + zlib.compress(profile)),
            chunk(b"tEXt", b"Comment\0" + LARGE)))
        back = images.read_image(path).astype(int)
        assert np.abs(back[:, :18] - np.array(RED)[[1, 0, 2]]).max() < 8


@pytest.mark.parametrize("chunks", [
    [chunk(b"eXIf", turned()[6:])],
    [chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(
        f"\nexif\n{len(turned()):8}\n{turned().hex()}\n".encode()))],
    [chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0"
           b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/>')]])
def test_what_turns_a_png_is_kept_of_its_text(chunks, tmp_path):
    path = written(tmp_path / "a.png", with_chunks(
        chunk(b"tEXt", b"Comment\0" + LARGE), *chunks))
    assert images.read_image(path).shape == (40, 20, 3)


@pytest.mark.parametrize("damage", [
    b"Exif\0\0nonsense", b"Exif\0\0", b"Exif\0\0II*\0",
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\xff\xff\xff",
    turned()[:20], turned().replace(b"\x12\x01", b"\x69\x87"),
    turned().replace(b"II*", b"XX*").replace(b"MM\0*", b"XX\0*")])
@pytest.mark.parametrize("kind, options", [
    ("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}),
    ("AVIF", {"quality": 95})])
def test_damaged_exif_data_do_not_keep_an_image_from_being_read(
        kind, options, damage, tmp_path):
    # AVIF's own writer wants EXIF data that it understands: same length.
    good = turned().ljust(len(damage), b"\0")
    content = encoded(kind, exif=good if kind == "AVIF" else damage,
                      **options)
    if kind == "AVIF":
        body = good[6:]
        at = content.find(body[:4])
        if at > 0:
            content = (content[:at] + damage[6:].ljust(len(body), b"\xff")
                       [:len(body)] + content[at + len(body):])
    path = written(tmp_path / "a", content)
    back = images.read_image(path)
    # AVIF says beside its EXIF data how it is to be turned.
    assert back.shape in (RGB.shape, (40, 20, 3))
    assert np.abs(np.sort(back.reshape(-1, 3).astype(int), axis=0)
                  - np.sort(RGB.reshape(-1, 3), axis=0)).mean() < 8
    assert images.check_image(path) and inspect_image(path)


@pytest.mark.parametrize("tags", [
    {34665: [5000]}, {34665: [0]}, {34853: [8]}, {274: [99]}, {282: [0]},
    {700: [1, 2]}, {34675: [1, 2, 3]}, {33723: [1]}])
def test_damaged_tags_do_not_keep_a_tiff_from_being_read(tags, tmp_path):
    path = written(tmp_path / "a.tif", tiff(RGB, tags))
    assert (images.read_image(path) == RGB).all()


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_each_orientation_is_made_upright(kind, number, tmp_path):
    # The corners tell the eight apart.
    image = np.full((16, 32, 3), 128, np.uint8)
    image[:8, :16], image[:8, 16:] = 250, 180
    image[8:, :16] = 60
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95}
    path = written(tmp_path / "a", encoded(kind, image, exif=turned(number),
                                           **options))
    wanted = {1: image, 2: image[:, ::-1], 3: image[::-1, ::-1],
              4: image[::-1], 5: image.swapaxes(0, 1),
              6: np.rot90(image, -1), 7: np.rot90(image, 2).swapaxes(0, 1),
              8: np.rot90(image)}[number]
    back = images.read_image(path)
    assert back.shape == wanted.shape and back.flags.c_contiguous
    assert np.abs(back.astype(int) - wanted).max() < 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF",
                                  "BMP", "AVIF"])
def test_what_is_too_large_is_refused_in_one_wording(kind, tmp_path,
                                                     monkeypatch):
    path = written(tmp_path / "a", encoded(kind))
    monkeypatch.setattr(images, "MAX_PIXELS", 799)
    for read in (images.read_image, images.check_image, inspect_image):
        with pytest.raises(UserError) as error:
            read(path)
        assert str(error.value) == (
            f"{path}: 40x20 pixels are more than 799; save it smaller")


def test_what_pillow_calls_an_attack_is_read_or_refused_by_us(tmp_path):
    # 400 and 200 megapixels, by their headers alone.
    for side, reason in ((20_000, "20000x20000 pixels are more than"),
                         (14_200, "not a readable image")):
        content = bytearray(encoded("PNG"))
        content[16:24] = struct.pack(">II", side, side)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        with pytest.raises(UserError, match=reason) as error:
            with images.open_image(written(tmp_path / "a.png", content)
                                   ) as image:
                assert image.size == (14_200, 14_200)
                raise ValueError("its pixels are not read here")
        assert "attack" not in str(error.value)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK",
                                  "I;16", "I", "F"])
def test_large_images_come_at_half_their_size(mode, tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (1031, 46, 3), np.uint8)
    noise = noise // 4 * 4
    image = Image.fromarray(noise)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(noise[..., 0]))
    elif mode == "LA":
        image = image.convert("L")
        image.putalpha(Image.fromarray(noise[..., 0]))
    elif mode == "I;16":
        image = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    elif mode == "P":
        image = image.quantize(16)
    elif mode in ("I", "F"):
        image = image.convert("L").convert(mode)
    else:
        image = image.convert(mode)
    path = tmp_path / "a.tif"
    image.save(path)
    whole = images.read_image(path).astype(float)
    monkeypatch.setattr(images, "MAX_DECODED", 1031 * 46 - 1)
    back = images.read_image(path)
    assert back.shape == (516, 23, 3)
    wanted = whole[:1030].reshape(515, 2, 23, 2, 3).mean(axis=(1, 3))
    assert np.abs(back[:515] - wanted).max() <= 1
    # The last row is alone.
    assert np.abs(back[515] - whole[1030].reshape(23, 2, 3).mean(axis=1)
                  ).max() <= 1
    assert images.check_image(path) == inspect_image(path).size == (46, 1031)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_large_photograph_is_decoded_at_half_its_size(
        progressive, tmp_path, monkeypatch):
    large = np.kron(RGB, np.ones((5, 5, 1), np.uint8))[:, :199]
    path = written(tmp_path / "a.jpg", encoded(
        "JPEG", large, quality=95, progressive=progressive, exif=turned()))
    monkeypatch.setattr(images, "MAX_DECODED", 199 * 100 - 1)
    back = images.read_image(path)
    assert back.shape == (100, 50, 3)
    assert np.abs(back[:48].astype(int) - RED).max() < 12
    assert np.abs(back[52:].astype(int) - BLUE).max() < 12
    assert images.check_image(path) == inspect_image(path).size == (199, 100)


def test_the_first_picture_of_a_stereo_photograph_is_read(tmp_path):
    first, second = (Image.fromarray(RGB), Image.fromarray(RGB[:, ::-1]))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True,
               append_images=[second], quality=95)
    assert is_rgb(images.read_image(tmp_path / "a.jpg"), 12)
    assert images.read_reduced(tmp_path / "a.jpg", 20).shape == (10, 20, 3)


def test_inks_of_a_photoshop_jpeg_are_not_inverted(tmp_path):
    # Photoshop writes 255 for no ink, and Pillow does as well.
    inks = Image.fromarray(RGB).convert("CMYK")
    inks.save(tmp_path / "a.jpg", quality=95, subsampling=0)
    assert is_rgb(images.read_image(tmp_path / "a.jpg"), 12)


@pytest.mark.parametrize("deep", [False, True])
def test_a_png_with_one_transparent_grey_shows_white_there(deep, tmp_path):
    grey = np.array([[0, 100, 200]], np.uint8)
    image = Image.fromarray(grey.astype(np.uint16) * 257 if deep else grey)
    image.save(tmp_path / "a.png", transparency=100 * 257 if deep else 100)
    assert images.read_image(tmp_path / "a.png")[0, :, 1].tolist() == [
        0, 255, 200]
