"""leaffliction/training/audit.py: which part of the image a network reads."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from leaffliction.training import audit as audits
from leaffliction.training.audit import GREY, Audit, audit, mask_parts
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert
from leaffliction.utils.images import write_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers

SIDE = 64
GREEN, YELLOW = (60, 140, 50), (190, 170, 40)
WHITE, BLUE = (235, 235, 235), (150, 160, 190)


def make_part(folder, name, leaves, backgrounds, count=30):
    """Write `count` images of each of two classes; return the data set.

    leaves, backgrounds: the RGB colours of the two classes.
    """
    files, labels = [], []
    rng = np.random.default_rng(len(name))
    for label in range(2):
        for number in range(count):
            rgb_img = np.full((SIDE, SIDE, 3), backgrounds[label], np.uint8)
            cv2.ellipse(rgb_img, (32, 32), (22, 16), 0, 0, 360,
                        leaves[label], cv2.FILLED)
            noise = rng.integers(-4, 5, rgb_img.shape)
            file = Path(f"{name}{label}_{number}.png")
            write_image(folder / file, np.clip(
                rgb_img + noise, 0, 255).astype(np.uint8))
            files.append(file)
            labels.append(label)
    return Dataset(folder, tuple(files), np.array(labels), ("a", "b"),
                   ("a", "b"))


def pixel_classifier(row, column):
    """Return a LiteRT model that names class 1 if one pixel's red is high."""
    keras = import_keras()
    image = keras.layers.Input((SIDE, SIDE, 3))
    pixel = keras.layers.Flatten()(keras.layers.Cropping2D(
        ((row, SIDE - 1 - row), (column, SIDE - 1 - column)))(image))
    dense = keras.layers.Dense(2)
    model = keras.Model(image, dense(pixel))
    # Preprocessed red is -1..1; a grey pixel is about 0.
    dense.set_weights([np.array([[-1, 1], [0, 0], [0, 0]], np.float32),
                       np.array([0, 0], np.float32)])
    return to_litert(model)


@pytest.fixture(scope="module")
def leaf_model():
    """Return a model that reads the pixel in the middle of the leaf."""
    return pixel_classifier(32, 32)


def test_a_network_that_reads_the_leaf(leaf_model, tmp_path):
    leaves, backgrounds = (GREEN, YELLOW), (WHITE, WHITE)
    result = audit(leaf_model, SIDE,
                   make_part(tmp_path, "t", leaves, backgrounds),
                   make_part(tmp_path, "val", leaves, backgrounds), 42,
                   Workers(2))
    assert (result.images, result.without_leaf) == (60, 0)
    assert result.whole == result.leaf_alone == 60
    assert result.background_alone == result.most_frequent == 30
    # The background is the same for both: the forest can only guess.
    assert 15 <= result.border_alone <= 45
    assert result.verdict == "the network reads the leaf"


def test_a_network_that_reads_the_background(tmp_path):
    leaves, backgrounds = (GREEN, GREEN), ((90, 90, 110), WHITE)
    result = audit(pixel_classifier(2, 2), SIDE,
                   make_part(tmp_path, "t", leaves, backgrounds),
                   make_part(tmp_path, "val", leaves, backgrounds), 42,
                   Workers(2))
    assert (result.whole == result.background_alone == result.border_alone
            == 60)
    assert result.leaf_alone == result.most_frequent == 30
    assert result.verdict == ("the network reads the background as well as "
                              "the leaf")


def test_images_without_a_leaf_are_left_out_and_counted(leaf_model, tmp_path):
    training = make_part(tmp_path, "t", (GREEN, YELLOW), (WHITE, BLUE))
    validation = make_part(tmp_path, "val", (WHITE, YELLOW), (WHITE, BLUE))
    result = audit(leaf_model, SIDE, training, validation.subset(range(50)),
                   42, Workers(1))
    assert (result.images, result.without_leaf) == (20, 30)
    assert result.most_frequent == result.border_alone == 20
    nothing = audit(leaf_model, SIDE, training,
                    validation.subset(range(30)), 42, Workers(1))
    assert nothing.images == 0
    assert "no leaf was found" in nothing.table()
    assert nothing.as_dict()["without_leaf"] == 30


def test_of_many_images_a_sample_is_used(leaf_model, tmp_path, monkeypatch):
    monkeypatch.setattr(audits, "MAX_IMAGES", 10)
    part = make_part(tmp_path, "t", (GREEN, YELLOW), (WHITE, WHITE))
    result = audit(leaf_model, SIDE, part, part, 42, Workers(1))
    assert result.images == 10
    # A sample, not the first ten, which are all of the first class.
    assert 0 < np.count_nonzero(part.sample(
        10, np.random.default_rng(1)).labels) < 10


def test_each_pixel_is_visible_in_leaf_or_background_but_not_in_both():
    rgb_img = np.random.default_rng(1).integers(
        0, 100, (40, 50, 3), np.uint8)
    mask = np.zeros((40, 50), bool)
    mask[10:20, 15:30] = True
    whole, leaf, background = mask_parts(rgb_img, mask)
    assert whole is rgb_img
    in_leaf = (leaf != GREY).all(axis=2)
    in_background = (background != GREY).all(axis=2)
    assert (in_leaf ^ in_background).all()
    assert in_leaf[mask].all() and not in_leaf[:7].any()
    # The mask is widened, by less than its own area.
    assert in_leaf[9, 20] and in_leaf.sum() < 2 * mask.sum()
    assert (leaf[mask] == rgb_img[mask]).all()
    assert (background[in_background] == rgb_img[in_background]).all()


@pytest.mark.parametrize("counts, verdict", [
    ((100, 99, 95, 30, 60, 25), "the network reads the leaf"),
    ((100, 99, 95, 60, 60, 25), "the network reads the leaf, but for a part "
     "of the images the background alone is enough"),
    ((100, 99, 40, 60, 60, 25), "the network reads the background as well as "
     "the leaf"),
    ((100, 99, 40, 30, 60, 25), "the network needs leaf and background "
     "together"),
    ((100, 25, 25, 25, 60, 25), "the network is no better than guessing")])
def test_the_verdict_agrees_with_the_figures(counts, verdict):
    result = Audit(*counts, without_leaf=3)
    assert result.verdict == verdict
    table = result.table()
    assert table.endswith(verdict)
    assert f"{counts[1] / 100:.2%}" in table and "(3 images" in table
    values = result.as_dict()
    assert values["verdict"] == verdict
    assert values["leaf_alone"]["right"] == counts[2]
    assert values["leaf_alone"]["accuracy"] == counts[2] / 100
    assert values["background_alone"]["right"] == counts[3]
