"""The leaf's mask: on drawn leaves, on nothing, on real ones if there."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from utils.images import read_image
from utils.leaf import LARGEST_SIDE, find_leaf, leaf_mask, on_white
from utils.samples import CLASS_COUNTS, draw_leaf_and_mask

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def iou(mask, truth):
    """Return intersection over union of two bool masks."""
    return (mask & truth).sum() / max(1, (mask | truth).sum())


def ellipse(size=256, axes=(80, 50), colour=(60, 130, 50)):
    """Return a green ellipse on grey, RGB uint8, and its bool mask."""
    mask = np.zeros((size, size), np.uint8)
    cv2.ellipse(mask, (size // 2, size // 2), axes, 30, 0, 360, 1, -1)
    image = np.full((size, size, 3), 150, np.uint8)
    image[mask > 0] = colour
    return image, mask > 0


@pytest.mark.parametrize("class_name", CLASS_COUNTS)
def test_mask_of_drawn_leaves(class_name):
    # Drawn leaves are easier than real ones: 0.99, but spotted grape 0.96.
    found = [iou(leaf_mask(image), truth) for image, truth in (
        draw_leaf_and_mask(class_name, np.random.default_rng(seed), 256)
        for seed in range(4))]
    assert np.mean(found) > 0.94


def test_mask_is_exact_on_a_flat_shape():
    image, truth = ellipse()
    mask = leaf_mask(image)
    assert mask.dtype == bool and mask.shape == (256, 256)
    # The opening rounds off at most single pixels of the edge.
    assert (mask != truth).sum() < 20


def test_shadow_is_no_leaf():
    image, truth = ellipse()
    shadow = np.roll(truth, (20, 20), (0, 1)) & ~truth
    image[shadow] = 60
    assert iou(leaf_mask(image), truth) > 0.99


def test_lesions_are_filled_bites_and_crumbs_left_out():
    image, truth = ellipse()
    cv2.circle(image, (128, 128), 12, (90, 60, 50), -1)
    cv2.circle(image, (160, 140), 9, (150, 150, 150), -1)
    cv2.circle(image, (20, 20), 8, (60, 130, 50), -1)
    mask = leaf_mask(image)
    assert mask[128, 128] and not mask[140, 160] and not mask[20, 20]
    bite = np.zeros((256, 256), np.uint8)
    cv2.circle(bite, (160, 140), 9, 1, -1)
    assert iou(mask, truth & (bite == 0)) > 0.98


@pytest.mark.parametrize("ground", [
    (255, 255, 255), (0, 0, 0), (150, 150, 150), (120, 110, 150),
    (140, 120, 90), (60, 80, 140), (150, 50, 40)])
def test_the_ground_may_have_any_colour_but_the_leaf_s(ground):
    image, truth = ellipse()
    image[~truth] = ground
    assert iou(leaf_mask(image), truth) > 0.97


def test_both_halves_of_a_leaf_that_is_cut_in_two():
    image, truth = ellipse()
    image[:, 120:130] = 150
    mask = leaf_mask(image)
    assert mask[:, :120].any() and mask[:, 130:].any()
    assert not mask[:, 122:128].any()


def test_the_quality_tells_why_a_mask_may_be_wrong():
    image, _ = ellipse()
    whole = find_leaf(image)[1]
    assert whole > 0.9
    cut = find_leaf(image[60:130, 70:190])[1]
    assert 0.2 < cut < 0.8
    several = np.concatenate([image] * 3, axis=1)
    assert 0.25 < find_leaf(several)[1] < 0.4
    # Nearly the colour of the ground.
    image[(image == (60, 130, 50)).all(axis=2)] = (140, 156, 140)
    assert 0 < find_leaf(image)[1] < whole - 0.1
    assert find_leaf(np.full((64, 64, 3), 90, np.uint8))[1] == 0


def test_large_image_is_reduced_first(monkeypatch):
    image, truth = ellipse(2 * LARGEST_SIDE, (600, 400))
    sides, convert = [], cv2.cvtColor

    def note_side(image, code):
        sides.append(max(image.shape))
        return convert(image, code)

    monkeypatch.setattr(cv2, "cvtColor", note_side)
    mask = leaf_mask(image)
    assert sides == [LARGEST_SIDE]
    assert mask.shape == truth.shape and iou(mask, truth) > 0.99


def test_nothing_found_where_there_is_nothing():
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3))
    grain = np.random.default_rng(0).normal(120, 4, (256, 256, 3))
    assert not leaf_mask(np.full((64, 64, 3), 90, np.uint8)).any()
    assert not leaf_mask(np.full((64, 64, 3), (60, 130, 50), np.uint8)).any()
    faint, mask = ellipse(colour=(149, 151, 149))
    assert mask.any() and not leaf_mask(faint).any()
    assert leaf_mask(noise.astype(np.uint8)).mean() < 0.05
    assert leaf_mask(grain.astype(np.uint8)).mean() < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3),
                                   (1, 3 * LARGEST_SIDE)])
def test_smallest_images(shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3))
    mask = leaf_mask(image.astype(np.uint8))
    assert mask.dtype == bool and mask.shape == shape


def test_mask_is_deterministic_and_leaves_the_image_alone():
    image, _ = draw_leaf_and_mask("Grape_Esca", np.random.default_rng(5), 128)
    kept = image.copy()
    assert (leaf_mask(image) == leaf_mask(image)).all()
    assert (image == kept).all()


def test_on_white():
    image, mask = ellipse()
    view = on_white(image, mask)
    assert view.dtype == np.uint8 and view.shape == image.shape
    assert (view[mask] == image[mask]).all() and (view[~mask] == 255).all()


@pytest.mark.skipif(not (DATA / "masks").is_dir(), reason="no real leaves")
def test_mask_of_real_leaves():
    # All 480: mean 0.974.  Every twelfth, so five of each class.
    truths = sorted((DATA / "masks").rglob("*.png"))[::12]
    found = [iou(leaf_mask(read_image(
        DATA / "leaves" / path.parent.name / f"{path.stem}.JPG")),
        read_image(path)[..., 0] > 127) for path in truths]
    assert len(found) == 40 and np.mean(found) >= 0.965
