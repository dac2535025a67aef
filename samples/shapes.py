"""Make the shape of a leaf: its outline, its veins, and its relief.

apple_shape and grape_shape return outline and veins as points; the leaf is
one unit long.  pose_shape bends and rotates them and scales them to pixels.
make_relief computes the distance of each pixel to the nearest vein, from
which the drawing takes the height of the blade.

A field is a float32 array of the frame, (size, size).  Lengths are fractions
of the leaf's length unless a name ends in `_px`.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# Veins are drawn enlarged by this factor: thin ones are half a pixel wide.
VEIN_SCALE = 2
FIXED_BITS = 4    # fractional bits of OpenCV's coordinates: 1/16 px


@dataclass(frozen=True)
class Shape:
    """Outline and veins as (N, 2) points: x right, y from base to tip.

    After pose_shape they are pixels of the frame, and y points down.
    """

    outline: np.ndarray
    main: list                # midrib, or the five main veins
    side: list                # the veins that branch off them
    petiole: np.ndarray


@dataclass(frozen=True)
class Pose:
    """How a leaf lies in its frame."""

    angle: float              # radians
    extent: float             # of the blade, as a fraction of the frame
    x: float                  # -0.5 left edge, 0 middle, 0.5 right edge
    y: float                  # -0.5 upper edge, 0 middle, 0.5 lower edge


@dataclass(frozen=True)
class Relief:
    """Fields of a leaf in its frame: coverage, and distances to the veins."""

    alpha: np.ndarray         # (size, size), 0-1: coverage by blade or petiole
    veins: np.ndarray         # (size, size), 0-1: strength of a vein
    vein_px: np.ndarray       # (size, size): distance to a main or side vein
    main_px: np.ndarray       # (size, size): distance to a main vein
    edge_px: np.ndarray       # (size, size): depth inside the leaf, 0 outside
    mesh_ids: np.ndarray      # (size, size) int32: mesh of the finest veins
    mesh_px: np.ndarray       # (size, size): distance to any vein
    base: np.ndarray          # (2,) x, y where petiole and blade meet


def _toothed(side: np.ndarray, teeth: int, depth: float, peak: float,
             rng: np.random.Generator) -> np.ndarray:
    """Return one half of the outline, (N, 2) from base to tip, with teeth.

    depth: mean height of a tooth.  peak: fraction of a tooth's length over
    which it rises; it falls over the rest, and so points to the tip.
    Lengths and heights vary at random.
    """
    step = np.hypot(*np.diff(side, axis=0).T)
    along = np.concatenate([[0], np.cumsum(step)]) / step.sum()
    knots = np.linspace(0, 1, teeth + 1)
    knots[1:-1] += rng.uniform(-.3, .3, teeth - 1) / teeth
    phase = np.interp(along, knots, np.arange(teeth + 1))
    tooth = np.minimum(phase.astype(int), teeth - 1)
    phase -= tooth
    height = np.minimum(phase / peak, (1 - phase) / (1 - peak)) ** .8
    height *= depth * rng.uniform(.5, 1.3, teeth)[tooth]
    tangent = np.gradient(side, axis=0)
    tangent /= np.hypot(*tangent.T)[:, None] + 1e-9
    outward = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    fade = np.clip(np.minimum(along / .12, (1 - along) / .02), 0, 1)
    return side + outward * (height * fade)[:, None]


def _mirrored(points: np.ndarray) -> np.ndarray:
    """Return points (N, 2) mirrored at the midrib."""
    return points * [-1, 1]


def apple_shape(rng: np.random.Generator) -> Shape:
    """Return an apple leaf (Malus domestica).

    Ovate, with a serrated edge and a pointed tip.  The side veins branch off
    the midrib pinnately and curve towards the tip.
    """
    blunt, taper = rng.uniform(.48, .66), rng.uniform(.62, .9)
    pinch = rng.uniform(.1, .7)
    # Greatest widths of the right and of the left half.
    widths = rng.uniform(.33, .46) * rng.uniform(.94, 1.06, 2)
    widest = blunt / (blunt + taper)
    greatest = widest ** blunt * (1 - widest) ** taper

    def half_width(t):
        # A beta curve from the base (t = 0) to the tip (1), with maximum 1 at
        # `widest`.  The last factor narrows the blade to a point at the tip.
        return t ** blunt * (1 - t) ** taper / greatest * (1 - pinch * t ** 12)

    # More points near base and tip, where the outline bends most.
    t = (1 - np.cos(np.linspace(0, np.pi, 300))) / 2
    wave = 1 + .03 * np.sin(2 * np.pi * (t * rng.uniform(1.5, 3)
                                         + rng.uniform()))
    depth = rng.uniform(.008, .018)
    right, left = (
        _toothed(np.stack([half_width(t) * width * wave, t], axis=1),
                 int(rng.integers(26, 38)), depth, .75, rng)
        for width in widths)
    outline = np.concatenate([right, _mirrored(left)[::-1]])
    main = [np.stack([np.zeros(12), np.linspace(0, .985, 12)], axis=1)]
    side = []
    out = np.linspace(0, 1, 9)
    for sign, width in zip((1, -1), widths):
        starts = np.linspace(.05, .84, int(rng.integers(6, 9)))
        starts = (starts + rng.uniform(-.025, .025, len(starts)))[:, None]
        rise = (1 - starts) * rng.uniform(.25, .34, starts.shape)
        reach = half_width(starts + rise) * width * .93
        side += list(np.stack([
            sign * out * reach,
            starts + rise * (.75 * out + .25 * out ** 3)], axis=2))
    return Shape(outline, main, side, _petiole(.12, (.12, .4), rng))


def _petiole(bend: float, lengths: tuple[float, float],
             rng: np.random.Generator) -> np.ndarray:
    """Return a petiole, (12, 2), from the base of the blade downwards.

    bend: largest deviation of its end to either side.  lengths: the smallest
    and the largest.
    """
    along = np.linspace(0, 1, 12)
    return np.stack([rng.uniform(-bend, bend) * along ** 2,
                     -rng.uniform(*lengths) * along], axis=1)


def _lobed_half(reach: dict[float, float], sinus: float, low_sinus: float,
                rng: np.random.Generator) -> np.ndarray:
    """Return one half of a grape leaf's outline, (N, 2) from base to tip.

    reach: length of the midrib, the inner and the outer main vein, by their
    angle from the midrib in radians; each ends in the tip of a lobe.
    sinus, low_sinus: how far the outline recedes between these lobes; 1: not
    at all.
    """
    _, inner, outer = reach
    # In polar coordinates, from the tip to the base: lobes and sinuses in
    # turn.
    angles = [0, inner * .5, inner, (inner + outer) / 2, outer,
              np.radians(142), np.radians(rng.uniform(160, 168)), np.pi]
    radii = np.array([
        1, sinus * .9, reach[inner], low_sinus * reach[outer] * 1.05,
        reach[outer], reach[outer] * .88, rng.uniform(.45, .62), .06])
    radii *= rng.uniform(.96, 1.04, len(radii))
    fine = np.linspace(np.pi, 0, 320)
    radius = np.interp(fine, angles, radii)
    soft = np.ones(15) / 15
    radius = np.convolve(np.pad(radius, 7, mode="edge"), soft, "valid")
    half = np.stack([radius * np.sin(fine), radius * np.cos(fine)], 1)
    return _toothed(half, int(rng.integers(14, 22)),
                    rng.uniform(.045, .085), .6, rng)


def grape_shape(rng: np.random.Generator) -> Shape:
    """Return a grape leaf (Vitis vinifera).

    Three to five toothed lobes, more distinct the deeper the sinuses between
    them.  The base is heart-shaped; there the petiole meets the five main
    veins.
    """
    # Angles of the inner and outer main veins from the midrib (angle 0), and
    # the length of each: the lobes end there.
    inner, outer = np.radians(rng.uniform([46, 98], [60, 116]))
    sinus, low_sinus = rng.uniform(.68, .95), rng.uniform(.75, .98)
    reach = {0: 1., inner: rng.uniform(.82, .95),
             outer: rng.uniform(.66, .8)}
    halves = [_lobed_half(reach, sinus, low_sinus, rng) for _ in range(2)]
    outline = np.concatenate([halves[0], _mirrored(halves[1])[::-1]])
    main, side = [], []
    out = np.linspace(0, 1, 12)
    for sign, angle in ((1, 0), (1, inner), (-1, inner), (1, outer),
                        (-1, outer)):
        length = reach[angle] * .97
        ahead = sign * angle + rng.normal(0, .04) * out
        ray = np.stack([np.sin(ahead), np.cos(ahead)], 1)
        ray *= (out * length)[:, None]
        main.append(ray)
        for turn in (1, -1):
            starts = np.linspace(.18, .85, int(rng.integers(4, 7)))
            starts += rng.uniform(-.04, .04, len(starts))
            turns = rng.uniform(.75, .95, (len(starts), 1)) - .25 * out
            way = ahead[0] + turn * turns
            grown = rng.uniform(.55, .7, len(starts)) * (1 - starts) * length
            grown = grown[:, None] * out
            root = ray[(starts * 11).astype(int)][:, None]
            side += list(root + np.stack([grown * np.sin(way),
                                          grown * np.cos(way)], axis=2))
    return Shape(outline, main, side, _petiole(.3, (.1, .75), rng))


def pose_shape(shape: Shape, pose: Pose, size: int,
               rng: np.random.Generator) -> Shape:
    """Return the shape bent, rotated and scaled to pixels of a frame."""
    bend = rng.uniform(-.12, .12)
    turn = np.array([[np.cos(pose.angle), -np.sin(pose.angle)],
                     [np.sin(pose.angle), np.cos(pose.angle)]])
    lines = [shape.outline, *shape.main, *shape.side, shape.petiole]
    ends = np.cumsum([len(line) for line in lines])[:-1]
    points = np.concatenate(lines)
    points[:, 0] += bend * points[:, 1] ** 2
    points = (points @ turn.T) * [1, -1]
    blade = points[:ends[0]]
    low, high = blade.min(axis=0), blade.max(axis=0)
    scale = pose.extent * size / (high - low).max()
    room = size - scale * (high - low)      # width and height left free
    offset = np.array([pose.x, pose.y])
    points = points * scale + room * (.5 + offset) - scale * low
    outline, *veins, petiole = np.split(points, ends)
    return Shape(outline, veins[:len(shape.main)], veins[len(shape.main):],
                 petiole)


def _fixed(points: np.ndarray, scale: float = 1) -> np.ndarray:
    """Return points as OpenCV's fixed-point integers."""
    return np.round(points * (scale * 2 ** FIXED_BITS)).astype(np.int32)


def _draw_vein(canvas: np.ndarray, vein: np.ndarray, width_px: float,
               strength: int) -> None:
    """Draw a vein onto the canvas, thinner and fainter in its outer half."""
    points = _fixed(vein, VEIN_SCALE)
    for share in (1, .5):
        cv2.polylines(canvas, [points[:max(2, round(len(points) * share))]],
                      False, int(strength * (1.3 - .75 * share)),
                      max(1, round(width_px * (1.4 - .75 * share))),
                      cv2.LINE_AA, FIXED_BITS)


def distance_to(lines: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel to the nearest True pixel."""
    background = np.where(lines, np.uint8(0), np.uint8(1))
    return cv2.distanceTransform(background, cv2.DIST_L2, 3)


def make_relief(shape: Shape, size: int,
                rng: np.random.Generator) -> Relief:
    """Return the fields of a leaf whose shape is in pixels of its frame."""
    blade = np.zeros((size, size), np.uint8)
    cv2.fillPoly(blade, [_fixed(shape.outline)], 255, cv2.LINE_AA, FIXED_BITS)
    petiole = np.zeros((size, size), np.uint8)
    cv2.polylines(petiole, [_fixed(shape.petiole)], False, 255,
                  max(1, round(size * .014)), cv2.LINE_AA, FIXED_BITS)
    main = np.zeros((size * VEIN_SCALE, size * VEIN_SCALE), np.uint8)
    for vein in shape.main:
        _draw_vein(main, vein, len(main) * .011, 255)
    all_veins = np.zeros_like(main)
    for vein in shape.side:
        _draw_vein(all_veins, vein, len(main) * .0055, 225)
    all_veins = cv2.resize(np.maximum(all_veins, main), (size, size),
                           interpolation=cv2.INTER_AREA)
    main = cv2.resize(main, (size, size), interpolation=cv2.INTER_AREA)
    # The finest veins are the borders of the Voronoi regions of random
    # points.
    seeds = np.ones((size, size), np.uint8)
    seeds[tuple(rng.integers(0, size, (2, int(rng.integers(900, 2000)))))] = 0
    mesh_ids = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)[1]
    net = np.zeros((size, size), bool)
    net[1:] |= mesh_ids[1:] != mesh_ids[:-1]
    net[:, 1:] |= mesh_ids[:, 1:] != mesh_ids[:, :-1]
    veins = np.maximum(all_veins, np.uint8(rng.integers(10, 45)) * net)
    veins = cv2.GaussianBlur(cv2.bitwise_and(veins, blade), (0, 0), .6)
    return Relief(
        alpha=np.maximum(blade, petiole).astype(np.float32) / 255,
        veins=np.maximum(veins, petiole).astype(np.float32) / 255,
        vein_px=distance_to(all_veins > 50), main_px=distance_to(main > 60),
        edge_px=cv2.distanceTransform((blade > 127).astype(np.uint8),
                                      cv2.DIST_L2, 3),
        mesh_ids=mesh_ids, mesh_px=distance_to(net | (all_veins > 50)),
        base=shape.petiole[0])
