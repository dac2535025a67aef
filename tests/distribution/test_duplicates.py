"""Which images repeat, and how they are grouped."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from inspections import dataset_of, inspection_of
from pictures import eight_views, make_thumbnail, picture, saved_again

from leaffliction.distribution import duplicates
from leaffliction.distribution.class_facts import collect_facts
from leaffliction.distribution.duplicates import find_repeats, near_identical
from leaffliction.distribution.inspection import Inspection
from leaffliction.utils.copies import link_copies


def test_repeats_are_grouped_and_the_most_serious_come_first():
    files = {"a/1.jpg": (10, "x"), "a/2.jpg": (90, "y"), "a/3.jpg": (92, "z"),
             "a/4.jpg": (90, "y"), "a/5.jpg": (210, "t"),
             "b/1.jpg": (50, "w"), "b/2.jpg": (11, "x"),
             "b/3.jpg": (150, "v"), "b/4.jpg": (150, "v"),
             "b/5.jpg": (211, "u"),
             # Augmented copies are no repeats.
             "b/1_Flip.jpg": (50, "w")}
    repeats = find_repeats(dataset_of(files), [
        inspection_of(*values) for values in files.values()])
    assert [(repeat.kind(), repeat.crosses_classes(),
             [str(file) for file in repeat.files]) for repeat in repeats] == [
        ("identical", True, ["a/1.jpg", "b/2.jpg"]),
        ("near-identical", True, ["a/5.jpg", "b/5.jpg"]),
        ("identical", False, ["b/3.jpg", "b/4.jpg"]),
        ("near-identical", False, ["a/2.jpg", "a/4.jpg", "a/3.jpg"])]


@pytest.mark.parametrize("files", [["a/1.jpg"], ["a/1.jpg", "a/1_Flip.jpg"]])
def test_a_single_photograph_has_no_repeats(files):
    assert find_repeats(dataset_of(files), [inspection_of(1, "x")] * 2) == []


def test_rotated_and_mirrored_images_are_a_kind_of_repeat():
    side = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    files = ["a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", "b/2.jpg"]
    views = [side, side[:, ::-1], side, 255 - side, 254 - side // 2 * 2]
    inspections = [Inspection((4, 3), "RGB", sha256, view.ravel())
                   for sha256, view in zip("xyxzt", views)]
    repeats = find_repeats(dataset_of(files), inspections)
    assert [(repeat.kind(), list(map(str, repeat.files)))
            for repeat in repeats] == [
        ("near-identical", ["b/1.jpg", "b/2.jpg"]),
        ("turned or mirrored", ["a/1.jpg", "a/3.jpg", "a/2.jpg"])]
    facts = collect_facts(dataset_of(files), inspections, repeats)
    assert (facts["a"].identical, facts["a"].near_identical) == (2, 3)


def group(images, names=None):
    """Return the groups of images, numbered in order of first occurrence."""
    linked = None if names is None else link_copies(
        [Path(name) for name in names])
    groups = near_identical(np.stack([make_thumbnail(image)
                                      for image in images]), linked)
    numbers = {}
    return [numbers.setdefault(name, len(numbers)) for name in groups]


def test_copies_of_a_photograph_are_one_group():
    first, second = picture(1), picture(2)
    assert group([first, second, first.copy(), saved_again(first, 60),
                  cv2.resize(second, (180, 180)), picture(3)]) == [
                      0, 1, 0, 0, 1, 2]


@pytest.mark.parametrize("size", [(256, 256), (200, 150), (131, 77)])
def test_rotated_and_mirrored_copies_are_one_group(size):
    images = []
    for seed in (1, 2):
        views = eight_views(cv2.resize(picture(seed), size))
        # Tools save and scale such copies anew.
        images += [saved_again(np.ascontiguousarray(view), 60)
                   for view in views]
        images += [cv2.resize(view, (90, 90), interpolation=cv2.INTER_AREA)
                   for view in views]
    assert group(images) == [0] * 16 + [1] * 16


@pytest.mark.parametrize("gain, offset", [
    (0.95, 0), (1.05, 0), (1, 12), (1, -12)])
def test_a_slightly_lighter_or_darker_copy_is_in_the_group(
        gain, offset):
    images = []
    for seed in (1, 2, 3):
        image = picture(seed)
        view = np.ascontiguousarray(np.rot90(image, seed))
        images += [image, saved_again(np.clip(
            view * float(gain) + offset, 0, 255).astype(np.uint8), 80)]
    groups = group(images)
    assert groups == np.repeat(groups[::2], 2).tolist()
    assert len(set(groups)) == 3


def test_orientations_can_be_distinguished():
    view, *others = eight_views(picture(1))
    thumbnails = np.stack([make_thumbnail(np.ascontiguousarray(image))
                           for image in (view, *others, view)])
    assert len(set(near_identical(thumbnails, turned=False))) == 8
    assert len(set(near_identical(thumbnails))) == 1


@pytest.mark.parametrize("side", [2, 4, 16])
def test_signatures_ignore_orientation_and_do_not_exceed_distances(side):
    rng = np.random.default_rng(side)
    images = rng.integers(0, 256, (40, side, side, 3)).astype(np.float32)
    views = eight_views(images)
    points = duplicates.signatures(np.concatenate(views)).reshape(
        8, 40, -1).astype(float)
    assert np.abs(points - points[0]).max() < 0.01
    gaps = np.min([((view[:, None] - images) ** 2).sum(axis=(2, 3, 4))
                   for view in views], axis=0) ** 0.5
    distances = np.linalg.norm(points[0][:, None] - points[0], axis=2)
    assert (distances <= gaps + 0.1).all()
    assert distances.mean() > 0.3 * gaps.mean()


def test_forty_pictures_are_forty_groups():
    assert group([picture(seed, 64) for seed in range(40)]) == list(range(40))


def test_one_image_is_a_group():
    assert group([picture(1)]) == [0]


def test_augmented_copies_join_their_original_by_name():
    first, second = picture(1), picture(2)
    assert group([first, second, picture(3), picture(4)],
                 ["c/a.jpg", "c/b.jpg", "c/a_Flip.jpg", "d/a_Flip.jpg"]) == [
                     0, 1, 0, 2]


@pytest.mark.parametrize("seed", range(2, 8))
def test_an_image_near_a_copy_joins_its_original(seed):
    copy = picture(seed)
    assert group([picture(1), copy, saved_again(copy, 60), picture(9)],
                 ["c/a.jpg", "c/a_Flip.jpg", "c/b.jpg", "c/d.jpg"]) == [
                     0, 0, 0, 1]


@pytest.mark.parametrize("block", [7, 512])
@pytest.mark.parametrize("spread", [1, 3, 8, 24])
def test_groups_are_those_of_comparing_every_pair(
        block, spread, monkeypatch):
    # Small thumbnails, so that many pairs are close to the limit.
    monkeypatch.setattr(duplicates, "BLOCK_SIZE", block)
    rng = np.random.default_rng(spread)
    thumbnails = rng.integers(0, 24, (60, 48)) // 8 * spread
    thumbnails[::3] = thumbnails[1::3] + rng.integers(0, 3, (20, 48))
    thumbnails = thumbnails.astype(np.uint8)
    for turned in (False, True):
        views = np.stack([
            view.reshape(60, 48) for view in eight_views(
                thumbnails.reshape(60, 4, 4, 3))[:8 if turned else 1]])
        views = views.astype(float)
        gaps = views[:, :, None] - thumbnails
        near = ((gaps ** 2).mean(axis=3).min(axis=0)
                <= duplicates.MAX_DIFFERENCE ** 2)
        while (wider := near @ near).sum() > near.sum():
            near = wider
        groups = near_identical(thumbnails, turned=turned)
        assert (np.equal.outer(groups, groups) == near).all()
        assert set(groups) <= set(range(60))
        assert (groups[groups] == groups).all()


@pytest.mark.parametrize("noise, groups", [(2, 1), (5, 100)])
def test_differences_outside_the_signatures_count(noise, groups):
    # The difference of two images has twice the variance of the noise.
    values = np.random.default_rng(0).normal(120, noise, (100, 768))
    group_of = near_identical(np.rint(values).astype(np.uint8))
    assert len(set(group_of)) == groups


def test_a_group_of_thousands_takes_no_pairwise_comparison():
    # Comparing 18 million pairs one by one would take minutes.
    blank = np.full((6000, 768), 200, np.uint8)
    groups = near_identical(blank)
    assert set(groups) == {groups[0]}
