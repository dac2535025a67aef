"""leaffliction/training/archived_weights.py: from an archive to the backbone.
"""

import json
import zipfile
from itertools import pairwise

import numpy as np
import pytest
from tiny import write

from leaffliction.model.bundle import DESCRIPTION, FORMAT, MODEL, read_archive
from leaffliction.model.runtime import Network
from leaffliction.training.archived_weights import (load_archived_weights,
                                                    read_convolutions)
from leaffliction.training.backbone import build_backbone, is_zip
from leaffliction.training.export import OOD_LAYERS
from leaffliction.training.features import load_images
from leaffliction.training.litert import to_litert
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import Workers


@pytest.fixture(scope="session")
def block(keras):
    """Return a Keras model, the same as LiteRT, and images for it.

    It has three convolutions, each with a BatchNorm of random values.
    """
    image = keras.layers.Input((8, 8, 3))
    output = image
    for convolution in (
            keras.layers.Conv2D(4, 3, 2, padding="same", use_bias=False),
            keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False),
            keras.layers.Conv2D(5, 1, use_bias=False)):
        output = keras.layers.BatchNormalization()(convolution(output))
        output = keras.layers.ReLU(6.0)(output)
    model = keras.Model(image, output)
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.5, 2, array.shape)
                       * rng.choice([-1, 1], array.shape)
                       if array.ndim > 1 else rng.uniform(0.5, 2, array.shape)
                       for array in model.get_weights()])
    return (model, to_litert(model),
            rng.uniform(-1, 1, (20, 8, 8, 3)).astype(np.float32))


def fold(model):
    """Return kernel and bias of each convolution with its BatchNorm."""
    folded = []
    for layer, norm in pairwise(model.layers):
        if "batch_norm" in norm.name:
            gamma, beta, mean, variance = norm.get_weights()
            factor = gamma / np.sqrt(variance + norm.epsilon)
            kernel, = layer.get_weights()
            if "depthwise" in layer.name:
                factor = factor[:, np.newaxis]
            folded.append((kernel * factor, beta - mean * factor.ravel()))
    return folded


def test_floats_are_those_of_the_network(block):
    model, as_litert, _ = block
    found = read_convolutions(as_litert)
    for pair, expected in zip(found, fold(model), strict=True):
        for values, exact in zip(pair, expected, strict=True):
            assert values.dtype == np.float32
            assert values == pytest.approx(exact, abs=1e-5)


def test_8_bits_round_each_channel_by_half_a_step_at_most(block):
    model, _, images = block
    found = read_convolutions(to_litert(model, images))
    for (kernel, bias), exact in zip(found, fold(model), strict=True):
        assert kernel.shape == exact[0].shape
        axes = (0, 1, 3) if kernel.shape[-1] == 1 else (0, 1, 2)
        step = np.abs(exact[0]).max(axis=axes, keepdims=True) / 127
        assert (np.abs(kernel - exact[0]) <= 0.501 * step).all()
        assert (kernel != exact[0]).any()
        # 32 bits: a step is the kernel's times that of the images, < 0.05.
        assert (np.abs(bias - exact[1]) <= 0.05 * step.ravel()).all()


def test_weights_in_16_bits_are_refused(block):
    import tensorflow as tf
    converter = tf.lite.TFLiteConverter.from_keras_model(block[0])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    with pytest.raises(ValueError, match="no weights in 32-bit floats or 8-"):
        read_convolutions(converter.convert())


def test_a_float_archive_gives_its_backbone_in_any_size(
        keras, backbone, as_floats, tmp_path):
    write(tmp_path / "a.zip", as_floats[1])
    # The archive's network is for 32 pixels.
    expected, found = build_backbone(64, None), build_backbone(
        64, tmp_path / "a.zip")
    expected.set_weights(backbone.get_weights())
    images = np.random.default_rng(1).uniform(-1, 1, (2, 64, 64, 3))
    features = np.asarray(expected(images))
    assert np.abs(features).max() > 0.1
    assert np.abs(found(images) - features).max() < (
        1e-3 * np.abs(features).max())
    assert not found.trainable_variables


def test_an_8_bit_archive_gives_nearly_its_features(keras, learned):
    archive = learned / "learnings.zip"
    rebuilt = build_backbone(64, archive)
    images = load_images(sorted((learned / "images").rglob("*.JPG")), 64,
                         Workers(1), "")
    _, _, expected, _ = Network(read_archive(archive).model)(images)
    layer = rebuilt.get_layer(OOD_LAYERS[0])
    found = np.asarray(keras.Model(rebuilt.input, layer.output)(images))
    # The network rounds its activations too, which random weights amplify:
    # 0.96 here, and 0.07 without the biases.  A trained network gives 0.999.
    assert np.corrcoef(found.mean(axis=(1, 2)).ravel(),
                       expected.ravel())[0, 1] > 0.9


def change_format(path):
    """Write the archive again, as if a newer program had written it."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    fields = json.loads(content[DESCRIPTION]) | {"format": FORMAT + 1}
    content[DESCRIPTION] = json.dumps(fields)
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in content.items():
            archive.writestr(name, member)


def change_network(path):
    """Change a byte of the network, which is stored as it is."""
    with zipfile.ZipFile(path) as archive:
        network = archive.read(MODEL)
    content = bytearray(path.read_bytes())
    content[content.index(network) + len(network) // 2] ^= 1
    path.write_bytes(content)


def empty_zip(path):
    zipfile.ZipFile(path, "w").close()


@pytest.mark.parametrize("change, reason", [
    (None, "its network is not MobileNetV2"),
    (lambda path: write(path, b"no network"), "no LiteRT model"),
    (change_format, f"has format {FORMAT + 1}, this program reads"),
    (change_network, "Bad CRC-32 for file 'model.tflite'"),
    (empty_zip, "it holds no learnings.json"),
    (lambda path: path.write_bytes(path.read_bytes()[:-500]), "truncated"),
    (lambda path: path.write_bytes(b"<!doctype html>"), "a web page")])
def test_another_archive_is_refused_in_one_line(
        backbone, block, tmp_path, change, reason):
    path = tmp_path / "a.zip"
    write(path, block[1])
    if change:
        change(path)
    with pytest.raises(UserError) as error:
        load_archived_weights(backbone, path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and reason in message
    assert "\n" not in message


@pytest.mark.parametrize("name, content, expected", [
    ("a.zip", b"\x89HDF\r\n", True), ("a.ZIP", b"", True),
    ("learnings (1)", b"PK\x03\x04", True), ("a.h5", b"\x89HDF", False)])
def test_an_archive_is_known_by_its_name_or_its_content(
        tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert is_zip(tmp_path / name) == expected
