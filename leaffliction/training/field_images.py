"""Field views: a laboratory leaf as it might be seen in an orchard.

In a laboratory each class was photographed in one session: its disease, the
tone of its leaves, its light and its ground always come together, and a
network learns them all as one.  A field view takes them apart.  The lesions
are laid on another leaf, that leaf gets another tone, light and size, and
behind it is foliage.  Only what is kept can then name the disease.
How much each part helps stands in docs/field.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from leaffliction.transformation.lesions import find_lesions
from leaffliction.transformation.mask import find_leaf
from leaffliction.utils.images import read_reduced, shrink
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers, raise_errors
from leaffliction.utils.progress import progress

SIDE = 256               # pixels of the longer side at which leaves are cut
# Share of the leaf's area below which lesions are not worth moving, and of
# the leaves on which they are laid (chance finds on healthy ones).
LEAST_LESIONS = 0.002
TRANSPLANTED = 0.9       # share of the diseased leaves whose lesions move
RETONED = 0.6            # share of the leaves that get another tone
# Tones drawn: L, a, b as OpenCV scales them; the other half is another leaf's.
TONES = ((60, 190), (96, 120), (132, 173))
SIZES = (0.3, 1.0)       # longer side of the leaf, in parts of the image's
CLOSE, CLOSE_SIZES = 0.15, (1.2, 2.2)    # share seen close up, and its sizes
OFF_CENTRE, CLOSE_OFF_CENTRE = 0.10, 0.25    # deviation, parts of the side
DAPPLED = 0.5            # share on which sun and shade lie
RECIPIENTS = 40          # leaves a class that grounds and recipients come from
GROUNDS = 100            # drawn once, used again mirrored and in other light
SHADES = 50              # patterns of sun and shade, likewise
# By how many levels of a (green to magenta) tissue must differ from healthy
# to keep its colour where the leaf's tone changes, and over how many.
SICK_FROM, SICK_OVER = 6, 8


@dataclass(frozen=True)
class Cutout:
    """A leaf, cut out.

    lab_img: CIE Lab as OpenCV scales it to 0..255, uint8 (H, W, 3).
    mask, lesions: bool (H, W).  tone: mean and deviation of the healthy
    tissue in L, a and b, float32 (2, 3).
    """

    lab_img: np.ndarray
    mask: np.ndarray
    lesions: np.ndarray
    tone: np.ndarray

    @property
    def is_diseased(self) -> bool:
        """Tell whether there are lesions enough to move."""
        return (np.count_nonzero(self.lesions)
                > LEAST_LESIONS * np.count_nonzero(self.mask))


@dataclass(frozen=True)
class Backgrounds:
    """What field views are put together from; made once.

    recipients: leaves without lesions of each plant.  tones: those of the
    leaves seen, (N, 2, 3).  grounds: RGB uint8 (size, size, 3).  shades:
    float32 (size, size), 0..1.
    """

    size: int
    recipients: dict[str, list[Cutout]]
    tones: np.ndarray
    grounds: list[np.ndarray]
    shades: list[np.ndarray]


def cut_out(rgb_img: np.ndarray) -> Cutout | None:
    """Return the leaf of RGB uint8 (H, W, 3), or None where there is none."""
    rgb_img = shrink(rgb_img, SIDE)
    mask, _ = find_leaf(rgb_img)
    lesions = find_lesions(rgb_img, mask)
    healthy = mask & (cv2.dilate(lesions.astype(np.uint8),
                                 np.ones((5, 5), np.uint8)) == 0)
    if not healthy.any():
        return None
    lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB)
    colours = lab_img[healthy][::7].astype(np.float32)
    return Cutout(lab_img, mask, lesions,
                  np.stack([colours.mean(axis=0), colours.std(axis=0)]))


def set_scene(leaves: list[tuple[str, Cutout]], size: int,
              rng: np.random.Generator) -> Backgrounds:
    """Return the backgrounds for views of a side of `size` pixels.

    leaves: plant and cutout of some leaves that may be learned from.
    """
    recipients = {}
    for plant, leaf in leaves:
        if not leaf.is_diseased:
            recipients.setdefault(plant, []).append(leaf)
    cutouts = [leaf for _, leaf in leaves]
    return Backgrounds(
        size, recipients,
        np.array([leaf.tone for leaf in cutouts]).reshape(-1, 2, 3),
        list(progress((draw_foliage(cutouts, size, rng)
                       for _ in range(GROUNDS)), GROUNDS, "Grounds")),
        [draw_noise(size, 1, 4, rng) for _ in range(SHADES)])


def field_view(rgb_img: np.ndarray, plant: str, backgrounds: Backgrounds,
               rng: np.random.Generator) -> np.ndarray:
    """Return a view of a leaf as from the field: RGB uint8, backgrounds.size.

    rgb_img: RGB uint8 (H, W, 3).  Where no leaf is found in it, the whole
    image gets another light alone.
    """
    size = backgrounds.size
    leaf = cut_out(rgb_img)
    if leaf is None:
        return photograph(cv2.resize(rgb_img, (size, size),
                                     interpolation=cv2.INTER_AREA), rng)
    others = backgrounds.recipients.get(plant, ())
    if leaf.is_diseased and len(others) and rng.random() < TRANSPLANTED:
        leaf = transplant(leaf, others[rng.integers(len(others))], rng)
    lab_img = leaf.lab_img
    if rng.random() < RETONED:
        lab_img = change_tone(leaf, draw_tone(leaf, backgrounds.tones, rng))
    seen, mask = place(cv2.cvtColor(lab_img, cv2.COLOR_LAB2RGB), leaf.mask,
                       size, rng)
    light = change_light(seen, rng, 0.6)
    if rng.random() < DAPPLED:
        light *= draw_dapples(backgrounds.shades, rng)
    ground = change_light(
        mirror(backgrounds.grounds[rng.integers(
            len(backgrounds.grounds))], rng), rng,
        0.8)
    return photograph(ground + mask * (light - ground), rng)


def transplant(leaf: Cutout, other: Cutout, rng: np.random.Generator
               ) -> Cutout:
    """Return the other leaf with the lesions of the first.

    Turned by any angle and scaled as the leaves are; their lightness moves
    with the leaf's, their colour stays, for it names the disease.
    """
    height, width = other.mask.shape
    matrix = leaf_to_leaf(leaf.mask, other.mask, rng.uniform(0, 2 * np.pi))
    wide = cv2.dilate(leaf.lesions.astype(np.uint8) * 255,
                      np.ones((5, 5), np.uint8))
    moved = cv2.warpAffine(wide, matrix, (width, height)) * other.mask
    if np.count_nonzero(moved) < LEAST_LESIONS * np.count_nonzero(other.mask):
        return leaf    # They came to lie beside the other leaf.
    share = cv2.GaussianBlur(moved, (0, 0), 1.0)[..., np.newaxis] / 255
    share = share * other.mask[..., np.newaxis]
    source = leaf.lab_img.astype(np.float32)
    source[..., 0] += 0.7 * (other.tone[0, 0] - leaf.tone[0, 0])
    source = cv2.warpAffine(source, matrix, (width, height))
    lab_img = other.lab_img + share * (source - other.lab_img)
    return Cutout(np.clip(lab_img, 0, 255).astype(np.uint8), other.mask,
                  moved > 127, other.tone)


def leaf_to_leaf(mask: np.ndarray, other: np.ndarray, angle: float
                 ) -> np.ndarray:
    """Return the (2, 3) matrix that turns one leaf and lays it on another."""
    (x, y, wide, high), (to_x, to_y, to_wide, to_high) = (
        cv2.boundingRect(each.astype(np.uint8)) for each in (mask, other))
    scale = max(to_wide, to_high) / max(wide, high)
    matrix = cv2.getRotationMatrix2D((x + wide / 2, y + high / 2),
                                     np.degrees(angle), scale)
    matrix[:, 2] += (to_x + to_wide / 2 - x - wide / 2,
                     to_y + to_high / 2 - y - high / 2)
    return matrix


def draw_tone(leaf: Cutout, tones: np.ndarray, rng: np.random.Generator
              ) -> np.ndarray:
    """Return a tone, (2, 3): that of another leaf, or one never seen."""
    if len(tones) and rng.random() < 0.5:
        return tones[rng.integers(len(tones))]
    return np.array([[rng.uniform(*bounds) for bounds in TONES],
                     leaf.tone[1] * np.exp(rng.normal(0, 0.2))])


def change_tone(leaf: Cutout, tone: np.ndarray) -> np.ndarray:
    """Return the leaf's Lab image with its healthy tissue in another tone.

    What is redder than the leaf's own green keeps its colour.
    """
    (mean, deviation), tone = leaf.tone, tone.astype(np.float32)
    lab_img = leaf.lab_img.astype(np.float32)
    factor = np.clip(tone[1] / np.maximum(deviation, 1), 0.6, 1.6)
    changed = (lab_img - mean) * factor + tone[0]
    redder = cv2.GaussianBlur(lab_img[..., 1], (0, 0), 1) - mean[1]
    sick = np.clip((redder - SICK_FROM) / SICK_OVER, 0, 1)
    changed[..., 1:] += sick[..., np.newaxis] * (
        lab_img[..., 1:] - changed[..., 1:])
    return np.clip(changed, 0, 255).astype(np.uint8)


def place(rgb_img: np.ndarray, mask: np.ndarray, size: int,
          rng: np.random.Generator, sizes: tuple[float, float] | None = None
          ) -> tuple[np.ndarray, np.ndarray]:
    """Return a leaf and its mask, turned, tilted and placed in a square.

    RGB uint8 (size, size, 3) and float32 (size, size, 1), 0..1.
    sizes: bounds of the leaf's longer side, in parts of the square's; None:
    as in a field view, sometimes close up.
    """
    is_close = sizes is None and rng.random() < CLOSE
    longer = rng.uniform(*(sizes or (CLOSE_SIZES if is_close else SIZES)))
    x, y, wide, high = cv2.boundingRect(mask.astype(np.uint8))
    scale = longer * size / max(wide, high)
    angle, narrower = rng.uniform(0, 2 * np.pi), np.exp(rng.normal(0, 0.12))
    turned = scale * np.array([
        [np.cos(angle) * narrower, -np.sin(angle) / narrower],
        [np.sin(angle) * narrower, np.cos(angle) / narrower]])
    centre = size * (0.5 + rng.normal(
        0, CLOSE_OFF_CENTRE if is_close else OFF_CENTRE, 2))
    matrix = np.eye(3)
    matrix[:2, :2] = turned * [rng.choice((-1, 1)), 1]
    matrix[:2, 2] = centre - matrix[:2, :2] @ (x + wide / 2, y + high / 2)
    matrix[2, :2] = rng.normal(0, 0.04 / SIDE, 2)
    # Finer detail than the square's pixels would turn into noise.
    if scale < 0.6:
        rgb_img = cv2.GaussianBlur(rgb_img, (0, 0), 0.25 / scale)
    soft = cv2.GaussianBlur(cv2.erode(
        mask.astype(np.uint8) * 255, np.ones((3, 3), np.uint8)), (0, 0), 0.8)
    seen = cv2.warpPerspective(rgb_img, matrix, (size, size),
                               borderMode=cv2.BORDER_REFLECT_101)
    soft = cv2.warpPerspective(soft, matrix, (size, size))
    return seen, soft[..., np.newaxis].astype(np.float32) / 255


def draw_noise(size: int, coarsest: int, octaves: int,
               rng: np.random.Generator) -> np.ndarray:
    """Return cloudy noise, float32 (size, size), from 0 to 1."""
    noise = np.zeros((size, size), np.float32)
    for octave in range(coarsest, coarsest + octaves):
        points = 2 ** octave + 1
        noise += 0.55 ** octave * cv2.resize(
            rng.random((points, points), np.float32), (size, size),
            interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(noise, None, 0, 1, cv2.NORM_MINMAX)


def draw_foliage(leaves: list[Cutout], size: int, rng: np.random.Generator
                 ) -> np.ndarray:
    """Return a ground out of focus, RGB uint8 (size, size, 3).

    Two colours in clouds; leaves before them, so blurred that their lesions
    can't be told; twigs; and often gaps through which the sky shines.
    """
    first, second = rng.uniform((15, 20, 10), (150, 140, 125), (2, 3))
    clouds = draw_noise(size, 0, 5, rng)[..., np.newaxis]
    ground = (first + clouds * (second - first)) * (0.5 + clouds)
    for _ in range(rng.integers(3, 14) if leaves else 0):
        leaf = leaves[rng.integers(len(leaves))]
        seen, mask = place(cv2.cvtColor(leaf.lab_img, cv2.COLOR_LAB2RGB),
                           leaf.mask, size, rng, (0.2, 0.9))
        shift = rng.integers(-size // 2, size // 2, 2)
        seen, mask = (np.roll(part, shift, (0, 1)) for part in (seen, mask))
        blurred = cv2.GaussianBlur(seen, (0, 0), rng.uniform(2, 4.5))
        light = np.exp(rng.normal(-0.1, 0.5))
        ground += mask * (np.minimum(light * blurred, 255) - ground)
    for _ in range(rng.integers(4)):
        ends = rng.uniform(-0.2, 1.2, (2, 2)) * size
        cv2.line(ground, *(tuple(map(int, end)) for end in ends),
                 rng.uniform(30, 150, 3).tolist(), int(rng.integers(1, 7)))
    if rng.random() < 0.7:
        ground = cv2.GaussianBlur(ground, (0, 0),
                                  np.exp(rng.uniform(0, 2)))
    if rng.random() < 0.5:
        gaps = np.clip((draw_noise(size, 0, 5, rng)
                        - rng.uniform(0.6, 0.9)) / 0.08, 0, 1)
        ground += gaps[..., np.newaxis] * (rng.uniform(170, 255) - ground)
    return np.clip(ground, 0, 255).astype(np.uint8)


def draw_dapples(shades: list[np.ndarray], rng: np.random.Generator
                 ) -> np.ndarray:
    """Return factors of light where sun and shade lie: (size, size, 1)."""
    shade = mirror(shades[rng.integers(len(shades))], rng)
    sun = np.clip((shade - rng.uniform(0.3, 0.7)) / rng.uniform(0.03, 0.25)
                  + 0.5, 0, 1)
    dark, bright = rng.uniform(0.35, 0.8), rng.uniform(0.9, 1.6)
    return (dark + sun * (bright - dark))[..., np.newaxis]


def mirror(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image mirrored in one of four ways."""
    return image[::rng.choice((-1, 1)), ::rng.choice((-1, 1))]


def change_light(rgb_img: np.ndarray, rng: np.random.Generator,
                 strength: float) -> np.ndarray:
    """Return an image in other light, float32 (H, W, 3), 0..255.

    Exposure, white balance, contrast and brightness; the saturation changes
    little, since a lesion's colour is part of what names its disease.
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


def photograph(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a scene (H, W, 3) as a camera gives it: RGB uint8.

    What is below 0 or above 255 in it is black or burnt out.
    """
    seen = change_light(scene, rng, 0.5)
    focus = rng.random()
    if focus < 0.4:
        seen = cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.4, 1.5))
    elif focus < 0.64:
        soft = cv2.GaussianBlur(seen, (0, 0), 1.2)
        seen = seen + np.float32(rng.uniform(0.3, 1.2)) * (seen - soft)
    if rng.random() < 0.3:
        seen = seen + np.float32(rng.uniform(2, 8)) * rng.standard_normal(
            seen.shape, np.float32)
    return np.clip(seen, 0, 255).astype(np.uint8)


def collect_backgrounds(part: Dataset, size: int, seed: int, workers: Workers
                        ) -> Backgrounds:
    """Return the backgrounds that RECIPIENTS leaves of each class make."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([
        rng.permutation(np.flatnonzero(part.labels == label))[:RECIPIENTS]
        for label in range(len(part.class_names))])
    cutouts = raise_errors(
    workers.map(
        cut_out_file, [
            part.root / part.files[row] for row in rows], in_threads=True))
    leaves = [(part.plants[part.labels[row]], leaf) for row, leaf in
              zip(rows, progress(cutouts, len(rows), "Backgrounds"))
              if leaf is not None]
    return set_scene(leaves, size, rng)


def cut_out_file(path: Path) -> Cutout | None:
    """Return the leaf in a file; UserError where it can't be read."""
    return cut_out(read_reduced(path, 2 * SIDE))


@dataclass(frozen=True)
class FieldImage:
    """A field view that is still to be made.

    path, plant: of the leaf that it shows.  seed: of its own, so that it
    does not depend on the order in which views are made, or where.
    """

    path: Path
    plant: str
    seed: tuple[int, int]

    def draw(self, backgrounds: Backgrounds) -> np.ndarray:
        """Return the view, RGB uint8; UserError: no such file."""
        return field_view(
            read_reduced(self.path, 2 *
                         max(SIDE, backgrounds.size)), self.plant,
            backgrounds, np.random.default_rng(self.seed))


def plan_field_images(part: Dataset, targets: Sequence[int], seed: int
                      ) -> tuple[list[FieldImage], np.ndarray]:
    """Return the field views, to be made, and their labels.

    part: whose leaves are shown.  targets: views of each class; every image
    is seen once before one is seen again.
    """
    rng = np.random.default_rng(seed)
    rows = np.concatenate([
        np.resize(rng.permutation(
            np.flatnonzero(part.labels == label)), target)
        for label, target in enumerate(targets)])
    return [FieldImage(part.root / part.files[row], part.plants[part.labels[row]],
                       (seed, number)) for number, row in enumerate(rows)
            ], part.labels[rows]
