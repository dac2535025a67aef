"""leaffliction/utils/rgb.py: modes, colours, transparency, orientation."""

import numpy as np
import pytest
from encoded_images import (BLUE, GREY, MASK, NEAR_INFRARED, RED, RGB, SWAPPED,
                            add_band, encode, encode_tiff, exif_of,
                            is_red_and_blue, save, write)
from PIL import Image

from leaffliction.distribution.inspection import inspect_image
from leaffliction.utils import images, rgb


@pytest.mark.parametrize("mode, tolerance", [
    ("P", 0), ("CMYK", 0), ("YCbCr", 8), ("L", 0), ("LA", 0), ("1", 0)])
def test_every_mode_becomes_rgb(mode, tolerance, tmp_path):
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


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    # In Photoshop's CMYK, as in Pillow's, 255 means no ink.
    inks = Image.fromarray(RGB).convert("CMYK")
    inks.save(tmp_path / "a.jpg", quality=95, subsampling=0)
    assert is_red_and_blue(images.read_image(tmp_path / "a.jpg"), 12)


def test_transparency_is_laid_over_white(tmp_path):
    alpha = np.full((20, 40, 1), 255, np.uint8)
    alpha[:, 20:] = 0
    path = save(tmp_path / "a.png", np.concatenate([RGB, alpha], axis=2))
    back = images.read_image(path)
    assert (back[:, :20] == RED).all() and (back[:, 20:] == 255).all()


@pytest.mark.parametrize("deep", [False, True])
def test_transparent_grey_of_a_png_becomes_white(deep, tmp_path):
    grey = np.array([[0, 100, 200]], np.uint8)
    image = Image.fromarray(grey.astype(np.uint16) * 257 if deep else grey)
    image.save(tmp_path / "a.png", transparency=100 * 257 if deep else 100)
    assert images.read_image(tmp_path / "a.png")[0, :, 1].tolist() == [
        0, 255, 200]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("tags, band", [
    ({}, NEAR_INFRARED), ({}, MASK), ({338: [0]}, NEAR_INFRARED),
    ({338: [0]}, MASK), ({338: [2]}, NEAR_INFRARED)])
def test_near_infrared_is_not_taken_for_transparency(
        tags, band, dtype, tmp_path):
    path = write(tmp_path / "a.tif", encode_tiff(add_band(band, dtype), tags))
    assert (images.read_image(path) == RGB).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("band", [MASK, np.full((20, 40), 128)])
def test_real_alpha_of_a_tiff_is_laid_over_white(band, dtype, tmp_path):
    wanted = RGB * (band / 255)[..., None] + 255 - band[..., None]
    plain = write(tmp_path / "a.tif",
                  encode_tiff(add_band(band, dtype), {338: [2]}))
    assert np.abs(images.read_image(plain) - wanted).max() <= 1
    # The same with premultiplied alpha.
    bands = add_band(band, dtype).astype(float)
    bands[..., :3] *= (band / 255)[..., None]
    path = write(tmp_path / "b.tif", encode_tiff(
        bands.round().astype(dtype), {338: [1]}))
    assert np.abs(images.read_image(path) - wanted).max() <= 2


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    back = images.read_image(save(tmp_path / "a.png", deep))
    assert back.dtype == np.uint8
    assert (back == GREY[..., None]).all()


def test_all_sixteen_bit_levels_are_rounded():
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    grey = rgb.to_rgb(Image.fromarray(deep))[..., 0]
    assert (grey == np.rint(deep / 257)).all()


@pytest.mark.parametrize("colours", [0, 1])
def test_tiff_says_whether_zero_is_black_or_white(colours, tmp_path):
    deep = np.linspace(0, 65535, 800).astype(np.uint16).reshape(20, 40, 1)
    path = write(tmp_path / "a.tif", encode_tiff(deep, colours=colours))
    wanted = np.rint((deep if colours else 65535 - deep.astype(int)) / 257)
    assert (images.read_image(path) == wanted).all()


@pytest.mark.parametrize("values", [GREY.astype(np.float32),
                                    GREY.astype(np.int32)])
def test_eight_bit_values_in_modes_i_and_f_are_kept(values, tmp_path):
    back = images.read_image(save(tmp_path / "a.tif", values))
    assert (back == GREY[..., None]).all()


def test_nan_pixels_cause_no_warning(tmp_path):
    values = np.full((4, 4), np.nan, np.float32)
    assert images.read_image(save(tmp_path / "a.tif", values)).shape[2] == 3


@pytest.mark.parametrize("name, options", [
    ("a.png", {}), ("a.tif", {}), ("a.webp", {"lossless": True}),
    ("a.jpg", {"quality": 100, "subsampling": 0})])
def test_colours_are_converted_to_srgb_by_the_profile(name, options, tmp_path):
    path = save(tmp_path / name, RGB, icc_profile=SWAPPED, **options)
    back = images.read_image(path).astype(int)
    assert np.abs(back[:, :18] - np.array(RED)[[1, 0, 2]]).max() < 8
    assert np.abs(back[:, 22:] - np.array(BLUE)[[1, 0, 2]]).max() < 8


@pytest.mark.parametrize("profile", [
    b"nonsense", SWAPPED[:100], SWAPPED[:300], SWAPPED.replace(
        b"RGB ", b"CMYK"), SWAPPED.replace(b"acsp", b"none")])
@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_damaged_or_unfitting_profiles_are_ignored(profile, mode, tmp_path):
    image = Image.fromarray(RGB).convert(mode)
    image.save(tmp_path / "a.png", icc_profile=profile)
    assert (images.read_image(tmp_path / "a.png")
            == np.asarray(image.convert("RGB"))).all()


def test_srgb_pixels_are_unchanged(tmp_path):
    from PIL import ImageCms
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    path = save(tmp_path / "a.png", RGB, icc_profile=profile.tobytes())
    assert (images.read_image(path) == RGB).all()


def test_transparency_orientation_and_profile_combine(tmp_path):
    alpha = np.full((20, 40, 1), 255, np.uint8)
    alpha[:, 20:] = 0
    path = save(tmp_path / "a.png", np.concatenate([RGB, alpha], axis=2),
                exif=exif_of(), icc_profile=SWAPPED)
    back = images.read_image(path).astype(int)
    assert back.shape == (40, 20, 3)
    assert np.abs(back[:20] - np.array(RED)[[1, 0, 2]]).max() < 8
    assert (back[20:] == 255).all()


def test_first_of_several_frames_is_read(tmp_path):
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[:, ::-1])]
    for name in ("a.gif", "a.png", "a.webp", "a.tif"):
        options = {"lossless": True} if name == "a.webp" else {}
        frames[0].save(tmp_path / name, save_all=True,
                       append_images=frames[1:], **options)
        back = images.read_image(tmp_path / name).astype(int)
        assert np.abs(back[:, 5] - RED).max() < 8


def test_first_picture_of_a_stereo_jpeg_is_read(tmp_path):
    first, second = (Image.fromarray(RGB), Image.fromarray(RGB[:, ::-1]))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True,
               append_images=[second], quality=95)
    assert is_red_and_blue(images.read_image(tmp_path / "a.jpg"), 12)
    assert images.read_reduced(tmp_path / "a.jpg", 20).shape == (10, 20, 3)


def test_jpeg_of_a_turned_camera_is_upright(tmp_path):
    path = save(tmp_path / "a.jpg", RGB, exif=exif_of(), quality=95)
    back = images.read_image(path)
    assert back.shape == (40, 20, 3)
    assert np.abs(back[5].astype(int) - RED).max() < 10, "red is not on top"


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_all_eight_orientations_become_upright(kind, number, tmp_path):
    # The corners differ in all eight orientations.
    image = np.full((16, 32, 3), 128, np.uint8)
    image[:8, :16], image[:8, 16:] = 250, 180
    image[8:, :16] = 60
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95}
    path = write(tmp_path / "a", encode(kind, image, exif=exif_of(number),
                                        **options))
    wanted = {1: image, 2: image[:, ::-1], 3: image[::-1, ::-1],
              4: image[::-1], 5: image.swapaxes(0, 1),
              6: np.rot90(image, -1), 7: np.rot90(image, 2).swapaxes(0, 1),
              8: np.rot90(image)}[number]
    back = images.read_image(path)
    assert back.shape == wanted.shape and back.flags.c_contiguous
    assert np.abs(back.astype(int) - wanted).max() < 12


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK",
                                  "I;16", "I", "F"])
def test_large_images_are_halved(mode, tmp_path, monkeypatch):
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
    monkeypatch.setattr(rgb, "MAX_DECODED", 1031 * 46 - 1)
    back = images.read_image(path)
    assert back.shape == (516, 23, 3)
    wanted = whole[:1030].reshape(515, 2, 23, 2, 3).mean(axis=(1, 3))
    assert np.abs(back[:515] - wanted).max() <= 1
    # The last of an odd number of rows is averaged only along the row.
    assert np.abs(back[515] - whole[1030].reshape(23, 2, 3).mean(axis=1)
                  ).max() <= 1
    assert images.check_image(path) == inspect_image(path).size == (46, 1031)


@pytest.mark.parametrize("progressive", [False, True])
def test_large_jpeg_is_decoded_at_half_its_size(
        progressive, tmp_path, monkeypatch):
    large = np.kron(RGB, np.ones((5, 5, 1), np.uint8))[:, :199]
    path = write(tmp_path / "a.jpg", encode(
        "JPEG", large, quality=95, progressive=progressive, exif=exif_of()))
    monkeypatch.setattr(rgb, "MAX_DECODED", 199 * 100 - 1)
    back = images.read_image(path)
    assert back.shape == (100, 50, 3)
    assert np.abs(back[:48].astype(int) - RED).max() < 12
    assert np.abs(back[52:].astype(int) - BLUE).max() < 12
    assert images.check_image(path) == inspect_image(path).size == (199, 100)
