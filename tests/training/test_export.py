"""leaffliction/training/export.py: the form of a network, its calibration."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from slow import slow

from leaffliction.model.bundle import LABELS
from leaffliction.model.metrics import softmax
from leaffliction.model.runtime import Network
from leaffliction.training import export as exports
from leaffliction.training.backbone import FrozenBackbone
from leaffliction.training.config import TrainConfig
from leaffliction.training.data import GroupedDataset
from leaffliction.training.export import (OOD_LAYERS, Calibration,
                                          build_inference_model, export,
                                          fit_ood_temperature, is_as_good)
from leaffliction.training.features import load_images
from leaffliction.training.keras import import_keras
from leaffliction.training.network import build_head, fold_batch_norm
from leaffliction.training.split import TRAINING, Parts
from leaffliction.training.training_set import CalibrationSet
from leaffliction.utils.images import write_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers


class Red:
    """A red field image of the early-stopping set, without a background."""

    def __init__(self, path):
        self.path = path

    def render(self, backgrounds):
        return np.full((32, 32, 3), (180, 90, 60), np.uint8)


def make_calibration(images, leaves=None, targets=None):
    """Return a red field image of each image.

    leaves: by default, each image shows a leaf of its own.
    targets: by default, red is the right class for two of three.
    """
    count = len(images.files)
    return CalibrationSet(
        images, range(count) if leaves is None else leaves,
        [Red(path) for path in images.paths()],
        (np.arange(count) % 3 < 2).astype(int) if targets is None else
        targets, None)


@pytest.fixture
def network():
    """Return a Keras model: images to logits, class maps and mean colours."""
    keras = import_keras()
    image = keras.layers.Input((32, 32, 3))
    to_maps = keras.layers.Conv2D(2, 1)
    maps = to_maps(keras.layers.AveragePooling2D(16)(image))
    pool = keras.layers.GlobalAveragePooling2D()
    to_maps.set_weights([np.array([[[[-2, 2], [0, 0], [2, -2]]]], np.float32),
                         np.zeros(2)])
    return keras.Model(image, [pool(maps), maps, pool(image)])


@pytest.fixture
def training(tmp_path):
    return write_colours(tmp_path, "t", 60)


@pytest.fixture
def early_stopping(tmp_path):
    return write_colours(tmp_path, "s", 40)


def write_colours(folder, prefix, count):
    """Return a dataset of images that are blue (0) or red (1), in turn."""
    rng = np.random.default_rng(count)
    files = [Path(f"{prefix}{number}.png") for number in range(count)]
    for number, file in enumerate(files):
        colour = (180, 90, 60) if number % 2 else (60, 90, 180)
        write_image(folder / file, np.clip(
            colour + rng.normal(0, 20, 3) + rng.normal(0, 9, (32, 32, 3)),
            0, 255).astype(np.uint8))
    return Dataset(folder, tuple(files), np.arange(count) % 2, ("a", "b"),
                   ("blue", "red"))


def make_parts(training):
    """Return parts with a training set whose images show a leaf each."""
    count = len(training.files)
    return Parts(
        GroupedDataset(training, np.zeros(count, int), [*map(str, range(
            count))], np.zeros(count, bool), []),
        np.full(count, TRAINING), training, None, None)


def run(network, training, early_stopping, jobs=1, float_model=False):
    logits = network.predict_on_batch(load_images(
        early_stopping.paths(), 32, Workers(1), ""))[0]
    return export(network, logits, make_parts(training),
                  make_calibration(early_stopping),
                  TrainConfig(size=32, float_model=float_model), Workers(jobs))


@pytest.mark.parametrize("split_layer", [
    "block_12_add", pytest.param("block_15_add", marks=slow), "block_5_add"])
def test_the_inference_model_gives_logits_class_maps_and_features(
        keras, backbone, make_images, split_layer):
    top, head = fold_batch_norm(backbone, split_layer), build_head(3)
    # It computes in 32 bits, whatever the training did.
    network = build_inference_model(
        FrozenBackbone(backbone, 32, split_layer, 0, "", None),
        fold_batch_norm(backbone, split_layer, "mixed_bfloat16"), head)
    logits, maps, *means = map(np.asarray, network(make_images(3)))
    features, *layers = map(np.asarray, keras.Model(backbone.input, [
        backbone.get_layer(name).output
        for name in (split_layer, *OOD_LAYERS)])(make_images(3)))
    last = np.asarray(top(features))
    kernel, bias = head.get_weights()
    assert logits == pytest.approx(last.mean(axis=(1, 2)) @ kernel + bias,
                                   abs=1e-4)
    assert maps.shape == (*last.shape[:3], 3)
    assert maps.mean(axis=(1, 2)) == pytest.approx(logits, abs=1e-4)
    for mean, layer in zip(means, layers, strict=True):
        expected = layer.mean(axis=(1, 2))
        assert np.abs(mean - expected).max() < 1e-4 * np.abs(expected).max()


def test_no_name_depends_on_what_keras_has_built(keras, backbone):
    top, head = fold_batch_norm(backbone, "block_15_add"), build_head(2)
    frozen = FrozenBackbone(backbone, 32, "block_15_add", 0, "", None)

    def names():
        # The file contains them.
        model = build_inference_model(frozen, top, head)
        inner = model.get_layer("top")
        return [model.name, *(layer.name for layer in
                              model.layers + inner.layers)]

    first = names()
    # Keras numbers the layers and models that have no name.
    for layer in (keras.layers.GlobalAveragePooling2D(),
                  keras.layers.Conv2D(1, 1)):
        keras.Model(top.input, layer(top.output))
    assert names() == first


def test_an_exported_network_is_small_and_calibrated(
        network, training, early_stopping):
    exported = run(network, training, early_stopping, jobs=2)
    figures, description = exported.figures, exported.description
    assert figures["form"] == "int8" and figures["images"] == 40
    assert figures["int8"]["errors"] == figures["as_trained"]["errors"] == 0
    assert figures["int8"]["log_loss"] == pytest.approx(
        figures["as_trained"]["log_loss"], abs=0.01)
    assert description.temperature == figures["int8"]["temperature"]
    assert description.class_names == ("a", "b") and description.size == 32
    assert exported.float_model is None
    with zipfile.ZipFile(io.BytesIO(exported.model)) as archive:
        assert archive.read(LABELS) == b"a\nb"
    # With it the confidence is two thirds, like the accuracy.
    logits = np.array([[-1.85, 1.85]]) / description.ood_temperature
    assert softmax(logits)[0, 1] == pytest.approx(2 / 3, abs=0.02)
    assert description.ood_temperature > description.temperature
    # Red and blue are 0.9 apart; green is like neither.
    blue, green = exported.ood_detector.scores(
        np.array([[0.4, -0.3, -0.5], [-0.5, 0.6, -0.5]], np.float32))
    assert blue < description.ood_threshold < green
    assert exported.ood_detector.class_means.shape == (2, 3)


def test_the_network_in_floats_is_made_on_request(
        network, training, early_stopping):
    exported = run(network, training, early_stopping, float_model=True)
    images = load_images(early_stopping.paths()[:3], 32, Workers(1), "")
    as_float, expected = (Network(exported.float_model)(images)[0],
                          network.predict_on_batch(images)[0])
    assert as_float == pytest.approx(expected, abs=1e-5)
    assert exported.figures["form"] == "int8"
    with zipfile.ZipFile(io.BytesIO(exported.float_model)) as archive:
        assert archive.read(LABELS) == b"a\nb"
    in_8_bits = Network(exported.model)(images)[0]
    assert in_8_bits == pytest.approx(expected, abs=0.1)
    assert (in_8_bits != as_float).any()


def test_the_ood_detector_describes_rare_classes_too(
        network, training, early_stopping, monkeypatch):
    monkeypatch.setattr(exports, "DETECTOR_IMAGES", 1)
    exported = run(network, training, early_stopping)
    # An archive that describes fewer classes than it names cannot be loaded.
    assert exported.ood_detector.class_means.shape == (2, 3)


def test_floats_stay_if_8_bits_are_too_coarse(
        network, training, early_stopping, monkeypatch, capsys):
    monkeypatch.setattr(exports, "is_as_good", lambda *_: False)
    exported = run(network, training, early_stopping, float_model=True)
    assert exported.model == exported.float_model
    assert exported.figures["form"] == "float32"
    assert "stays in 32-bit floats" in capsys.readouterr().err


def test_floats_stay_if_litert_cannot_run_8_bits(
        network, training, early_stopping, monkeypatch, capsys):
    class Refusing(exports.Network):
        def __call__(self, images):
            raise RuntimeError("failed to create XNNPACK runtime")

    monkeypatch.setattr(exports, "Network", Refusing)
    exported = run(network, training, early_stopping)
    assert exported.figures["form"] == "float32"
    assert "int8" not in exported.figures
    assert "stays in 32-bit floats" in capsys.readouterr().err


def test_ood_images_are_never_predicted_more_surely(
        network, training, early_stopping):
    model = run(network, training, early_stopping).model
    calibration = make_calibration(early_stopping, targets=np.ones(40, int))

    def fit(minimum):
        return fit_ood_temperature(model, calibration, minimum, 32,
                                   Workers(1))

    # As sure as 40 right of 40 allow, which is as the network has learned.
    assert fit(0.1) == pytest.approx(1, abs=0.05)
    assert fit(1.5) == 1.5


def test_field_images_of_few_leaves_set_no_temperature(
        network, training, early_stopping):
    # However many images: those of one leaf are wrong together.
    calibration = make_calibration(early_stopping, leaves=np.arange(40) // 10)
    model = run(network, training, early_stopping).model
    assert fit_ood_temperature(model, calibration, 0.5, 32, Workers(1)) == 1


@pytest.mark.parametrize("errors, log_loss, good", [
    (5, 0.10, True), (6, 0.10, True), (4, 0.05, True), (24, 0.10, True),
    (26, 0.10, False), (5, 0.19, True), (5, 0.21, False)])
def test_8_bits_may_cost_little_accuracy(errors, log_loss, good):
    exact = Calibration(1.0, 5, 0.1)
    assert is_as_good(Calibration(1.0, errors, log_loss), exact, 1000) == good
    # Of few images, one or two more errors may be chance.
    assert is_as_good(Calibration(1.0, 7, 0.1), exact, 10)
    assert not is_as_good(Calibration(1.0, 8, 0.1), exact, 10)
