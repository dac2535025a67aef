"""leaffliction/utils/images.py: finding, reading, writing and preprocessing."""

import os

import numpy as np
import pytest
from PIL import Image

from leaffliction.utils import images
from leaffliction.utils.errors import UserError

# Left half red, right half blue, twice as wide as high.
RED, BLUE = (200, 30, 30), (30, 30, 200)
RGB = np.zeros((20, 40, 3), np.uint8)
RGB[:, :20], RGB[:, 20:] = RED, BLUE
# Brightness as Pillow weighs it (ITU-R 601): 0.299 R + 0.587 G + 0.114 B.
GREY = np.asarray(Image.fromarray(RGB).convert("L"))


def save(path, image, **options):
    Image.fromarray(image).save(path, **options)
    return path


def test_natural_order_counts_as_people_do():
    names = ["image (10).JPG", "Image (2).JPG", "image (1).JPG", "a", "10",
             "9", "²"]
    assert sorted(names, key=images.natural_key) == [
        "9", "10", "a", "image (1).JPG", "Image (2).JPG", "image (10).JPG",
        "²"]


def test_names_that_differ_in_case_alone_keep_one_order():
    names = ["a1", "A1", "a01"]
    assert (sorted(names, key=images.natural_key)
            == sorted(names[::-1], key=images.natural_key))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
def test_what_is_written_without_loss_is_read_again(name, tmp_path):
    images.write_image(tmp_path / "new" / name, RGB)
    back = images.read_image(tmp_path / "new" / name)
    assert back.dtype == np.uint8 and back.flags.writeable
    # WebP by OpenCV loses a little, of the order of its chroma rounding.
    tolerance = 4 if name == "a.webp" else 0
    assert np.abs(back[:, [5, 35]].astype(int) - RGB[:, [5, 35]]
                  ).max() <= tolerance


def test_jpeg_differs_by_less_than_its_noise(tmp_path):
    images.write_image(tmp_path / "a.JPG", RGB)
    back = images.read_image(tmp_path / "a.JPG").astype(int)
    assert np.abs(back - RGB).mean() < 2


@pytest.mark.parametrize("mode, tolerance", [
    ("P", 0), ("CMYK", 0), ("YCbCr", 8), ("L", 0), ("LA", 0), ("1", 0)])
def test_other_colour_spaces_become_rgb(mode, tolerance, tmp_path):
    source = Image.fromarray(RGB)
    wanted = RGB
    if mode in ("L", "LA"):
        wanted = np.repeat(GREY[..., None], 3, axis=2)
    if mode == "1":
        source = Image.fromarray(np.where(RGB > 100, 255, 0)[..., 0] > 0)
        wanted = np.where(RGB[..., :1] > 100, 255, 0).repeat(3, axis=2)
    kind = "jpeg" if mode == "YCbCr" else "tiff"
    options = {"quality": 100, "subsampling": 0} if kind == "jpeg" else {}
    source.convert(mode, palette=Image.Palette.ADAPTIVE).save(
        tmp_path / "a", kind, **options)
    back = images.read_image(tmp_path / "a").astype(int)
    assert back.shape == RGB.shape
    assert np.abs(back - wanted).max() <= tolerance


def test_transparency_is_laid_over_white(tmp_path):
    alpha = np.full((20, 40, 1), 255, np.uint8)
    alpha[:, 20:] = 0
    path = save(tmp_path / "a.png", np.concatenate([RGB, alpha], axis=2))
    back = images.read_image(path)
    assert (back[:, :20] == RED).all() and (back[:, 20:] == 255).all()


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    back = images.read_image(save(tmp_path / "a.png", deep))
    assert back.dtype == np.uint8
    assert (back == GREY[..., None]).all()


@pytest.mark.parametrize("values", [GREY.astype(np.float32),
                                    GREY.astype(np.int32)])
def test_eight_bits_in_a_wide_mode_stay(values, tmp_path):
    back = images.read_image(save(tmp_path / "a.tif", values))
    assert (back == GREY[..., None]).all()


def test_values_that_are_no_numbers_cause_no_warning(tmp_path):
    values = np.full((4, 4), np.nan, np.float32)
    assert images.read_image(save(tmp_path / "a.tif", values)).shape[2] == 3


def test_sixteen_bits_without_a_second_copy_are_rounded_as_before():
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    grey = images.to_rgb(Image.fromarray(deep))[..., 0]
    assert (grey == np.rint(deep / 257)).all()


def profile_of(primaries, gamma=2.2):
    """Return an ICC profile (version 2) of a display with these primaries.

    primaries: XYZ of red, green and blue, relative to D50.
    """
    from struct import pack

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


# What sRGB's primaries are relative to D50, red and green exchanged.
SWAPPED = profile_of([(0.3851, 0.7169, 0.0971), (0.4361, 0.2225, 0.0139),
                      (0.1431, 0.0606, 0.7141)])


@pytest.mark.parametrize("name, options", [
    ("a.png", {}), ("a.tif", {}), ("a.webp", {"lossless": True}),
    ("a.jpg", {"quality": 100, "subsampling": 0})])
def test_a_colour_profile_is_obeyed(name, options, tmp_path):
    path = save(tmp_path / name, RGB, icc_profile=SWAPPED, **options)
    back = images.read_image(path).astype(int)
    assert np.abs(back[:, :18] - np.array(RED)[[1, 0, 2]]).max() < 8
    assert np.abs(back[:, 22:] - np.array(BLUE)[[1, 0, 2]]).max() < 8


@pytest.mark.parametrize("profile", [
    b"nonsense", SWAPPED[:100], SWAPPED[:300], SWAPPED.replace(
        b"RGB ", b"CMYK"), SWAPPED.replace(b"acsp", b"none")])
@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_a_damaged_or_foreign_profile_is_left_aside(profile, mode, tmp_path):
    image = Image.fromarray(RGB).convert(mode)
    image.save(tmp_path / "a.png", icc_profile=profile)
    assert (images.read_image(tmp_path / "a.png")
            == np.asarray(image.convert("RGB"))).all()


def test_srgb_is_taken_as_it_is(tmp_path):
    from PIL import ImageCms
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    path = save(tmp_path / "a.png", RGB, icc_profile=profile.tobytes())
    assert (images.read_image(path) == RGB).all()


def test_transparency_turned_camera_and_profile_go_together(tmp_path):
    alpha = np.full((20, 40, 1), 255, np.uint8)
    alpha[:, 20:] = 0
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.png", np.concatenate([RGB, alpha], axis=2),
                exif=exif, icc_profile=SWAPPED)
    back = images.read_image(path).astype(int)
    assert back.shape == (40, 20, 3)
    assert np.abs(back[:20] - np.array(RED)[[1, 0, 2]]).max() < 8
    assert (back[20:] == 255).all()


def test_of_several_frames_the_first_is_taken(tmp_path):
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[:, ::-1])]
    for name in ("a.gif", "a.png", "a.webp", "a.tif"):
        options = {"lossless": True} if name == "a.webp" else {}
        frames[0].save(tmp_path / name, save_all=True,
                       append_images=frames[1:], **options)
        back = images.read_image(tmp_path / name).astype(int)
        assert np.abs(back[:, 5] - RED).max() < 8


@pytest.mark.parametrize("content, kind", [
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
     "PostScript"),
    (b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x08\0\0\0\x08\0\x08\0\3"
     + bytes(800), "Photoshop")])
def test_what_no_camera_writes_is_not_even_tried(content, kind, tmp_path):
    # PostScript in a .jpg would start Ghostscript.
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UserError, match="not a readable image .a " + kind):
        images.read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (7, 300)])
def test_a_small_jpeg_is_checked_as_it_is_read(size, tmp_path):
    path = save(tmp_path / "a.jpg", np.zeros((*size, 3), np.uint8))
    assert images.check_image(path) == size[::-1]
    assert images.read_image(path).shape[:2] == size


@pytest.mark.parametrize("longest, wanted", [
    (1, (13, 25)), (25, (13, 25)), (26, (25, 50)), (50, (25, 50)),
    (51, (50, 100)), (100, (50, 100)), (101, (100, 200)), (999, (100, 200))])
def test_a_reduced_jpeg_is_as_small_as_its_kind_allows(longest, wanted,
                                                       tmp_path):
    large = np.kron(RGB, np.ones((5, 5, 1), np.uint8))
    path = save(tmp_path / "a.jpg", large, quality=95)
    back = images.read_reduced(path, longest)
    assert back.shape == (*wanted, 3)
    for column, colour in ((1 / 4, RED), (3 / 4, BLUE)):
        assert np.abs(back[:, int(column * wanted[1])].astype(int) - colour
                      ).max() < 8


def test_a_reduced_image_is_upright_and_other_kinds_are_whole(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    large = np.kron(RGB, np.ones((5, 5, 1), np.uint8))
    path = save(tmp_path / "a.jpg", large, exif=exif)
    back = images.read_reduced(path, 50)
    assert back.shape == (50, 25, 3)
    assert np.abs(back[10].astype(int) - RED).max() < 10
    path = save(tmp_path / "a.png", large)
    assert (images.read_reduced(path, 50) == large).all()


def test_a_turned_camera_gives_an_upright_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6        # Orientation: to be turned a quarter clockwise
    path = save(tmp_path / "a.jpg", RGB, exif=exif, quality=95)
    back = images.read_image(path)
    assert back.shape == (40, 20, 3)
    assert np.abs(back[5].astype(int) - RED).max() < 10, "red is not on top"


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
def test_what_is_only_named_like_an_image_is_refused(content, tmp_path):
    path = tmp_path / "leaf.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        images.read_image(path)
    assert str(error.value).count(str(path)) == 1


def test_what_is_no_file_is_refused_and_a_pipe_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in (("missing.jpg", "no such file"), ("", "a folder"),
                         ("pipe.jpg", "not a regular file")):
        with pytest.raises(UserError, match=reason):
            images.read_image(tmp_path / name)


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", RGB)
    monkeypatch.setattr(images, "MAX_PIXELS", RGB.size // 3 - 1)
    with pytest.raises(UserError, match="40x20 pixels are more than 799"):
        images.read_image(path)


def test_a_new_file_has_the_rights_that_the_user_gives(tmp_path):
    kept = os.umask(0o027)
    try:
        images.write_image(tmp_path / "a.png", RGB)
    finally:
        os.umask(kept)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o640


def test_libraries_in_c_say_nothing_past_our_error(tmp_path, capfd):
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
def test_what_cannot_be_written_is_said(tmp_path, name, reason):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=reason):
        images.write_image(tmp_path / name, RGB)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("shape", [(5, 7), (300, 200), (1, 1), (32, 32)])
def test_preprocess_gives_what_the_network_sees(shape):
    image = np.zeros((*shape, 3), np.uint8)
    image[..., 0], image[..., 1] = 255, 51
    out = images.preprocess(image, 32)
    assert out.shape == (32, 32, 3) and out.dtype == np.float32
    assert out == pytest.approx(np.tile([1, -0.6, -1], (32, 32, 1)), abs=1e-6)


def test_large_images_are_shrunk_and_small_ones_are_as_they_are():
    assert images.shrink(RGB, 40) is RGB
    assert images.shrink(RGB, 39).shape == (20, 39, 3)
    assert images.shrink(np.zeros((10, 400, 3), np.uint8), 20).shape == (
        1, 20, 3)


def test_preprocess_averages_what_it_shrinks():
    checks = np.indices((64, 64, 3))[:2].sum(axis=0) % 2 * 255
    out = images.preprocess(checks.astype(np.uint8), 32)
    # Half of each 2x2 block is white: 127.5, rounded to 128 by OpenCV.
    assert np.abs(out).max() < 0.005
