"""The drawn leaves: what the other tests and the demo rely on."""

from functools import cache

import cv2
import numpy as np
import pytest

from samples.dataset import CLASS_COUNTS
from samples.drawing import draw_leaf, draw_leaf_and_mask, draw_scene

SIZE = 128          # the smallest that is not reduced, in a third of the time
CLASS_NAMES = list(CLASS_COUNTS)
DISEASED = [name for name in CLASS_NAMES if "healthy" not in name]


def rng_of(*seed):
    return np.random.default_rng(seed)


@cache
def off_green(class_name, leaves=8):
    """Return the mean fraction of a leaf where green hardly exceeds red.

    On healthy leaves green exceeds red by a fifth at least.
    """
    shares = []
    for number in range(leaves):
        image, mask = draw_leaf_and_mask(
            class_name, rng_of(5, number), SIZE)
        red, green, _ = image[mask].astype(float).T
        shares.append((red * 1.12 > green).mean())
    return np.mean(shares)


@pytest.mark.parametrize("class_name", CLASS_NAMES)
@pytest.mark.parametrize("size", [16, 100, 256])
def test_image_and_mask_have_the_requested_size(class_name, size):
    image, mask = draw_leaf_and_mask(class_name, rng_of(1), size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert mask.shape == (size, size) and mask.dtype == bool


@pytest.mark.parametrize("class_name", CLASS_NAMES)
def test_the_seed_determines_the_leaf(class_name):
    first, again, other = (
        draw_leaf(class_name, rng_of(seed), SIZE)
        for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 10


def test_an_unknown_class_is_refused_with_the_valid_names():
    with pytest.raises(ValueError, match="Apple_rust, Apple_scab"):
        draw_leaf("Pear_rust", rng_of(1))


def test_a_size_below_the_minimum_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        draw_leaf("Apple_rust", rng_of(1), 15)


@pytest.mark.parametrize("class_name", CLASS_NAMES)
def test_the_mask_covers_exactly_the_leaf(class_name):
    for number in range(3):
        image, mask = draw_leaf_and_mask(
            class_name, rng_of(3, number), SIZE)
        assert .2 < mask.mean() < .8
        # The scene is drawn first, so the same seed gives the bare paper.
        scene = draw_scene(rng_of(3, number), SIZE)
        paper = np.stack([(level + scene.grain) * scene.light + scene.noise
                          for level in scene.paper], axis=2)
        difference = image - np.clip(paper, 0, 255)
        # A leaf is never grey: even a dead spot differs in some channel.
        assert (np.abs(difference[mask]).max(axis=1) > 12).mean() > .9
        # A pixel next to the mask may be part leaf.  Beyond it the image is
        # the bare paper, or darker where the shadow falls.
        around = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0
        assert difference[~around].max() <= 0
        assert difference[~around].max(axis=1).min() < -20   # the shadow


@pytest.mark.parametrize("class_name", DISEASED)
def test_diseased_leaves_are_less_green_than_healthy_ones(class_name):
    healthy = class_name.split("_")[0] + "_healthy"
    assert off_green(class_name) > off_green(healthy) + .01


def test_leaf_spot_has_dark_lesions():
    def dark(class_name, number):
        image, mask = draw_leaf_and_mask(
            class_name, rng_of(6, number), SIZE)
        green = image[mask][:, 1]
        return (green < .55 * np.median(green)).mean()

    assert min(dark("Grape_spot", number) for number in range(8)) > .01
    assert max(dark("Grape_healthy", number) for number in range(8)) < .01


def test_the_background_does_not_depend_on_the_class():
    corners = np.array([
        [draw_leaf(name, rng_of(index, number), 32)[:3, :3].mean(
            axis=(0, 1)) for number in range(12)]
        for index, name in enumerate(CLASS_NAMES)])
    means = corners.mean(axis=1)
    error = corners.std(axis=(0, 1)) / np.sqrt(corners.shape[1])
    # One of 24 normal values lies beyond 3.5 standard errors once in 90
    # runs.
    assert (np.abs(means - means.mean(axis=0)) < 3.5 * error).all()
