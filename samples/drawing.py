"""Draw a leaf on paper, from its outline to the noise of the camera.

samples/shapes.py makes the outline and the veins, and from them the relief
that gives light and shade.  samples/symptoms.py paints the symptoms of a
disease onto the blade before it is lit.  Lengths are fractions of the frame
unless a name ends in `_px`.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from samples.shapes import (Pose, Relief, apple_shape, grape_shape,
                            make_relief, pose_shape)
from samples.symptoms import SYMPTOMS, blend, smooth_noise

MIN_SIZE = 16     # pixels per side; a smaller leaf is only a blur
# Pixels per side: smaller images are drawn at this size, then reduced.
MIN_DRAWING_SIZE = 128
# Dark and bluish, deep, common, pale, yellowish: leaves are mixtures of them.
GREENS = [(38, 64, 50), (58, 96, 42), (76, 110, 66), (106, 138, 104),
          (118, 146, 70)]
VEIN_COLOUR = (190, 200, 120)
SKY = (140, 150, 160)                   # what a glossy leaf reflects
# Shape, highest gloss, and depth of the quilted surface between the veins:
# an apple leaf is matt and flat, a grape leaf glossy and blistered.
SPECIES = {"Apple": (apple_shape, .25, .5), "Grape": (grape_shape, .5, 1.)}


@dataclass(frozen=True)
class Scene:
    """All that does not depend on the leaf: table, light and camera."""

    paper: list               # red, green, blue, without light
    grain: np.ndarray         # (size, size), grey levels of the paper
    light: np.ndarray         # (size, size), about 1: uneven lamp or sky
    noise: np.ndarray         # (size, size), grey levels of the camera
    towards_light: tuple      # unit vector (x, y) in the image
    shadow_length: float
    shadow_blur: float
    shadow_depth: float       # 0 none, 1 black
    pose: Pose                # of the leaf


def draw_scene(rng: np.random.Generator, size: int) -> Scene:
    """Return the paper, the light on it and the pose of a leaf.

    Independent of the class: the same generator gives the same background
    for a leaf of any class.
    """
    tints = np.array([[1, 1, 1], [.96, .93, 1.1], [1.07, .98, .97],
                      [1.05, 1, .93]])       # grey, bluish, pinkish, brown
    tint = rng.dirichlet([.6] * 4) @ tints
    paper = rng.uniform(110, 190) * tint
    grain = rng.standard_normal((size, size), dtype=np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), .6) * rng.uniform(3, 18)
    grain += smooth_noise(rng, size, 12) * rng.uniform(.5, 3)
    angle = rng.uniform(0, 2 * np.pi)
    towards_light = (float(np.cos(angle)), float(np.sin(angle)))
    across = np.linspace(-.5, .5, size, dtype=np.float32)
    light = (towards_light[0] * across)[None] + (
        towards_light[1] * across)[:, None]
    light = 1 + light * rng.uniform(.05, .45)
    light += smooth_noise(rng, size, 4) * rng.uniform(.01, .05)
    noise = rng.standard_normal((size, size), dtype=np.float32)
    return Scene(
        paper=paper.tolist(), grain=grain, light=light,
        noise=noise * rng.uniform(1, 3.5), towards_light=towards_light,
        shadow_length=rng.uniform(.005, .06),
        shadow_blur=rng.uniform(.003, .02),
        shadow_depth=rng.uniform(.25, .8),
        pose=Pose(rng.normal(0, .4), rng.uniform(.84, .98),
                  *rng.uniform(-.5, .5, 2)))


def _paint_blade(relief: Relief, rng: np.random.Generator) -> list:
    """Return a healthy blade without light: uneven green, paler veins."""
    size = len(relief.alpha)
    green = rng.dirichlet([.8] * 5) @ np.array(GREENS)
    uneven = 1 + smooth_noise(rng, size, 5) * .06 + smooth_noise(
        rng, size, size // 5) * .04
    leaf = [uneven * level for level in green.tolist()]
    pale = .55 * green + .45 * np.array(VEIN_COLOUR)
    blend(leaf, pale.tolist(), relief.veins * rng.uniform(.4, 1))
    return leaf


def _shade(leaf: list, relief: Relief, scene: Scene, gloss: float,
           quilt: float, rng: np.random.Generator) -> None:
    """Light the leaf, in place: folds along the veins, quilt, and curl.

    gloss: strength of the reflection.  quilt: depth of the surface between
    the veins, as in SPECIES.
    """
    size = len(relief.alpha)
    px = 256 / size
    height = relief.main_px * (px * rng.uniform(-.05, .09))
    height += np.minimum(relief.vein_px * px, 8) * (
        quilt * rng.uniform(.02, .09))
    height += np.minimum(relief.mesh_px * px, 3) * (
        quilt * rng.uniform(.05, .2))
    height = cv2.GaussianBlur(height, (0, 0), 1.3 / px)
    height += smooth_noise(rng, size, 5) * rng.uniform(.5, 2.5)
    height += smooth_noise(rng, size, size // 2) * rng.uniform(.01, .06)
    across = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=.125 / px)
    down = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=.125 / px)
    to_x, to_y = scene.towards_light
    facing = -(across * to_x + down * to_y)
    bright = np.clip(1 + 1.8 * facing, .4, 1.8)
    # Each hair and pore of the surface reflects light differently.
    bright += rng.standard_normal((size, size), dtype=np.float32) * (
        rng.uniform(.02, .1))
    shine = np.exp(-((facing - .2) / .12) ** 2) * gloss
    for plane, level in zip(leaf, SKY):
        plane *= bright
        plane += level * shine


def _shadow_of(relief: Relief, scene: Scene) -> np.ndarray:
    """Return the shadow of a leaf on the paper, (size, size): 0-1."""
    size = len(relief.alpha)
    right, below = (-size * scene.shadow_length * part
                    for part in scene.towards_light)
    shadow = cv2.warpAffine(
        relief.alpha, np.float32([[1, 0, right], [0, 1, below]]),
        (size, size))
    return cv2.GaussianBlur(shadow, (0, 0), scene.shadow_blur * size)


def draw_leaf_and_mask(class_name: str, rng: np.random.Generator,
                       size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Return the drawing of a leaf of a class, and the mask of the leaf.

    The image is RGB uint8 (size, size, 3); the mask bool (size, size), True
    on blade and petiole.
    Raises ValueError for an unknown class and for a size below MIN_SIZE.
    """
    if class_name not in SYMPTOMS:
        raise ValueError(f"no class {class_name!r}: choose one of "
                         + ", ".join(SYMPTOMS))
    if size < MIN_SIZE:
        raise ValueError(f"size {size}: at least {MIN_SIZE} pixels")
    drawing_size = max(size, MIN_DRAWING_SIZE)
    scene = draw_scene(rng, drawing_size)
    make_shape, max_gloss, quilt = SPECIES[class_name.split("_")[0]]
    shape = pose_shape(make_shape(rng), scene.pose, drawing_size, rng)
    relief = make_relief(shape, drawing_size, rng)
    leaf = _paint_blade(relief, rng)
    SYMPTOMS[class_name](leaf, relief, rng)
    _shade(leaf, relief, scene, rng.uniform(0, max_gloss), quilt, rng)
    image = [scene.grain + level for level in scene.paper]
    blend(image, [0, 0, 0], scene.shadow_depth * _shadow_of(relief, scene))
    blend(image, leaf, relief.alpha)
    rgb_img = cv2.merge([
        np.clip(plane * scene.light + scene.noise, 0, 255).astype(np.uint8)
        for plane in image])
    alpha = relief.alpha
    if drawing_size != size:
        rgb_img, alpha = (
            cv2.resize(field, (size, size), interpolation=cv2.INTER_AREA)
            for field in (rgb_img, alpha))
    return rgb_img, alpha > .5


def draw_leaf(class_name: str, rng: np.random.Generator,
              size: int = 256) -> np.ndarray:
    """Return the image of `draw_leaf_and_mask` without the mask."""
    return draw_leaf_and_mask(class_name, rng, size)[0]
