"""Another camera, another photographer: strong changes of a photograph.

One orchard was photographed with one camera in one season; unless these vary,
a network takes them for what the field looks like.
"""

import cv2
import numpy as np

from leaffliction.training.field_images import change_light
from leaffliction.utils.images import stretch

HUE_PROBABILITY, HUE_STD = 0.3, 4        # in levels of a and b (CIE Lab)
# Photographs from the web have passed through many sizes and compressions.
RESIZE_PROBABILITY, SIDES = 0.4, (80, 220)           # pixels
JPEG_PROBABILITY, QUALITIES = 0.6, (25, 95)
BLUR_PROBABILITY, SHARPEN_PROBABILITY = 0.25, 0.3
NOISE_PROBABILITY = 0.25
ASPECT_STD = 0.25        # of the logarithm of a crop's aspect ratio


def rephotograph(rgb_img: np.ndarray, size: int, rng: np.random.Generator,
                 strength: float = 1.0, crop: float = 0.45) -> np.ndarray:
    """Return part of a photograph as another camera takes it.

    rgb_img: RGB uint8 (H, W, 3).  crop: smallest share of its area that is
    kept.  strength: as in change_light.
    Returns RGB uint8 (size, size, 3).
    """
    part = random_crop(rgb_img, rng, (crop, 1.0))
    return change_camera(stretch(turn(part, rng), size), rng, strength)


def random_crop(rgb_img: np.ndarray, rng: np.random.Generator,
                shares: tuple[float, float]) -> np.ndarray:
    """Return a random rectangle of an image, with an aspect ratio of its own.

    shares: range of its share of the image's area, 0..1.
    """
    height, width = rgb_img.shape[:2]
    share = rng.uniform(*shares)
    aspect = np.exp(rng.normal(0, ASPECT_STD))
    rows = int(np.clip(height * np.sqrt(share / aspect), 8, height))
    columns = int(np.clip(width * np.sqrt(share * aspect), 8, width))
    top = rng.integers(height - rows + 1)
    left = rng.integers(width - columns + 1)
    return rgb_img[top:top + rows, left:left + columns]


def turn(rgb_img: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image turned and mirrored at random."""
    if rng.random() < 0.5:
        rgb_img = np.rot90(rgb_img, rng.integers(4))
    if rng.random() < 0.5:
        rgb_img = rgb_img[:, ::-1]
    rgb_img = np.ascontiguousarray(rgb_img)
    if rng.random() < 0.5:
        height, width = rgb_img.shape[:2]
        matrix = cv2.getRotationMatrix2D(
            (width / 2, height / 2), rng.uniform(-35, 35),
            rng.uniform(1.0, 1.25))
        rgb_img = cv2.warpAffine(rgb_img, matrix, (width, height),
                                 borderMode=cv2.BORDER_REFLECT_101)
    return rgb_img


def change_camera(scene: np.ndarray, rng: np.random.Generator,
                  strength: float) -> np.ndarray:
    """Return a scene, (H, W, 3), in 0..255, as some camera records it.

    Light, white balance, resolution, sharpness, noise and compression
    change.  Returns RGB uint8 (H, W, 3).
    """
    image = change_light(scene, rng, strength)
    if rng.random() < HUE_PROBABILITY:
        image = shift_hue(image, rng)
    if rng.random() < RESIZE_PROBABILITY:
        image = lose_resolution(image, rng)
    focus = rng.random()
    if focus < BLUR_PROBABILITY:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    elif focus < BLUR_PROBABILITY + SHARPEN_PROBABILITY:
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 2))
        image = image + np.float32(rng.uniform(0.4, 1.8)) * (image - soft)
    if rng.random() < NOISE_PROBABILITY:
        image = image + np.float32(rng.uniform(2, 10)) * rng.standard_normal(
            image.shape, np.float32)
    image = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < JPEG_PROBABILITY:
        image = compress(image, int(rng.uniform(*QUALITIES)))
    return image


def shift_hue(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image, float32 (H, W, 3), with a colour cast."""
    lab_img = cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8),
                           cv2.COLOR_RGB2LAB).astype(np.float32)
    lab_img[..., 1:] += rng.normal(0, HUE_STD, 2).astype(np.float32)
    return cv2.cvtColor(np.clip(lab_img, 0, 255).astype(np.uint8),
                        cv2.COLOR_LAB2RGB).astype(np.float32)


def lose_resolution(image: np.ndarray, rng: np.random.Generator
                    ) -> np.ndarray:
    """Return an image, float32 (H, W, 3), made smaller and large again."""
    side = int(rng.uniform(*SIDES))
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=(
        cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR))


def compress(rgb_img: np.ndarray, quality: int) -> np.ndarray:
    """Return an image, uint8, after JPEG compression of a quality, 1..100."""
    _, content = cv2.imencode(".jpg", np.ascontiguousarray(
        rgb_img[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(
        cv2.imdecode(content, cv2.IMREAD_COLOR_BGR)[..., ::-1])
