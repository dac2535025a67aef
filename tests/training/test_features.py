"""leaffliction/training/features.py: in order, in threads, the same as one by one."""

from functools import partial

import numpy as np
import pytest

from leaffliction.training.backbone import import_keras, to_litert
from leaffliction.training.features import (all_outputs, answers,
                                            frozen_features, load_image)
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import preprocess, write_image
from leaffliction.utils.parallel import Workers


@pytest.fixture(scope="module")
def model():
    """Return a LiteRT model of 8 pixels: means of 4 x 4, shape (2, 2, 3)."""
    keras = import_keras()
    return to_litert(keras.Sequential([
        keras.layers.Input((8, 8, 3)), keras.layers.AveragePooling2D(4)]))


@pytest.fixture
def paths(tmp_path):
    """Return the paths of 30 images of noise, 8 pixels."""
    rng = np.random.default_rng(1)
    paths = [tmp_path / f"{number}.png" for number in range(30)]
    for path in paths:
        write_image(path, rng.integers(0, 256, (8, 8, 3), np.uint8))
    return paths


def expected(images):
    return images.reshape(-1, 2, 4, 2, 4, 3).mean(axis=(2, 4))


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_features_are_in_order_on_disk_and_the_same_with_any_jobs(
        model, paths, tmp_path, jobs):
    from leaffliction.utils.images import read_image
    file = tmp_path / "features.npy"
    found = frozen_features(
        model, paths, partial(load_image, size=8), Workers(jobs), file, "")
    images = np.stack([preprocess(read_image(path), 8) for path in paths])
    assert found.dtype == np.float16 and isinstance(found, np.memmap)
    assert np.abs(found - expected(images)).max() < 1e-3
    assert np.array_equal(np.load(file), found)


def test_an_item_may_be_several_images(model):
    images = np.random.default_rng(1).uniform(
        -1, 1, (9, 8, 8, 3)).astype(np.float32)
    cuts = [(0, 3), (3, 4), (4, 9)]
    found = [means for means, in answers(
        model, cuts, lambda cut: images[slice(*cut)], Workers(2), "")]
    assert [len(means) for means in found] == [3, 1, 5]
    assert np.allclose(np.concatenate(found), expected(images), atol=1e-6)


def test_an_image_that_cannot_be_read_is_an_error(model, paths):
    paths[20].write_bytes(b"no image")
    with pytest.raises(UserError, match="20.png"):
        all_outputs(model, paths, 8, Workers(2), "")
