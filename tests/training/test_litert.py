"""leaffliction/training/litert.py: a LiteRT file computes what Keras does."""

import numpy as np

from leaffliction.model.runtime import Network
from leaffliction.training.litert import to_litert


def test_litert_and_keras_agree_for_any_batch_size(
        keras, backbone, make_images):
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, [
        backbone.get_layer("block_12_add").output, pooled])
    network = Network(to_litert(model))
    for count in (1, 3):
        expected = model(make_images(count), training=False)
        for found, output in zip(network(make_images(count)), expected,
                                 strict=True):
            assert found.shape == output.shape
            # Relative to the largest: random weights give values up to 10.
            largest = np.abs(output).max()
            assert largest > 0.1
            assert np.abs(found - output).max() < 1e-4 * largest


def test_an_8_bit_network_is_small_and_nearly_equal(
        keras, backbone, make_images):
    model = keras.Model(backbone.input, keras.layers.GlobalAveragePooling2D()(
        backbone.get_layer("block_9_add").output))
    exact, int8 = to_litert(model), to_litert(model, make_images(20))
    assert len(int8) < 0.6 * len(exact)
    expected, found = (np.concatenate([
        network(image[np.newaxis])[0] for image in make_images(4)])
        for network in map(Network, (exact, int8)))
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.9
