"""leaffliction/training/field_images.py: reproducible, lesions visible."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from round_leaf import is_brown, round_leaf

from leaffliction.training import field_images
from leaffliction.training.backgrounds import (collect_backgrounds,
                                               make_backgrounds)
from leaffliction.training.cutouts import cut_out
from leaffliction.training.field_images import (compose_field_image,
                                                plan_field_images)
from leaffliction.utils.images import write_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf


@pytest.fixture(scope="module")
def backgrounds():
    """Return backgrounds of 64 pixels, of a diseased and a healthy leaf."""
    leaves = [("Apple", cut_out(round_leaf([(60, 60)]))),
              ("Apple", cut_out(round_leaf()))]
    return make_backgrounds(leaves, 64, np.random.default_rng(1))


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


def test_the_same_seed_gives_the_same_pixels(backgrounds):
    photograph = round_leaf([(60, 60)])
    before = photograph.copy()
    first, again, other = (compose_field_image(
        photograph, "Apple", backgrounds, np.random.default_rng(seed))
        for seed in (5, 5, 6))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert (first == again).all() and (first != other).any()
    assert (photograph == before).all()


def test_lesions_are_visible_on_diseased_leaves_alone(
        backgrounds, monkeypatch):
    monkeypatch.setattr(field_images, "dapples_of_light", lambda *_: 1)
    grey = replace(backgrounds,
                   foliage=[np.full((64, 64, 3), 128, np.uint8)])
    brown_pixels = [[is_brown(compose_field_image(
        photograph, "Apple", grey, np.random.default_rng(seed))).sum()
        for seed in range(12)]
        for photograph in (round_leaf([(60, 60)]), round_leaf())]
    diseased, healthy = np.median(brown_pixels, axis=1)
    assert diseased > 5 * max(1, healthy)


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (300, 2), (64, 64)])
def test_an_image_without_a_leaf_gives_a_field_image_too(backgrounds, shape):
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    for seed in range(4):
        image = compose_field_image(noise, "Pear", backgrounds,
                                    np.random.default_rng(seed))
        assert image.shape == (64, 64, 3) and image.dtype == np.uint8


def test_backgrounds_without_any_leaf_are_enough():
    bare = make_backgrounds([], 32, np.random.default_rng(1))
    image = compose_field_image(round_leaf([(60, 60)]), "Apple", bare,
                                np.random.default_rng(1))
    assert image.shape == (32, 32, 3)


def test_plan_uses_all_photographs_evenly(part):
    images, labels = plan_field_images(part, [7, 2], 42)
    assert labels.tolist() == [0] * 7 + [1] * 2
    apples = Counter(image.path for image in images[:7])
    assert sorted(apples.values()) == [2, 2, 3]
    # A photograph that is used twice gives two different images.
    assert len({image.seed for image in images}) == 9


def test_plan_of_no_images_is_empty(part):
    images, labels = plan_field_images(part, [0, 0], 42)
    assert images == [] and labels.tolist() == []


def test_pixels_depend_on_the_seed_but_not_on_order_or_jobs(part):
    backgrounds = collect_backgrounds(part, 32, 42, Workers(2))
    planned, _ = plan_field_images(part, [7, 2], 42)
    rendered = [image.render(backgrounds) for image in planned]
    again, _ = plan_field_images(part, [7, 2], 42)
    of_one_job = collect_backgrounds(part, 32, 42, Workers(1))
    assert all((pixels == image.render(of_one_job)).all()
               for pixels, image in zip(reversed(rendered), reversed(again)))
    others, _ = plan_field_images(part, [7, 2], 43)
    assert any((image.render(backgrounds) != pixels).any()
               for image, pixels in zip(others, rendered))
