"""leaffliction/training/backbone.py: the cut, what lies above it, and LiteRT."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from paths import ROOT

from leaffliction.model.runtime import Network
from leaffliction.training import backbone as backbones
from leaffliction.training import loop
from leaffliction.training.backbone import (BLOCK_ENDS, BLOCKS,
                                            find_split_layer, fold_batch_norm)
from leaffliction.utils.errors import UserError

SIZE = 32


@pytest.fixture(scope="module")
def keras():
    return backbones.import_keras()


def test_tensorflow_computes_in_as_many_threads_as_it_is_told():
    # More than there are cores, so that its own choice shows.
    code = ("import os; os.environ.pop('TF_NUM_INTRAOP_THREADS', None)\n"
            "from leaffliction.training import backbone\n"
            "backbone.limit_threads(300)\n"
            "keras = backbone.import_keras()\n"
            "before = len(os.listdir('/proc/self/task'))\n"
            "keras.ops.ones(1) + 1\n"
            "print(len(os.listdir('/proc/self/task')) - before)\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT,
                          capture_output=True, text=True)
    assert int(done.stdout) > 290


@pytest.fixture(scope="module")
def measured(keras):
    """Return a random backbone of 32 pixels, its statistics measured.

    With it, before and after that: the mean output, and what must stay.
    """
    keras.utils.set_random_seed(42)
    backbone = backbones.build_backbone(SIZE, None)

    def state():
        return (np.asarray(backbone(images(16))).mean(),
                ([layer.momentum for layer in backbone.layers
                  if hasattr(layer, "momentum")],
                 backbone.trainable_variables))

    before = state()
    backbones.measure_statistics(backbone, images(16))
    return backbone, before, state()


@pytest.fixture(scope="module")
def backbone(measured):
    return measured[0]


def images(count):
    """Return images, float32 (count, 32, 32, 3) in -1..1."""
    return np.random.default_rng(count).uniform(
        -1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def test_random_weights_are_measured_so_that_the_signal_stays(measured):
    _, (faded, before), (mean, after) = measured
    assert mean > 10 * faded
    assert before == after


@pytest.fixture(scope="module")
def saved(backbone, tmp_path_factory):
    """Return a file of a larger model's weights, in Keras's legacy HDF5."""
    path = tmp_path_factory.mktemp("weights") / "weights.h5"
    layers = [layer for layer in backbone.layers if layer.weights]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [
            "another_head", *(layer.name for layer in layers)]
        file.create_group("another_head").attrs["weight_names"] = ["a"]
        file["another_head/a"] = np.ones(3)
        for layer in layers:
            group = file.create_group(layer.name)
            arrays = dict(zip("abcd", layer.get_weights()))
            group.attrs["weight_names"] = list(arrays)
            for name, array in arrays.items():
                group[name] = array
    return path


def test_weights_are_loaded_by_the_names_of_the_layers(backbone, saved):
    other = backbones.build_backbone(SIZE, saved)
    assert not other.trainable_variables
    for mine, its in zip(backbone.get_weights(), other.get_weights(),
                         strict=True):
        assert np.array_equal(mine, its)


@pytest.mark.parametrize("name, content", [
    ("text.h5", b"text"), ("empty.h5", None)])
def test_a_file_without_our_weights_is_refused(
        name, content, tmp_path, keras):
    path = tmp_path / name
    if content:
        path.write_bytes(content)
    else:
        h5py.File(path, "w").close()
    with pytest.raises(UserError, match=f"{name}: holds no "):
        backbones.build_backbone(SIZE, path)


def test_lite_and_keras_agree_for_any_number_of_images(keras, backbone):
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, [
        backbone.get_layer("block_12_add").output, pooled])
    network = Network(backbones.to_litert(model))
    for count in (1, 3):
        expected = model(images(count), training=False)
        for mine, its in zip(network(images(count)), expected, strict=True):
            assert mine.shape == its.shape
            # Of the largest: random weights give values up to 10.
            largest = np.abs(its).max()
            assert largest > 0.1
            assert np.abs(mine - its).max() < 1e-4 * largest


@pytest.mark.parametrize("wanted, name, unfrozen", [
    (0, "out_relu", 0), (1, "out_relu", 0), (2, "block_16_project_BN", 3),
    (3, "block_16_project_BN", 3), (6, "block_16_project_BN", 3),
    (8, "block_15_add", 11), (38, "block_12_add", 38),
    (154, "expanded_conv_project_BN", 145)])
def test_the_cut_is_rounded_to_the_nearest_edge_of_a_block(
        backbone, wanted, name, unfrozen):
    assert find_split_layer(backbone, wanted) == (name, unfrozen)


@pytest.mark.parametrize("number, block", [*enumerate(BLOCKS)])
def test_a_block_by_name_is_the_lowest_that_learns(backbone, number, block):
    cut, unfrozen = find_split_layer(backbone, block)
    assert cut == BLOCK_ENDS[number]
    above = backbone.layers[-unfrozen:]
    assert above[0].name.startswith(block) or block == "block_1"
    assert find_split_layer(backbone, unfrozen) == (cut, unfrozen)


def test_more_layers_than_there_are_is_answered_with_what_there_are(
        backbone):
    with pytest.raises(UserError, match="has 154; --unfreeze takes 0 to 145, "
                                        "or a block from block_1 to Conv_1"):
        find_split_layer(backbone, 155)


@pytest.mark.parametrize("cut", [BLOCK_ENDS[0], "block_5_add",
                                 "block_12_add", "block_15_add",
                                 "block_16_project_BN"])
def test_the_copy_without_batchnorm_gives_the_same_answers(
        keras, backbone, cut):
    rng = np.random.default_rng(3)
    lower = keras.Model(backbone.input, backbone.get_layer(cut).output)
    features = lower.predict_on_batch(images(4))
    features += rng.normal(0, features.std(), features.shape)
    above = keras.Model(lower.output, backbone.output)
    top = fold_batch_norm(backbone, cut)
    assert not any(isinstance(layer, keras.layers.BatchNormalization)
                   for layer in top.layers)
    expected = above.predict_on_batch(features)
    found = top.predict_on_batch(features)
    assert np.abs(expected).max() > 0.1
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_in_16_bits_the_answers_are_nearly_the_same(keras, backbone):
    cut = "block_15_add"
    features = np.random.default_rng(3).normal(
        0, 1, (4, *backbone.get_layer(cut).output.shape[1:]))
    exact, quick = (fold_batch_norm(backbone, cut, precision).predict_on_batch(
        features) for precision in ("float32", "mixed_bfloat16"))
    gap = np.abs(quick.astype(np.float32) - exact).max()
    assert 0 < gap < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("flags, precision", [
    ("fma avx512f avx512_bf16 sha", "mixed_bfloat16"),
    ("avx512f amx_bf16", "mixed_bfloat16"),
    ("fma avx2 not_avx512_bf16", "float32"), (None, "float32")])
def test_16_bits_are_for_processors_that_have_them(
        monkeypatch, flags, precision):
    def read_text(path):
        if flags is None:
            raise FileNotFoundError
        return f"processor: 0\nflags\t\t: {flags}\n"

    monkeypatch.setattr(backbones.Path, "read_text", read_text)
    assert backbones.fast_precision() == precision


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_all_convolutions_above_the_cut_learn_and_none_below(
        keras, backbone, precision):
    cut = "block_15_add"
    frozen = backbone.get_weights()
    head = loop.build_head(2)
    top = fold_batch_norm(backbone, cut, precision)
    classifier = loop.build_classifier(top, head)
    loop.compile_model(classifier, keras.optimizers.Adam(1e-3))
    before = {weight.path: weight.numpy() for weight in classifier.weights}
    rng = np.random.default_rng(1)
    features = rng.normal(0, 1, (8, *top.input_shape[1:])).astype(np.float32)
    classifier.fit(features, np.eye(2)[np.arange(8) % 2], batch_size=8,
                   verbose=0)
    moved = {weight.path for weight in classifier.trainable_weights
             if not np.array_equal(weight, before[weight.path])}
    assert moved == {weight.path for weight in classifier.trainable_weights}
    # Block 16 and the last convolution: four kernels with their biases.
    assert len(moved) == 2 * 4 + 2
    assert all(map(np.array_equal, backbone.get_weights(), frozen))


@pytest.mark.parametrize("cut", ["block_12_add", "block_15_add",
                                 "block_5_add"])
def test_an_answer_is_what_the_layers_give(keras, backbone, cut):
    top, head = fold_batch_norm(backbone, cut), loop.build_head(3)
    network = backbones.build_inference_model(backbone, cut, top, head)
    logits, maps, *means = network.predict_on_batch(images(3))
    at_cut = keras.Model(backbone.input, backbone.get_layer(cut).output)
    last = top.predict_on_batch(at_cut.predict_on_batch(images(3)))
    kernel, bias = head.get_weights()
    assert logits == pytest.approx(last.mean(axis=(1, 2)) @ kernel + bias,
                                   abs=1e-4)
    assert maps.shape == (*last.shape[:3], 3)
    assert maps.mean(axis=(1, 2)) == pytest.approx(logits, abs=1e-4)
    for mean, name in zip(means, backbones.OOD_LAYERS, strict=True):
        layer = keras.Model(backbone.input, backbone.get_layer(name).output)
        expected = layer.predict_on_batch(images(3)).mean(axis=(1, 2))
        assert np.abs(mean - expected).max() < 1e-4 * np.abs(expected).max()


def test_in_8_bits_a_network_is_small_and_nearly_the_same(keras, backbone):
    model = keras.Model(backbone.input, keras.layers.GlobalAveragePooling2D()(
        backbone.get_layer("block_9_add").output))
    exact, small = backbones.to_litert(model), backbones.to_litert(
        model, images(20))
    assert len(small) < 0.6 * len(exact)
    expected, found = (np.concatenate([
        network(image[np.newaxis])[0] for image in images(4)])
        for network in map(Network, (exact, small)))
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.9
