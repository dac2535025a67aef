"""Read, write and preprocess images; no other module does any of these.

Inside the programs an image is an RGB uint8 array of shape (H, W, 3).
formats.py opens the file with Pillow, rgb.py makes the array.
"""

import io
import math
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
from leaffliction.utils.path_hints import missing_error
from leaffliction.utils.rgb import draft, to_rgb
from leaffliction.utils.storage import download, is_special_file, path_of

# Pillow's own limit is off: open_format checks MAX_PIXELS instead, with one
# message for all formats.
Image.MAX_IMAGE_PIXELS = None
# OpenCV's log on stderr would repeat the error of write_image.
cv2.setLogLevel(0)

# Suffixes of the files that can be written.
SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff",
                      ".webp"))
# Phones write up to 200 megapixels.  Larger images are refused by their
# header, before anything is decoded.
MAX_PIXELS = 270_000_000
# read_for_network keeps this many image pixels for each pixel of the network's
# input, along each side: 2 for preprocess to average, times 1.25 because
# test-time augmentation crops the image to 1/1.25 of its width and height.
OVERSAMPLING = 2.5
# At this quality, saving a leaf again changes it by less than its own noise.
JPEG_QUALITY = 95


def read_image(path: Path | str) -> np.ndarray:
    """Return an image file as RGB uint8 (H, W, 3), upright.

    Transparency is laid over white, 16 bits are scaled to 8.  An image of
    more than 100 megapixels comes at half its width and height.
    Raises UserError, with the path, for anything but a readable image.
    """
    with open_image(path_of(path)) as image:
        return to_rgb(image)


def read_reduced(path: Path | str, longest: int) -> np.ndarray:
    """Return an image file as RGB uint8 (H, W, 3), upright, maybe smaller.

    The longer side keeps at least `longest` pixels, if the file has them.  A
    JPEG is decoded at a half, a quarter or an eighth of its size if that is
    enough, in a fraction of the time; other formats at full size.
    Raises UserError, with the path, for anything but a readable image.
    """
    with open_image(path_of(path)) as image:
        width, height = image.size
        # Pillow takes a scale at which both sides are at least the box's.
        draft(image, (longest, 1) if width > height else (1, longest))
        return to_rgb(image)


def read_for_network(path: Path | str, size: int,
                     content: bytes | None = None) -> np.ndarray:
    """Return an image file, RGB uint8 (H, W, 3), for a network's input size.

    Like read_image, but a large JPEG is decoded at a half or a quarter of
    its size: both sides keep at least OVERSAMPLING * size pixels.
    content: the file's bytes, where the caller has them; path then only
    names it in errors.
    Raises UserError, with the path, for anything but a readable image.
    """
    side = math.ceil(OVERSAMPLING * size)
    with open_image(path_of(path), content) as image:
        # An eighth would be 1.3 times as fast, but there each pixel is the
        # rounded mean of a block: images get 0.14 levels brighter, and
        # probabilities move by up to 0.034 (at a quarter by 0.018).
        draft(image, tuple(max(side, length // 4) for length in image.size))
        return to_rgb(image)


def check_image(path: Path) -> tuple[int, int]:
    """Decode a whole image only to find errors; return (width, height).

    A JPEG is decoded at an eighth of its size, in half the time.
    Raises UserError, with the path, for anything but a readable image.
    """
    with open_image(path) as image:
        size = image.size
        draft(image, (-(-size[0] // 8), -(-size[1] // 8)))
        image.load()
        return size


def fetch(path: Path) -> bytes | None:
    """Return an object's content, for callers that read it several times.

    None for a file on a disk, which is simply opened again.
    Raises UserError if the store does not give the object.
    """
    with _image_errors(path):
        return download(path)


@contextmanager
def open_image(path: Path, content: bytes | None = None
               ) -> Iterator[Image.Image]:
    """Yield an image file as a Pillow image whose pixels are not read yet.

    Pillow, not OpenCV, reads images: it notices truncated files, knows the
    size before it decodes, and handles orientation, palettes and CMYK.
    content: the file's bytes, if the caller has them (see fetch).
    Raises UserError, with the path, for anything but a readable image, also
    for exceptions of Pillow while the caller uses the image.
    """
    with _image_errors(path):
        if content is None and is_special_file(path):
            raise UserError(f"{path}: not a regular file")
        stream = (path.open("rb") if content is None
                  else io.BytesIO(content))
        with stream, warnings.catch_warnings():
            # Pillow warns of unusual metadata.
            warnings.simplefilter("ignore")
            with open_format(path, stream, MAX_PIXELS) as image:
                if image.format == "TIFF":
                    # libtiff writes to stderr, past Python's sys.stderr.
                    with suppress_native_stderr():
                        image.load()
                yield image


@contextmanager
def _image_errors(path: Path) -> Iterator[None]:
    """Turn every exception of the block into a UserError with the path."""
    try:
        yield
    except UserError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise missing_error(path) from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder, not an image") from None
    except PermissionError:
        raise UserError(f"{path}: permission denied") from None
    except Exception as error:
        # For damaged files Pillow's decoders raise OSError, ValueError,
        # SyntaxError, struct.error and others.
        raise UserError(f"{path}: not a readable image "
                        f"({_reason(error, path)})") from None


def _reason(error: Exception, path: Path) -> str:
    """Return an exception's text without the path, which the caller adds."""
    if isinstance(error, (Image.UnidentifiedImageError, KeyError,
                          struct.error)):
        return UNKNOWN
    text = " ".join(str(error).replace(str(path), "").split())
    return text or type(error).__name__


def write_image(path: Path, rgb_img: np.ndarray, mark: bytes = b"") -> None:
    """Write RGB uint8 (H, W, 3), in the format that the suffix names.

    mark: appended to an image that is not a photograph: see marks.mark_line.
    Raises UserError if the suffix is unknown or the file cannot be written.
    """
    content = encode_image(path, rgb_img)
    with atomic_write(path) as partial:
        partial.write_bytes(content + mark)


def encode_image(path: Path, rgb_img: np.ndarray) -> bytes:
    """Return RGB uint8 (H, W, 3) encoded in the format of the path's suffix.

    Raises UserError if the suffix is unknown.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: an image ends in one of "
                        + ", ".join(sorted(SUFFIXES)))
    options = []
    if suffix in (".jpg", ".jpeg"):
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    bgr_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2BGR)
    succeeded, content = cv2.imencode(suffix, bgr_img, options)
    if not succeeded:
        raise UserError(f"{path}: cannot be encoded as {suffix}")
    return content.tobytes()


def encode_jpeg(rgb_img: np.ndarray, quality: int) -> bytes:
    """Return RGB uint8 (H, W, 3) as a JPEG of this quality, 0..100."""
    bgr_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr_img, [cv2.IMWRITE_JPEG_QUALITY, quality]
                        )[1].tobytes()


def reduced_size(height: int, width: int, longest: int) -> tuple[int, int]:
    """Return (width, height) of an image scaled to a longer side."""
    scale = longest / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink(rgb_img: np.ndarray, longest: int) -> np.ndarray:
    """Return an image whose longer side is at most `longest` pixels."""
    height, width = rgb_img.shape[:2]
    if max(height, width) <= longest:
        return rgb_img
    return cv2.resize(rgb_img, reduced_size(height, width, longest),
                      interpolation=cv2.INTER_AREA)


def preprocess(rgb_img: np.ndarray, size: int) -> np.ndarray:
    """Return the network's input: float32 (size, size, 3) in [-1, 1].

    rgb_img: RGB uint8 (H, W, 3).  The scaling is that of MobileNetV2 (Sandler
    et al. 2018).  Area interpolation averages, so that small lesions do not
    fall between the sampled pixels.
    """
    return (stretch(rgb_img, size).astype(np.float32) / np.float32(127.5)
            - np.float32(1))


def stretch(rgb_img: np.ndarray, size: int) -> np.ndarray:
    """Return an image stretched or shrunk to (size, size, 3)."""
    shrinks = min(rgb_img.shape[:2]) > size
    return cv2.resize(rgb_img, (size, size), interpolation=(
        cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
