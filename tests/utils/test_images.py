"""leaffliction/utils/images.py: reading, writing and preprocessing."""

import os
import struct
import zlib

import numpy as np
import pytest
from encoded_images import BLUE, RED, RGB, encode, exif_of, save, write

from leaffliction.distribution.inspection import inspect_image
from leaffliction.utils import images
from leaffliction.utils.errors import UserError


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
def test_lossless_formats_return_what_was_written(name, tmp_path):
    images.write_image(tmp_path / "new" / name, RGB)
    back = images.read_image(tmp_path / "new" / name)
    assert back.dtype == np.uint8 and back.flags.writeable
    # OpenCV's WebP loses as much as its chroma is rounded.
    tolerance = 4 if name == "a.webp" else 0
    assert np.abs(back[:, [5, 35]].astype(int) - RGB[:, [5, 35]]
                  ).max() <= tolerance


def test_jpeg_error_is_below_two_levels_on_average(tmp_path):
    images.write_image(tmp_path / "a.JPG", RGB)
    back = images.read_image(tmp_path / "a.JPG").astype(int)
    assert np.abs(back - RGB).mean() < 2


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (7, 300)])
def test_check_image_returns_the_size_of_tiny_jpegs(size, tmp_path):
    path = save(tmp_path / "a.jpg", np.zeros((*size, 3), np.uint8))
    assert images.check_image(path) == size[::-1]
    assert images.read_image(path).shape[:2] == size


@pytest.mark.parametrize("longest, wanted", [
    (1, (13, 25)), (25, (13, 25)), (26, (25, 50)), (50, (25, 50)),
    (51, (50, 100)), (100, (50, 100)), (101, (100, 200)), (999, (100, 200))])
def test_read_reduced_takes_the_smallest_sufficient_scale(
        longest, wanted, tmp_path):
    large = np.kron(RGB, np.ones((5, 5, 1), np.uint8))
    path = save(tmp_path / "a.jpg", large, quality=95)
    back = images.read_reduced(path, longest)
    assert back.shape == (*wanted, 3)
    for column, colour in ((1 / 4, RED), (3 / 4, BLUE)):
        assert np.abs(back[:, int(column * wanted[1])].astype(int) - colour
                      ).max() < 8


def test_read_reduced_turns_upright_and_keeps_png_whole(tmp_path):
    large = np.kron(RGB, np.ones((5, 5, 1), np.uint8))
    path = save(tmp_path / "a.jpg", large, exif=exif_of())
    back = images.read_reduced(path, 50)
    assert back.shape == (50, 25, 3)
    assert np.abs(back[10].astype(int) - RED).max() < 10
    path = save(tmp_path / "a.png", large)
    assert (images.read_reduced(path, 50) == large).all()


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "bmp"])
@pytest.mark.parametrize("share", [0.05, 0.6, 0.95])
def test_a_truncated_image_is_refused(kind, share, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = tmp_path / f"leaf.{kind}"
    save(path, noise, format=kind)
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    with pytest.raises(UserError, match="leaf.*not a readable image"):
        images.read_image(path)


@pytest.mark.parametrize("content", [b"", b"some text", b"\xff\xd8\xff",
                                     b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_other_content_under_an_image_name_is_refused(content, tmp_path):
    path = tmp_path / "leaf.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        images.read_image(path)
    assert str(error.value).count(str(path)) == 1


def test_missing_files_folders_and_pipes_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in (("missing.jpg", "no such file"), ("", "a folder"),
                         ("pipe.jpg", "not a regular file")):
        with pytest.raises(UserError, match=reason):
            images.read_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF",
                                  "BMP", "AVIF"])
def test_size_limit_has_one_wording_for_all_formats(
        kind, tmp_path, monkeypatch):
    path = write(tmp_path / "a", encode(kind))
    monkeypatch.setattr(images, "MAX_PIXELS", 799)
    for read in (images.read_image, images.check_image, inspect_image):
        with pytest.raises(UserError) as error:
            read(path)
        assert str(error.value) == (
            f"{path}: 40x20 pixels are more than 799; save it smaller")


def test_pillow_s_own_size_limit_is_off(tmp_path):
    # Headers of 400 and of 200 megapixels, without their pixels.
    for side, reason in ((20_000, "20000x20000 pixels are more than"),
                         (14_200, "not a readable image")):
        content = bytearray(encode("PNG"))
        content[16:24] = struct.pack(">II", side, side)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        with pytest.raises(UserError, match=reason) as error:
            with images.open_image(write(tmp_path / "a.png", content)
                                   ) as image:
                assert image.size == (14_200, 14_200)
                raise ValueError("the pixels are not read in this test")
        assert "attack" not in str(error.value)


def test_new_files_respect_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        images.write_image(tmp_path / "a.png", RGB)
    finally:
        os.umask(before)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o640


def test_c_libraries_print_nothing_beside_the_error(tmp_path, capfd):
    with pytest.raises(UserError, match="cannot be encoded as .webp"):
        images.write_image(tmp_path / "a.webp", np.zeros((1, 20_000, 3),
                                                         np.uint8))
    path = save(tmp_path / "a.tif", RGB, compression="tiff_adobe_deflate")
    content = bytearray(path.read_bytes())
    content[10:20] = bytes(10)
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a readable image"):
        images.read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name, reason", [
    ("a.txt", r"ends in one of .*\.png"), ("", "ends in one of"),
    ("file/a.png", "cannot be written"), ("folder.png", "cannot be written"),
    ("a" * 300 + ".png", "cannot be written")])
def test_write_image_names_the_reason_of_a_failure(tmp_path, name, reason):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=reason):
        images.write_image(tmp_path / name, RGB)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("shape", [(5, 7), (300, 200), (1, 1), (32, 32)])
def test_preprocess_scales_to_minus_one_to_one(shape):
    image = np.zeros((*shape, 3), np.uint8)
    image[..., 0], image[..., 1] = 255, 51
    out = images.preprocess(image, 32)
    assert out.shape == (32, 32, 3) and out.dtype == np.float32
    assert out == pytest.approx(np.tile([1, -0.6, -1], (32, 32, 1)), abs=1e-6)


def test_preprocess_averages_when_it_shrinks():
    checks = np.indices((64, 64, 3))[:2].sum(axis=0) % 2 * 255
    out = images.preprocess(checks.astype(np.uint8), 32)
    # Half of each 2x2 block is white: 127.5, rounded to 128 by OpenCV.
    assert np.abs(out).max() < 0.005


def test_shrink_leaves_small_images_alone():
    assert images.shrink(RGB, 40) is RGB
    assert images.shrink(RGB, 39).shape == (20, 39, 3)
    assert images.shrink(np.zeros((10, 400, 3), np.uint8), 20).shape == (
        1, 20, 3)
