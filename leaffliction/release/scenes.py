"""Scenes: photographs composed of leaves, grounds and plain backgrounds.

A class must not be told by where its pictures come from.  There are
photographs of orchards for apples alone, and of the web for a few classes; so
every class gets scenes of each kind: leaves that were photographed in a
laboratory are cut out and laid on real foliage, on plain backgrounds as in
stock photographs, or heaped up to foliage of their own, and leaves that were
photographed on the tree get the outline of a laboratory's leaf and its
background.  Light, tone, lesions and camera vary as in synthetic field images
(leaffliction/training/field_images.py).
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from leaffliction.release.camera import (change_camera, random_crop,
                                         rephotograph, turn)
from leaffliction.training.backgrounds import (Backgrounds, dapples_of_light,
                                               random_flip)
from leaffliction.training.cutouts import (Cutout, change_tone, cut_out_file,
                                           paste, transplant_lesions,
                                           warp_leaf)
from leaffliction.training.field_images import (change_light,
                                                compose_field_image)
from leaffliction.transformation.mask import leaf_mask
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import (read_for_network, read_reduced,
                                       stretch)

OUTLINE_SIDE = 256       # pixels of a photograph that gets a leaf's outline
LAID_SIDE = 256          # of an image to judge by, as in the data sets
TRANSPLANT_PROBABILITY, TONE_PROBABILITY = 0.6, 0.6
# Ranges of a random tone of healthy tissue in L, a and b (0..255): usual
# ones, the bright green of young leaves, the yellow of old or ill ones.
USUAL_TONES = ((60, 90, 132), (190, 122, 175))
BRIGHT_TONES = ((120, 88, 155), (205, 112, 200))
YELLOW_TONES = ((140, 115, 165), (210, 135, 205))
# Longer side of a leaf, as a fraction of the image's side.
MAIN_SIZES, CLOSE_UP_SIZES, OTHER_SIZES = (0.45, 1.05), (1.1, 2.2), (.25, .8)
SINGLE_SIZES, GROUP_SIZES = (0.55, 1.0), (0.35, 0.75)    # on plain ground
# In foliage the largest leaf; lesions on smaller ones could not be seen.
HEALTHY_FOLIAGE, ILL_FOLIAGE = (0.3, 0.8), (0.45, 0.95)


@dataclass(frozen=True)
class Scene:
    """Recipe of an image to train on, rendered when it is needed.

    kind: a key of COMPOSERS.  path: of the photograph that gives the class.
    plant: of that photograph.
    seed: of this image alone: its pixels depend on nothing else.
    others: further photographs of the class, whose leaves are in the image.
    ground: the photograph in the background, if any.
    outline: a laboratory photograph whose leaf gives the outline.
    is_ill: whether the leaves are to show lesions.
    """

    kind: str
    path: Path
    plant: str
    seed: tuple[int, int]
    others: tuple[Path, ...] = ()
    ground: Path | None = None
    outline: Path | None = None
    is_ill: bool = False

    def render(self, backgrounds: Backgrounds) -> np.ndarray:
        """Return the image, RGB uint8 (size, size, 3).

        backgrounds: as for synthetic field images; they give the size.
        Raises UserError if a photograph cannot be read.
        """
        return COMPOSERS[self.kind](self, backgrounds,
                                    np.random.default_rng(self.seed))


# The composers: one for each kind of scene, with the same parameters.

def compose_copy(scene: Scene, backgrounds: Backgrounds,
                 rng: np.random.Generator) -> np.ndarray:
    """Return the photograph as another camera would have taken it."""
    return rephotograph(read(scene.path, backgrounds), backgrounds.size, rng)


def compose_mild_copy(scene: Scene, backgrounds: Backgrounds,
                      rng: np.random.Generator) -> np.ndarray:
    """Return the photograph in another light, with most of the leaf."""
    return rephotograph(read(scene.path, backgrounds), backgrounds.size, rng,
                        strength=0.6, crop=0.65)


def compose_drawn(scene: Scene, backgrounds: Backgrounds,
                  rng: np.random.Generator) -> np.ndarray:
    """Return a synthetic field image, on drawn foliage."""
    return compose_field_image(read_reduced(scene.path, 512), scene.plant,
                               backgrounds, rng)


def compose_on_ground(scene: Scene, backgrounds: Backgrounds,
                      rng: np.random.Generator) -> np.ndarray:
    """Return leaves of one class laid on a real photograph."""
    leaves = cut_out_all(scene)
    if not leaves:
        return compose_copy(scene, backgrounds, rng)
    image = read_ground(scene.ground, backgrounds, rng)
    for number in reversed(range(len(leaves))):
        leaf = vary(leaves[number], scene.plant, backgrounds, rng)
        pose = OTHER_SIZES, 0.3
        if number == 0:     # the main leaf, in front
            is_close_up = rng.random() < 0.2
            pose = (CLOSE_UP_SIZES if is_close_up else MAIN_SIZES), 0
        image = lay(image, leaf, backgrounds, rng, pose)
    return change_camera(image, rng, 0.7)


def compose_on_plain(scene: Scene, backgrounds: Backgrounds,
                     rng: np.random.Generator) -> np.ndarray:
    """Return one or a few leaves on a plain background, as stock pictures."""
    leaves = cut_out_all(scene)
    if not leaves:
        return compose_copy(scene, backgrounds, rng)
    image = plain_background(backgrounds.size, rng)
    pose = (SINGLE_SIZES, 0) if len(leaves) == 1 else (GROUP_SIZES, 0.18)
    for leaf in reversed(leaves):
        image = lay(image, vary(leaf, scene.plant, backgrounds, rng),
                    backgrounds, rng, pose)
    return change_camera(image, rng, 0.5)


def compose_foliage(scene: Scene, backgrounds: Backgrounds,
                    rng: np.random.Generator) -> np.ndarray:
    """Return foliage of one plant: many leaves in about the same tone.

    Some leaves of a diseased plant are healthy.
    """
    leaves = cut_out_all(scene)
    if not leaves:
        return compose_copy(scene, backgrounds, rng)
    healthy = backgrounds.recipients.get(scene.plant, ())
    tone = sample_tone(leaves[0], backgrounds, rng)
    largest = rng.uniform(*(ILL_FOLIAGE if scene.is_ill else HEALTHY_FOLIAGE))
    count = rng.integers(3, 10 if scene.is_ill else 16)
    if scene.ground is None:
        foliage = backgrounds.foliage
        image = foliage[rng.integers(len(foliage))].astype(np.float32)
    else:
        image = read_ground(scene.ground, backgrounds, rng)
    for number in range(count):
        leaf = leaves[rng.integers(len(leaves))]
        if scene.is_ill and len(healthy) and rng.random() < 0.35:
            leaf = healthy[rng.integers(len(healthy))]
        if rng.random() < 0.7:
            lab_img = change_tone(leaf, tone * np.exp(
                rng.normal(0, 0.05, tone.shape)))
            rgb_img = cv2.cvtColor(lab_img, cv2.COLOR_LAB2RGB)
        else:
            rgb_img = leaf.to_rgb()
        image = lay(image, (rgb_img, leaf.mask), backgrounds, rng, (
            (0.6 * largest, 1.1 * largest),
            0.12 if number == count - 1 else 0.3))
        if number < count // 2 and rng.random() < 0.4:   # out of focus
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2))
    if rng.random() < 0.4:
        image = image * dapples_of_light(backgrounds.shades, rng)
    return change_camera(image, rng, 0.8)


def compose_close_up(scene: Scene, backgrounds: Backgrounds,
                     rng: np.random.Generator) -> np.ndarray:
    """Return part of a leaf, around a lesion if there is one."""
    leaf = cut_out_file(scene.path)
    if leaf is None:
        return compose_copy(scene, backgrounds, rng)
    rgb_img, _ = vary(leaf, scene.plant, backgrounds, rng,
                      with_transplants=False)
    rows, columns = np.nonzero(leaf.lesions if leaf.lesions.any()
                               else leaf.mask)
    chosen = rng.integers(len(rows))
    longest = max(cv2.boundingRect(leaf.mask.astype(np.uint8))[2:])
    side = max(24, int(longest * rng.uniform(0.2, 0.55)))
    top, left = (int(np.clip(
        centre + rng.normal(0, 0.15) * side - side / 2, 0,
        max(0, extent - side))) for centre, extent in zip(
            (rows[chosen], columns[chosen]), leaf.mask.shape))
    part = turn(rgb_img[top:top + side, left:left + side], rng)
    return change_camera(stretch(part, backgrounds.size), rng, 0.8)


def compose_outline(scene: Scene, backgrounds: Backgrounds,
                    rng: np.random.Generator) -> np.ndarray:
    """Return the photograph in the outline of a laboratory's leaf.

    On the background of a laboratory photograph (kind "in laboratory"), on
    a real photograph, or on a plain background.
    """
    outline = cut_out_file(scene.outline)
    if outline is None:
        return compose_copy(scene, backgrounds, rng)
    texture = fill_outline(read_for_network(scene.path, OUTLINE_SIDE),
                           outline.mask, rng)
    size = backgrounds.size
    if scene.kind == "in laboratory":
        image = laboratory_background(
            stretch(read_reduced(scene.ground, size), size), rng)
        warped, alpha = warp_leaf(texture, outline.mask, size, rng,
                                  (0.75, 1.0))
        return change_camera(paste(image, warped, alpha), rng, 0.3)
    if scene.ground is None:
        image, pose, strength = (plain_background(size, rng),
                                 (SINGLE_SIZES, 0), 0.5)
    else:
        image, pose, strength = (read_ground(scene.ground, backgrounds, rng),
                                 (MAIN_SIZES, 0), 0.7)
    return change_camera(lay(image, (texture, outline.mask), backgrounds, rng,
                             pose), rng, strength)


COMPOSERS = {
    "copy": compose_copy, "mild copy": compose_mild_copy,
    "drawn": compose_drawn, "on ground": compose_on_ground,
    "on plain": compose_on_plain, "foliage": compose_foliage,
    "close-up": compose_close_up, "in laboratory": compose_outline,
    "outline": compose_outline}


def lay_leaf(leaf: Path, ground: Path, seed: int) -> np.ndarray:
    """Return one leaf laid on a whole photograph, RGB uint8.

    To judge by: its lesions, its tone and the ground stay as they are.
    Returns (LAID_SIDE, LAID_SIDE, 3).  Raises UserError if a photograph
    cannot be read, or no leaf is found in it.
    """
    rng = np.random.default_rng(seed)
    cutout = cut_out_file(leaf)
    if cutout is None:
        raise UserError(f"{leaf}: no leaf is found in it")
    image = stretch(read_for_network(ground, LAID_SIDE), LAID_SIDE)
    warped, alpha = warp_leaf(cutout.to_rgb(), cutout.mask, LAID_SIDE, rng,
                              MAIN_SIZES)
    light = change_light(warped, rng, 0.3)
    return change_camera(paste(image.astype(np.float32), light, alpha), rng,
                         0.5)


# What scenes are composed of.

def read(path: Path, backgrounds: Backgrounds) -> np.ndarray:
    """Return a photograph, RGB uint8, large enough for the network."""
    return read_for_network(path, backgrounds.size)


def cut_out_all(scene: Scene) -> list[Cutout]:
    """Return the leaves of a scene's photographs, the main one first."""
    leaves = map(cut_out_file, (scene.path, *scene.others))
    return [leaf for leaf in leaves if leaf is not None]


def vary(leaf: Cutout, plant: str, backgrounds: Backgrounds,
         rng: np.random.Generator, with_transplants: bool = True
         ) -> tuple[np.ndarray, np.ndarray]:
    """Return a leaf, RGB uint8 (H, W, 3), and its mask, bool (H, W).

    It is often in another tone.  with_transplants: often its lesions are
    shown on a healthy leaf of the plant instead.
    """
    healthy = backgrounds.recipients.get(plant, ())
    if (with_transplants and leaf.is_diseased and len(healthy)
            and rng.random() < TRANSPLANT_PROBABILITY):
        leaf = transplant_lesions(leaf, healthy[rng.integers(len(healthy))],
                                  rng)
    if rng.random() >= TONE_PROBABILITY:
        return leaf.to_rgb(), leaf.mask
    lab_img = change_tone(leaf, sample_tone(leaf, backgrounds, rng))
    return cv2.cvtColor(lab_img, cv2.COLOR_LAB2RGB), leaf.mask


def sample_tone(leaf: Cutout, backgrounds: Backgrounds,
                rng: np.random.Generator) -> np.ndarray:
    """Return a tone for a leaf, float (2, 3), as in Cutout.

    That of another leaf, or a random one with about the leaf's own standard
    deviation.  The range is wider than in synthetic field images: it has the
    bright green and the yellow of photographs from the web.
    """
    kind = rng.random()
    if kind < 0.35 and len(backgrounds.tones):
        return backgrounds.tones[rng.integers(len(backgrounds.tones))]
    ranges = (USUAL_TONES if kind < 0.65 else
              BRIGHT_TONES if kind < 0.9 else YELLOW_TONES)
    return np.array([rng.uniform(*ranges),
                     leaf.tone[1] * np.exp(rng.normal(0, 0.25))])


def read_ground(path: Path, backgrounds: Backgrounds,
                rng: np.random.Generator) -> np.ndarray:
    """Return part of a photograph as a ground, float32 (size, size, 3).

    Mirrored, in another light, and nearly half of the time out of focus.
    """
    part = random_crop(read(path, backgrounds), rng, (0.25, 1.0))
    image = np.ascontiguousarray(random_flip(
        stretch(part, backgrounds.size), rng))
    if rng.random() < 0.45:
        image = cv2.GaussianBlur(image, (0, 0), np.exp(rng.uniform(0, 2)))
    return change_light(image, rng, 0.6)


def plain_background(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a plain background, float (size, size, 3), 0..255.

    White (40 %), black, a grey or a colour; half of them get lighter towards
    one side.
    """
    kind = rng.random()
    if kind < 0.4:
        colour = np.full(3, rng.uniform(235, 256))
    elif kind < 0.55:
        colour = np.full(3, rng.uniform(0, 25))
    elif kind < 0.75:
        colour = rng.uniform(60, 230) + rng.normal(0, 6, 3)
    else:
        colour = rng.uniform(20, 230, 3)
    image = np.tile(colour.astype(np.float32), (size, size, 1))
    if rng.random() < 0.5:
        axis = np.linspace(-1, 1, size, dtype=np.float32)
        angle = rng.uniform(0, 2 * np.pi)
        slope = (np.cos(angle) * axis[:, np.newaxis]
                 + np.sin(angle) * axis)[..., np.newaxis]
        image = image + slope * np.float32(rng.uniform(0, 30))
    return np.clip(image, 0, 255)


def lay(image: np.ndarray, leaf: tuple[np.ndarray, np.ndarray],
        backgrounds: Backgrounds, rng: np.random.Generator,
        pose: tuple[tuple[float, float], float]) -> np.ndarray:
    """Return an image, float32 (size, size, 3), with a leaf laid on it.

    leaf: RGB uint8 (H, W, 3) and mask, bool (H, W).
    pose: range of its longer side, and standard deviation of its distance
    from the centre, both as a fraction of the image's side.
    It is in a light of its own, and often casts a shadow.
    """
    size, (sizes, spread) = backgrounds.size, pose
    warped, alpha = warp_leaf(*leaf, size, rng, sizes)
    if spread:
        right, down = rng.normal(0, spread, 2) * size
        matrix = np.float32([[1, 0, right], [0, 1, down]])
        warped = cv2.warpAffine(warped, matrix, (size, size))
        alpha = cv2.warpAffine(alpha, matrix, (size, size))[..., np.newaxis]
    light = change_light(warped, rng, 0.6)
    if rng.random() < 0.4:
        light = light * dapples_of_light(backgrounds.shades, rng)
    if rng.random() < 0.4:
        shadow = cv2.GaussianBlur(
            np.roll(alpha, rng.integers(-8, 9, 2), (0, 1)), (0, 0),
            rng.uniform(2, 6))[..., np.newaxis]
        image = image * (1 - np.float32(rng.uniform(0.2, 0.6)) * shadow)
    return paste(image, np.minimum(light, 255), alpha)


def fill_outline(rgb_img: np.ndarray, outline: np.ndarray,
                 rng: np.random.Generator) -> np.ndarray:
    """Return the centre of a photograph, stretched over a leaf's outline.

    rgb_img: RGB uint8 (H, W, 3).  outline: bool (h, w).
    Returns RGB uint8 (h, w, 3), black outside the outline's bounding box.
    """
    height, width = rgb_img.shape[:2]
    share = rng.uniform(0.45, 0.8)
    rows, columns = int(height * share), int(width * share)
    top = int((height - rows) / 2 + rng.uniform(-0.1, 0.1) * height)
    left = int((width - columns) / 2 + rng.uniform(-0.1, 0.1) * width)
    part = np.rot90(rgb_img[max(0, top):top + rows,
                            max(0, left):left + columns], rng.integers(4))
    x, y, width, height = cv2.boundingRect(outline.astype(np.uint8))
    filled = np.zeros((*outline.shape, 3), np.uint8)
    filled[y:y + height, x:x + width] = cv2.resize(
        np.ascontiguousarray(part), (width, height),
        interpolation=cv2.INTER_AREA)
    return filled


def laboratory_background(rgb_img: np.ndarray, rng: np.random.Generator
                          ) -> np.ndarray:
    """Return a laboratory photograph without its leaf, float32 (H, W, 3).

    The place of the leaf is filled with the colours around it, and grain.
    """
    leaf = leaf_mask(rgb_img).astype(np.uint8)
    leaf = cv2.dilate(leaf, np.ones((15, 15), np.uint8))
    weight = 1 - leaf.astype(np.float32)
    colours = cv2.GaussianBlur(rgb_img * weight[..., np.newaxis], (0, 0), 30)
    weight = cv2.GaussianBlur(weight, (0, 0), 30)[..., np.newaxis]
    alpha = cv2.GaussianBlur(leaf.astype(np.float32), (0, 0),
                             3)[..., np.newaxis]
    grain = 4 * rng.standard_normal(rgb_img.shape, np.float32)
    image = paste(rgb_img, colours / (weight + 1e-4) + grain, alpha)
    return np.clip(image, 0, 255)
