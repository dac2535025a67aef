"""The drawn leaves: what the other tests and the demo rely on."""

from functools import cache

import cv2
import numpy as np
import pytest

from leaffliction.utils.errors import UserError
from leaffliction.utils.images import read_image
from samples import __main__ as samples
from samples.drawing import draw_scene

SIZE = 128          # drawn without being reduced, in a third of the time
CLASS_NAMES = list(samples.CLASS_COUNTS)
DISEASED = [name for name in CLASS_NAMES if "healthy" not in name]


def rng_of(*seed):
    return np.random.default_rng(seed)


@cache
def off_green(class_name, leaves=8):
    """Return the mean share of a leaf on which green hardly leads red.

    The greens of healthy leaves exceed red by a fifth at least.
    """
    shares = []
    for number in range(leaves):
        image, mask = samples.draw_leaf_and_mask(
            class_name, rng_of(5, number), SIZE)
        red, green, _ = image[mask].astype(float).T
        shares.append((red * 1.12 > green).mean())
    return np.mean(shares)


@pytest.mark.parametrize("class_name", CLASS_NAMES)
@pytest.mark.parametrize("size", [16, 100, 256])
def test_image_and_mask_have_the_size_asked_for(class_name, size):
    image, mask = samples.draw_leaf_and_mask(class_name, rng_of(1), size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert mask.shape == (size, size) and mask.dtype == bool


@pytest.mark.parametrize("class_name", CLASS_NAMES)
def test_same_seed_same_leaf_other_seed_other_leaf(class_name):
    first, again, other = (
        samples.draw_leaf(class_name, rng_of(seed), SIZE)
        for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 10


def test_unknown_class_is_answered_with_the_valid_ones():
    with pytest.raises(ValueError, match="Apple_rust, Apple_scab"):
        samples.draw_leaf("Pear_rust", rng_of(1))


def test_too_small_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        samples.draw_leaf("Apple_rust", rng_of(1), 15)


@pytest.mark.parametrize("class_name", CLASS_NAMES)
def test_mask_is_where_the_ground_is_covered(class_name):
    for number in range(3):
        image, mask = samples.draw_leaf_and_mask(
            class_name, rng_of(3, number), SIZE)
        assert .2 < mask.mean() < .8
        # The scene is drawn first, so the same seed gives the bare ground.
        scene = draw_scene(rng_of(3, number), SIZE)
        ground = np.stack([(level + scene.grain) * scene.light + scene.noise
                           for level in scene.paper], axis=2)
        difference = image - np.clip(ground, 0, 255)
        # Leaves are never grey: even a dead spot differs in some channel.
        assert (np.abs(difference[mask]).max(axis=1) > 12).mean() > .9
        # One pixel around the mask is part leaf; beyond it, there is only
        # shadow, which darkens, and ground that knows of no class.
        around = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0
        assert difference[~around].max() <= 0
        assert difference[~around].max(axis=1).min() < -20   # the shadow


@pytest.mark.parametrize("class_name", DISEASED)
def test_disease_is_more_off_green_than_health(class_name):
    healthy = class_name.split("_")[0] + "_healthy"
    assert off_green(class_name) > off_green(healthy) + .01


def test_leaf_spot_is_dark_and_not_only_yellow():
    def dark(class_name, number):
        image, mask = samples.draw_leaf_and_mask(
            class_name, rng_of(6, number), SIZE)
        green = image[mask][:, 1]
        return (green < .55 * np.median(green)).mean()

    assert min(dark("Grape_spot", number) for number in range(8)) > .01
    assert max(dark("Grape_healthy", number) for number in range(8)) < .01


def test_ground_does_not_tell_the_class():
    corners = np.array([
        [samples.draw_leaf(name, rng_of(index, number), 32)[:3, :3].mean(
            axis=(0, 1)) for number in range(12)]
        for index, name in enumerate(CLASS_NAMES)])
    means = corners.mean(axis=1)
    error = corners.std(axis=(0, 1)) / np.sqrt(corners.shape[1])
    # Of 24 normal values, one beyond 3.5 deviations comes once in 90 times.
    assert (np.abs(means - means.mean(axis=0)) < 3.5 * error).all()


@pytest.mark.parametrize("total", [24, 100, 240, 1001])
def test_counts_have_the_proportions_and_the_sum(total):
    counts = samples.sample_counts(total)
    assert list(counts) == CLASS_NAMES
    assert sum(counts.values()) == total
    assert min(counts.values()) >= 3
    if total >= 240:                    # here no class needs the minimum
        share = total / sum(samples.CLASS_COUNTS.values())
        for name, real in samples.CLASS_COUNTS.items():
            assert abs(counts[name] - real * share) < 1.0001


def test_counts_of_the_real_total_are_the_real_ones():
    total = sum(samples.CLASS_COUNTS.values())
    assert samples.sample_counts(total) == samples.CLASS_COUNTS


def test_no_class_goes_below_the_minimum():
    assert set(samples.sample_counts(1).values()) == {3}


def test_files_are_named_like_the_real_ones(tmp_path):
    folder = tmp_path / "new" / "images"
    paths = samples.write_samples(folder, total=24, size=32, seed=7)
    assert sorted(paths) == sorted(folder.rglob("*.*"))
    assert {path.parent.name for path in paths} == set(CLASS_NAMES)
    assert paths[2] == folder / "Apple_Black_rot" / "image (3).JPG"
    assert read_image(paths[2]).shape == (32, 32, 3)


def test_an_image_does_not_depend_on_how_many_there_are(tmp_path):
    few = samples.write_samples(tmp_path / "few", 24, 16, seed=7)
    more = samples.write_samples(tmp_path / "more", 32, 16, seed=7)
    other = samples.write_samples(tmp_path / "other", 24, 16, seed=8)
    more = {path.relative_to(tmp_path / "more"): path for path in more}
    for path, unlike in zip(few, other):
        same = more[path.relative_to(tmp_path / "few")]
        assert path.read_bytes() == same.read_bytes() != unlike.read_bytes()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="not empty"):
        samples.write_samples(tmp_path, 24, 16, seed=7)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(UserError, match="not a folder"):
        samples.write_samples(tmp_path / "mine.txt", 24, 16, seed=7)


def test_command_line(tmp_path, capsys):
    folder = tmp_path / "images"
    assert samples.main([str(folder), "--count", "25", "--size", "16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert sum(int(line.split()[0]) for line in lines) == 25
    with pytest.raises(UserError, match="at least 16"):
        samples.main([str(tmp_path / "other"), "--size", "8"])
    assert not (tmp_path / "other").exists()
