"""leaffliction/training/network.py: what is above the split layer."""

import numpy as np
import pytest

from leaffliction.training import network as networks
from leaffliction.training.backbone import BLOCK_ENDS
from leaffliction.training.loop import compile_model
from leaffliction.training.network import (build_classifier, build_head,
                                           fold_batch_norm)


@pytest.mark.parametrize("split_layer", [
    BLOCK_ENDS[0], "block_5_add", "block_12_add", "block_15_add",
    "block_16_project_BN"])
def test_folding_batch_norm_keeps_the_outputs(
        keras, backbone, make_images, split_layer):
    rng = np.random.default_rng(3)
    lower = keras.Model(backbone.input,
                        backbone.get_layer(split_layer).output)
    features = np.asarray(lower(make_images(4)))
    features = features + rng.normal(
        0, features.std(), features.shape).astype(np.float32)
    above = keras.Model(lower.output, backbone.output)
    top = fold_batch_norm(backbone, split_layer)
    assert not any(isinstance(layer, keras.layers.BatchNormalization)
                   for layer in top.layers)
    expected, found = (np.asarray(model(features)) for model in (above, top))
    assert np.abs(expected).max() > 0.1
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_16_bit_outputs_are_nearly_equal(backbone):
    split_layer = "block_15_add"
    features = np.random.default_rng(3).normal(
        0, 1, (4, *backbone.get_layer(split_layer).output.shape[1:]))
    exact, fast = (fold_batch_norm(
        backbone, split_layer, precision).predict_on_batch(features)
        for precision in ("float32", "mixed_bfloat16"))
    gap = np.abs(fast.astype(np.float32) - exact).max()
    assert 0 < gap < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("flags, precision", [
    ("fma avx512f avx512_bf16 sha", "mixed_bfloat16"),
    ("avx512f amx_bf16", "mixed_bfloat16"),
    ("fma avx2 not_avx512_bf16", "float32"), (None, "float32")])
def test_16_bits_are_used_on_processors_that_have_them(
        monkeypatch, flags, precision):
    def read_text(path):
        if flags is None:
            raise FileNotFoundError
        return f"processor: 0\nflags\t\t: {flags}\n"

    monkeypatch.setattr(networks.Path, "read_text", read_text)
    assert networks.fast_precision() == precision


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_all_convolutions_above_the_split_layer_learn_and_none_below(
        keras, backbone, precision):
    frozen = backbone.get_weights()
    top = fold_batch_norm(backbone, "block_15_add", precision)
    classifier = build_classifier(top, build_head(2))
    compile_model(classifier, keras.optimizers.Adam(1e-3))
    before = {weight.path: weight.numpy() for weight in classifier.weights}
    rng = np.random.default_rng(1)
    features = rng.normal(0, 1, (8, *top.input_shape[1:])).astype(np.float32)
    classifier.fit(features, np.eye(2)[np.arange(8) % 2], batch_size=8,
                   verbose=0)
    moved = {weight.path for weight in classifier.trainable_weights
             if not np.array_equal(weight, before[weight.path])}
    assert moved == {weight.path for weight in classifier.trainable_weights}
    # Block 16 and the last convolution have four kernels and four biases;
    # the head, one of each.
    assert len(moved) == 2 * 4 + 2
    assert all(map(np.array_equal, backbone.get_weights(), frozen))
