"""The augmentations: sizes, colours, and the same result for a seed."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from leaffliction.augmentation.transforms import (AUGMENTATIONS, GEOMETRIC,
                                                  PHOTOMETRIC, augment)
from leaffliction.utils.images import read_image
from leaffliction.utils.labels import AUGMENTATION_NAMES
from samples.drawing import draw_leaf

SIZE = 48
augmentations = pytest.mark.parametrize("augmentation", AUGMENTATIONS)
geometric = pytest.mark.parametrize("augmentation", GEOMETRIC)
photometric = pytest.mark.parametrize("augmentation", PHOTOMETRIC)


@pytest.fixture(scope="module")
def leaf():
    """Return a drawn leaf, RGB uint8 (48, 48, 3)."""
    return draw_leaf("Apple_scab", np.random.default_rng(0), SIZE)


@pytest.fixture
def square():
    """Return a dark square of 10 x 10 pixels on a bright background."""
    image = np.full((60, 80, 3), 200, np.uint8)
    image[25:35, 35:45] = 20
    return image


def test_the_geometric_ones_are_the_six_of_the_exercise():
    assert list(GEOMETRIC) == ["Flip", "Rotate", "Skew", "Shear", "Crop",
                               "Distortion"]


def test_file_names_are_recognised_by_the_same_names():
    assert tuple(AUGMENTATIONS) == AUGMENTATION_NAMES
    assert AUGMENTATIONS == GEOMETRIC | PHOTOMETRIC


@augmentations
@given(height=st.integers(1, 200), width=st.integers(1, 200),
       seed=st.integers(0, 2**32))
@example(height=1, width=1, seed=0)
@example(height=1, width=20, seed=0)
@example(height=3000, width=4000, seed=1)
def test_the_copy_has_the_same_size_and_the_image_is_unchanged(
        augmentation, height, width, seed):
    image = np.random.default_rng(seed).integers(
        256, size=(height, width, 3), dtype=np.uint8)
    before = image.copy()
    augmented = augment(image, augmentation, seed, "key")
    assert augmented.shape == image.shape and augmented.dtype == np.uint8
    assert not np.shares_memory(augmented, image)
    assert np.array_equal(image, before)


@given(mode=st.sampled_from(["L", "RGBA", "I;16", "RGB", "P", "1"]),
       height=st.integers(1, 90), width=st.integers(1, 90))
@example(mode="RGBA", height=3000, width=4000)
@example(mode="I;16", height=3000, width=4000)
def test_images_of_every_mode_can_be_augmented(
        tmp_path_factory, mode, height, width):
    path = tmp_path_factory.mktemp("kinds") / "leaf.png"
    if mode == "I;16":
        source = Image.fromarray(np.full((height, width), 40000, np.uint16))
    else:
        source = Image.new("RGB", (width, height), "olive").convert(mode)
    source.save(path, compress_level=1)
    image = read_image(path)
    # All augmentations of the large images would take minutes.
    for augmentation in AUGMENTATIONS if height * width < 10**6 else ["Skew"]:
        augmented = augment(image, augmentation, 42, "key")
        assert augmented.shape == (height, width, 3)
        assert augmented.dtype == np.uint8


@augmentations
def test_seed_and_key_determine_the_pixels(augmentation, leaf):
    def results(seeds, keys):
        return {augment(leaf, augmentation, seed, key).tobytes()
                for seed in seeds for key in keys}

    assert len(results([1, 1], "aa")) == 1
    assert len(results([1], "abcdefgh")) > 1
    assert len(results(range(8), "a")) > 1
    assert leaf.tobytes() not in results(range(8), "abcdefgh")


@geometric
def test_a_bright_background_stays_bright_at_the_border(augmentation, square):
    for seed in range(20):
        augmented = augment(square, augmentation, seed, "key")
        border = np.ones((60, 80), bool)
        border[3:-3, 3:-3] = False
        assert augmented[border].min() > 150
        assert (augmented < 100).any(), "the leaf is gone"


@augmentations
def test_no_augmentation_makes_a_black_border(augmentation):
    image = np.full((60, 80, 3), 200, np.uint8)
    for seed in range(20):
        assert augment(image, augmentation, seed, "key").min() > 50


@geometric
def test_geometric_ones_add_no_new_colours(augmentation):
    image = np.random.default_rng(0).integers(
        [[[40, 90, 0]]], [[[200, 95, 255]]], (60, 80, 3), np.uint8)
    for seed in range(20):
        augmented = augment(image, augmentation, seed, "key").reshape(-1, 3)
        assert (augmented.min(axis=0) >= [40, 90, 0]).all()
        assert (augmented.max(axis=0) <= [199, 94, 254]).all()


@photometric
def test_photometric_ones_do_not_move_the_leaf(augmentation, square):
    for seed in range(20):
        augmented = augment(square, augmentation, seed, "key").astype(int)
        inside, around = augmented[28:32, 38:42], augmented[20:23, 30:50]
        assert inside.mean() + 20 < around.mean()


@pytest.mark.parametrize("augmentation", ["Skew", "Crop"])
def test_skew_and_crop_enlarge_the_leaf(augmentation, square):
    # Then they need no pixels from outside the image.
    for seed in range(20):
        augmented = augment(square, augmentation, seed, "key")
        assert (augmented < 100).all(axis=2).sum() > 100


@pytest.mark.parametrize("augmentation", sorted(
    set(AUGMENTATIONS) - {"WhiteBalance"}))
def test_grey_stays_grey(augmentation, leaf):
    grey = np.repeat(leaf[..., :1], 3, axis=2)
    augmented = augment(grey, augmentation, 1, "key")
    assert (augmented == augmented[..., :1]).all()


def test_white_balance_makes_grey_warmer_or_colder():
    grey = np.full((4, 4, 3), 120, np.uint8)
    results = [augment(grey, "WhiteBalance", seed, "key")[0, 0].astype(int)
               for seed in range(20)]
    assert all((red > green > blue) or (red < green < blue)
               for red, green, blue in results)
    assert len({red > blue for red, _, blue in results}) == 2


def test_brightness_goes_up_and_down():
    grey = np.full((4, 4, 3), 127, np.uint8)
    levels = [int(augment(grey, "Brightness", seed, "key")[0, 0, 0])
              for seed in range(20)]
    assert min(levels) < 127 - 14 and max(levels) > 127 + 14


def test_a_shadow_darkens_only_a_part_of_the_image():
    white = np.full((60, 80, 3), 255, np.uint8)
    for seed in range(20):
        shadow = augment(white, "Shadow", seed, "key")
        share = (shadow[..., 0] < 180).mean()
        assert 0.1 < share < 0.9
        assert (shadow == 255).mean() > 0.05


def test_jpeg_noise_and_blur_remove_detail(leaf):
    noise = np.random.default_rng(0).integers(256, size=(48, 48, 3),
                                              dtype=np.uint8)
    assert augment(noise, "Blur", 1, "key").std() < 0.8 * noise.std()
    gap = augment(leaf, "JpegNoise", 1, "key").astype(int) - leaf
    assert 1 < np.abs(gap).mean() < 15
