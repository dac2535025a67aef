"""Paint the symptoms of the diseases onto a leaf.

Each disease has a field: the distance of each pixel from the centre of a
lesion, 0 in the centre and 1 at the lesion's edge.  A colour ramp turns that
field into rings, haloes or blotches.

An image here is a list of three planes, red, green and blue, each float32
(size, size) in 0-255.  It is painted in place, plane by plane, because the
allocator reuses arrays of this size; one array with all three channels takes
twice the time.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from samples.shapes import Relief, distance_to

# Colour ramp of each disease: (distance from the centre of a lesion, 1 at its
# edge; red, green, blue; opacity 0-1).
SCAB = [(0, 52, 48, 34, .85), (.45, 62, 60, 38, .78), (.7, 82, 88, 50, .5),
        (1, 110, 120, 60, 0)]
RUST = [(0, 168, 70, 38, .95), (.25, 196, 96, 40, .95),
        (.45, 222, 148, 48, .9), (.65, 214, 186, 70, .65),
        (1, 180, 180, 70, 0)]
APPLE_ROT = [(0, 186, 150, 112, .95), (.3, 172, 126, 86, .95),
             (.5, 132, 82, 50, .95), (.62, 84, 46, 44, .95),
             (.72, 92, 60, 46, .8), (.82, 140, 130, 60, .3),
             (1, 150, 150, 60, 0)]
GRAPE_ROT = [(0, 142, 96, 70, .95), (.42, 122, 76, 54, .95),
             (.6, 66, 36, 30, .95), (.7, 58, 38, 28, .85),
             (.8, 130, 130, 50, .3), (1, 150, 150, 50, 0)]
PYCNIDIA = [(0, 24, 18, 18, .9), (.6, 34, 24, 22, .7), (1, 60, 40, 30, 0)]
ESCA = [(0, 112, 62, 50, .95), (.42, 122, 66, 50, .95),
        (.54, 126, 84, 46, .9), (.64, 156, 132, 56, .65),
        (.8, 148, 152, 58, .4), (1, 130, 150, 60, 0)]
LEAF_SPOT = [(0, 46, 30, 30, .95), (.5, 54, 34, 30, .95), (.6, 84, 58, 34, .8),
             (.72, 150, 142, 50, .45), (1, 170, 165, 60, 0)]


def smooth_noise(rng: np.random.Generator, size: int,
                 waves: int) -> np.ndarray:
    """Return smooth noise, float32 (size, size): mean 0, deviation about 1.

    waves: side of the grid of random values between which it interpolates.
    """
    hills = rng.standard_normal((waves, waves), dtype=np.float32)
    return cv2.resize(hills, (size, size), interpolation=cv2.INTER_CUBIC)


def blend(image: list, above: list, opacity: np.ndarray) -> None:
    """Blend a colour or an image over an image, in place.

    opacity: of what is above, 0-1, (size, size).
    """
    for plane, plane_above in zip(image, above):
        plane += (plane_above - plane) * opacity


def _paint(leaf: list, field: np.ndarray, ramp: list,
           rng: np.random.Generator) -> None:
    """Blend the colours that a ramp gives to a field of 0-1 over a leaf.

    The shade of the colours varies from leaf to leaf, the opacity within it.
    """
    distances, *stops = np.array(ramp).T
    table = np.stack([np.interp(np.linspace(0, 1, 256), distances, stop)
                      for stop in stops])
    table[:3] *= rng.normal(1, .1) * rng.normal(1, .04, (3, 1))
    levels = (np.clip(field, 0, 1) * 255).astype(np.uint8)
    *colours, opacity = (cv2.LUT(levels, row)
                         for row in table.astype(np.float32))
    mottle = smooth_noise(rng, len(field), len(field) // 3)
    blend(leaf, colours, opacity * np.clip(.93 + .1 * mottle, 0, 1))


def _sample_pixels(weights: np.ndarray, relief: Relief, count: int,
                   rng: np.random.Generator) -> np.ndarray:
    """Sample pixels (y, x) of the blade by their weight, int (count, 2)."""
    total = np.cumsum(weights * (relief.edge_px > 1), dtype=np.float64)
    indices = np.searchsorted(total, rng.uniform(0, total[-1], count))
    return np.stack(np.divmod(indices, len(relief.alpha)), axis=1)


@dataclass(frozen=True)
class Lesions:
    """The sizes and the outlines of the lesions of a disease.

    radii: smallest and largest radius, as fractions of the frame.
    ragged: irregularity of the edge, as a fraction of the radius.
    stretch: largest ratio of a lesion's length to its width.
    radial: whether lesions are stretched away from the base of the leaf;
    otherwise in random directions.
    """

    radii: tuple[float, float]
    ragged: float = .1
    stretch: float = 1.4
    radial: bool = False


def _spots(relief: Relief, rng: np.random.Generator, count: int,
           lesions: Lesions, weights: np.ndarray | float = 1.) -> np.ndarray:
    """Return the field of `count` lesions, 0 in the centre, 1 at the edge.

    weights: relative probability of a lesion at each pixel, (size, size).
    """
    size = len(relief.alpha)
    smallest, largest = lesions.radii
    field = np.ones((size, size), np.float32)
    rough = lesions.ragged * (smooth_noise(rng, size, size // 12)
                              + .6 * smooth_noise(rng, size, size // 4))
    for y, x in _sample_pixels(weights, relief, count, rng).tolist():
        age = rng.uniform()
        radius_px = size * smallest * (largest / smallest) ** age
        slim = rng.uniform(1, lesions.stretch)
        turn = rng.uniform(0, np.pi)
        if lesions.radial:
            turn = np.arctan2(y - relief.base[1], x - relief.base[0])
        cos, sin = float(np.cos(turn)), float(np.sin(turn))
        reach = int(radius_px * slim ** .5 * (1 + 2 * lesions.ragged)) + 2
        top, left = max(0, y - reach), max(0, x - reach)
        part = field[top:y + reach + 1, left:x + reach + 1]
        down = np.arange(part.shape[0], dtype=np.float32)[:, None] + (top - y)
        right = np.arange(part.shape[1], dtype=np.float32) + (left - x)
        along = (cos * right + sin * down) / (radius_px * slim ** .5)
        across = (cos * down - sin * right) * (slim ** .5 / radius_px)
        away = np.sqrt(along * along + across * across)
        away += rough[top:y + reach + 1, left:x + reach + 1]
        # A young lesion lacks the colours at the centre of an old one.
        young = .45 * (1 - age)
        np.minimum(part, young + (1 - young) * np.abs(away), out=part)
    return field


def _healthy(leaf: list, relief: Relief, rng: np.random.Generator) -> None:
    """Paint nothing: a healthy leaf has no symptoms."""


def _scab(leaf: list, relief: Relief, rng: np.random.Generator) -> None:
    """Apple scab: olive, velvety blotches with feathery edges.

    Venturia inaequalis grows in threads under the cuticle, often along the
    veins, so its blotches have no sharp rim; its spores look like velvet.
    """
    near = np.exp(-relief.vein_px / (len(relief.alpha) * .02)) + .15
    field = _spots(relief, rng, int(rng.integers(6, 30)),
                   Lesions((.03, .085), ragged=.22, stretch=1.8), near)
    _paint(leaf, field, SCAB, rng)


def _rust(leaf: list, relief: Relief, rng: np.random.Generator) -> None:
    """Apple rust: orange spots with a yellow rim and a reddish centre.

    Gymnosporangium feeds on the living leaf around each point of infection;
    the red centre bears its first spores.
    """
    field = _spots(relief, rng, int(rng.integers(8, 36)),
                   Lesions((.014, .042), ragged=.14))
    _paint(leaf, field, RUST, rng)


def _apple_rot(leaf: list, relief: Relief, rng: np.random.Generator) -> None:
    """Black rot of apple (frogeye leaf spot): tan with a purple-brown rim.

    Botryosphaeria obtusa kills the leaf in phases, each of which leaves a
    ring; the oldest part, in the centre, bleaches.
    """
    field = _spots(relief, rng, int(rng.integers(6, 26)),
                   Lesions((.014, .05)))
    if rng.uniform() < .35:             # rot that grows in from the edge
        edge = relief.edge_px < len(field) * .05
        field = np.minimum(field, _spots(
            relief, rng, int(rng.integers(1, 4)),
            Lesions((.06, .16), ragged=.15, stretch=2), edge))
    _paint(leaf, field, APPLE_ROT, rng)


def _grape_rot(leaf: list, relief: Relief, rng: np.random.Generator) -> None:
    """Black rot of grape: round, brown, dark-rimmed, with black dots.

    The dots are the pycnidia, in which Guignardia bidwellii makes spores.
    """
    field = _spots(relief, rng, int(rng.integers(5, 26)),
                   Lesions((.014, .055), ragged=.07))
    _paint(leaf, field, GRAPE_ROT, rng)
    brown = field < .5
    dots = np.zeros(brown.shape, bool)
    dots[tuple(_sample_pixels(brown + 1e-6, relief, int(brown.sum() / 40),
                              rng).T)] = True
    _paint(leaf, distance_to(dots) / (len(dots) * .008), PYCNIDIA, rng)


def _esca(leaf: list, relief: Relief, rng: np.random.Generator) -> None:
    """Esca: tiger stripes, red-brown and yellow between green veins.

    Fungi in the trunk (Phaeomoniella and others) poison the leaf and cut off
    its water: its margin and the parts furthest from a vein die first.
    """
    size = len(relief.alpha)
    between = np.clip(relief.vein_px / (size * .03), 0, 1)
    outer = np.exp(-relief.edge_px / (size * rng.uniform(.08, .5)))
    field = _spots(relief, rng, int(rng.integers(15, 75)),
                   Lesions((.02, .07), ragged=.16, stretch=4.5, radial=True),
                   between ** 2 * outer + 1e-6)
    _paint(leaf, field + .55 * (1 - between) ** 2, ESCA, rng)


def _leaf_spot(leaf: list, relief: Relief, rng: np.random.Generator) -> None:
    """Leaf spot of grape: dark, angular lesions on a yellowing leaf.

    Isariopsis (Pseudocercospora vitis) stops at the fine veins, so each
    lesion has the shape of the meshes between them.
    """
    size = len(relief.alpha)
    yellow = smooth_noise(rng, size, 6) * .15 + rng.uniform(.05, .5)
    yellow += np.exp(-relief.edge_px / (size * .03)) * rng.uniform(0, .5)
    blend(leaf, [165, 160, 66], np.clip(yellow, 0, .7))
    # Each lesion fills one to three neighbouring meshes.
    centres = _sample_pixels(1., relief, int(rng.integers(10, 60)),
                             rng)[:, None]
    pixels = centres + rng.normal(0, .008 * size, (len(centres), 3, 2))
    rows, columns = np.clip(pixels, 0, size - 1).astype(int).reshape(-1, 2).T
    is_dead = np.zeros(relief.mesh_ids.max() + 1, bool)
    is_dead[relief.mesh_ids[rows, columns]] = True
    outside = distance_to(is_dead[relief.mesh_ids])
    _paint(leaf, .5 + outside / (size * .05), LEAF_SPOT, rng)


# For each class the function that paints its symptoms: it takes the leaf (an
# image, painted in place), its relief and a random generator.
SYMPTOMS = {
    "Apple_Black_rot": _apple_rot, "Apple_healthy": _healthy,
    "Apple_rust": _rust, "Apple_scab": _scab, "Grape_Black_rot": _grape_rot,
    "Grape_Esca": _esca, "Grape_healthy": _healthy, "Grape_spot": _leaf_spot}
