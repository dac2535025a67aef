"""leaffliction/release/scenes.py: composed photographs, as they are planned.
"""

from dataclasses import replace

import numpy as np
import pytest
from round_leaf import BROWN, GREEN, is_brown, round_leaf

from leaffliction.release import scenes
from leaffliction.release.scenes import (COMPOSERS, Scene, fill_outline,
                                         laboratory_background, lay, lay_leaf,
                                         plain_background, read_ground)
from leaffliction.training import backgrounds as all_backgrounds
from leaffliction.training.backgrounds import make_backgrounds
from leaffliction.training.cutouts import cut_out
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image
from samples.drawing import draw_leaf

GREY = (170, 170, 170)           # behind a round leaf
TEXTURE = (190, 130, 210)        # the colour of no leaf, ground or lesion
BLUE = (70, 90, 140)             # of a ground


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with photographs to compose scenes of."""
    folder = tmp_path_factory.mktemp("photographs")
    drawn = draw_leaf("Apple_scab", np.random.default_rng(1), 96)
    for name, image in {
            "ill": round_leaf([(50, 50), (72, 66), (60, 84)]),
            "healthy": round_leaf(), "drawn": drawn,
            "texture": flat(TEXTURE), "ground": flat(BLUE),
            "bare": flat(GREY)}.items():
        write_image(folder / f"{name}.png", image)
    return folder


@pytest.fixture(scope="module")
def backgrounds():
    """Return backgrounds of 64 pixels, made of two round leaves."""
    leaves = [("Apple", cut_out(round_leaf([(60, 60)]))),
              ("Apple", cut_out(round_leaf()))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(all_backgrounds, "FOLIAGE_IMAGES", 4)
        patch.setattr(all_backgrounds, "SHADE_PATTERNS", 4)
        return make_backgrounds(leaves, 64, np.random.default_rng(1))


@pytest.fixture
def even_light(monkeypatch):
    """Neither the light nor the camera changes a scene."""
    monkeypatch.setattr(scenes, "change_light", lambda image, *_: np.float32(
        image))
    monkeypatch.setattr(scenes, "change_camera", lambda image, *_: np.clip(
        image, 0, 255).astype(np.uint8))


def flat(colour, side=120):
    return np.full((side, side, 3), colour, np.uint8)


def scene_of(folder, kind, path="drawn", ground="ground", seed=5):
    """Return a scene with all that its kind may need."""
    return Scene(kind, folder / f"{path}.png", "Apple", (1, seed),
                 (folder / f"{path}.png",),
                 ground and folder / f"{ground}.png",
                 folder / "healthy.png", path != "healthy")


def distance_to(rgb_img, colour):
    """Return how far each pixel is from a colour, in levels, (H, W)."""
    return np.abs(rgb_img.astype(int) - colour).max(axis=2)


@pytest.mark.parametrize("kind, ground", [
    *((kind, "ground") for kind in COMPOSERS), ("foliage", None),
    ("outline", None)])
def test_the_same_seed_gives_the_same_pixels(
        folder, backgrounds, kind, ground):
    scene = scene_of(folder, kind, ground=ground)
    first, again, other = (
        replace(scene, seed=(1, seed)).render(backgrounds)
        for seed in (5, 5, 6))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("kind", COMPOSERS)
def test_a_photograph_without_a_leaf_gives_a_scene_too(
        folder, backgrounds, kind):
    scene = replace(scene_of(folder, kind, "bare"),
                    outline=folder / "bare.png")
    for seed in range(3):
        image = replace(scene, seed=(1, seed)).render(backgrounds)
        assert image.shape == (64, 64, 3) and image.dtype == np.uint8
        assert image.mean() > 0


@pytest.mark.parametrize("kind", COMPOSERS)
def test_a_photograph_that_cannot_be_read_is_named(folder, backgrounds, kind):
    with pytest.raises(UserError, match="missing.png"):
        scene_of(folder, kind, "missing").render(backgrounds)


@pytest.mark.parametrize("kind", ["on ground", "on plain", "foliage",
                                  "close-up", "drawn"])
def test_lesions_are_visible_on_diseased_leaves_alone(
        folder, backgrounds, even_light, monkeypatch, kind):
    # Brown ground would be taken for lesions.
    monkeypatch.setattr(scenes, "plain_background", lambda size, _: np.full(
        (size, size, 3), 128, np.float32))
    grey = replace(backgrounds, foliage=[flat((128, 128, 128), 64)])
    ill, healthy = (np.median([is_brown(
        scene_of(folder, kind, path, seed=seed).render(grey)).sum()
        for seed in range(8)]) for path in ("ill", "healthy"))
    assert ill > max(15, 5 * healthy)


@pytest.mark.parametrize("kind", ["in laboratory", "outline"])
def test_an_outline_shows_the_photograph_on_its_ground(
        folder, backgrounds, even_light, monkeypatch, kind):
    # In 8 bits, paste would wrap round: colours of neither of the two.
    monkeypatch.setattr(scenes, "dapples_of_light", lambda *_: 1)
    under, colour = (("healthy", GREY) if kind == "in laboratory"
                     else ("ground", BLUE))
    low, high = (function([TEXTURE, colour], axis=0)
                 for function in (np.min, np.max))
    for seed in range(6):
        image = scene_of(folder, kind, "texture", under, seed).render(
            backgrounds).astype(int)
        is_leaf = distance_to(image, TEXTURE) <= 3
        assert 0.08 < is_leaf.mean() < 0.9
        # Grain, and shadow outdoors, change the ground.
        is_ground = distance_to(image, colour) <= 16
        assert is_ground.mean() > 0.04
        if kind == "in laboratory":
            assert (is_leaf | is_ground).mean() > 0.8
            assert (image > low - 20).all()
        assert (image < high + 20).all()


def test_a_laboratory_without_its_leaf_is_its_background():
    for seed, leaf in enumerate((round_leaf(), round_leaf([(60, 60)]))):
        image = laboratory_background(leaf, np.random.default_rng(seed))
        assert image.shape == leaf.shape and image.dtype == np.float32
        assert (distance_to(image, GREY) <= 25).all()
        # Where the leaf was there is grain, as in the rest of a photograph.
        assert 2 < image[50:70, 50:70].std() < 6
        assert (image[:10, :10] == GREY).all()


def test_a_photograph_fills_the_box_of_an_outline():
    outline = np.zeros((50, 60), bool)
    outline[10:30, 20:55] = True
    columns = np.linspace(0, 255, 100).astype(np.uint8)
    photograph = np.dstack([np.tile(columns, (80, 1))] * 3)
    for seed in range(8):
        filled = fill_outline(photograph, outline,
                              np.random.default_rng(seed))
        assert filled.shape == (50, 60, 3) and filled.dtype == np.uint8
        inside = filled[10:30, 20:55]
        # The centre of the photograph, of 45 to 80 % of its sides.
        assert 0.4 * 255 < np.ptp(inside) < 0.85 * 255
        assert inside.min() > 0
        assert filled.sum() == inside.sum()


def test_plain_backgrounds_are_even_and_in_range():
    images = [plain_background(32, np.random.default_rng(seed))
              for seed in range(100)]
    for image in images:
        assert image.shape == (32, 32, 3)
        assert 0 <= image.min() and image.max() <= 255
        # From one pixel to the next, nothing is seen.
        assert max(np.abs(np.diff(image, axis=axis)).max()
                   for axis in (0, 1)) < 2.5
    light = np.array([image.mean() for image in images])
    assert 25 < (light > 215).sum() < 55 and (light < 40).sum() > 5
    assert 30 < sum(np.ptp(image) > 0.5 for image in images) < 95


def test_a_ground_is_part_of_a_photograph(folder, backgrounds, even_light):
    for seed in range(4):
        image = read_ground(folder / "ground.png", backgrounds,
                            np.random.default_rng(seed))
        assert image.shape == (64, 64, 3) and image.dtype == np.float32
        assert (image == BLUE).all()


@pytest.mark.parametrize("spread", [0, 0.3])
def test_a_leaf_lies_on_the_image_and_may_cast_a_shadow(
        backgrounds, even_light, spread):
    cutout = cut_out(round_leaf(colour=GREEN))
    ground = np.full((64, 64, 3), BLUE, np.float32)
    shadows = centres = 0
    for seed in range(20):
        image = lay(ground, (cutout.to_rgb(), cutout.mask), backgrounds,
                    np.random.default_rng(seed), ((0.4, 0.5), spread))
        assert 0 <= image.min() and image.max() <= 255
        is_ground = np.abs(image - BLUE).max(axis=2) < 2
        is_leaf = image[..., 1] > image[..., 2] + 8
        assert is_ground.mean() > 0.2
        shadows += (~is_ground & ~is_leaf).mean() > 0.1
        centres += is_leaf[24:40, 24:40].mean() > 0.25
    assert 2 < shadows < 15
    assert centres > 16 if spread == 0 else centres < 10
    assert (ground == BLUE).all()


def test_a_laid_leaf_keeps_its_colours_and_the_grounds(folder, even_light):
    image, again, other = (
        lay_leaf(folder / "ill.png", folder / "ground.png", seed)
        for seed in (2, 2, 3))
    assert image.shape == (256, 256, 3) and image.dtype == np.uint8
    assert (image == again).all() and (image != other).any()
    leaf, lesions, ground = ((distance_to(image, colour) <= 8).mean()
                             for colour in (GREEN, BROWN, BLUE))
    assert leaf > 0.1 and lesions > 0.01 and ground > 0.1
    assert leaf + lesions + ground > 0.85


def test_a_laid_leaf_is_in_some_light_of_some_camera(folder):
    images = [lay_leaf(folder / "ill.png", folder / "ground.png", seed)
              for seed in (2, 2, 3)]
    assert (images[0] == images[1]).all() and (images[0] != images[2]).any()
    assert {image.shape for image in images} == {(256, 256, 3)}


def test_no_leaf_to_lay_is_an_error(folder):
    with pytest.raises(UserError, match="bare.png: no leaf is found"):
        lay_leaf(folder / "bare.png", folder / "ground.png", 1)
