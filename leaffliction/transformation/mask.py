"""Where the leaf is: its mask, how sure that is, and the leaf on white.

Transformation shows it, predict and train may use it, so it is plain
OpenCV and NumPy: deterministic, and 3 ms for 256x256 pixels.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from leaffliction.transformation.leaf_colours import ground_colour, leafness
from leaffliction.utils.images import reduced_size

# Pixels of the longer side beyond which an image is reduced first: 12
# megapixels take 0.2 s, and the edge moves by 2 of 4000.
LARGEST_SIDE = 1024
# The longer side of the image over the width of what still counts as leaf:
# 3 pixels of 256.  It removes grain of paper; stems are wider.
FINEST_PART = 85
# Deviation of the blur that takes the pixels' noise away, 0.7 of 256.
SMOOTHING = 365
# A part counts as leaf if it has this share of the largest part's area: some
# leaves are cut in two by a fold or a shadow.
LEAST_PART = 0.25
# An image's leaf fills it if it has this share of its longer side; none of
# 5,775 has less.  Smaller ones are looked for with the finer opening (pixels),
# and outlined from close by, with a margin (parts of the leaf's longer side).
FILLING, FINE, CLOSE_MARGIN = 0.5, 3, 0.15
# A part is a leaf of its own if it has this share of the largest part's area
# and that many pixels (of an image of LARGEST_SIDE), is as solid (area over
# the hull's; the second, if it is smaller than LEAST_PART), no narrower, and
# the discriminant as sure of it (mean of its absolute values; the second, if
# it is less solid than SOLID: what a shadow leaves of a leaf is ragged).
LEAST_LEAF, LEAST_AREA, MOST_LEAVES = 0.02, 40, 255
LEAST_SOLID, LEAST_ASPECT = (0.6, 0.75), 0.25
LEAST_SURE, SOLID = (1.0, 2.0), 0.85
# Two parts are pieces of one leaf if what lies between them (of their hull)
# is not ground for sure (mean of the discriminant): cut leaves have more than
# -1.8, two leaves side by side less than -2.6.  Or if they are so near (parts
# of the smaller one's side), fill so much of their hull, and run along each
# other for so much of the smaller one's outline, or have a shadow between.
SURE_GROUND, NEAR, FILLED, ALONG, SHADE_BETWEEN = -2.2, 0.2, 0.78, 0.2, -3.3
# A leaf outlined from close by is one if its quality, times the share of
# plain ground around it (levels of L, a and b), reaches this; or what is green
# in a crown or a street would be leaves.
LEAST_CLOSE, PLAIN_GAP = 0.35, (40, 8, 8)
# A hole is filled, for it is a lesion, unless it shows the ground: if its
# mean colour is no further from it than this (levels of L, a and b), and it
# is no speck (parts of the image).
GROUND_GAP, LEAST_HOLE = (24, 6, 6), 0.0003
# Below this quality what was found is no leaf: noise has 0.00, the worst of
# 480 leaves 0.39.  The best of several reaches the second: of 47 orchard
# photographs with several patches of a crown the best has 0.55 at most in 37,
# and 0.69 in all; the best leaf on a tray has 0.9.
LEAST_QUALITY, LEAST_OF_SEVERAL = 0.25, 0.55


@dataclass(frozen=True)
class Leaf:
    """One leaf of an image.

    box: x, y, width and height in pixels, as OpenCV's bounding boxes.
    mask: bool (height, width), True on the leaf, within its box.
    quality: 0..1, how sure it is that this is a leaf, and all of it.
    """

    box: tuple[int, int, int, int]
    mask: np.ndarray
    quality: float


@dataclass(frozen=True)
class Scene:
    """An image, and what looks like leaf in it.

    lab_img: as OpenCV scales it, float32 (H, W, 3).  ground: its colour
    there, (3,).  score: `leafness`, blurred, float32 (H, W).  found: uint8
    (H, W), 1 where it looks like leaf.
    """

    lab_img: np.ndarray
    ground: np.ndarray
    score: np.ndarray
    found: np.ndarray


def leaf_mask(rgb_img: np.ndarray) -> np.ndarray:
    """Return where leaves are: bool (H, W) for RGB uint8 (H, W, 3).

    All False where nothing looks like a leaf.
    """
    return find_leaf(rgb_img)[0]


def find_leaf(rgb_img: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mask of all leaves, bool (H, W), and the best quality.

    It serves where an image is taken for that of one leaf.  The quality,
    0..1, is 0 without a leaf.
    """
    leaves = find_leaves(rgb_img)
    return (number_leaves(leaves, rgb_img.shape[:2]) > 0,
            max((leaf.quality for leaf in leaves), default=0.0))


def number_leaves(leaves: list[Leaf], shape: tuple[int, int]) -> np.ndarray:
    """Return each pixel's leaf, from 1 on, or 0: uint8 (H, W).

    PlantCV calls it a labeled mask.
    """
    labels = np.zeros(shape, np.uint8)
    for number, leaf in enumerate(leaves, 1):
        x, y, width, height = leaf.box
        labels[y:y + height, x:x + width][leaf.mask] = number
    return labels


def find_leaves(rgb_img: np.ndarray) -> list[Leaf]:
    """Return the leaves of RGB uint8 (H, W, 3), in reading order.

    The ground is what the image's frame shows.  A pixel is leaf if its
    colour, compared with the ground's, is that of a leaf and not that of a
    shadow (`leafness`).  Each connected part of these is a leaf if it has a
    leaf's shape and colour and is no piece of another (`gather_leaves`);
    its holes are filled, for these are lesions, unless they show the ground.
    Leaves that touch or overlap are one leaf to this.

    A leaf that fills the image is outlined at once.  Where it is small, or
    one of several, each is cut out with some of the ground around it and
    outlined there: so it depends neither on the image's size nor on the
    other leaves what is found.

    The quality is the product of three shares: of the leaf's area of which
    the discriminant is sure, of its outline that the frame does not cut,
    and of the leaves in all that looks like leaf.  It is 0.9 for most
    leaves on a table, and low in a crown of leaves.
    """
    height, width = rgb_img.shape[:2]
    small_img = rgb_img
    if max(height, width) > LARGEST_SIDE:
        small_img = cv2.resize(
            rgb_img, reduced_size(height, width, LARGEST_SIDE),
            interpolation=cv2.INTER_AREA)
    scene = look_at(small_img)
    parts = find_parts(scene.found)
    fills = bool(parts) and (max(cv2.boundingRect(parts[0])[2:])
                             >= FILLING * max(scene.found.shape))
    if not fills:
        scene = look_at(small_img, finest=FINE)
        parts = find_parts(scene.found)
    groups = gather_leaves(parts, scene)
    found = [] if fills and len(groups) == 1 else [
        (group, leaf) for group in groups
        if (leaf := close_up(rgb_img, group, scene))]
    if fills and (len(found) < 2 or found[0][0] is not groups[0]):
        mask, sure = outline_leaf(groups[0], scene)
        if small_img is not rgb_img:
            mask = cv2.resize(mask * 255, (width, height)) > 127
        found = [(groups[0], crop_leaf(mask, (0, 0), sure))]
    alone = (sum(cv2.contourArea(part) for group, _ in found
                 for part in group)
             / max(1, sum(map(cv2.contourArea, parts))))
    leaves = [replace(leaf, quality=leaf.quality * alone)
              for _, leaf in found]
    leaves = [leaf for leaf in leaves if leaf.quality >= LEAST_QUALITY]
    if len(leaves) > 1 and max(
            leaf.quality for leaf in leaves) < LEAST_OF_SEVERAL:
        return []
    return in_reading_order(leaves)


def look_at(rgb_img: np.ndarray, finest: int | None = None,
            leaf: np.ndarray | None = None,
            ground: np.ndarray | None = None) -> Scene:
    """Return what looks like leaf in RGB uint8 (H, W, 3).

    finest: pixels of the opening; None: as for a leaf that fills the image.
    leaf: bool (H, W), known not to be ground.  ground: its colour where the
    frame does not show enough of it.
    """
    side = max(rgb_img.shape)
    lab_img = cv2.cvtColor(rgb_img, cv2.COLOR_RGB2LAB).astype(np.float32)
    own_ground = ground_colour(lab_img, leaf)
    ground = ground if own_ground is None else own_ground
    # An opening with an even kernel would move the leaf by a pixel.
    finest = finest or side // FINEST_PART | 1
    score = cv2.GaussianBlur(
        leafness(lab_img, ground), (0, 0),
        min(side, finest * FINEST_PART + FINEST_PART) / SMOOTHING)
    found = (score > 0).astype(np.uint8)
    if finest > 1:
        found = cv2.morphologyEx(found, cv2.MORPH_OPEN,
                                 cv2.getStructuringElement(
                                     cv2.MORPH_ELLIPSE, (finest, finest)))
    return Scene(lab_img, ground, score, found)


def find_parts(found: np.ndarray) -> list[np.ndarray]:
    """Return the outlines of connected parts, the largest first."""
    outlines, _ = cv2.findContours(found, cv2.RETR_EXTERNAL,
                                   cv2.CHAIN_APPROX_NONE)
    return sorted(filter(cv2.contourArea, outlines), key=cv2.contourArea,
                  reverse=True)


def gather_leaves(parts: list[np.ndarray], scene: Scene
                  ) -> list[list[np.ndarray]]:
    """Return the outlines of each leaf, the largest first.

    parts: outlines, the largest first.
    """
    groups = [[part] for part in parts[:1]]
    for part in parts[1:]:
        share = cv2.contourArea(part) / cv2.contourArea(parts[0])
        if share < LEAST_LEAF or len(groups) == MOST_LEAVES:
            break
        whole = next((group for group in groups
                      if is_piece(part, group, scene)), None)
        if whole is None:
            if is_leaf(part, scene, LEAST_SOLID[share < LEAST_PART]):
                groups.append([part])
        elif share >= LEAST_PART:
            whole.append(part)
    return groups


def is_leaf(part: np.ndarray, scene: Scene, least_solid: float) -> bool:
    """Tell whether a part has a leaf's shape, and the colour for certain."""
    area = cv2.contourArea(part)
    sides = cv2.minAreaRect(part)[1]
    solid = area / cv2.contourArea(cv2.convexHull(part))
    if (area < LEAST_AREA or min(sides) < LEAST_ASPECT * max(sides)
            or solid < least_solid):
        return False
    x, y, width, height = cv2.boundingRect(part)
    inside = filled([part], (x, y, width, height)) > 0
    score = scene.score[y:y + height, x:x + width]
    return float(np.abs(score[inside]).mean()) >= LEAST_SURE[solid < SOLID]


def is_piece(part: np.ndarray, group: list[np.ndarray], scene: Scene
             ) -> bool:
    """Tell whether a part and a larger leaf are pieces of one leaf.

    Between two leaves lies the ground.  Between pieces lies what is left
    of the leaf, dark in a shadow or pale in the light, or nothing but a
    narrow gap along a long edge.
    """
    together = np.concatenate([part, *group])
    own_side = cv2.contourArea(part) ** 0.5
    x, y, width, height = cv2.boundingRect(part)
    other_x, other_y, other_width, other_height = cv2.boundingRect(
        np.concatenate(group))
    if max(x - other_x - other_width, other_x - x - width,
           y - other_y - other_height, other_y - y - height) > own_side:
        return False
    box = cv2.boundingRect(together)
    hull = cv2.convexHull(together)
    whole = filled(group, box)
    x, y, width, height = box
    # A third leaf may lie there as well.
    between = (filled([hull], box) > 0) & (
        whole | filled([part], box) | scene.found[y:y + height, x:x + width]
        == 0)
    unsure = (float(scene.score[y:y + height, x:x + width][between].mean())
              if between.any() else 0)
    if unsure > SURE_GROUND:
        return True
    area = sum(map(cv2.contourArea, [part, *group]))
    distances = cv2.distanceTransform(1 - whole, cv2.DIST_L2, 5)
    points = part[:, 0] - (x, y)
    gaps = distances[points[:, 1], points[:, 0]]
    if (gaps.min() > NEAR * own_side
            or area < FILLED * cv2.contourArea(hull)):
        return False
    near = gaps <= 1.2 * gaps.min() + 0.02 * own_side
    return bool(near.mean() >= ALONG or unsure > SHADE_BETWEEN)


def filled(outlines: list[np.ndarray], box: tuple[int, int, int, int]
           ) -> np.ndarray:
    """Return outlines filled with 1 within a box: uint8 (H, W)."""
    x, y, width, height = box
    mask = np.zeros((height, width), np.uint8)
    cv2.drawContours(mask, outlines, -1, 1, cv2.FILLED, offset=(-x, -y))
    return mask


def outline_leaf(outlines: list[np.ndarray], scene: Scene,
                 edges: tuple[bool, bool, bool, bool] = (True,) * 4
                 ) -> tuple[np.ndarray, float]:
    """Return a leaf's mask, uint8 (H, W), and how sure it is, 0..1.

    edges: whether the left, upper, right and lower edge of the scene are
    the photograph's own.
    """
    height, width = scene.found.shape
    mask = filled(outlines, (0, 0, width, height))
    # How much the discriminant is in doubt, of every other pixel in every
    # other row; lesions inside the leaf are certain by their place.
    doubt = 2 / (1 + np.exp(np.abs(scene.score[::2, ::2])))
    doubtful = 4 * float(
        doubt[mask[::2, ::2] == scene.found[::2, ::2]].sum())
    area = np.count_nonzero(mask)
    x, y = np.concatenate(outlines)[:, 0].T
    left, upper, right, lower = edges
    cut = ((x == 0) & left | (y == 0) & upper | (x == width - 1) & right
           | (y == height - 1) & lower)
    open_holes(mask, scene)
    return mask, float(area / (area + doubtful) * np.mean(~cut))


def close_up(rgb_img: np.ndarray, group: list[np.ndarray], scene: Scene
             ) -> Leaf | None:
    """Return a leaf, outlined in the part of the image around it.

    group: its outlines in the scene, which may be smaller than the image.
    """
    height, width = rgb_img.shape[:2]
    scale = np.array([width, height]) / scene.found.shape[::-1]
    x, y, *size = cv2.boundingRect(np.concatenate(group))
    margin = CLOSE_MARGIN * max(size)
    low = np.floor(np.maximum((x, y) * scale - margin * scale - 1, 0))
    high = np.ceil(np.minimum((np.add((x, y), size) + margin) * scale + 1,
                              (width, height)))
    (left, upper), (right, lower) = low.astype(int), high.astype(int)
    part_img = rgb_img[upper:lower, left:right]
    full_size = right - left, lower - upper
    if max(full_size) > LARGEST_SIDE:
        part_img = cv2.resize(
            part_img, reduced_size(*full_size[::-1], LARGEST_SIDE),
            interpolation=cv2.INTER_AREA)
    # The scene's pixels, each at the place that it has here.
    here = tuple(np.minimum(
        ((np.arange(count) + 0.5) * full / count + start) / by,
        most - 1).astype(int) for count, full, start, by, most in zip(
            part_img.shape[:2], full_size[::-1], (upper, left), scale[::-1],
            scene.found.shape))
    known = cv2.dilate(scene.found, np.ones((3, 3), np.uint8))[np.ix_(*here)]
    own = filled(group, (0, 0, *scene.found.shape[::-1]))[np.ix_(*here)]
    near = look_at(part_img, leaf=known > 0, ground=scene.ground)
    parts = find_parts(near.found)
    parts = [part for part in parts
             if own[part[:, 0, 1], part[:, 0, 0]].mean() > 0.5
             or (filled([part], box := cv2.boundingRect(part))
                 & own[box[1]:box[1] + box[3], box[0]:box[0] + box[2]]
                 ).sum() > 0.5 * cv2.contourArea(part)]
    parts = [part for part in parts if cv2.contourArea(part)
             >= LEAST_PART * cv2.contourArea(parts[0])]
    if not parts:
        return None
    mask, sure = outline_leaf(parts, near, (
        left == 0, upper == 0, right == width, lower == height))
    ground = (near.found == 0) & (known == 0)
    plain = (np.abs(near.lab_img - near.ground) <= PLAIN_GAP).all(axis=2)
    if sure * np.count_nonzero(plain & ground) < LEAST_CLOSE * max(
            1, np.count_nonzero(ground)):
        return None
    if mask.shape[::-1] != full_size:
        mask = (cv2.resize(mask * 255, full_size) > 127).astype(np.uint8)
    return crop_leaf(mask, (left, upper), sure)


def crop_leaf(mask: np.ndarray, corner: tuple[int, int], quality: float
              ) -> Leaf:
    """Return a leaf; mask: uint8 or bool, from that corner (x, y) on."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return Leaf((int(corner[0] + x), int(corner[1] + y), width, height),
                mask[y:y + height, x:x + width].astype(bool), quality)


def in_reading_order(leaves: list[Leaf]) -> list[Leaf]:
    """Return leaves row by row, each row from left to right.

    A row is all leaves whose middle is no lower than the end of the row's
    highest leaf.
    """
    left, ordered = sorted(leaves, key=lambda leaf: leaf.box[1]), []
    while left:
        end = left[0].box[1] + left[0].box[3]
        row = [leaf for leaf in left
               if leaf.box[1] + leaf.box[3] / 2 <= end]
        left = [leaf for leaf in left
                if leaf.box[1] + leaf.box[3] / 2 > end]
        ordered += sorted(row, key=lambda leaf: leaf.box[0])
    return ordered


def open_holes(mask: np.ndarray, scene: Scene) -> None:
    """Take out of a mask, uint8 (H, W), the holes that show the ground."""
    unfilled = mask & ~scene.found & 1
    if np.count_nonzero(unfilled) < LEAST_HOLE * mask.size:
        return
    count, holes, facts, _ = cv2.connectedComponentsWithStats(
        unfilled, connectivity=4)
    areas = facts[:, cv2.CC_STAT_AREA]
    inside = holes > 0
    numbers, colours = holes[inside], scene.lab_img[inside]
    means = np.stack([np.bincount(numbers, colours[:, channel], count)
                      for channel in range(3)], axis=1) / areas[:, None]
    shows = ((np.abs(means - scene.ground) <= GROUND_GAP).all(axis=1)
             & (areas >= LEAST_HOLE * mask.size))
    shows[0] = False    # all that is no hole
    mask[shows[holes]] = 0


def on_white(rgb_img: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the leaf alone on white, RGB uint8 (H, W, 3).

    mask: bool (H, W), True on the leaf.
    """
    return np.where(mask[..., np.newaxis], rgb_img, np.uint8(255))
