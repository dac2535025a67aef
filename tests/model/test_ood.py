"""leaffliction/model/ood.py: what is like what was learned from."""

import io

import numpy as np
import pytest
from scipy.stats import norm

from leaffliction.model import ood as familiarities
from leaffliction.model.ood import (OODDetector, fit_ood_detector,
                                    ood_threshold, whitening)

CENTRES = np.array([[0, 0, 5], [4, 0, 5], [0, 6, 5]], np.float64)


@pytest.fixture
def features():
    """Return features (600, 3) around CENTRES, and their labels."""
    rng = np.random.default_rng(1)
    labels = np.arange(600) % 3
    return CENTRES[labels] + rng.normal(0, (0.5, 1, 0.1), (600, 3)), labels


def test_scores_are_the_distances_by_hand(features, monkeypatch):
    monkeypatch.setattr(familiarities, "SHRINKAGE", 0.0)
    found, labels = features
    fitted = fit_ood_detector(found, labels)
    means = np.stack([found[labels == label].mean(axis=0)
                      for label in range(3)])
    within = np.linalg.inv(np.cov((found - means[labels]).T, bias=True))
    overall = np.linalg.inv(np.cov(found.T, bias=True))
    for point in ([1, 2, 5], [4, 0, 5.1], [9, 9, 9]):
        far = (point - found.mean(axis=0)) @ overall @ (
            point - found.mean(axis=0))
        near = min((point - mean) @ within @ (point - mean)
                   for mean in means)
        assert fitted.scores(np.array([point], np.float32)) == pytest.approx(
            [far - near], rel=1e-3, abs=1e-3)


def test_what_lies_near_no_class_is_less_familiar_than_99_percent(features):
    found, labels = features
    fitted = fit_ood_detector(found[:300], labels[:300])
    threshold = ood_threshold(fitted.scores(found[300:]))
    assert np.mean(fitted.scores(found[300:]) >= threshold) == pytest.approx(
        0.99, abs=0.004)
    strange = np.array([[0, 0, 8], [20, 0, 5], [0, -9, 5]], np.float32)
    assert (fitted.scores(strange) < threshold).all()


def test_shrinkage_bears_fewer_images_than_features():
    rng = np.random.default_rng(2)
    few = rng.normal(0, 1, (4, 50))
    fitted = fit_ood_detector(few, np.array([0, 0, 1, 1]))
    assert np.isfinite(fitted.scores(rng.normal(0, 1, (9, 50)))).all()
    alike = fit_ood_detector(np.ones((4, 5)), np.array([0, 0, 1, 1]))
    assert np.isfinite(alike.scores(np.zeros((1, 5)))).all()


def test_whitened_features_are_independent_with_deviation_one(monkeypatch):
    monkeypatch.setattr(familiarities, "SHRINKAGE", 0.0)
    rng = np.random.default_rng(3)
    apart = rng.normal(0, 1, (500, 4)) @ rng.normal(0, 1, (4, 4))
    apart -= apart.mean(axis=0)
    assert np.allclose(np.cov((apart @ whitening(apart)).T, bias=True),
                       np.eye(4), atol=1e-6)


def test_few_images_leave_more_room_than_many():
    rng = np.random.default_rng(4)
    many = rng.normal(10, 2, 5000)
    assert ood_threshold(many) == pytest.approx(
        10 + 2 * norm.ppf(0.01), abs=0.3)
    # As for the next one of a normal distribution: right in 99 % of cases.
    kept = [rng.normal() >= ood_threshold(rng.normal(0, 1, 5))
            for _ in range(3000)]
    assert np.mean(kept) == pytest.approx(0.99, abs=0.006)
    assert ood_threshold(np.array([3.0])) < -1e30


def test_bytes_are_the_same_each_time_and_come_back(features):
    fitted = fit_ood_detector(*features)
    content = fitted.to_bytes()
    assert content == fit_ood_detector(*features).to_bytes()
    again = OODDetector.from_bytes(content)
    assert all(np.array_equal(value, getattr(again, name))
               for name, value in vars(fitted).items())


@pytest.mark.parametrize("change", [
    {"mean": np.zeros(2, np.float32)}, {"mean": np.zeros(3)},
    {"within": np.full((3, 3), np.nan, np.float32)},
    {"overall": np.array([print], object)},
    {"class_means": np.zeros((2, 4), np.float32)}])
def test_arrays_that_make_no_sense_are_refused(features, change):
    content = io.BytesIO()
    np.savez(content, **(vars(fit_ood_detector(*features)) | change))
    with pytest.raises(ValueError):
        OODDetector.from_bytes(content.getvalue())
