"""leaffliction/training/litert.py: a LiteRT file computes what Keras does."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from leaffliction.model.runtime import Network
from leaffliction.training.litert import to_litert


def test_litert_and_keras_agree_for_any_number_of_images(
        as_floats, make_images):
    model, content = as_floats
    network = Network(content)
    for count in (1, 3):
        expected = model(make_images(count), training=False)
        for found, output in zip(network(make_images(count)), expected,
                                 strict=True):
            assert found.shape == output.shape
            # Relative to the largest: random weights give values up to 10.
            largest = np.abs(output).max()
            assert largest > 0.1
            assert np.abs(found - output).max() < 1e-4 * largest


@pytest.mark.parametrize("examples", [None, 20])
def test_every_dimension_is_fixed_for_one_image(
        backbone, make_images, keras, examples):
    pooled = keras.layers.GlobalAveragePooling2D()(
        backbone.get_layer("block_2_add").output)
    model = keras.Model(backbone.input,
                        [pooled, keras.layers.Dense(3)(pooled)])
    interpreter = Interpreter(model_content=to_litert(
        model, None if examples is None else make_images(examples)))
    image, = interpreter.get_input_details()
    assert image["shape"].tolist() == [1, 32, 32, 3]
    for tensor in (image, *interpreter.get_output_details()):
        assert tensor["dtype"] == np.float32
        assert tensor["shape_signature"].tolist() == tensor["shape"].tolist()
        assert tensor["shape"][0] == 1


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


def test_networks_of_earlier_versions_still_run(keras, tmp_path):
    # Their batch is open, as Keras's own export leaves it.
    model = keras.Sequential([keras.layers.Input((8, 8, 3)),
                              keras.layers.AveragePooling2D(4)])
    model.export(tmp_path / "a.tflite", format="litert", verbose=False)
    content = (tmp_path / "a.tflite").read_bytes()
    image, = Interpreter(model_content=content).get_input_details()
    assert image["shape_signature"][0] == -1
    images = np.random.default_rng(1).uniform(
        -1, 1, (3, 8, 8, 3)).astype(np.float32)
    found, = Network(content)(images)
    assert found == pytest.approx(np.asarray(model(images)), abs=1e-6)
