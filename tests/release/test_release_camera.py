"""leaffliction/release/camera.py: other cameras, the same shape."""

import numpy as np
import pytest

from leaffliction.release import camera
from leaffliction.release.camera import (change_camera, compress,
                                         lose_resolution, random_crop,
                                         rephotograph, shift_hue, turn)
from leaffliction.utils.images import stretch
from samples.drawing import draw_leaf

# With all of them at 1, each image goes through every change.
PROBABILITIES = ("HUE_PROBABILITY", "RESIZE_PROBABILITY", "JPEG_PROBABILITY",
                 "NOISE_PROBABILITY")


@pytest.fixture(scope="module")
def leaf():
    """Return a drawn leaf, RGB uint8 (48, 80, 3)."""
    return draw_leaf("Apple_scab", np.random.default_rng(1), 80)[:48]


@pytest.mark.parametrize("change", [
    lambda rgb_img, rng: change_camera(rgb_img, rng, 1.0),
    lambda rgb_img, rng: rephotograph(rgb_img, 40, rng),
    lambda rgb_img, rng: random_crop(rgb_img, rng, (0.2, 0.9)), turn])
def test_the_same_seed_gives_the_same_pixels(leaf, change):
    before = leaf.copy()
    results = set()
    for seed in range(8):
        first, again = (change(leaf, np.random.default_rng(seed))
                        for _ in range(2))
        assert first.dtype == np.uint8 and first.shape[2] == 3
        assert np.array_equal(first, again)
        results.add(first.tobytes())
    assert len(results) > 3
    assert (leaf == before).all()


@pytest.mark.parametrize("probability", [0, 1])
def test_a_camera_keeps_shape_and_range(leaf, monkeypatch, probability):
    for name in PROBABILITIES:
        monkeypatch.setattr(camera, name, probability)
    # Composed scenes are floats, which may be out of range.
    scene = np.linspace(-60, 320, leaf.size).reshape(leaf.shape)
    for image in (leaf, scene.astype(np.float32), scene):
        for seed in range(6):
            changed = change_camera(image, np.random.default_rng(seed), 0.7)
            assert changed.shape == leaf.shape and changed.dtype == np.uint8
            # Levels that leave the range are clipped and do not wrap round.
            assert changed[:6].mean() < changed[-6:].mean() or image is leaf


def test_cameras_differ_and_keep_what_is_seen(leaf):
    leaf = leaf.astype(int)
    changed = [change_camera(leaf, np.random.default_rng(seed), 0.7)
               for seed in range(20)]
    similar = [np.corrcoef(image.ravel(), leaf.ravel())[0, 1]
               for image in changed]
    assert np.median(similar) > 0.9
    assert np.std([image.mean() for image in changed]) > 5


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (90, 60)])
def test_a_photograph_of_any_shape_is_rephotographed(shape):
    image = np.full((*shape, 3), 90, np.uint8)
    for seed in range(6):
        assert rephotograph(image, 32, np.random.default_rng(
            seed)).shape == (32, 32, 3)


def test_a_crop_has_the_share_that_is_asked_for():
    rows, columns = np.mgrid[:100, :200]
    image = np.dstack([rows, columns, columns]).astype(np.uint8)
    shares, aspects = [], []
    for seed in range(60):
        part = random_crop(image, np.random.default_rng(seed), (0.3, 0.5))
        height, width = part.shape[:2]
        shares.append(height * width / 20_000)
        aspects.append(width / height / 2)
        # It is a part of the image, as it was.
        top, left = part[0, 0, :2]
        assert (part == image[top:top + height, left:left + width]).all()
    assert 0.28 < min(shares) < 0.34 and 0.46 < max(shares) <= 0.5
    assert min(aspects) < 0.8 and max(aspects) > 1.25


def test_resize_averages_or_interpolates():
    columns = np.repeat(np.uint8([[0, 0, 0, 100]]), 4, axis=0)
    image = np.dstack([columns] * 3)
    assert (stretch(image, 1) == 25).all()
    assert stretch(image[:2, 2:], 4)[0, :, 0].tolist() == [0, 25, 75, 100]


def test_half_of_the_turned_images_stay_whole():
    image = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    turned = [turn(image, np.random.default_rng(seed)) for seed in range(300)]
    whole = [other.tobytes() for other in turned
             if sorted(other.ravel()) == list(range(27))]
    assert 120 < len(whole) < 200
    # Turned by quarters and mirrored in all eight ways.
    assert len(set(whole)) == 8


def test_a_colour_cast_keeps_the_lightness():
    grey = np.full((4, 4, 3), 120, np.float32)
    cast = shift_hue(grey, np.random.default_rng(2))
    assert np.ptp(cast[0, 0]) > 4 and np.ptp(cast[..., 0]) == 0
    weights = np.array([0.299, 0.587, 0.114])
    assert cast[0, 0] @ weights == pytest.approx(120, abs=5)


def test_less_resolution_is_less_detail(monkeypatch):
    monkeypatch.setattr(camera, "SIDES", (10, 11))
    stripes = np.zeros((40, 60, 3), np.float32)
    stripes[:, ::2] = 200
    lost = lose_resolution(stripes, np.random.default_rng(1))
    assert lost.shape == stripes.shape
    assert np.abs(lost - 100).max() < 1


def test_jpeg_compression_keeps_colours_in_their_order():
    red = np.full((16, 16, 3), (200, 60, 20), np.uint8)
    assert np.abs(compress(red, 60).astype(int) - red).max() < 6
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 1), np.uint8)
    noise = np.repeat(noise, 3, axis=2)
    poor, good = (np.abs(compress(noise, quality).astype(int) - noise).mean()
                  for quality in (10, 95))
    assert poor > 1.5 * good
