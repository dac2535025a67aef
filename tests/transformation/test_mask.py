"""transformation/mask.py: drawn leaves, trays, no leaf, and real leaves."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from paths import DATA

from leaffliction.transformation import mask
from leaffliction.transformation.mask import (MAX_SIDE, find_leaves, leaf_mask,
                                              number_leaves, on_white)
from leaffliction.transformation.segmentation import connected_parts, segment
from leaffliction.utils.images import read_image
from samples.dataset import CLASS_COUNTS
from samples.drawing import draw_leaf_and_mask


def iou(mask, truth):
    """Return intersection over union of two bool masks."""
    return (mask & truth).sum() / max(1, (mask | truth).sum())


def best_quality(image):
    """Return the best quality of the leaves of an image, 0 without one."""
    return max((leaf.quality for leaf in find_leaves(image)), default=0)


def ellipse(size=256, axes=(80, 50), colour=(60, 130, 50)):
    """Return a green ellipse on grey, RGB uint8, and its bool mask."""
    mask = np.zeros((size, size), np.uint8)
    cv2.ellipse(mask, (size // 2, size // 2), axes, 30, 0, 360, 1, -1)
    image = np.full((size, size, 3), 150, np.uint8)
    image[mask > 0] = colour
    return image, mask > 0


@pytest.mark.parametrize("class_name", CLASS_COUNTS)
def test_masks_of_drawn_leaves_match_the_truth(class_name):
    # Drawn leaves are easier than real ones: 0.99, but spotted grape 0.96.
    overlaps = [iou(leaf_mask(image), truth) for image, truth in (
        draw_leaf_and_mask(class_name, np.random.default_rng(seed), 256)
        for seed in range(4))]
    assert np.mean(overlaps) > 0.94


def test_mask_of_a_shape_of_one_colour_is_exact():
    image, truth = ellipse()
    mask = leaf_mask(image)
    assert mask.dtype == bool and mask.shape == (256, 256)
    # The opening removes at most single pixels of the edge.
    assert (mask != truth).sum() < 20


def test_shadow_is_not_leaf():
    image, truth = ellipse()
    shadow = np.roll(truth, (20, 20), (0, 1)) & ~truth
    image[shadow] = 60
    assert iou(leaf_mask(image), truth) > 0.99


def test_mask_fills_lesions_and_excludes_bites_and_crumbs():
    image, truth = ellipse()
    cv2.circle(image, (128, 128), 12, (90, 60, 50), -1)
    cv2.circle(image, (160, 140), 9, (150, 150, 150), -1)
    cv2.circle(image, (20, 20), 8, (60, 130, 50), -1)
    mask = leaf_mask(image)
    assert mask[128, 128] and not mask[140, 160] and not mask[20, 20]
    bite = np.zeros((256, 256), np.uint8)
    cv2.circle(bite, (160, 140), 9, 1, -1)
    assert iou(mask, truth & (bite == 0)) > 0.98


@pytest.mark.parametrize("background", [
    (255, 255, 255), (0, 0, 0), (150, 150, 150), (120, 110, 150),
    (140, 120, 90), (60, 80, 140), (150, 50, 40)])
def test_background_may_have_any_colour_except_the_leaf_s(background):
    image, truth = ellipse()
    image[~truth] = background
    assert iou(leaf_mask(image), truth) > 0.97


def test_mask_contains_both_halves_of_a_leaf_cut_in_two():
    image, truth = ellipse()
    image[:, 120:130] = 150
    mask = leaf_mask(image)
    assert mask[:, :120].any() and mask[:, 130:].any()
    assert not mask[:, 122:128].any()


def test_quality_is_low_if_the_leaf_is_cut_or_nearly_background():
    image, _ = ellipse()
    whole = best_quality(image)
    assert whole > 0.9
    assert 0.2 < best_quality(image[60:130, 70:190]) < 0.8
    image[(image == (60, 130, 50)).all(axis=2)] = (140, 156, 140)
    assert 0 < best_quality(image) < whole - 0.1
    assert best_quality(np.full((64, 64, 3), 90, np.uint8)) == 0


@pytest.mark.parametrize("edge", range(4))
def test_edges_of_a_crop_do_not_lower_the_quality(edge):
    # Cut on the left and on the right, or above and below.
    image = ellipse(axes=(100, 50))[0]
    image = image[:, 80:176] if edge % 2 == 0 else image.swapaxes(0, 1)[
        80:176].copy()
    segmentation = segment(image)
    parts = connected_parts(segmentation.leaf_pixels)[:1]
    cuts = [True] * 4
    cuts[edge] = False
    quality = mask.mask_and_quality(parts, segmentation)[1]
    assert (mask.mask_and_quality(parts, segmentation, tuple(cuts))[1]
            > quality + 0.05)


def test_quality_of_a_leaf_does_not_depend_on_the_leaves_beside_it():
    several = np.concatenate([ellipse()[0]] * 6, axis=1)
    qualities = [leaf.quality for leaf in find_leaves(several)]
    assert len(qualities) == 6 and min(qualities) > 0.9


def test_large_image_with_one_leaf_is_segmented_once_and_reduced(monkeypatch):
    image, truth = ellipse(2 * MAX_SIDE, (600, 400))
    sides, convert = [], cv2.cvtColor

    def record_side(image, code):
        sides.append(max(image.shape))
        return convert(image, code)

    monkeypatch.setattr(cv2, "cvtColor", record_side)
    mask = leaf_mask(image)
    assert sides == [MAX_SIDE]
    assert mask.shape == truth.shape and iou(mask, truth) > 0.99


def tray(frame, leaves, background=(150, 150, 150)):
    """Return leaves on a tray, RGB uint8, and the mask of each.

    frame: height and width.  leaves: x, y, half the longer axis, and angle.
    """
    image, masks = np.full((*frame, 3), background, np.uint8), []
    for x, y, half, angle in leaves:
        mask = np.zeros(frame, np.uint8)
        cv2.ellipse(mask, (x, y), (half, round(half * 0.6)), angle, 0, 360,
                    1, -1)
        image[mask > 0] = (60, 130, 50)
        masks.append(mask > 0)
    return image, masks


TRAYS = {
    "two": ((256, 512), [(128, 128, 90, 90), (384, 128, 90, 90)]),
    "two side by side": ((300, 300), [(110, 150, 100, 90),
                                      (236, 150, 100, 90)]),
    "large and small": ((600, 800), [(300, 300, 200, 10), (600, 300, 34, 0)]),
    "touching the frame": ((400, 600), [(60, 200, 90, 90),
                                        (400, 200, 90, 45)]),
    "on white": ((400, 600), [(120, 200, 90, 90), (400, 200, 90, 45)],
                 (245, 245, 245)),
    "five": ((700, 900), [(150, 150, 90, 0), (450, 150, 60, 30),
                          (750, 150, 90, 90), (300, 500, 120, 70),
                          (650, 500, 100, 140)]),
    "twelve in 12 megapixels": ((3000, 4000), [
        (500 + 1000 * column, 500 + 1000 * row, 100 + 80 * column, 30 * row)
        for row in range(3) for column in range(4)])}


@pytest.mark.parametrize("name", TRAYS)
def test_each_leaf_of_a_tray_is_found(name):
    image, truths = tray(*TRAYS[name])
    leaves = find_leaves(image)
    assert len(leaves) == len(truths)
    labels = number_leaves(leaves, image.shape[:2])
    # TRAYS lists the leaves in reading order.
    for number, truth in enumerate(truths, 1):
        assert iou(labels == number, truth) > 0.95
    assert min(leaf.quality for leaf in leaves) > 0.6
    assert (leaf_mask(image) == (labels > 0)).all()


def test_leaves_are_numbered_row_by_row():
    # Laid by hand, so no row is straight.
    image, truths = tray((600, 900), [
        (150, 170, 80, 90), (450, 130, 80, 90), (750, 180, 80, 90),
        (150, 440, 80, 90), (450, 470, 80, 90), (750, 430, 80, 90)])
    labels = number_leaves(find_leaves(image), image.shape[:2])
    assert [labels[truth].max() for truth in truths] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("gap, colour", [(12, (150, 150, 150)),
                                         (14, (40, 45, 40))])
@pytest.mark.parametrize("along", [False, True])
def test_leaf_cut_by_a_fold_or_a_shadow_is_one_leaf(gap, colour, along):
    image, _ = ellipse()
    image = np.rot90(image).copy() if along else image
    image[:, 128 - gap // 2:128 + gap // 2][
        (image[:, 128 - gap // 2:128 + gap // 2] == (60, 130, 50)).all(2)
    ] = colour
    assert len(find_leaves(image)) == 1
    mask = leaf_mask(image)
    assert mask[:, :118].any() and mask[:, 138:].any()


@pytest.mark.parametrize("frame", [(400, 400), (3000, 4000), (2000, 300),
                                   (200, 2500)])
@pytest.mark.parametrize("side", [60, 150])
def test_small_leaf_is_found_anywhere_in_any_frame(frame, side):
    image, truth = ellipse()
    image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    truth = cv2.resize(truth.astype(np.uint8), (side, side)) > 0
    alone = best_quality(image)
    for offset in (0, 0.5, 1):
        y, x = (round(offset * (size - side)) for size in frame)
        whole = np.full((*frame, 3), 150, np.uint8)
        whole[y:y + side, x:x + side] = image
        mask = leaf_mask(whole)
        assert iou(mask[y:y + side, x:x + side], truth) > 0.9
        assert mask.sum() == mask[y:y + side, x:x + side].sum()
        assert best_quality(whole) == pytest.approx(alone, abs=0.1)


def test_foliage_has_at_most_two_leaves():
    # Leaves in front of leaves, with shade between them.
    rng = np.random.default_rng(4)
    image = np.full((600, 800, 3), (35, 45, 30), np.uint8)
    for _ in range(200):
        x, y = rng.integers(0, 800), rng.integers(0, 600)
        tone = rng.uniform(0.5, 1.3)
        cv2.ellipse(image, (int(x), int(y)), (60, 30),
                    int(rng.integers(180)), 0, 360,
                    tuple(int(tone * level) for level in (60, 130, 50)), -1)
    assert len(find_leaves(image)) <= 2


@pytest.mark.parametrize("qualities, count", [
    ((0.4, 0.5), 0), ((0.4, 0.6), 2), ((0.2, 0.4), 1)])
def test_several_leaves_of_low_quality_are_patches_of_a_crown(
        monkeypatch, qualities, count):
    image, _ = tray(*TRAYS["two"])
    remaining, refine = iter(qualities), mask.refine_at_full_resolution
    monkeypatch.setattr(
        mask, "refine_at_full_resolution", lambda *arguments: replace(
            refine(*arguments), quality=next(remaining)))
    assert len(find_leaves(image)) == count


@pytest.mark.parametrize("side", [100, 128, 170, 200, 300, 512, 1024, 2000])
def test_mask_has_the_leaf_s_centre_at_any_size(side):
    # A kernel of an even number of pixels would move it by one.
    image, truth = ellipse(side, (round(0.3 * side), round(0.2 * side)))
    mask = leaf_mask(image)
    for axis in (0, 1):
        assert np.mean(mask.nonzero()[axis]) == pytest.approx(
            np.mean(truth.nonzero()[axis]), abs=0.1 * max(1, side / 1024))


def test_noise_and_plain_surfaces_have_no_leaf():
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3))
    grain = np.random.default_rng(0).normal(120, 4, (256, 256, 3))
    assert not leaf_mask(np.full((64, 64, 3), 90, np.uint8)).any()
    assert not leaf_mask(np.full((64, 64, 3), (60, 130, 50), np.uint8)).any()
    faint, mask = ellipse(colour=(149, 151, 149))
    assert mask.any() and not leaf_mask(faint).any()
    assert leaf_mask(noise.astype(np.uint8)).mean() < 0.05
    assert leaf_mask(grain.astype(np.uint8)).mean() < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3),
                                   (1, 3 * MAX_SIDE)])
def test_mask_of_the_smallest_images(shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3))
    mask = leaf_mask(image.astype(np.uint8))
    assert mask.dtype == bool and mask.shape == shape


def test_mask_is_deterministic_and_does_not_change_the_image():
    image, _ = draw_leaf_and_mask("Grape_Esca", np.random.default_rng(5), 128)
    before = image.copy()
    assert (leaf_mask(image) == leaf_mask(image)).all()
    assert (image == before).all()


def test_on_white_keeps_the_leaf_and_whitens_the_background():
    image, mask = ellipse()
    view = on_white(image, mask)
    assert view.dtype == np.uint8 and view.shape == image.shape
    assert (view[mask] == image[mask]).all() and (view[~mask] == 255).all()


@pytest.mark.skipif(not (DATA / "masks").is_dir(), reason="no real leaves")
def test_masks_of_real_leaves_match_the_reference():
    # All 480 have 0.974 on average.  Every twelfth: five of each class.
    truths = sorted((DATA / "masks").rglob("*.png"))[::12]
    overlaps = [iou(leaf_mask(read_image(
        DATA / "leaves" / path.parent.name / f"{path.stem}.JPG")),
        read_image(path)[..., 0] > 127) for path in truths]
    assert len(overlaps) == 40 and np.mean(overlaps) >= 0.965
