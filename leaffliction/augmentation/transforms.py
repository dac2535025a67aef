"""Augmentations of a leaf: six geometric and five photometric transforms.

Each transform is a pair of functions: sample_flip(rng) returns its random
parameters, flip(rgb_img, axis) applies them and returns a new image of the
same size.  Images are RGB uint8 (H, W, 3).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

# Ranges of the random parameters, chosen for leaves: strong enough to make a
# different image, weak enough that a botanist still recognises the disease.
# "Side" is the width or the height of the image.
ROTATION = (15.0, 345.0)  # degrees; less would hardly change the image
SKEW = (0.10, 0.25)      # move of two corners, fraction of the side
SHEAR = (0.12, 0.30)     # shift of a row, fraction of its distance from centre
CROP = (0.70, 0.88)      # side of the crop, fraction of the side
DISTORTION = (0.03, 0.06)  # largest shift of a pixel, fraction of the side
DISTORTION_GRID = 4      # random shifts per side, interpolated between
CONTRAST = (0.15, 0.35)  # relative change, up or down
BRIGHTNESS = (15, 40)    # grey levels, up or down
WARMTH = (0.12, 0.32)    # natural logarithm of the red gain, blue the inverse
BLUR = (0.002, 0.006)    # standard deviation, fraction of the shorter side
JPEG_NOISE = (15, 45)    # JPEG quality, of 0..100
SHADOW_DEPTH = (0.35, 0.65)  # fraction of the light that is lost
SHADOW_WIDTH = (0.25, 0.70)  # fraction of the longer side
PENUMBRA = (0.02, 0.10)  # soft edge, fraction of the longer side


def sample_flip(rng: np.random.Generator) -> int:
    """Return OpenCV's flip code: 0 top to bottom, 1 left to right."""
    return int(rng.integers(2))


def flip(rgb_img: np.ndarray, axis: int) -> np.ndarray:
    """Mirror the leaf: a leaf may face either way."""
    return cv2.flip(rgb_img, axis)


def sample_rotate(rng: np.random.Generator) -> float:
    """Return an angle in degrees, counter-clockwise."""
    return float(rng.uniform(*ROTATION))


def rotate(rgb_img: np.ndarray, angle: float) -> np.ndarray:
    """Rotate the leaf about the image's centre: it may lie at any angle."""
    height, width = rgb_img.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    return _affine(rgb_img, cv2.getRotationMatrix2D(centre, angle, 1.0))


def sample_skew(rng: np.random.Generator) -> np.ndarray:
    """Return the inward moves of the corners: (4, 2), fractions of a side.

    The corners go clockwise from the top left, each as (x, y).
    """
    moves = np.zeros((4, 2))
    side = rng.integers(4)
    # Shorten one side: its two ends move towards each other.
    moves[[side, (side + 1) % 4], side % 2] = rng.uniform(*SKEW)
    return moves


def skew(rgb_img: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Tilt the leaf in perspective: cameras are rarely exactly above it.

    Stretches the trapezium between the moved corners to the whole frame, so
    no pixels from outside the image are needed.
    """
    height, width = rgb_img.shape[:2]
    if min(height, width) < 2:
        return rgb_img.copy()  # one row or column has no trapezium
    size = np.array([width - 1, height - 1])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    moved = corners + np.where(corners > 0, -1, 1) * moves
    matrix = cv2.getPerspectiveTransform(
        (moved * size).astype(np.float32), (corners * size).astype(np.float32))
    return cv2.warpPerspective(rgb_img, matrix, (width, height),
                               borderMode=cv2.BORDER_REFLECT_101)


def sample_shear(rng: np.random.Generator) -> tuple[float, int]:
    """Return the shear factor, of either sign, and its axis: 0 x, 1 y."""
    return _random_sign(rng, SHEAR), int(rng.integers(2))


def shear(rgb_img: np.ndarray, parameters: tuple[float, int]) -> np.ndarray:
    """Shift each row (or column) slightly further than the previous one."""
    amount, axis = parameters
    height, width = rgb_img.shape[:2]
    matrix = np.eye(2, 3)
    matrix[axis, 1 - axis] = amount
    # Keep the centre of the image in place.
    matrix[axis, 2] = -amount * ((height, width)[axis] - 1) / 2
    return _affine(rgb_img, matrix)


def sample_crop(rng: np.random.Generator) -> tuple[float, float, float]:
    """Return side, left and top of the crop, 0..1.

    side is a fraction of the image's; left and top are fractions of the
    margin that the crop leaves.
    """
    return float(rng.uniform(*CROP)), float(rng.random()), float(rng.random())


def crop(rgb_img: np.ndarray, box: tuple[float, float, float]) -> np.ndarray:
    """Enlarge a part of the leaf: lesions appear at any size."""
    side, left, top = box
    height, width = rgb_img.shape[:2]
    tall, wide = max(1, round(height * side)), max(1, round(width * side))
    y, x = round(top * (height - tall)), round(left * (width - wide))
    # Not cubic interpolation, which overshoots: it adds colours that the
    # leaf does not have.
    return cv2.resize(rgb_img[y:y + tall, x:x + wide], (width, height),
                      interpolation=cv2.INTER_LINEAR)


def sample_distortion(rng: np.random.Generator) -> np.ndarray:
    """Return x and y shifts on a grid: (2, 4, 4), fractions of a side."""
    shifts = rng.uniform(-1, 1, (2, DISTORTION_GRID, DISTORTION_GRID))
    return shifts / np.abs(shifts).max() * rng.uniform(*DISTORTION)


def distort(rgb_img: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Bend the leaf smoothly, as leaves curl.

    Elastic distortion (Simard et al. 2003).
    """
    height, width = rgb_img.shape[:2]
    right, down = np.asarray(shifts, np.float32)
    across, along = _cubic_weights(width), _cubic_weights(height)
    columns = along @ (right * np.float32(width)) @ across.T
    rows = along @ (down * np.float32(height)) @ across.T
    columns += np.arange(width, dtype=np.float32)
    rows += np.arange(height, dtype=np.float32)[:, np.newaxis]
    return cv2.remap(rgb_img, columns, rows, cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REFLECT_101)


@lru_cache(maxsize=8)
def _cubic_weights(side: int) -> np.ndarray:
    """Return the weights of cubic interpolation: (side, DISTORTION_GRID).

    The interpolation is separable, so two products with these small matrices
    replace a cv2.resize of the grid, and are 5 times as fast.
    """
    return cv2.resize(np.eye(DISTORTION_GRID, dtype=np.float32),
                      (DISTORTION_GRID, side), interpolation=cv2.INTER_CUBIC)


def _affine(rgb_img: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warp by a (2, 3) matrix; reflect the image beyond its border."""
    height, width = rgb_img.shape[:2]
    return cv2.warpAffine(rgb_img, matrix, (width, height),
                          borderMode=cv2.BORDER_REFLECT_101)


def sample_brightness(rng: np.random.Generator) -> tuple[float, float]:
    """Return the contrast factor and the brightness shift in grey levels."""
    return 1 + _random_sign(rng, CONTRAST), _random_sign(rng, BRIGHTNESS)


def change_brightness(rgb_img: np.ndarray, parameters: tuple[float, float]
                      ) -> np.ndarray:
    """Change contrast and brightness, as another exposure would."""
    contrast, shift = parameters
    levels = (np.arange(256) - 127.5) * contrast + 127.5 + shift
    return cv2.LUT(rgb_img, _levels(levels))


def sample_white_balance(rng: np.random.Generator) -> tuple[float, ...]:
    """Return the gains of red, green and blue light."""
    warmth = _random_sign(rng, WARMTH)
    return float(np.exp(warmth)), 1.0, float(np.exp(-warmth))


def change_white_balance(rgb_img: np.ndarray, gains: tuple[float, ...]
                         ) -> np.ndarray:
    """Make the light warmer or colder.

    Gains apply to linear light (von Kries 1902); grey levels are encoded
    with a gamma of 2.2.
    """
    levels = np.arange(256)[:, np.newaxis] * np.power(gains, 1 / 2.2)
    return cv2.LUT(rgb_img, _levels(levels)[np.newaxis])


def sample_blur(rng: np.random.Generator) -> float:
    """Return the standard deviation, as a fraction of the shorter side."""
    return float(rng.uniform(*BLUR))


def blur(rgb_img: np.ndarray, deviation: float) -> np.ndarray:
    """Blur the leaf, as a camera slightly out of focus does."""
    # Half a pixel more, because a smaller blur would be invisible.
    sigma = 0.5 + deviation * min(rgb_img.shape[:2])
    return cv2.GaussianBlur(rgb_img, (0, 0), sigma,
                            borderType=cv2.BORDER_REFLECT_101)


def sample_jpeg_noise(rng: np.random.Generator) -> int:
    """Return a JPEG quality, 0..100, as low as messengers use."""
    return int(rng.integers(JPEG_NOISE[0], JPEG_NOISE[1] + 1))


def add_jpeg_noise(rgb_img: np.ndarray, quality: int) -> np.ndarray:
    """Add the artefacts of strong JPEG compression."""
    # OpenCV expects BGR; JPEG compresses colour more than brightness, so
    # swapped channels would give other artefacts.
    _, content = cv2.imencode(".jpg", cv2.cvtColor(
        rgb_img, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR),
                        cv2.COLOR_BGR2RGB)


@dataclass(frozen=True)
class Shadow:
    """A straight band of shadow across the image.

    angle: of the band's normal, in radians.  offset (of the band's middle
    from the image's centre), width, penumbra (width of each soft edge):
    fractions of the longer side.  depth: fraction of the light that is lost.
    """

    angle: float
    offset: float
    width: float
    penumbra: float
    depth: float


def sample_shadow(rng: np.random.Generator) -> Shadow:
    """Return a shadow of random direction, position, width and depth."""
    return Shadow(float(rng.uniform(0, np.pi)), float(rng.uniform(-0.3, 0.3)),
                  float(rng.uniform(*SHADOW_WIDTH)),
                  float(rng.uniform(*PENUMBRA)),
                  float(rng.uniform(*SHADOW_DEPTH)))


def cast_shadow(rgb_img: np.ndarray, shadow: Shadow) -> np.ndarray:
    """Cast the shadow of a branch or another leaf across the leaf."""
    height, width = rgb_img.shape[:2]
    longer = np.float32(max(height, width))
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    y = np.arange(height, dtype=np.float32)[:, np.newaxis] - (height - 1) / 2
    distance = (x * np.float32(np.cos(shadow.angle) / longer)
                + y * np.float32(np.sin(shadow.angle) / longer))
    # All in place: for the largest image each copy would take 400 MB.
    distance -= np.float32(shadow.offset)
    inside = np.subtract(shadow.width / 2, np.abs(distance, out=distance),
                         out=distance)
    inside /= np.float32(shadow.penumbra)
    inside += np.float32(0.5)
    lost = np.clip(inside, 0, 1, out=inside)
    lost *= np.float32(shadow.depth)
    left = np.subtract(1, lost, out=lost)
    left *= 255
    factors = cv2.merge([_levels(left)] * 3)
    return cv2.multiply(rgb_img, factors, scale=1 / 255)


def _random_sign(rng: np.random.Generator, bounds: tuple) -> float:
    """Return a number of either sign with a magnitude within the bounds."""
    return float(rng.uniform(*bounds) * rng.choice((-1, 1)))


def _levels(values: np.ndarray) -> np.ndarray:
    """Return values as the nearest uint8, clipped to 0..255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


# For each augmentation the functions that sample and apply its parameters.
# The names are part of file names ("image (1)_Flip.JPG"), and in the order of
# AUGMENTATION_NAMES in utils/labels.py.
GEOMETRIC: dict[str, tuple[Callable, Callable]] = {
    "Flip": (sample_flip, flip),
    "Rotate": (sample_rotate, rotate),
    "Skew": (sample_skew, skew),
    "Shear": (sample_shear, shear),
    "Crop": (sample_crop, crop),
    "Distortion": (sample_distortion, distort)}
PHOTOMETRIC: dict[str, tuple[Callable, Callable]] = {
    "Brightness": (sample_brightness, change_brightness),
    "WhiteBalance": (sample_white_balance, change_white_balance),
    "Blur": (sample_blur, blur),
    "JpegNoise": (sample_jpeg_noise, add_jpeg_noise),
    "Shadow": (sample_shadow, cast_shadow)}
AUGMENTATIONS = GEOMETRIC | PHOTOMETRIC


def augment(rgb_img: np.ndarray, augmentation: str, seed: int, key: str
            ) -> np.ndarray:
    """Return an augmented copy of an image.

    rgb_img: RGB uint8 (H, W, 3), not changed; the copy has the same shape.
    augmentation: one of AUGMENTATIONS.
    seed, key: determine the random parameters.  The key identifies the copy
    (its path), so that the result does not depend on the order in which
    copies are made, nor on the number of processes.
    """
    digest = hashlib.sha256(f"{seed}|{augmentation}|{key}".encode(
        "utf-8", "surrogatepass")).digest()
    rng = np.random.default_rng(int.from_bytes(digest))
    sample, apply = AUGMENTATIONS[augmentation]
    return apply(rgb_img, sample(rng))
