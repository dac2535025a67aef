"""leaffliction/training/evaluate.py: the figures of a network that is known by heart."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from leaffliction.model.bundle import Description
from leaffliction.model.classifier import Prediction
from leaffliction.model.metrics import calibration_error, softmax
from leaffliction.training import evaluate
from leaffliction.training.evaluate import (check_not_collapsed,
                                            evaluate_classifier,
                                            evaluation_table)
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import read_image, write_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers

CLASS_NAMES = ("dark", "light")


@dataclass
class Learned:
    """Stands for learnings: an image above the middle grey is "light"."""

    description: Description
    class_names = CLASS_NAMES

    def predict_file(self, path):
        light = (read_image(path).mean() / 127.5 - 1) * 6
        return Prediction(CLASS_NAMES, softmax(
            np.array([[-light, light]]) / self.description.temperature)[0],
            0.0, True, np.zeros((1, 1, 2)))


def learned(temperature=1.0):
    """Return learnings of that temperature."""
    return Learned(Description(CLASS_NAMES, 8, temperature, 0.0, 1.0))


@pytest.fixture
def part(tmp_path):
    """Return a function that writes images of these levels and labels."""
    def make(name, levels, labels):
        files = [Path(f"{name}{number}.png") for number in range(len(levels))]
        for file, level in zip(files, levels):
            write_image(tmp_path / file, np.full((8, 8, 3), level, np.uint8))
        return Dataset(tmp_path, tuple(files), np.array(labels), CLASS_NAMES,
                       CLASS_NAMES)
    return make


def test_the_figures_are_those_counted_by_hand(part, monkeypatch):
    training = part("t", [50, 60, 200, 210], [0, 0, 1, 1])
    # One of five is wrong.
    validation = part("v", [20, 90, 100, 160, 240], [0, 0, 1, 1, 1])
    evaluation, figures, probabilities = evaluate_classifier(
        learned(2.0), training, validation, 42, Workers(2))
    light = (np.array([20, 90, 100, 160, 240]) / 127.5 - 1) * 6
    expected = softmax(np.stack([-light, light], axis=1) / 2)
    assert np.allclose(probabilities, expected, atol=1e-5)
    assert evaluation.confusion.tolist() == [[2, 0], [1, 2]]
    assert figures["training_accuracy"] == 1
    assert figures["training_accuracy_images"] == 4
    assert figures["gap"] == pytest.approx(0.2)
    assert figures["above_90_percent_on_at_least_100_images"] is False
    raw = softmax(np.stack([-light, light], axis=1))
    assert figures["calibration_error_uncalibrated"] == pytest.approx(
        calibration_error(raw.max(axis=1), [True, True, False, True, True]))
    assert "100.00% on 4 images learned from (gap +20.00%)" in evaluation_table(
        figures)
    monkeypatch.setattr(evaluate, "GAP_IMAGES", 3)
    _, figures, _ = evaluate_classifier(
    learned(2.0), training, validation, 42, Workers(1))
    assert figures["training_accuracy_images"] == 3


class Unsure(Learned):
    """Knows no image, so its answer is the mean of two looks."""

    def predict_file(self, path):
        light = (read_image(path).mean() / 127.5 - 1) * np.array([6, 1])
        logits = np.stack([-light, light], axis=1)
        return Prediction(CLASS_NAMES, softmax(
            logits / self.description.strange_temperature).mean(axis=0),
            0.0, False, np.zeros((1, 1, 2)))


def test_both_calibration_errors_are_of_the_same_looks(part):
    levels, labels = [20, 90, 100, 160, 240], [0, 0, 1, 1, 1]
    learnings = Unsure(Description(CLASS_NAMES, 8, 2.0, 0.0, 4.0))
    _, figures, probabilities = evaluate_classifier(
        learnings, part("t", [50, 60, 200, 210], [0, 0, 1, 1]),
        part("v", levels, labels), 42, Workers(2))
    light = np.outer(np.array(levels) / 127.5 - 1, [6, 1])
    logits = np.stack([-light, light], axis=2)
    assert np.allclose(probabilities, softmax(logits / 4).mean(axis=1))
    plain = softmax(logits).mean(axis=1)
    assert figures["calibration_error_uncalibrated"] == pytest.approx(
        calibration_error(plain.max(axis=1), [True, True, False, True, True]))
    # And the learnings stay as they were.
    assert learnings.description.strange_temperature == 4


@pytest.mark.parametrize("count, wrong, proven", [
    (100, 9, True), (100, 10, False), (99, 0, False)])
def test_subject_15_above_90_percent_on_at_least_100_images(
        part, count, wrong, proven):
    levels = [40 if number % 2 else 220 for number in range(count)]
    labels = [1 - number % 2 for number in range(count)]
    labels[:wrong] = [1 - label for label in labels[:wrong]]
    _, figures, _ = evaluate_classifier(
        learned(), part("t", [50, 200], [0, 1]), part("v", levels, labels),
        42, Workers(2))
    assert figures["above_90_percent_on_at_least_100_images"] is proven
    assert evaluation_table(figures).endswith("yes" if proven else "no")


def test_a_network_that_says_the_same_of_everything_is_an_error(part):
    logits = np.tile([1.0, 3.0, 2.0], (20, 1))
    with pytest.raises(UserError, match="it says b of everything; try a "
                                        "lower --learning-rate"):
        check_not_collapsed(logits, ("a", "b", "c"))
    logits[7, 2] = 4
    check_not_collapsed(logits, ("a", "b", "c"))
    dark = part("d", [10, 20, 30], [0, 1, 1])
    with pytest.raises(UserError, match="says dark of everything"):
        evaluate_classifier(learned(), dark, dark, 42, Workers(1))
