"""leaffliction/model/ood.py: which images resemble the training images."""

import io
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from leaffliction.model import ood
from leaffliction.model.ood import (ARRAYS, GATE, SHIFT, OODDetector,
                                    OutdoorsRule, cross_fitted_scores,
                                    fit_ood_detector, ood_threshold,
                                    whitening)

CENTRES = np.array([[0, 0, 5], [4, 0, 5], [0, 6, 5]], np.float64)


@pytest.fixture
def features():
    """Return features (600, 3) around CENTRES, and their labels."""
    rng = np.random.default_rng(1)
    labels = np.arange(600) % 3
    return CENTRES[labels] + rng.normal(0, (0.5, 1, 0.1), (600, 3)), labels


def test_scores_are_the_distances_computed_by_hand(features, monkeypatch):
    monkeypatch.setattr(ood, "SHRINKAGE", 0.0)
    samples, labels = features
    detector = fit_ood_detector(samples, labels)
    means = np.stack([samples[labels == label].mean(axis=0)
                      for label in range(3)])
    within = np.linalg.inv(np.cov((samples - means[labels]).T, bias=True))
    overall = np.linalg.inv(np.cov(samples.T, bias=True))
    for point in ([1, 2, 5], [4, 0, 5.1], [9, 9, 9]):
        to_all = (point - samples.mean(axis=0)) @ overall @ (
            point - samples.mean(axis=0))
        to_class = min((point - mean) @ within @ (point - mean)
                       for mean in means)
        assert detector.scores(np.array([point], np.float32)
                               ) == pytest.approx([to_class - to_all],
                                                  rel=1e-3, abs=1e-3)


def test_the_threshold_keeps_99_percent_and_rejects_outliers(features):
    samples, labels = features
    detector = fit_ood_detector(samples[:300], labels[:300])
    scores = detector.scores(samples[300:])
    threshold = ood_threshold(scores)
    assert np.mean(scores <= threshold) == pytest.approx(0.99, abs=0.004)
    outliers = np.array([[0, 0, 8], [20, 0, 5], [0, -9, 5]], np.float32)
    assert (detector.scores(outliers) > threshold).all()


def test_shrinkage_permits_fewer_images_than_features():
    rng = np.random.default_rng(2)
    few = rng.normal(0, 1, (4, 50))
    detector = fit_ood_detector(few, np.array([0, 0, 1, 1]))
    assert np.isfinite(detector.scores(rng.normal(0, 1, (9, 50)))).all()
    identical = fit_ood_detector(np.ones((4, 5)), np.array([0, 0, 1, 1]))
    assert np.isfinite(identical.scores(np.zeros((1, 5)))).all()


def test_whitened_features_are_uncorrelated_with_variance_1(monkeypatch):
    monkeypatch.setattr(ood, "SHRINKAGE", 0.0)
    rng = np.random.default_rng(3)
    centred = rng.normal(0, 1, (500, 4)) @ rng.normal(0, 1, (4, 4))
    centred -= centred.mean(axis=0)
    assert np.allclose(np.cov((centred @ whitening(centred)).T, bias=True),
                       np.eye(4), atol=1e-6)


def test_few_scores_set_a_threshold_further_out_than_many():
    rng = np.random.default_rng(4)
    many = rng.normal(-10, 2, 5000)
    assert ood_threshold(many) == pytest.approx(
        -10 + 2 * norm.ppf(0.99), abs=0.3)
    # A prediction bound: the next sample lies below it in 99 % of cases.
    below = [rng.normal() <= ood_threshold(rng.normal(0, 1, 5))
             for _ in range(3000)]
    assert np.mean(below) == pytest.approx(0.99, abs=0.006)
    assert ood_threshold(np.array([3.0])) > 1e30


def test_cross_fitted_scores_are_those_of_new_leaves():
    # 3 photographs of each of 150 leaves, and 40 features: the scores of the
    # images that a detector was fitted to are too low.
    rng = np.random.default_rng(5)
    leaves = np.repeat(np.arange(300), 3)
    of_leaf = rng.normal(0, 1, (300, 40)) + np.arange(300)[:, None] % 3
    samples = of_leaf[leaves] + rng.normal(0, 0.2, (900, 40))
    labels = leaves % 3
    trained, new = leaves < 150, leaves >= 150
    detector = fit_ood_detector(samples[trained], labels[trained])
    scores = cross_fitted_scores(samples[trained], labels[trained],
                                 leaves[trained])
    of_new, of_trained = (np.median(detector.scores(samples[part]))
                          for part in (new, trained))
    assert len(scores) == 450
    assert abs(np.median(scores) - of_new) < (of_new - of_trained) / 3


@pytest.mark.parametrize("images, leaves, folds", [
    (4000, 1000, 10), (1000, 500, 20), (90, 30, 30), (8, 4, 4)])
def test_of_few_images_each_leaf_is_a_fold(monkeypatch, images, leaves, folds):
    sizes = []
    monkeypatch.setattr(ood, "fit_ood_detector", lambda features, labels: (
        sizes.append(len(labels)) or fit_ood_detector(features, labels)))
    samples = np.random.default_rng(6).normal(0, 1, (images, 2))
    of_image = np.arange(images) % leaves
    scores = cross_fitted_scores(samples, of_image % 2, of_image)
    assert len(scores) == images and len(sizes) == folds
    assert sum(sizes) == images * (folds - 1)


def test_a_class_with_one_leaf_gets_no_cross_fitted_score(features):
    samples, labels = features
    leaves = np.where(labels == 2, "one", np.arange(600).astype(str))
    scores = cross_fitted_scores(samples, labels, leaves)
    assert len(scores) == np.count_nonzero(labels != 2)
    # Neither does any, where each class has one leaf only.
    assert len(cross_fitted_scores(samples, labels, labels)) == 0


def test_bytes_are_reproducible_and_read_back(features):
    detector = fit_ood_detector(*features)
    content = detector.to_bytes()
    assert content == fit_ood_detector(*features).to_bytes()
    again = OODDetector.from_bytes(content)
    assert all(np.array_equal(value, getattr(again, name))
               for name, value in vars(detector).items())


# Outdoors is where the first feature is more than twice the second, plus 1.
RULE = OutdoorsRule(np.float32([1, -2, 0, -1]), 2.5)


def test_the_gate_tells_what_is_outdoors():
    features = np.float32([[1.1, 0, 9], [0.9, 0, 9], [5, 2.1, 0], [5, 1.9, 0]])
    assert RULE.applies(features).tolist() == [True, False, False, True]


def test_outdoors_the_score_is_the_energy_computed_by_hand():
    logits = np.log([[1, 1, 2], [10, 20, 70], [0.1, 0.2, 0.2]])
    assert RULE.scores(logits) == pytest.approx(
        2.5 - np.log([4, 100, 0.5]))


def test_each_image_is_judged_by_its_own_rule(features):
    detector = fit_ood_detector(*features)
    samples = np.float32([[0, 0, 5], [4, 0, 5], [9, 9, 9], [9, 1, 9]])
    logits = np.log([[1, 1, 2], [2, 3, 5], [1, 2, 1], [5, 5, 10]])
    indoors = detector.scores(samples)
    assert detector.judge(samples, logits) == pytest.approx(indoors)
    assert replace(detector, outdoors=RULE).judge(
        samples, logits) == pytest.approx(
        [indoors[0], 2.5 - np.log(10), indoors[2], 2.5 - np.log(20)])


def test_the_rule_is_read_back(features):
    detector = replace(fit_ood_detector(*features), outdoors=RULE)
    again = OODDetector.from_bytes(detector.to_bytes())
    assert np.array_equal(again.outdoors.gate, RULE.gate)
    assert again.outdoors.shift == 2.5
    assert all(np.array_equal(getattr(detector, name), getattr(again, name))
               for name in ARRAYS)
    without = fit_ood_detector(*features)
    assert OODDetector.from_bytes(without.to_bytes()).outdoors is None
    with np.load(io.BytesIO(without.to_bytes())) as members:
        # As an archive of format 2.
        assert set(members.files) == set(ARRAYS)


def as_arrays(detector):
    """Return the arrays that to_bytes writes of a detector with a rule."""
    with np.load(io.BytesIO(detector.to_bytes())) as members:
        return dict(members)


@pytest.mark.parametrize("change", [
    {"mean": np.zeros(2, np.float32)}, {"mean": np.zeros(3)},
    {"within": np.full((3, 3), np.nan, np.float32)},
    {"overall": np.array([print], object)},
    {"class_means": np.zeros((2, 4), np.float32)},
    {GATE: np.zeros(3, np.float32)}, {GATE: np.zeros(4)},
    {GATE: np.zeros((4, 1), np.float32)},
    {GATE: np.float32([0, 0, np.inf, 0])},
    {SHIFT: np.float32(0)}, {SHIFT: np.zeros(2, np.float32)},
    {SHIFT: np.zeros(1)}, {SHIFT: np.float32([np.nan])}])
def test_arrays_of_wrong_shape_dtype_or_value_are_refused(features, change):
    detector = replace(fit_ood_detector(*features), outdoors=RULE)
    content = io.BytesIO()
    np.savez(content, **(as_arrays(detector) | change))
    with pytest.raises(ValueError):
        OODDetector.from_bytes(content.getvalue())


@pytest.mark.parametrize("missing", [*ARRAYS, SHIFT])
def test_a_missing_array_is_refused(features, missing):
    arrays = as_arrays(replace(fit_ood_detector(*features), outdoors=RULE))
    del arrays[missing]
    content = io.BytesIO()
    np.savez(content, **arrays)
    with pytest.raises(KeyError, match=missing):
        OODDetector.from_bytes(content.getvalue())
