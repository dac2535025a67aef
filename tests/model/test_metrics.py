"""leaffliction/model/metrics.py: checked against literature and by hand."""

import json

import numpy as np
import pytest

from leaffliction.model.metrics import (calibration_error, evaluate,
                                        log_losses, log_sum_exp, softmax,
                                        wilson_interval)

# Newcombe 1998, "Two-sided confidence intervals for the single proportion",
# table I, method 3; the table rounds to four digits.
NEWCOMBE = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)]


@pytest.mark.parametrize("correct, total, low, high", NEWCOMBE)
def test_the_interval_is_that_of_the_literature(correct, total, low, high):
    assert wilson_interval(correct, total) == pytest.approx(
        (low, high), abs=5e-5)
    # Counting errors instead mirrors the interval.
    assert wilson_interval(total - correct, total) == pytest.approx(
        (1 - high, 1 - low), abs=5e-5)


@pytest.mark.parametrize("correct, total", [(0, 1), (1, 1), (9999, 9999)])
def test_the_interval_stays_between_0_and_1(correct, total):
    low, high = wilson_interval(correct, total)
    assert 0 <= low < high <= 1


@pytest.mark.parametrize("confidences, correct, error", [
    ([1, 1], [True, True], 0),
    ([1, 1], [False, False], 1),
    ([0.9] * 10, [True] * 9 + [False], 0),
    ([0.9] * 10, [True] * 4 + [False] * 6, 0.5),
    # Gaps of opposite sign cancel out within one of the 15 bins, and add up
    # over two bins.
    ([0.61, 0.65], [True, False], (0.65 - 0.39) / 2),
    ([0.61, 0.67], [True, False], (0.67 + 0.39) / 2),
    ([0.95, 1], [True, False], (1 - 0.05) / 2),
    ([0.0], [False], 0),
])
def test_the_calibration_error_is_the_gap_in_each_bin(
        confidences, correct, error):
    assert calibration_error(np.array(confidences), np.array(correct)) == (
        pytest.approx(error))


@pytest.fixture
def evaluation():
    """Return an evaluation of six images; none shows the fourth class."""
    labels = np.array([0, 0, 0, 1, 1, 2])
    predicted = [0, 0, 1, 1, 1, 0]
    probabilities = np.full((6, 4), 0.1)
    probabilities[np.arange(6), predicted] = 0.7
    return evaluate(labels, probabilities, ("rot", "rust", "scab", "esca"))


def test_metrics_are_those_computed_by_hand(evaluation):
    assert evaluation.confusion.tolist() == [
        [2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert evaluation.accuracy == pytest.approx(4 / 6)
    assert evaluation.interval == wilson_interval(4, 6)
    # Undefined for a class without images or predictions: 0.
    assert evaluation.precision == pytest.approx([2 / 3, 2 / 3, 0, 0])
    assert evaluation.recall == pytest.approx([2 / 3, 1, 0, 0])
    assert evaluation.f1 == pytest.approx([2 / 3, 0.8, 0, 0])
    assert evaluation.log_loss == pytest.approx(
        -(4 * np.log(0.7) + 2 * np.log(0.1)) / 6)
    assert evaluation.calibration_error == pytest.approx(0.7 - 4 / 6)


def test_a_probability_of_0_for_the_true_class_is_a_finite_loss():
    evaluation = evaluate(np.array([1]), np.array([[1.0, 0.0]]), ("a", "b"))
    assert evaluation.log_loss == pytest.approx(-np.log(1e-12))
    assert evaluation.accuracy == 0


def test_the_table_has_a_row_for_each_class(evaluation):
    assert evaluation.table().splitlines() == [
        "class  precision  recall      F1  images",
        "rot       0.6667  0.6667  0.6667       3",
        "rust      0.6667  1.0000  0.8000       2",
        "scab      0.0000  0.0000  0.0000       1",
        "esca      0.0000  0.0000  0.0000       0",
        "accuracy 66.67% (4 of 6 images; 95 % interval 30.00% to 90.32%)",
        "calibration error 0.0333"]


def test_the_table_is_as_wide_as_the_longest_name_and_escapes_names():
    table = evaluate(np.array([0]), np.eye(2)[:1],
                     ("Apple_a_rather_long_name", "b\n\x1b")).table()
    header, first, second, *_ = table.splitlines()
    assert len(header) == len(first) == len(second)
    assert second.startswith(r"b\n\x1b ")


def test_as_dict_holds_all_metrics_for_json(evaluation):
    values = json.loads(json.dumps(evaluation.as_dict(), allow_nan=False))
    assert values["images"] == 6
    assert values["confusion"] == evaluation.confusion.tolist()
    assert values["accuracy_interval_95"] == list(evaluation.interval)
    assert values["classes"]["rust"] == pytest.approx(
        {"precision": 2 / 3, "recall": 1, "f1": 0.8, "support": 2})
    assert list(values["classes"]) == ["rot", "rust", "scab", "esca"]


def test_log_losses_are_of_the_label_and_the_mean_of_the_others():
    losses = log_losses(np.array([0, 2]), np.array([[0.5, 0.25, 0.25],
                                                    [0.1, 0.8, 0.1]]))
    assert np.allclose(losses, [
        [np.log(2), np.log(10)],
        [np.log(4), (np.log(1 / 0.8) + np.log(10)) / 2]])


@pytest.mark.parametrize("logits, probabilities", [
    ([0, 0, 0, 0], [1 / 4] * 4), ([0, np.log(3)], [1 / 4, 3 / 4]),
    ([1e4, 1e4], [1 / 2, 1 / 2]), ([-1e4, 0], [0, 1]),
    ([-1e4, -1e4], [1 / 2, 1 / 2])])
def test_softmax_of_small_and_huge_logits(logits, probabilities):
    logits = np.array([logits, np.zeros(len(logits))], np.float32)
    assert softmax(logits)[0] == pytest.approx(probabilities)
    assert softmax(logits).sum(axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize("logits, expected", [
    ([0, 0], np.log(2)), ([0, np.log(3)], np.log(4)), ([7], 7),
    ([1e4, 1e4], 1e4 + np.log(2)), ([-1e4, -1e4, -1e4], -1e4 + np.log(3)),
    ([-1e4, 5], 5)])
def test_log_sum_exp_of_small_and_huge_logits(logits, expected):
    logits = np.array([logits, np.zeros(len(logits))], np.float64)
    assert log_sum_exp(logits) == pytest.approx(
        [expected, np.log(logits.shape[1])])
    assert log_sum_exp(logits[np.newaxis]).shape == (1, 2)
