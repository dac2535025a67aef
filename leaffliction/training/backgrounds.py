"""Backgrounds of synthetic field images: foliage out of focus, and shade.

They are drawn once, from leaves of the training set, and used for many
images, mirrored and in another light each time: see field_images.py.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from leaffliction.training.cutouts import (Cutout, cut_out_file, paste,
                                           warp_leaf)
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers, raise_errors
from leaffliction.utils.progress import progress

LEAVES_PER_CLASS = 40    # that are cut out for foliage and as recipients
FOLIAGE_IMAGES = 100
SHADE_PATTERNS = 50
LEAVES_IN_FOLIAGE = (3, 14)              # at least, and fewer than
FOLIAGE_LEAF_SIZES = (0.2, 0.9)          # longer side, fraction of the image
# Range of the two RGB colours that are mixed behind the leaves.
DARKEST, BRIGHTEST = (15, 20, 10), (150, 140, 125)


@dataclass(frozen=True)
class Backgrounds:
    """What synthetic field images are composed of, besides one leaf each.

    size: side of a field image, in pixels.
    recipients: healthy leaves of each plant, on which lesions are pasted.
    tones: those of the cut-out leaves, float32 (N, 2, 3), as in Cutout.
    foliage: RGB uint8 images (size, size, 3).
    shades: patterns of light and shade, float32 (size, size), 0..1.
    """

    size: int
    recipients: dict[str, list[Cutout]]
    tones: np.ndarray
    foliage: list[np.ndarray]
    shades: list[np.ndarray]


def collect_backgrounds(part: Dataset, size: int, seed: int, workers: Workers
                        ) -> Backgrounds:
    """Return backgrounds made of LEAVES_PER_CLASS leaves of each class.

    part: the training set; no leaf of another set may be trained on.
    size: side of the images, in pixels.
    Raises UserError for an image that cannot be read.
    """
    rng = np.random.default_rng(seed)
    rows = np.concatenate([
        rng.permutation(
            np.flatnonzero(part.labels == label))[:LEAVES_PER_CLASS]
        for label in range(len(part.class_names))])
    cutouts = raise_errors(workers.map(
        cut_out_file, [part.root / part.files[row] for row in rows],
        in_threads=True))
    leaves = [(part.plants[part.labels[row]], leaf) for row, leaf in
              zip(rows, progress(cutouts, len(rows), "Cut-outs"))
              if leaf is not None]
    return make_backgrounds(leaves, size, rng)


def make_backgrounds(leaves: list[tuple[str, Cutout]], size: int,
                     rng: np.random.Generator) -> Backgrounds:
    """Return backgrounds of `size` pixels made of leaves.

    leaves: plant and cut-out of each; may be empty.
    """
    recipients = {}
    for plant, leaf in leaves:
        if not leaf.is_diseased:
            recipients.setdefault(plant, []).append(leaf)
    cutouts = [leaf for _, leaf in leaves]
    tones = np.array([leaf.tone for leaf in cutouts]).reshape(-1, 2, 3)
    foliage = list(progress(
        (draw_foliage(cutouts, size, rng) for _ in range(FOLIAGE_IMAGES)),
        FOLIAGE_IMAGES, "Backgrounds"))
    shades = [cloud_noise(size, 1, 4, rng) for _ in range(SHADE_PATTERNS)]
    return Backgrounds(size, recipients, tones, foliage, shades)


def cloud_noise(size: int, coarsest: int, octaves: int,
                rng: np.random.Generator) -> np.ndarray:
    """Return noise that looks like clouds, float32 (size, size), 0..1.

    Value noise: the sum of random grids of 2 ** octave + 1 points a side,
    enlarged to `size`, from `coarsest` on; each octave has 0.55 of the
    amplitude of the one before.
    """
    noise = np.zeros((size, size), np.float32)
    for octave in range(coarsest, coarsest + octaves):
        points = 2 ** octave + 1
        noise += 0.55 ** octave * cv2.resize(
            rng.random((points, points), np.float32), (size, size),
            interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(noise, None, 0, 1, cv2.NORM_MINMAX)


def draw_foliage(leaves: list[Cutout], size: int, rng: np.random.Generator
                 ) -> np.ndarray:
    """Return foliage out of focus, RGB uint8 (size, size, 3).

    From back to front: clouds of two colours, blurred leaves, up to three
    twigs, often a blur over all of it, and often gaps with bright sky.
    """
    first, second = rng.uniform(DARKEST, BRIGHTEST, (2, 3))
    clouds = cloud_noise(size, 0, 5, rng)[..., np.newaxis]
    image = paste(first, second, clouds) * (0.5 + clouds)
    for _ in range(rng.integers(*LEAVES_IN_FOLIAGE) if leaves else 0):
        leaf = leaves[rng.integers(len(leaves))]
        image = paste_blurred(image, leaf, rng)
    for _ in range(rng.integers(4)):
        ends = rng.uniform(-0.2, 1.2, (2, 2)) * size
        cv2.line(image, *(tuple(map(int, end)) for end in ends),
                 rng.uniform(30, 150, 3).tolist(), int(rng.integers(1, 7)))
    if rng.random() < 0.7:
        image = cv2.GaussianBlur(image, (0, 0), np.exp(rng.uniform(0, 2)))
    if rng.random() < 0.5:
        gaps = np.clip((cloud_noise(size, 0, 5, rng)
                        - rng.uniform(0.6, 0.9)) / 0.08, 0, 1)
        image = paste(image, rng.uniform(170, 255), gaps[..., np.newaxis])
    return np.clip(image, 0, 255).astype(np.uint8)


def paste_blurred(image: np.ndarray, leaf: Cutout, rng: np.random.Generator
                  ) -> np.ndarray:
    """Return an image, (size, size, 3), with a leaf pasted at random on it.

    The blur hides the lesions, so that the background shows no disease.
    """
    size = len(image)
    warped, alpha = warp_leaf(leaf.to_rgb(), leaf.mask, size, rng,
                              FOLIAGE_LEAF_SIZES)
    shift = rng.integers(-size // 2, size // 2, 2)
    warped, alpha = (np.roll(array, shift, (0, 1))
                     for array in (warped, alpha))
    blurred = cv2.GaussianBlur(warped, (0, 0), rng.uniform(2, 4.5))
    exposure = np.exp(rng.normal(-0.1, 0.5))
    return paste(image, np.minimum(exposure * blurred, 255), alpha)


def dapples_of_light(shades: list[np.ndarray], rng: np.random.Generator
                     ) -> np.ndarray:
    """Return factors of brightness, (size, size, 1): spots of sun in shade.

    shades: as in Backgrounds; one of them is mirrored, and cut at a random
    level into sun and shade with an edge that is more or less soft.
    """
    shade = random_flip(shades[rng.integers(len(shades))], rng)
    sun = np.clip((shade - rng.uniform(0.3, 0.7)) / rng.uniform(0.03, 0.25)
                  + 0.5, 0, 1)
    dark, bright = rng.uniform(0.35, 0.8), rng.uniform(0.9, 1.6)
    return (dark + sun * (bright - dark))[..., np.newaxis]


def random_flip(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image with its rows, its columns, both or neither reversed."""
    return image[::rng.choice((-1, 1)), ::rng.choice((-1, 1))]
