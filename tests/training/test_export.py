"""leaffliction/training/export.py: which form of a network answers, and how modestly."""

from pathlib import Path

import numpy as np
import pytest

from leaffliction.model.metrics import softmax
from leaffliction.training import export as exports
from leaffliction.training.backbone import import_keras
from leaffliction.training.export import export, fit_strange, is_as_good
from leaffliction.utils.images import write_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers


class Red:
    """A view of an image of the early-stopping set; it needs no backgrounds."""

    def __init__(self, path):
        self.path = path

    def render(self, backgrounds):
        return np.full((32, 32, 3), (180, 90, 60), np.uint8)


def strange_of(stopping):
    """Return red views of each image: red is said, for two of three rightly.
    """
    return ([Red(path) for path in stopping.paths()],
            (np.arange(len(stopping.files)) % 3 < 2).astype(int), None)


@pytest.fixture
def network():
    """Return colours to logits, class maps and one feature, in Keras."""
    keras = import_keras()
    image = keras.layers.Input((32, 32, 3))
    to_maps = keras.layers.Conv2D(2, 1)
    maps = to_maps(keras.layers.AveragePooling2D(16)(image))
    pool = keras.layers.GlobalAveragePooling2D()
    to_maps.set_weights([np.array([[[[-2, 2], [0, 0], [2, -2]]]], np.float32),
                         np.zeros(2)])
    return keras.Model(image, [pool(maps), maps, pool(image)])


@pytest.fixture
def parts(tmp_path):
    """Return two parts of images that are red (1) or blue (0)."""
    rng, made = np.random.default_rng(1), []
    for name, count in (("t", 60), ("s", 40)):
        files = [Path(f"{name}{number}.png") for number in range(count)]
        for number, file in enumerate(files):
            colour = (180, 90, 60) if number % 2 else (60, 90, 180)
            write_image(tmp_path / file, np.clip(
                colour + rng.normal(0, 20, 3) + rng.normal(0, 9, (32, 32, 3)),
                0, 255).astype(np.uint8))
        made.append(Dataset(tmp_path, tuple(files), np.arange(count) % 2,
                            ("a", "b"), ("blue", "red")))
    return made


def run(network, parts, workers):
    """Return what is exported; each image shows a leaf of its own."""
    _, stopping = parts
    return export(network, *parts, range(len(stopping.files)),
                  strange_of(stopping), 32, 42, workers)


def test_what_answers_is_small_calibrated_and_modest(network, parts):
    exported = run(network, parts, Workers(2))
    figures = exported.figures
    assert figures["form"] == "int8" and figures["images"] == 40
    assert figures["int8"]["errors"] == figures["float32"]["errors"] == 0
    assert exported.temperature == figures["int8"]["temperature"]
    assert exported.model != exported.as_float
    # At which the answer is two thirds sure, as it is right.
    logits = np.array([[-1.85, 1.85]]) / exported.strange_temperature
    assert softmax(logits)[0, 1] == pytest.approx(2 / 3, abs=0.02)
    assert exported.strange_temperature > exported.temperature
    # Red and blue are 0.9 apart; green is like neither.
    familiar, strange = exported.familiarity.scores(
        np.array([[0.4, -0.3, -0.5], [-0.5, 0.6, -0.5]], np.float32))
    assert familiar < exported.threshold < strange
    assert exported.familiarity.class_means.shape == (2, 3)


def test_a_rare_class_is_described_however_few_are_drawn(
        network, parts, monkeypatch):
    monkeypatch.setattr(exports, "OOD_IMAGES", 1)
    exported = run(network, parts, Workers(1))
    # An archive with fewer described classes than names cannot be loaded.
    assert exported.familiarity.class_means.shape == (2, 3)


def test_floats_stay_where_8_bits_are_too_coarse(
        network, parts, monkeypatch, capsys):
    monkeypatch.setattr(exports, "is_as_good", lambda *_: False)
    exported = run(network, parts, Workers(1))
    assert exported.model == exported.as_float
    assert exported.figures["form"] == "float32"
    assert "stays in 32-bit floats" in capsys.readouterr().err


def test_floats_stay_where_8_bits_cannot_even_be_run(
        network, parts, monkeypatch, capsys):
    class Refusing(exports.Network):
        def __call__(self, images):
            raise RuntimeError("failed to create XNNPACK runtime")

    monkeypatch.setattr(exports, "Network", Refusing)
    exported = run(network, parts, Workers(1))
    assert exported.figures["form"] == "float32"
    assert "int8" not in exported.figures
    assert "stays in 32-bit floats" in capsys.readouterr().err


def test_nothing_strange_is_answered_more_surely_than_what_is_known(
        network, parts):
    exported = run(network, parts, Workers(1))
    views, _, _ = strange_of(parts[1])

    def fit(temperature):
        return fit_strange(exported.model, views, np.ones(40, int), None,
                           range(40), temperature, 32, Workers(1))

    # As sure as 40 of 40 right allow, which is as it has learned.
    assert fit(0.1) == pytest.approx(1, abs=0.05)
    assert fit(1.5) == 1.5


def test_views_of_few_leaves_set_no_temperature(network, parts):
    # However many views: they are wrong together.
    views, targets, _ = strange_of(parts[1])
    model = run(network, parts, Workers(1)).model
    leaves = np.arange(40) // 10
    assert fit_strange(model, views, targets, None, leaves, 0.5, 32,
                       Workers(1)) == 1


@pytest.mark.parametrize("errors, loss, good", [
    (5, 0.10, True), (6, 0.10, True), (4, 0.05, True), (24, 0.10, True),
    (26, 0.10, False), (5, 0.19, True), (5, 0.21, False)])
def test_8_bits_may_cost_nearly_nothing(errors, loss, good):
    exact = {"errors": 5, "log_loss": 0.1}
    small = {"errors": errors, "log_loss": loss}
    assert is_as_good(small, exact, 1000) == good
    # Of few images one or two more say nothing.
    assert is_as_good({"errors": 7, "log_loss": 0.1}, exact, 10)
    assert not is_as_good({"errors": 8, "log_loss": 0.1}, exact, 10)
