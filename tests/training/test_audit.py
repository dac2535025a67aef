"""leaffliction/training/audit.py: what is seen of an image, and what that says."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from leaffliction.training import audit as audits
from leaffliction.training.audit import GREY, Audit, audit, masked_views
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert
from leaffliction.utils.images import write_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers

SIDE = 64
GREEN, YELLOW = (60, 140, 50), (190, 170, 40)
WHITE, BLUE = (235, 235, 235), (150, 160, 190)


def make_part(folder, name, leaves, grounds, count=30):
    """Write images of two classes with these colours; return the part."""
    files, labels = [], []
    rng = np.random.default_rng(len(name))
    for label in range(2):
        for number in range(count):
            rgb_img = np.full((SIDE, SIDE, 3), grounds[label], np.uint8)
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


def colour_reader(place):
    """Return a model that tells the two classes by one pixel's red."""
    keras = import_keras()
    row, column = place
    image = keras.layers.Input((SIDE, SIDE, 3))
    pixel = keras.layers.Flatten()(keras.layers.Cropping2D(
        ((row, SIDE - 1 - row), (column, SIDE - 1 - column)))(image))
    dense = keras.layers.Dense(2)
    model = keras.Model(image, dense(pixel))
    # Red of -1..1: below 0 in the second class's ground or first's leaf.
    dense.set_weights([np.array([[-1, 1], [0, 0], [0, 0]], np.float32),
                       np.array([0, 0], np.float32)])
    return to_litert(model)


def test_a_network_that_reads_the_leaf_is_found_to(tmp_path):
    leaves, grounds = (GREEN, YELLOW), (WHITE, WHITE)
    found = audit(colour_reader((32, 32)), SIDE,
                  make_part(tmp_path, "t", leaves, grounds),
                  make_part(tmp_path, "val", leaves, grounds), 42, Workers(2))
    assert (found.images, found.without_leaf) == (60, 0)
    assert found.whole == found.leaf == 60
    assert found.ground == found.largest == 30
    # The same ground for both: the forest can only guess.
    assert 15 <= found.border <= 45
    assert found.verdict == "the network reads the leaf"


def test_a_network_that_reads_the_ground_is_found_to(tmp_path):
    leaves, grounds = (GREEN, GREEN), ((90, 90, 110), WHITE)
    found = audit(colour_reader((2, 2)), SIDE,
                  make_part(tmp_path, "t", leaves, grounds),
                  make_part(tmp_path, "val", leaves, grounds), 42, Workers(2))
    assert found.whole == found.ground == found.border == 60
    assert found.leaf == found.largest == 30
    assert found.verdict == ("the network reads the ground as well as the "
                             "leaf")


def test_images_without_a_leaf_are_left_out_and_counted(tmp_path):
    training = make_part(tmp_path, "t", (GREEN, YELLOW), (WHITE, BLUE))
    validation = make_part(tmp_path, "val", (WHITE, YELLOW), (WHITE, BLUE))
    found = audit(colour_reader((32, 32)), SIDE, training, validation, 42,
                  Workers(1))
    assert (found.images, found.without_leaf, found.largest) == (30, 30, 30)
    nothing = audit(colour_reader((32, 32)), SIDE, training,
                    validation.subset(range(30)), 42, Workers(1))
    assert nothing.images == 0
    assert "no leaf was found" in nothing.table()
    assert nothing.as_dict()["without_leaf"] == 30


def test_many_images_are_drawn_from(tmp_path, monkeypatch):
    monkeypatch.setattr(audits, "MOST", 10)
    part = make_part(tmp_path, "t", (GREEN, YELLOW), (WHITE, WHITE))
    found = audit(colour_reader((32, 32)), SIDE, part, part, 42, Workers(1))
    assert found.images == 10
    assert 0 < np.count_nonzero(part.sample(
        10, np.random.default_rng(1)).labels) < 10


def test_leaf_and_ground_share_the_image_between_them():
    rgb_img = np.random.default_rng(1).integers(
        0, 100, (40, 50, 3), np.uint8)
    mask = np.zeros((40, 50), bool)
    mask[10:20, 15:30] = True
    whole, leaf, ground = masked_views(rgb_img, mask)
    assert whole is rgb_img
    in_leaf, in_ground = (leaf != GREY).all(axis=2), (
        ground != GREY).all(axis=2)
    assert (in_leaf ^ in_ground).all()
    assert in_leaf[mask].all() and not in_leaf[:7].any()
    # A little of the ground goes with the leaf.
    assert in_leaf[9, 20] and in_leaf.sum() < 2 * mask.sum()
    assert (leaf[mask] == rgb_img[mask]).all()
    assert (ground[in_ground] == rgb_img[in_ground]).all()


@pytest.mark.parametrize("counts, verdict", [
    ((100, 99, 95, 30, 60, 25), "reads the leaf"),
    ((100, 99, 95, 60, 60, 25), "reads the leaf, but the ground would do"),
    ((100, 99, 40, 60, 60, 25), "reads the ground as well as the leaf"),
    ((100, 99, 40, 30, 60, 25), "needs leaf and ground together"),
    ((100, 25, 25, 25, 60, 25), "is no better than guessing")])
def test_the_verdict_says_what_the_figures_do(counts, verdict):
    found = Audit(*counts, without_leaf=3)
    assert verdict in found.verdict
    table = found.table()
    assert table.endswith(found.verdict)
    assert f"{counts[1] / 100:.2%}" in table and "(3 images" in table
    values = found.as_dict()
    assert values["verdict"] == found.verdict
    assert values["leaf_alone"]["right"] == counts[2]
    assert values["leaf_alone"]["accuracy"] == counts[2] / 100
