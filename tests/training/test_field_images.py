"""leaffliction/training/field_images.py: what changes in a view, and what must not."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from leaffliction.training import field_images
from leaffliction.training.field_images import (Cutout, change_tone,
                                                collect_backgrounds, cut_out,
                                                draw_foliage, field_view,
                                                place, plan_field_images,
                                                set_scene, transplant)
from leaffliction.utils.images import write_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf

GREEN, BROWN = (60, 120, 50), (150, 70, 40)


def leaf(spots=(), side=120, colour=GREEN):
    """Return a round leaf on grey, RGB uint8, with round brown spots."""
    rgb_img = np.full((side, side, 3), 170, np.uint8)
    cv2.circle(rgb_img, (side // 2, side // 2), side // 3, colour, -1)
    for x, y in spots:
        cv2.circle(rgb_img, (x, y), side // 15, BROWN, -1)
    return rgb_img


def to_rgb(cutout):
    return cv2.cvtColor(cutout.lab_img, cv2.COLOR_LAB2RGB)


def is_brown(rgb_img):
    """Return where an image is redder than green."""
    return rgb_img[..., 0].astype(int) - rgb_img[..., 1] > 20


@pytest.fixture
def backgrounds():
    """Return the backgrounds of a spotted leaf and a clean one."""
    leaves = [("Apple", cut_out(leaf([(60, 60)]))), ("Apple", cut_out(leaf()))]
    return set_scene(leaves, 64, np.random.default_rng(1))


def test_lesions_are_laid_on_leaves_that_have_none(backgrounds):
    assert [leaf.is_diseased for leaf in backgrounds.recipients["Apple"]] == [
        False]


def test_a_leaf_is_cut_out_with_its_lesions_and_its_tone():
    cutout = cut_out(leaf([(50, 60)]))
    assert cutout.mask[60, 60] and not cutout.mask[5, 5]
    assert cutout.lesions[60, 50] and not cutout.lesions[60, 80]
    assert cutout.is_diseased and not cut_out(leaf()).is_diseased
    green = cv2.cvtColor(np.uint8([[GREEN]]), cv2.COLOR_RGB2LAB)[0, 0]
    assert np.abs(cutout.tone[0] - green).max() < 2
    assert cut_out(np.full((50, 60, 3), 128, np.uint8)) is None


def test_large_photographs_are_reduced_first():
    assert max(cut_out(leaf(side=700)).mask.shape) == field_images.SIDE


def test_lesions_move_to_the_other_leaf_and_nothing_else_does():
    spotted = cut_out(leaf([(50, 60), (70, 75)]))
    other = cut_out(leaf(colour=(110, 160, 60)))
    moved = transplant(spotted, other, np.random.default_rng(3))
    brown = is_brown(to_rgb(moved)) & moved.mask
    assert 0.5 < brown.sum() / spotted.lesions.sum() < 2
    assert (brown <= cv2.dilate(moved.lesions.astype(np.uint8),
                                np.ones((5, 5))).astype(bool)).all()
    untouched = ~cv2.dilate(moved.lesions.astype(np.uint8),
                            np.ones((9, 9))).astype(bool)
    assert (moved.lab_img[untouched] == other.lab_img[untouched]).all()
    assert (moved.mask == other.mask).all()
    inside = cv2.erode(moved.lesions.astype(np.uint8), np.ones((3, 3))) > 0
    before = np.median(spotted.lab_img[60, 50:51], axis=0)
    change = np.median(moved.lab_img[inside], axis=0) - before
    assert np.abs(change[1:]).max() <= 3
    assert change[0] == pytest.approx(0.7 * (
        other.tone[0, 0] - spotted.tone[0, 0]), abs=4)


def test_another_tone_leaves_the_lesions_their_colour():
    cutout = cut_out(leaf([(60, 60)]))
    tone = cutout.tone + [[30, 10, -15], [0, 0, 0]]
    changed = change_tone(cutout, tone).astype(int)
    moved = changed - cutout.lab_img
    assert np.abs(moved[60, 85] - [30, 10, -15]).max() <= 2
    assert np.abs(moved[60, 60, 1:]).max() <= 2


def test_a_view_has_the_scenery_s_size_and_the_same_seed_gives_the_same(
        backgrounds):
    image = leaf([(60, 60)])
    before = image.copy()
    first, again, other = (field_view(
        image, "Apple", backgrounds, np.random.default_rng(seed))
        for seed in (5, 5, 6))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert (first == again).all() and (first != other).any()
    assert (image == before).all()


def test_views_of_a_spotted_leaf_show_spots_and_of_a_clean_one_none(
        backgrounds, monkeypatch):
    monkeypatch.setattr(field_images, "draw_dapples", lambda *_: 1)
    grey = [np.full((64, 64, 3), 128, np.uint8)]
    bare = field_images.Backgrounds(64, backgrounds.recipients, backgrounds.tones, grey,
                                    backgrounds.shades)
    shown = [[is_brown(field_view(image, "Apple", bare,
                                  np.random.default_rng(seed))).sum()
              for seed in range(12)] for image in (leaf([(60, 60)]), leaf())]
    assert np.median(shown[0]) > 5 * max(1, np.median(shown[1]))


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (300, 2), (64, 64)])
def test_what_is_no_leaf_becomes_a_view_nevertheless(backgrounds, shape):
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    for seed in range(4):
        view = field_view(
    noise,
    "Pear",
    backgrounds,
     np.random.default_rng(seed))
        assert view.shape == (64, 64, 3) and view.dtype == np.uint8


def test_a_scene_can_be_set_without_any_leaf():
    bare = set_scene([], 32, np.random.default_rng(1))
    view = field_view(leaf([(60, 60)]), "Apple", bare,
                      np.random.default_rng(1))
    assert view.shape == (32, 32, 3)


def test_a_leaf_is_placed_as_large_as_asked():
    cutout = cut_out(leaf())
    for size in (0.3, 0.8):
        _, mask = place(to_rgb(cutout), cutout.mask, 100,
                        np.random.default_rng(2), (size, size))
        rows = np.flatnonzero((mask[..., 0] > 0.5).any(axis=1))
        assert np.ptp(rows) == pytest.approx(100 * size, rel=0.35)
        assert mask.shape == (100, 100, 1) and 0 <= mask.min()
        assert mask.max() <= 1


def test_foliage_fills_its_square_and_is_out_of_focus():
    spotted = [cut_out(leaf([(60, 60)]))] * 3
    grounds = [draw_foliage(spotted, 64, np.random.default_rng(seed))
               for seed in range(20)]
    assert {(ground.shape, ground.dtype) for ground in grounds} == {
        ((64, 64, 3), np.dtype(np.uint8))}
    steps = [np.abs(np.diff(ground.astype(int), axis=0)).mean()
             for ground in grounds]
    assert np.median(steps) < 8


@pytest.fixture
def part(tmp_path):
    """Return drawn leaves of two classes, 3 and 2 images."""
    files, names = [], ("Apple_healthy", "Grape_Esca")
    for name, count in zip(names, (3, 2)):
        for number in range(count):
            files.append(Path(name) / f"{number}.png")
            write_image(tmp_path / files[-1], draw_leaf(
                name, np.random.default_rng(number), 64))
    return Dataset(tmp_path, tuple(files), np.array([0, 0, 0, 1, 1]), names,
                   ("Apple", "Grape"))


def test_views_are_planned_evenly_and_made_in_any_order(part):
    backgrounds = collect_backgrounds(part, 32, 42, Workers(2))
    views, labels = plan_field_images(part, [7, 2], 42)
    assert labels.tolist() == [0] * 7 + [1] * 2
    again, _ = plan_field_images(part, [7, 2], 42)
    made = [view.draw(backgrounds) for view in views]
    anew = collect_backgrounds(part, 32, 42, Workers(1))
    assert all((view == other.draw(anew)).all()
               for view, other in zip(reversed(made), reversed(again)))
    apples = Counter(view.path for view in views[:7])
    assert sorted(apples.values()) == [2, 2, 3]
    others, _ = plan_field_images(part, [7, 2], 43)
    assert any((view.draw(backgrounds) != other).any()
               for view, other in zip(others, made))


def test_no_views_are_planned_where_none_are_wanted(part):
    views, labels = plan_field_images(part, [0, 0], 42)
    assert views == [] and labels.tolist() == []


def test_cutouts_say_what_they_are():
    mask = np.ones((100, 100), bool)
    lesions = np.zeros((100, 100), bool)
    lesions[0, :20] = True
    cutout = Cutout(np.zeros((100, 100, 3), np.uint8), mask, lesions,
                    np.zeros((2, 3)))
    assert not cutout.is_diseased
    lesions[0, :21] = True
    assert cutout.is_diseased
