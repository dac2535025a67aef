"""The augmentations of a leaf: six geometric ones, five of light and camera.

Each is a small pure function (image, parameters) -> image of the same size,
beside the function that draws its parameters from a random generator.
Images are RGB uint8 (H, W, 3).
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

# All bounds are for leaves: far enough from the original to be another
# image, near enough that a botanist would still name the disease.
TILT = (15.0, 345.0)     # degrees; less is hardly another image
LEAN = (0.10, 0.25)      # how far a corner moves, in parts of the side
SLANT = (0.12, 0.30)     # shift of a row, in parts of its distance from middle
KEPT = (0.70, 0.88)      # side of the crop, in parts of the side
WAVE = (0.03, 0.06)      # largest shift of a pixel, in parts of the side
WAVE_GRID = 4            # points on which the wave is drawn, a side
CONTRAST = (0.15, 0.35)  # more or less of it, in parts
BRIGHTNESS = (15, 40)    # grey levels, up or down
WARMTH = (0.12, 0.32)    # natural logarithm of red gain, and of blue loss
DEFOCUS = (0.002, 0.006)  # standard deviation of the blur, parts of a side
QUALITY = (15, 45)       # of the JPEG whose noise is added
SHADE = (0.35, 0.65)     # light that a shadow takes away, in parts
SHADOW = (0.25, 0.70)    # its width, in parts of the longer side
PENUMBRA = (0.02, 0.10)  # of each of its edges, in parts of the longer side


def sample_flip(rng: np.random.Generator) -> int:
    """Return the axis as OpenCV counts it: 0 upside down, 1 left to right."""
    return int(rng.integers(2))


def flip(rgb_img: np.ndarray, axis: int) -> np.ndarray:
    """Mirror the leaf: it has no side from which it must be seen."""
    return cv2.flip(rgb_img, axis)


def sample_rotate(rng: np.random.Generator) -> float:
    """Return an angle in degrees, counter-clockwise."""
    return float(rng.uniform(*TILT))


def rotate(rgb_img: np.ndarray, angle: float) -> np.ndarray:
    """Turn the leaf round the middle: it lies any way on the table."""
    height, width = rgb_img.shape[:2]
    middle = ((width - 1) / 2, (height - 1) / 2)
    return _affine(rgb_img, cv2.getRotationMatrix2D(middle, angle, 1.0))


def sample_skew(rng: np.random.Generator) -> np.ndarray:
    """Return how far each corner is moved inwards: (4, 2), parts of a side.

    Corners go clockwise from the top left, as (x, y).
    """
    moves = np.zeros((4, 2))
    side = rng.integers(4)
    # Both ends of one side come nearer to each other.
    moves[[side, (side + 1) % 4], side % 2] = rng.uniform(*LEAN)
    return moves


def skew(rgb_img: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Tilt the leaf out of the image's plane: a camera is seldom upright.

    The trapezium between the moved corners is stretched to the frame, so
    that nothing from beyond the border is needed.
    """
    height, width = rgb_img.shape[:2]
    if min(height, width) < 2:
        return rgb_img.copy()  # no corners to move apart
    size = np.array([width - 1, height - 1])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    moved = corners + np.where(corners > 0, -1, 1) * moves
    matrix = cv2.getPerspectiveTransform(
        (moved * size).astype(np.float32), (corners * size).astype(np.float32))
    return cv2.warpPerspective(rgb_img, matrix, (width, height),
                               borderMode=cv2.BORDER_REFLECT_101)


def sample_shear(rng: np.random.Generator) -> tuple[float, int]:
    """Return the slant, of either sign, and the axis along which it goes."""
    return _either_sign(rng, SLANT), int(rng.integers(2))


def shear(rgb_img: np.ndarray, slant: tuple[float, int]) -> np.ndarray:
    """Shift each row (or column) a little further than the one before."""
    amount, axis = slant
    height, width = rgb_img.shape[:2]
    matrix = np.eye(2, 3)
    matrix[axis, 1 - axis] = amount
    # Hold the middle where it is.
    matrix[axis, 2] = -amount * ((height, width)[axis] - 1) / 2
    return _affine(rgb_img, matrix)


def sample_crop(rng: np.random.Generator) -> tuple[float, float, float]:
    """Return side, left and top of the crop: side and free parts, 0..1."""
    return float(rng.uniform(*KEPT)), float(rng.random()), float(rng.random())


def crop(rgb_img: np.ndarray, box: tuple[float, float, float]) -> np.ndarray:
    """Come nearer to a part of the leaf: lesions are seen at any size."""
    side, left, top = box
    height, width = rgb_img.shape[:2]
    tall, wide = max(1, round(height * side)), max(1, round(width * side))
    y, x = round(top * (height - tall)), round(left * (width - wide))
    # Linear: cubic interpolation makes colours that the leaf has not.
    return cv2.resize(rgb_img[y:y + tall, x:x + wide], (width, height),
                      interpolation=cv2.INTER_LINEAR)


def sample_distortion(rng: np.random.Generator) -> np.ndarray:
    """Return the shifts of a coarse grid: (2, 4, 4), parts of a side."""
    shifts = rng.uniform(-1, 1, (2, WAVE_GRID, WAVE_GRID))
    return shifts / np.abs(shifts).max() * rng.uniform(*WAVE)


def distort(rgb_img: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Bend the leaf smoothly, as leaves curl (elastic; Simard 2003)."""
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
    """Return the cubic interpolation of WAVE_GRID points: (side, points).

    Separable, so two small products stand for cv2.resize (5 times as fast).
    """
    return cv2.resize(np.eye(WAVE_GRID, dtype=np.float32), (WAVE_GRID, side),
                      interpolation=cv2.INTER_CUBIC)


def _affine(rgb_img: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a (2, 3) matrix; the ground goes on beyond the border."""
    height, width = rgb_img.shape[:2]
    return cv2.warpAffine(rgb_img, matrix, (width, height),
                          borderMode=cv2.BORDER_REFLECT_101)


def sample_brightness(rng: np.random.Generator) -> tuple[float, float]:
    """Return the factor of contrast and the shift in grey levels."""
    return 1 + _either_sign(rng, CONTRAST), _either_sign(rng, BRIGHTNESS)


def brighten(rgb_img: np.ndarray, light: tuple[float, float]) -> np.ndarray:
    """Expose the leaf otherwise: more or less contrast and brightness."""
    contrast, shift = light
    levels = (np.arange(256) - 127.5) * contrast + 127.5 + shift
    return cv2.LUT(rgb_img, _levels(levels))


def sample_white_balance(rng: np.random.Generator) -> tuple[float, ...]:
    """Return the gains of red, green and blue light."""
    warmth = _either_sign(rng, WARMTH)
    return float(np.exp(warmth)), 1.0, float(np.exp(-warmth))


def balance_white(rgb_img: np.ndarray, gains: tuple[float, ...]
                  ) -> np.ndarray:
    """Light the leaf by a warmer or colder sky.

    Gains are of light (von Kries 1902); a level stands for its 2.2nd root.
    """
    levels = np.arange(256)[:, np.newaxis] * np.power(gains, 1 / 2.2)
    return cv2.LUT(rgb_img, _levels(levels)[np.newaxis])


def sample_blur(rng: np.random.Generator) -> float:
    """Return the standard deviation of the blur, in parts of a side."""
    return float(rng.uniform(*DEFOCUS))


def blur(rgb_img: np.ndarray, deviation: float) -> np.ndarray:
    """Photograph the leaf a little out of focus."""
    # Half a pixel more, since less than that is not seen.
    sigma = 0.5 + deviation * min(rgb_img.shape[:2])
    return cv2.GaussianBlur(rgb_img, (0, 0), sigma,
                            borderType=cv2.BORDER_REFLECT_101)


def sample_jpeg_noise(rng: np.random.Generator) -> int:
    """Return the quality of a JPEG that was sent by telephone, 0..100."""
    return int(rng.integers(QUALITY[0], QUALITY[1] + 1))


def add_jpeg_noise(rgb_img: np.ndarray, quality: int) -> np.ndarray:
    """Lose what a strongly compressed JPEG loses."""
    # The order of the channels matters: brightness is kept best.
    _, content = cv2.imencode(".jpg", cv2.cvtColor(
        rgb_img, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR),
                        cv2.COLOR_BGR2RGB)


def sample_shadow(rng: np.random.Generator) -> tuple[float, ...]:
    """Return angle, place, width, penumbra and shade of a shadow.

    Radians; the middle's distance from the image's middle, the width and
    the edge's softness in parts of the longer side; light taken, 0..1.
    """
    return (float(rng.uniform(0, np.pi)), float(rng.uniform(-0.3, 0.3)),
            float(rng.uniform(*SHADOW)), float(rng.uniform(*PENUMBRA)),
            float(rng.uniform(*SHADE)))


def cast_shadow(rgb_img: np.ndarray, shadow: tuple[float, ...]) -> np.ndarray:
    """Let the shadow of a branch or another leaf fall across the leaf."""
    angle, place, breadth, penumbra, shade = shadow
    height, width = rgb_img.shape[:2]
    longer = np.float32(max(height, width))
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    y = np.arange(height, dtype=np.float32)[:, np.newaxis] - (height - 1) / 2
    across = (x * np.float32(np.cos(angle) / longer)
              + y * np.float32(np.sin(angle) / longer))
    # In place: of the largest image each copy would be 400 MB.
    across -= np.float32(place)
    inside = np.subtract(breadth / 2, np.abs(across, out=across), out=across)
    inside /= np.float32(penumbra)
    inside += np.float32(0.5)
    taken = np.clip(inside, 0, 1, out=inside)
    taken *= np.float32(shade)
    kept = np.subtract(1, taken, out=taken)
    kept *= 255
    factors = cv2.merge([_levels(kept)] * 3)
    return cv2.multiply(rgb_img, factors, scale=1 / 255)


def _either_sign(rng: np.random.Generator, bounds: tuple) -> float:
    """Return a number whose size lies between the bounds."""
    return float(rng.uniform(*bounds) * rng.choice((-1, 1)))


def _levels(values: np.ndarray) -> np.ndarray:
    """Return values as the nearest uint8, clipped to 0..255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


# How the parameters are drawn, and what is done with them.  The names are
# part of files' names: "image (1)_Flip.JPG".
GEOMETRIC: dict[str, tuple[Callable, Callable]] = {
    "Flip": (sample_flip, flip),
    "Rotate": (sample_rotate, rotate),
    "Skew": (sample_skew, skew),
    "Shear": (sample_shear, shear),
    "Crop": (sample_crop, crop),
    "Distortion": (sample_distortion, distort)}
PHOTOMETRIC: dict[str, tuple[Callable, Callable]] = {
    "Brightness": (sample_brightness, brighten),
    "WhiteBalance": (sample_white_balance, balance_white),
    "Blur": (sample_blur, blur),
    "JpegNoise": (sample_jpeg_noise, add_jpeg_noise),
    "Shadow": (sample_shadow, cast_shadow)}
AUGMENTATIONS = GEOMETRIC | PHOTOMETRIC


def augment(rgb_img: np.ndarray, augmentation: str, seed: int, key: str
            ) -> np.ndarray:
    """Return the image augmented; the same (seed, key) augments it the same.

    rgb_img: RGB uint8 (H, W, 3), left as it is; so is the result.
    augmentation: one of AUGMENTATIONS.
    key: what tells this copy from all others, so that its parameters do not
    depend on the order in which copies are made.
    """
    digest = hashlib.sha256(f"{seed}|{augmentation}|{key}".encode(
        "utf-8", "surrogatepass")).digest()
    rng = np.random.default_rng(int.from_bytes(digest))
    draw, apply = AUGMENTATIONS[augmentation]
    return apply(rgb_img, draw(rng))
