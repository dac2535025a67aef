"""Synthetic field images: copy-paste augmentation with leaves and lesions.

In a laboratory each class was photographed in one session: its disease, the
tone of its leaves, its light and its background always occur together, and a
network learns all of them as one sign of the class.  Such a network is right
for 99 % of the laboratory's leaves, but for 42 % of an orchard's.  A synthetic
field image takes the four apart, so that the lesions alone are a sign of the
class:

1. cut out: masks separate the leaf and its lesions from the photograph;
2. transplant: the lesions are pasted on a healthy leaf of the same plant;
3. tone: the healthy tissue gets the tone of another leaf, or a random one;
4. paste: the leaf is scaled, turned, tilted and pasted in another light on
   foliage out of focus, often with dapples of sunlight on it;
5. photograph: exposure, blur or sharpening, and noise of a camera.

Steps 1 and 4 are "Cut, Paste and Learn" (Dwibedi et al. 2017) and "Simple
Copy-Paste" (Ghiasi et al. 2021) for classification: a label for the image, no
boxes.  Step 2 is what helps: it is worth 10 to 14 points of accuracy on
photographs from orchards; without it the images gain nothing
(docs/explanation/field.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from leaffliction.training.backgrounds import (Backgrounds, dapples_of_light,
                                               random_flip)
from leaffliction.training.cutouts import (CUTOUT_SIDE, change_tone, cut_out,
                                           paste, sample_tone,
                                           transplant_lesions, warp_leaf)
from leaffliction.utils.images import read_reduced
from leaffliction.utils.labels import Dataset

TRANSPLANT_PROBABILITY = 0.9             # for diseased leaves
TONE_PROBABILITY = 0.6                   # for all leaves
DAPPLE_PROBABILITY = 0.5                 # likewise
# Strength of a change of light: on the leaf, on the background, and on the
# whole image.
LEAF_LIGHT, BACKGROUND_LIGHT, CAMERA_LIGHT = 0.6, 0.8, 0.5


@dataclass(frozen=True)
class FieldImage:
    """Recipe of a synthetic field image, which is rendered when needed.

    path, plant: of the photograph whose leaf is shown.
    seed: of this image alone, so that its pixels depend neither on the order
    in which images are rendered nor on the machine that does it.
    """

    path: Path
    plant: str
    seed: tuple[int, int]

    def render(self, backgrounds: Backgrounds) -> np.ndarray:
        """Return the image, RGB uint8 (size, size, 3).

        Raises UserError if the photograph cannot be read.
        """
        rgb_img = read_reduced(self.path,
                               2 * max(CUTOUT_SIDE, backgrounds.size))
        return compose_field_image(rgb_img, self.plant, backgrounds,
                                   np.random.default_rng(self.seed))


def plan_field_images(part: Dataset, targets: Sequence[int], seed: int
                      ) -> tuple[list[FieldImage], np.ndarray]:
    """Return synthetic field images to be rendered, and their labels (N,).

    part: the photographs to take leaves from.  targets: number of images of
    each class; each photograph is used once before one is used twice.
    """
    rng = np.random.default_rng(seed)
    rows = np.concatenate([
        np.resize(rng.permutation(np.flatnonzero(part.labels == label)),
                  target)
        for label, target in enumerate(targets)])
    images = [FieldImage(part.root / part.files[row],
                         part.plants[part.labels[row]], (seed, number))
              for number, row in enumerate(rows)]
    return images, part.labels[rows]


def compose_field_image(rgb_img: np.ndarray, plant: str,
                        backgrounds: Backgrounds, rng: np.random.Generator
                        ) -> np.ndarray:
    """Return a synthetic field image, RGB uint8, of the backgrounds' size.

    rgb_img: photograph of a leaf, RGB uint8 (H, W, 3).  If no leaf is found
    in it, only its light changes.
    """
    size = backgrounds.size
    leaf = cut_out(rgb_img)
    if leaf is None:
        return simulate_camera(cv2.resize(
            rgb_img, (size, size), interpolation=cv2.INTER_AREA), rng)
    recipients = backgrounds.recipients.get(plant, ())
    if (leaf.is_diseased and len(recipients)
            and rng.random() < TRANSPLANT_PROBABILITY):
        recipient = recipients[rng.integers(len(recipients))]
        leaf = transplant_lesions(leaf, recipient, rng)
    lab_img = leaf.lab_img
    if rng.random() < TONE_PROBABILITY:
        lab_img = change_tone(leaf, sample_tone(leaf, backgrounds.tones, rng))
    warped, alpha = warp_leaf(cv2.cvtColor(lab_img, cv2.COLOR_LAB2RGB),
                              leaf.mask, size, rng)
    foreground = change_light(warped, rng, LEAF_LIGHT)
    if rng.random() < DAPPLE_PROBABILITY:
        foreground *= dapples_of_light(backgrounds.shades, rng)
    foliage = backgrounds.foliage[rng.integers(len(backgrounds.foliage))]
    background = change_light(random_flip(foliage, rng), rng,
                              BACKGROUND_LIGHT)
    return simulate_camera(paste(background, foreground, alpha), rng)


def change_light(rgb_img: np.ndarray, rng: np.random.Generator,
                 strength: float) -> np.ndarray:
    """Return an image in a random light, float32 (H, W, 3), 0..255.

    Gamma, white balance, contrast and brightness change by `strength`;
    saturation changes little, because the colour of a lesion is a sign of
    its disease.
    """
    levels = np.arange(256, dtype=np.float32)[:, np.newaxis] / 255
    levels = levels ** np.exp(rng.normal(0, 0.3 * strength))
    levels = levels * np.exp(rng.normal(0, 0.05, 3))
    contrast = np.exp(rng.normal(0, 0.2 * strength))
    levels = (levels - 0.45) * contrast + 0.45 + rng.normal(
        0, 0.06 * strength)
    light = cv2.LUT(np.clip(rgb_img, 0, 255).astype(np.uint8), np.clip(
        255 * levels, 0, 255).astype(np.float32)[np.newaxis])
    grey = cv2.cvtColor(light, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    saturation = np.float32(np.exp(rng.normal(0, 0.15 * strength)))
    return np.clip(grey + saturation * (light - grey), 0, 255)


def simulate_camera(scene: np.ndarray, rng: np.random.Generator
                    ) -> np.ndarray:
    """Return a scene, (H, W, 3), as a camera records it: RGB uint8.

    In a random light; blurred (40 %), sharpened (24 %) or as it is; and
    sometimes (30 %) with noise.  Levels below 0 and above 255 are clipped.
    """
    image = change_light(scene, rng, CAMERA_LIGHT)
    focus = rng.random()
    if focus < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.5))
    elif focus < 0.64:
        soft = cv2.GaussianBlur(image, (0, 0), 1.2)
        image = image + np.float32(rng.uniform(0.3, 1.2)) * (image - soft)
    if rng.random() < 0.3:
        image = image + np.float32(rng.uniform(2, 8)) * rng.standard_normal(
            image.shape, np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)
