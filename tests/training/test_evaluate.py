"""leaffliction/training/evaluate.py: figures that can be computed by hand."""

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
TRAINING = [50, 60, 200, 210], [0, 0, 1, 1]
# The third of five is predicted wrongly.
VALIDATION = [20, 90, 100, 160, 240], [0, 0, 1, 1, 1]
RIGHT = [True, True, False, True, True]


@dataclass
class BrightnessClassifier:
    """Stands for a Classifier: logits are +-6 times the mean brightness."""

    description: Description
    class_names = CLASS_NAMES

    def predict_file(self, path):
        light = (read_image(path).mean() / 127.5 - 1) * 6
        return Prediction(CLASS_NAMES, softmax(
            np.array([[-light, light]]) / self.description.temperature)[0],
            0.0, True, np.zeros((1, 1, 2)))


class OODClassifier(BrightnessClassifier):
    """Takes every image for OOD: the mean of two TTA views is predicted."""

    def predict_file(self, path):
        light = (read_image(path).mean() / 127.5 - 1) * np.array([6, 1])
        logits = np.stack([-light, light], axis=1)
        return Prediction(CLASS_NAMES, softmax(
            logits / self.description.ood_temperature).mean(axis=0),
            0.0, False, np.zeros((1, 1, 2)))


def brightness_classifier(temperature=1.0):
    return BrightnessClassifier(
        Description(CLASS_NAMES, 8, temperature, 0.0, 1.0))


@pytest.fixture
def part(tmp_path):
    """Return a function: name, grey levels and labels to a data set."""
    def make(name, levels, labels):
        files = [Path(f"{name}{number}.png") for number in range(len(levels))]
        for file, level in zip(files, levels):
            write_image(tmp_path / file, np.full((8, 8, 3), level, np.uint8))
        return Dataset(tmp_path, tuple(files), np.array(labels), CLASS_NAMES,
                       CLASS_NAMES)
    return make


def test_the_figures_are_those_computed_by_hand(part):
    evaluation, figures, probabilities = evaluate_classifier(
        brightness_classifier(2.0), part("t", *TRAINING),
        part("v", *VALIDATION), 42, Workers(2))
    light = (np.array(VALIDATION[0]) / 127.5 - 1) * 6
    logits = np.stack([-light, light], axis=1)
    assert np.allclose(probabilities, softmax(logits / 2), atol=1e-5)
    assert evaluation.confusion.tolist() == [[2, 0], [1, 2]]
    assert figures["training_accuracy"] == 1
    assert figures["training_accuracy_images"] == 4
    assert figures["gap"] == pytest.approx(0.2)
    assert figures["above_90_percent_on_at_least_100_images"] is False
    assert figures["calibration_error_uncalibrated"] == pytest.approx(
        calibration_error(softmax(logits).max(axis=1), RIGHT))
    assert ("100.00% on 4 training images (gap +20.00%)"
            in evaluation_table(figures))


def test_the_gap_is_measured_on_a_sample(part, monkeypatch):
    monkeypatch.setattr(evaluate, "GAP_IMAGES", 3)
    _, figures, _ = evaluate_classifier(
        brightness_classifier(2.0), part("t", *TRAINING),
        part("v", *VALIDATION), 42, Workers(1))
    assert figures["training_accuracy_images"] == 3


def test_the_uncalibrated_error_is_of_the_same_tta_views(part):
    classifier = OODClassifier(Description(CLASS_NAMES, 8, 2.0, 0.0, 4.0))
    _, figures, probabilities = evaluate_classifier(
        classifier, part("t", *TRAINING), part("v", *VALIDATION), 42,
        Workers(2))
    light = np.outer(np.array(VALIDATION[0]) / 127.5 - 1, [6, 1])
    logits = np.stack([-light, light], axis=2)
    assert np.allclose(probabilities, softmax(logits / 4).mean(axis=1))
    uncalibrated = softmax(logits).mean(axis=1)
    assert figures["calibration_error_uncalibrated"] == pytest.approx(
        calibration_error(uncalibrated.max(axis=1), RIGHT))
    assert classifier.description.ood_temperature == 4, "was changed"


@pytest.mark.parametrize("count, wrong, is_reached", [
    (100, 9, True), (100, 10, False), (99, 0, False)])
def test_subject_15_above_90_percent_on_at_least_100_images(
        part, count, wrong, is_reached):
    levels = [40 if number % 2 else 220 for number in range(count)]
    labels = [1 - number % 2 for number in range(count)]
    labels[:wrong] = [1 - label for label in labels[:wrong]]
    _, figures, _ = evaluate_classifier(
        brightness_classifier(), part("t", [50, 200], [0, 1]),
        part("v", levels, labels), 42, Workers(2))
    assert figures["above_90_percent_on_at_least_100_images"] is is_reached
    assert evaluation_table(figures).endswith("yes" if is_reached else "no")


def test_logits_of_one_class_alone_are_an_error():
    logits = np.tile([1.0, 3.0, 2.0], (20, 1))
    with pytest.raises(UserError, match="predicts b for every image; try a "
                                        "lower --learning-rate"):
        check_not_collapsed(logits, ("a", "b", "c"))
    logits[7, 2] = 4
    check_not_collapsed(logits, ("a", "b", "c"))


def test_a_collapsed_network_is_not_evaluated(part):
    dark = part("d", [10, 20, 30], [0, 1, 1])
    with pytest.raises(UserError, match="predicts dark for every image"):
        evaluate_classifier(brightness_classifier(), dark, dark, 42,
                            Workers(1))
