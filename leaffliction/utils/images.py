"""The one reader, the one writer and the one preprocessing of images.

Inside the programs an image is an RGB uint8 array of shape (H, W, 3).
"""

import io
import math
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from leaffliction.utils.console import suppress_native_stderr
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write
from leaffliction.utils.formats import UNKNOWN, open_format
from leaffliction.utils.path_hints import absent
from leaffliction.utils.storage import is_local, path_of

# How large an image may be is ours to say, in one wording.
Image.MAX_IMAGE_PIXELS = None
# What OpenCV can't do is told by our errors, without a log of its own.
cv2.setLogLevel(0)

# Endings of the files that are written.
SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff",
                      ".webp"))
# Photographs of more pixels are halved as they are read: 300 MB as an array.
MAX_DECODED = 100_000_000
# Telephones write up to 200 megapixels.  More is refused from the header,
# before anything is decoded.
MAX_PIXELS = 270_000_000
# Rows of a large image that are converted at once.
ROWS = 512
# Pixels of an image for one of the network's, along a side, that are enough
# to take the mean of: 2, and of its middle, a 1.25th, as well.
OVERSAMPLING = 2.5
# Quality at which a leaf saved again differs by less than its own noise.
JPEG_QUALITY = 95


def natural_key(path: Path | str) -> list:
    """Return the sort key by which "image (2)" comes before "image (10)"."""
    parts = re.split(r"([0-9]+)", str(path))
    folded = [int(part) if part.isdecimal() else part.casefold()
              for part in parts]
    return [folded, str(path)]


def read_image(path: Path | str) -> np.ndarray:
    """Return an image file as RGB uint8 (H, W, 3), upright.

    Transparency is laid over white, 16 bits are scaled to 8.  An image of
    more than MAX_DECODED pixels comes at half its width and height.
    Raises UserError, with the path, for all that is no readable image.
    """
    with open_image(path_of(path)) as image:
        return to_rgb(image)


def read_reduced(path: Path | str, longest: int) -> np.ndarray:
    """Return an image file as RGB uint8 (H, W, 3), upright, maybe smaller.

    Its longer side is at least `longest` pixels, or as long as the file has
    it.  A JPEG is decoded at a half, a quarter or an eighth of its size where
    that is enough, in a fraction of the time; other kinds at full size.
    Raises UserError, with the path, for all that is no readable image.
    """
    with open_image(path_of(path)) as image:
        width, height = image.size
        # Pillow takes the scale at which both sides are as long as that.
        draft(image, (longest, 1) if width > height else (1, longest))
        return to_rgb(image)


def read_for(path: Path | str, size: int) -> np.ndarray:
    """Return an image file, RGB uint8 (H, W, 3), for a network of that size.

    As read_image does, but a large JPEG is decoded at a half or a quarter:
    both its sides are then at least OVERSAMPLING times `size`.
    Raises UserError, with the path, for all that is no readable image.
    """
    side = math.ceil(OVERSAMPLING * size)
    with open_image(path_of(path)) as image:
        # At an eighth a pixel is the rounded mean of a block: that is 0.14
        # levels brighter, and moves a probability by 0.034, a quarter does by
        # 0.018; it would be 1.3 times as fast.
        draft(image, tuple(max(side, length // 4) for length in image.size))
        return to_rgb(image)


def draft(image: Image.Image, box: tuple[int, int]) -> None:
    """Have a JPEG decoded at a half, a quarter or an eighth of its size.

    The smallest that is at least as wide and high as box; no other kind has
    such sizes, and of HEIF it would be a thumbnail.
    """
    if image.format in ("JPEG", "MPO"):
        image.draft(None, box)


def check_image(path: Path) -> tuple[int, int]:
    """Read all of an image, for its errors alone; return (width, height).

    A JPEG is decoded at an eighth of its size, in half the time.
    Raises UserError, with the path, for all that is no readable image.
    """
    with open_image(path) as image:
        size = image.size
        draft(image, (-(-size[0] // 8), -(-size[1] // 8)))
        image.load()
        return size


def fetch(path: Path) -> bytes | None:
    """Return an object's content, for what reads it twice; else None.

    Raises UserError where the store has none, or doesn't give it.
    """
    if is_local(path):
        return None
    with _reading(path):
        return path.read_bytes()


@contextmanager
def open_image(path: Path, content: bytes | None = None
               ) -> Iterator[Image.Image]:
    """Give an image file as Pillow has it, its pixels not yet read.

    Pillow reads it rather than OpenCV: it notices truncated files, knows
    the size before it decodes, and handles orientation, palettes and CMYK.
    content: what fetch(path) returned, if it was called.
    Raises UserError, with the path, for all that is no readable image; so
    does whatever Pillow raises while the image is used.
    """
    with _reading(path):
        if is_local(path):
            if path.exists() and not (path.is_file() or path.is_dir()):
                # Opening a pipe would wait for its writer for ever.
                raise UserError(f"{path}: not a regular file")
            stream = path.open("rb")
        else:
            stream = io.BytesIO(path.read_bytes() if content is None
                                else content)
        with stream, warnings.catch_warnings():
            # Pillow warns of odd metadata.
            warnings.simplefilter("ignore")
            with open_format(path, stream, MAX_PIXELS) as image:
                if image.format == "TIFF":
                    # Its library complains to stderr past Python.
                    with suppress_native_stderr():
                        image.load()
                yield image


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Make a UserError, with the path, of all that is raised inside."""
    try:
        yield
    except UserError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise absent(path) from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder, not an image") from None
    except PermissionError:
        raise UserError(f"{path}: permission denied") from None
    except Exception as error:
        # Pillow's decoders raise nearly everything for damaged files
        # (OSError, ValueError, SyntaxError, struct.error, ...).
        raise UserError(f"{path}: not a readable image "
                        f"({_reason(error, path)})") from None


def _reason(error: Exception, path: Path) -> str:
    """Return an error's text without the path that the caller names."""
    if isinstance(error, (Image.UnidentifiedImageError, KeyError,
                          struct.error)):
        return UNKNOWN
    text = " ".join(str(error).replace(str(path), "").split())
    return text or type(error).__name__


def to_rgb(image: Image.Image) -> np.ndarray:
    """Return a Pillow image of any mode as RGB uint8 (H, W, 3), upright.

    Of several frames the first; transparency over white; 16 bits scaled to
    8; colours as sRGB has them, if a profile says what they are.  More than
    MAX_DECODED pixels are halved in width and height.
    """
    width, height = image.size
    if width * height > MAX_DECODED:
        draft(image, (width // 2, height // 2))
    image.load()
    turn = TURNS.get(_orientation(image))
    width, height = image.size
    convert = _halved if width * height > MAX_DECODED else _as_rgb
    rgb_img = convert(image, _is_opaque(image))
    if (image.format == "TIFF" and image.mode[0] in "IF"
            and image.tag_v2.get(262) == 0):
        # White is 0, which Pillow obeys in 8 bits alone.
        rgb_img = 255 - rgb_img
    return rgb_img if turn is None else turn(rgb_img)


# What makes an image upright, by EXIF's number of its orientation.
TURNS = {2: lambda image: cv2.flip(image, 1),
         3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
         4: lambda image: cv2.flip(image, 0),
         5: cv2.transpose,
         6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
         7: lambda image: cv2.rotate(cv2.transpose(image), cv2.ROTATE_180),
         8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE)}


def _orientation(image: Image.Image) -> int:
    """Return how a camera was turned; 1 (not) where its data are damaged."""
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:
        # As of decoders: Pillow raises nearly everything.
        return 1


def _is_opaque(image: Image.Image) -> bool:
    """Tell whether the fourth band of an image is not its transparency.

    A TIFF's is near infrared where the file doesn't call it transparency,
    and where it does (GDAL and tifffile say so of any fourth band), but it
    has the values of a picture: hardly any pixel is all or not transparent.
    """
    if image.format != "TIFF" or image.mode != "RGBA":
        return False
    meaning = image.tag_v2.get(338, (0,))[0]
    if meaning != 2:
        return meaning == 0
    sample = np.asarray(image.resize(
        (min(image.width, 256), min(image.height, 256)),
        Image.Resampling.NEAREST))
    # Where there are no data, all bands are 0.
    band = sample[sample[..., :3].any(axis=2), 3]
    partial = (band > 0) & (band < 255)
    return (partial.sum() > 0.9 * band.size
            and np.count_nonzero(np.bincount(band)) > 8)


def _halved(image: Image.Image, is_opaque: bool) -> np.ndarray:
    """Return a large image as _as_rgb does, at half its width and height.

    By strips, because each copy of all of it would be a gigabyte.
    """
    if image.mode in ("I", "F"):
        # Whether these are deep is told by all of their values.
        return _as_rgb(image.reduce(2), is_opaque)
    width, height = image.size
    rgb_img = np.empty((-(-height // 2), -(-width // 2), 3), np.uint8)
    for top in range(0, height, ROWS):
        strip = _as_rgb(image.crop((0, top, width, min(top + ROWS, height))),
                        is_opaque)
        # Of an odd number the last row counts twice.
        strip = cv2.copyMakeBorder(strip, 0, strip.shape[0] % 2, 0, width % 2,
                                   cv2.BORDER_REPLICATE)
        part = rgb_img[top // 2:(top + ROWS) // 2]
        part[:] = cv2.resize(strip, part.shape[1::-1],
                             interpolation=cv2.INTER_AREA)
    return rgb_img


def _as_rgb(image: Image.Image, is_opaque: bool) -> np.ndarray:
    """Return a Pillow image of any mode as RGB uint8 (H, W, 3), as it lies."""
    if image.mode[0] in "IF":
        rgb_img = np.repeat(_eight_bits(image)[..., np.newaxis], 3, axis=2)
        if "transparency" in image.info:
            rgb_img[np.asarray(image) == image.info["transparency"]] = 255
        return rgb_img
    profile = image.info.get("icc_profile")
    if image.has_transparency_data and not is_opaque:
        image = image.convert("RGBA")
        ground = Image.new("RGB", image.size, "white")
        ground.paste(image, mask=image.getchannel("A"))
        image = ground
    if profile:
        image = _in_srgb(image, profile)
    if image.mode != "RGB":
        image = image.convert("RGB")
    # np.array, not asarray: Pillow's own memory is read-only.
    return np.array(image)


def _eight_bits(image: Image.Image) -> np.ndarray:
    """Return an image of one deep channel as uint8 (H, W)."""
    if image.mode.startswith("I;16"):
        levels = np.rint(np.arange(65536) / 257).astype(np.uint8)
        return levels[np.asarray(image).astype(np.uint16, copy=False)]
    # The wide modes I and F may hold 8-bit values, which stay as they are.
    grey = np.array(image, np.float32)
    if grey.max(initial=0) > 255:
        grey *= 255 / 65535
    # In place: of the largest image each copy would be 400 MB.
    np.rint(grey, out=grey)
    return np.clip(grey, 0, 255, out=grey).astype(np.uint8)


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return an image with its colours in sRGB, in which networks learn.

    Telephones write wider colour spaces (Display P3), scanners and presses
    their own.  A profile that is damaged, or of other colours than the
    image has, is left aside: so do browsers.
    """
    from PIL import ImageCms
    if image.mode in ("P", "1", "LA", "PA"):
        image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(found):
            return image
        return ImageCms.profileToProfile(
            image, found, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


def reduced_size(height: int, width: int, longest: int) -> tuple[int, int]:
    """Return (width, height) of an image whose longer side is `longest`."""
    scale = longest / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink(rgb_img: np.ndarray, longest: int) -> np.ndarray:
    """Return an image whose longer side is at most `longest` pixels."""
    height, width = rgb_img.shape[:2]
    if max(height, width) <= longest:
        return rgb_img
    return cv2.resize(rgb_img, reduced_size(height, width, longest),
                      interpolation=cv2.INTER_AREA)


def write_image(path: Path, rgb_img: np.ndarray, mark: bytes = b"") -> None:
    """Write RGB uint8 (H, W, 3), in the format that the ending names.

    mark: of an image that is no photograph: see marks.mark_line.
    Raises UserError where the ending is unknown or the folder read-only.
    """
    content = encode_image(path, rgb_img)
    with atomic_write(path) as partial:
        partial.write_bytes(content + mark)


def encode_image(path: Path, rgb_img: np.ndarray) -> bytes:
    """Return RGB uint8 (H, W, 3) in the format that an ending names.

    Raises UserError where that is unknown.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: an image ends in one of "
                        + ", ".join(sorted(SUFFIXES)))
    options = []
    if suffix in (".jpg", ".jpeg"):
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    bgr_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2BGR)
    encoded, content = cv2.imencode(suffix, bgr_img, options)
    if not encoded:
        raise UserError(f"{path}: cannot be encoded as {suffix}")
    return content.tobytes()


def preprocess(rgb_img: np.ndarray, size: int) -> np.ndarray:
    """Return what the network sees: float32 (size, size, 3) in -1..1.

    Takes RGB uint8 (H, W, 3).  The scaling is MobileNetV2's own (Sandler
    et al. 2018); area interpolation keeps small lesions from vanishing
    between the samples.
    """
    shrinks = min(rgb_img.shape[:2]) > size
    resized = cv2.resize(rgb_img, (size, size), interpolation=(
        cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
    return resized.astype(np.float32) / np.float32(127.5) - np.float32(1)
