"""Conversion of every Pillow image to RGB uint8 (H, W, 3), upright, sRGB."""

import io

import cv2
import numpy as np
from PIL import Image

from leaffliction.utils.formats import EXTRA_SAMPLES, PHOTOMETRIC

# Images of more pixels are halved in width and height: as RGB these take
# 300 MB.
MAX_DECODED = 100_000_000
# Rows of such an image that are converted at a time.
STRIP_ROWS = 512
ORIENTATION = 0x0112    # EXIF's tag
# What turns an image upright, by the value of EXIF's orientation.
TURNS = {2: lambda image: cv2.flip(image, 1),
         3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
         4: lambda image: cv2.flip(image, 0),
         5: cv2.transpose,
         6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
         7: lambda image: cv2.rotate(cv2.transpose(image), cv2.ROTATE_180),
         8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE)}


def draft(image: Image.Image, box: tuple[int, int]) -> None:
    """Have a JPEG decoded at a half, a quarter or an eighth of its size.

    Takes the smallest of them that is at least as wide and as high as box.
    Other formats have no such sizes; for HEIF, Pillow would take a thumbnail.
    """
    if image.format in ("JPEG", "MPO"):
        image.draft(None, box)


def to_rgb(image: Image.Image) -> np.ndarray:
    """Return a Pillow image of any mode as RGB uint8 (H, W, 3), upright.

    Takes the first of several frames, lays transparency over white, scales
    16 bits to 8, and converts colours to sRGB if the image has a profile.
    More than MAX_DECODED pixels are halved in width and height.
    """
    width, height = image.size
    if width * height > MAX_DECODED:
        draft(image, (width // 2, height // 2))
    image.load()
    turn = TURNS.get(_orientation(image))
    width, height = image.size
    convert = _convert_halved if width * height > MAX_DECODED else _convert
    rgb_img = convert(image, _alpha_is_data(image))
    if (image.format == "TIFF" and image.mode[0] in "IF"
            and image.tag_v2.get(PHOTOMETRIC) == 0):
        # 0 is white, which Pillow respects only for 8 bits.
        rgb_img = 255 - rgb_img
    return rgb_img if turn is None else turn(rgb_img)


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation; 1 (upright) if the data are damaged."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:
        # For damaged data Pillow raises exceptions of nearly every kind.
        return 1


def _alpha_is_data(image: Image.Image) -> bool:
    """Return whether the alpha of an RGBA TIFF is a band of data.

    Usually near infrared.  Files mark it as no alpha, or wrongly as alpha
    (GDAL and tifffile do so with any fourth band): then over 90 % of its
    values lie between 0 and 255, and more than 8 different ones occur.
    """
    if image.format != "TIFF" or image.mode != "RGBA":
        return False
    meaning = image.tag_v2.get(EXTRA_SAMPLES, (0,))[0]
    if meaning != 2:
        return meaning == 0
    sample = np.asarray(image.resize(
        (min(image.width, 256), min(image.height, 256)),
        Image.Resampling.NEAREST))
    # Where a satellite's image has no data, all bands are 0.
    alpha = sample[sample[..., :3].any(axis=2), 3]
    partial = (alpha > 0) & (alpha < 255)
    return (partial.sum() > 0.9 * alpha.size
            and np.count_nonzero(np.bincount(alpha)) > 8)


def _convert_halved(image: Image.Image, ignore_alpha: bool) -> np.ndarray:
    """Return a large image as _convert does, at half its width and height.

    In strips, because each copy of the whole would take up to a gigabyte.
    """
    if image.mode in ("I", "F"):
        # _eight_bits needs the maximum of all values.
        return _convert(image.reduce(2), ignore_alpha)
    width, height = image.size
    rgb_img = np.empty((-(-height // 2), -(-width // 2), 3), np.uint8)
    for top in range(0, height, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, height)
        strip = _convert(image.crop((0, top, width, bottom)), ignore_alpha)
        # Of an odd number of rows or columns the last counts twice.
        strip = cv2.copyMakeBorder(strip, 0, strip.shape[0] % 2, 0, width % 2,
                                   cv2.BORDER_REPLICATE)
        part = rgb_img[top // 2:(top + STRIP_ROWS) // 2]
        part[:] = cv2.resize(strip, part.shape[1::-1],
                             interpolation=cv2.INTER_AREA)
    return rgb_img


def _convert(image: Image.Image, ignore_alpha: bool) -> np.ndarray:
    """Return a Pillow image as RGB uint8 (H, W, 3), not yet upright."""
    if image.mode[0] in "IF":
        rgb_img = np.repeat(_eight_bits(image)[..., np.newaxis], 3, axis=2)
        if "transparency" in image.info:
            rgb_img[np.asarray(image) == image.info["transparency"]] = 255
        return rgb_img
    profile = image.info.get("icc_profile")
    if image.has_transparency_data and not ignore_alpha:
        image = image.convert("RGBA")
        background = Image.new("RGB", image.size, "white")
        background.paste(image, mask=image.getchannel("A"))
        image = background
    if profile:
        image = _convert_to_srgb(image, profile)
    if image.mode != "RGB":
        image = image.convert("RGB")
    # np.array, not asarray: Pillow's own memory is read-only.
    return np.array(image)


def _eight_bits(image: Image.Image) -> np.ndarray:
    """Return a grey image of 16 or 32 bits as uint8 (H, W)."""
    if image.mode.startswith("I;16"):
        levels = np.rint(np.arange(65536) / 257).astype(np.uint8)
        return levels[np.asarray(image).astype(np.uint16, copy=False)]
    # Modes I and F hold 8-bit or 16-bit values: the maximum tells which.
    grey = np.array(image, np.float32)
    if grey.max(initial=0) > 255:
        grey *= 255 / 65535
    # In place: each copy of the largest image would take 400 MB.
    np.rint(grey, out=grey)
    return np.clip(grey, 0, 255, out=grey).astype(np.uint8)


def _convert_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return an image with its colours in sRGB, as the network learned them.

    Phones write wider colour spaces (Display P3), scanners and presses
    others.  A profile that is damaged, or does not fit the image's mode, is
    ignored, as browsers do.
    """
    from PIL import ImageCms
    if image.mode in ("P", "1", "LA", "PA"):
        image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
