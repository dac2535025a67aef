"""What several test files of this folder share: a backbone, drawn leaves."""

import numpy as np
import pytest

from leaffliction.training import backbone as backbones
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert
from leaffliction.utils.images import write_image
from samples.drawing import draw_leaf

SIZE = 32


@pytest.fixture(scope="session")
def keras():
    return import_keras()


@pytest.fixture(scope="session")
def make_images():
    """Return a function that samples float32 (count, 32, 32, 3) in -1..1."""
    def make(count):
        return np.random.default_rng(count).uniform(
            -1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)
    return make


@pytest.fixture(scope="session")
def measured(keras, make_images):
    """Return a random backbone with measured statistics, and two states.

    The states, before and after measuring: the mean output; momenta and
    trainable variables, which must not change.
    """
    keras.utils.set_random_seed(42)
    backbone = backbones.build_backbone(SIZE, None)

    def state():
        return (np.asarray(backbone(make_images(16))).mean(),
                ([layer.momentum for layer in backbone.layers
                  if hasattr(layer, "momentum")],
                 backbone.trainable_variables))

    before = state()
    backbones.measure_statistics(backbone, make_images(16))
    return backbone, before, state()


@pytest.fixture(scope="session")
def backbone(measured):
    """Return MobileNetV2 for 32 pixels, random, with measured statistics."""
    return measured[0]


@pytest.fixture(scope="session")
def as_floats(keras, backbone):
    """Return a Keras model, and the same as LiteRT in 32-bit floats.

    It maps images to features of the backbone, one of them its pooled output.
    """
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, [
        backbone.get_layer("block_12_add").output, pooled])
    return model, to_litert(model)


@pytest.fixture
def draw_leaves(tmp_path):
    """Return a function that draws {class folder: number of leaves}.

    It returns the folder of the class folders, tmp_path / name.
    """
    def draw(counts, name="images"):
        for folder, count in counts.items():
            for number in range(count):
                rng = np.random.default_rng(
                    [number, len(name) + len(folder), ord(folder[-1])])
                write_image(tmp_path / name / folder / f"{number}.png",
                            draw_leaf("Apple_rust", rng, 32))
        return tmp_path / name
    return draw
