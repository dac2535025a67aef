"""leaffliction/training/backbone.py: its weights, and where it is split."""

import h5py
import numpy as np
import pytest

from leaffliction.training import backbone as backbones
from leaffliction.training.backbone import BLOCK_ENDS, BLOCKS, find_split_layer
from leaffliction.utils.errors import UserError

SIZE = 32


def test_measured_statistics_keep_the_signal_of_random_weights(measured):
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


def test_weights_are_loaded_by_layer_name(backbone, saved):
    other = backbones.build_backbone(SIZE, saved)
    assert not other.trainable_variables
    for expected, found in zip(backbone.get_weights(), other.get_weights(),
                               strict=True):
        assert np.array_equal(expected, found)


@pytest.mark.parametrize("name, content", [
    ("text.h5", b"text"), ("empty.h5", None)])
def test_a_file_without_weights_of_mobilenet_is_refused(
        name, content, tmp_path, keras):
    path = tmp_path / name
    if content:
        path.write_bytes(content)
    else:
        h5py.File(path, "w").close()
    with pytest.raises(UserError, match=f"{name}: holds no "):
        backbones.build_backbone(SIZE, path)


@pytest.mark.parametrize("unfreeze, name, unfrozen", [
    (0, "out_relu", 0), (1, "out_relu", 0), (2, "block_16_project_BN", 3),
    (3, "block_16_project_BN", 3), (6, "block_16_project_BN", 3),
    (8, "block_15_add", 11), (38, "block_12_add", 38),
    (154, "expanded_conv_project_BN", 145)])
def test_a_number_of_layers_is_rounded_to_the_nearest_end_of_a_block(
        backbone, unfreeze, name, unfrozen):
    assert find_split_layer(backbone, unfreeze) == (name, unfrozen)


@pytest.mark.parametrize("number, block", [*enumerate(BLOCKS)])
def test_a_named_block_is_the_lowest_that_is_unfrozen(
        backbone, number, block):
    split_layer, unfrozen = find_split_layer(backbone, block)
    assert split_layer == BLOCK_ENDS[number]
    above = backbone.layers[-unfrozen:]
    assert above[0].name.startswith(block) or block == "block_1"
    assert find_split_layer(backbone, unfrozen) == (split_layer, unfrozen)


def test_too_many_layers_are_refused_with_the_valid_range(backbone):
    with pytest.raises(UserError, match="has 154; --unfreeze takes 0 to 145, "
                                        "or a block from block_1 to Conv_1"):
        find_split_layer(backbone, 155)
