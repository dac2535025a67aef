"""leaffliction/training/features.py: the same features with any workers."""

from functools import partial

import numpy as np
import pytest

from leaffliction.training.features import (extract_features, load_image,
                                            network_outputs, predict_batches)
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import preprocess, read_image, write_image
from leaffliction.utils.parallel import Workers


@pytest.fixture(scope="module")
def model():
    """Return a LiteRT model of (8, 8, 3) images: means of 4 x 4 pixels."""
    keras = import_keras()
    return to_litert(keras.Sequential([
        keras.layers.Input((8, 8, 3)), keras.layers.AveragePooling2D(4)]))


@pytest.fixture
def paths(tmp_path):
    """Return the paths of 30 images of noise, 8 x 8 pixels."""
    rng = np.random.default_rng(1)
    paths = [tmp_path / f"{number}.png" for number in range(30)]
    for path in paths:
        write_image(path, rng.integers(0, 256, (8, 8, 3), np.uint8))
    return paths


def block_means(images):
    """Return what the model gives for images (N, 8, 8, 3), by NumPy."""
    return images.reshape(-1, 2, 4, 2, 4, 3).mean(axis=(2, 4))


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_extract_features_stores_them_in_order_with_any_jobs(
        model, paths, tmp_path, jobs):
    file = tmp_path / "features.npy"
    features = extract_features(
        model, paths, partial(load_image, size=8), Workers(jobs), file, "")
    images = np.stack([preprocess(read_image(path), 8) for path in paths])
    assert features.dtype == np.float16 and isinstance(features, np.memmap)
    assert np.abs(features - block_means(images)).max() < 1e-3
    assert np.array_equal(np.load(file), features)


def test_predict_batches_keeps_the_images_of_an_item_together(model):
    images = np.random.default_rng(1).uniform(
        -1, 1, (9, 8, 8, 3)).astype(np.float32)
    ranges = [(0, 3), (3, 4), (4, 9)]
    batches = [means for means, in predict_batches(
        model, ranges, lambda bounds: images[slice(*bounds)], Workers(2), "")]
    assert [len(means) for means in batches] == [3, 1, 5]
    assert np.allclose(np.concatenate(batches), block_means(images),
                       atol=1e-6)


def test_network_outputs_names_the_file_that_cannot_be_read(model, paths):
    paths[20].write_bytes(b"no image")
    with pytest.raises(UserError, match="20.png"):
        network_outputs(model, paths, 8, Workers(2), "")
