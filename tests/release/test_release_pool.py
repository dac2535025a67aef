"""leaffliction/release/pool.py: what is sampled, how often, in which style."""

from pathlib import Path

import numpy as np
import pytest

from leaffliction.release import plan as plans
from leaffliction.release import pool as pools
from leaffliction.release.plan import OUTLIER, Planned, sampling_weights
from leaffliction.release.pool import Sampled, Pool, mix_styles
from leaffliction.release.scenes import Scene

GROUNDS = ("laboratory", "orchard", "strangers")


@pytest.fixture
def pool(monkeypatch):
    """Return 60 images on three grounds: two classes, and strangers.

    Their features are their rows, ascending from left to right.
    """
    monkeypatch.setattr(plans, "GROUND_WEIGHTS",
                        dict(zip(GROUNDS, (0.5, 0.3, 0.2))))
    rows = np.arange(60)
    features = np.zeros((60, 2, 4, 3), np.float16)
    features[:] = rows[:, None, None, None]
    features += np.arange(4, dtype=np.float16)[:, None] / 8
    grounds = np.repeat(GROUNDS, 20)
    labels = np.where(grounds == "strangers", OUTLIER, rows % 2)
    return Pool(features, labels, grounds, np.where(rows < 8, rows % 4, -1),
                1.0 + rows % 5)


@pytest.fixture
def all_in(pool):
    return np.zeros(len(pool.labels), bool)


def test_a_pool_has_what_was_planned():
    scene = Scene("copy", Path("b.png"), "Apple", (1, 2))
    features = np.zeros((2, 1, 1, 3), np.float16)
    pool = Pool.of([Planned(Path("a.png"), 3, "orchard"),
                    Planned(scene, OUTLIER, "web", 2, 4.0)], features)
    assert pool.features is features
    assert (pool.labels.tolist(), pool.grounds.tolist(), pool.folds.tolist(),
            pool.weights.tolist()) == (
        [3, OUTLIER], ["orchard", "web"], [-1, 2], [1.0, 4.0])


def test_images_are_sampled_in_proportion_to_their_weights(pool, all_in):
    examples = pool.sample(1000, 2, all_in, np.random.default_rng(1))
    times = np.bincount(examples.features.rows, minlength=60)
    expected = 1000 * sampling_weights(pool.labels, pool.grounds,
                                       pool.weights)
    assert np.abs(times - expected).max() < 1
    assert [times[pool.grounds == ground].sum() for ground in GROUNDS] == [
        pytest.approx(share, abs=1) for share in (500, 300, 200)]
    # In random order, not row by row.
    assert (np.diff(examples.features.rows) < 0).sum() > 300


def test_the_seed_chooses_what_is_sampled(pool, all_in):
    rows, labels, features = zip(*(
        (examples.features.rows.tolist(), examples.targets.tolist(),
         examples.features[np.arange(9)].tolist())
        for examples in (
            pool.sample(50, 2, all_in, np.random.default_rng(seed))
            for seed in (1, 1, 2))))
    for of_seeds in (rows, labels, features):
        assert of_seeds[0] == of_seeds[1] != of_seeds[2]


def test_strangers_get_labels_of_all_classes_alike(pool, all_in):
    examples = pool.sample(6000, 3, all_in, np.random.default_rng(1))
    labels = pool.labels[examples.features.rows]
    is_outlier = labels == OUTLIER
    assert (examples.targets == labels)[~is_outlier].all()
    times = np.bincount(examples.targets[is_outlier])
    assert times.sum() == 1200 and len(times) == 3
    assert (np.abs(times - 400) < 80).all()
    assert (pool.labels == OUTLIER).sum() == 20


def test_images_that_are_left_out_are_not_sampled(pool):
    for left_out in (pool.folds == 2, pool.labels == 1, pool.labels != 0,
                     np.arange(60) >= 30):
        examples = pool.sample(2000, 2, left_out, np.random.default_rng(1))
        assert set(examples.features.rows) == set(np.flatnonzero(~left_out))


def test_about_half_of_what_is_read_is_mirrored(pool, monkeypatch):
    monkeypatch.setattr(pools, "MIX_PROBABILITY", 0)
    rows = np.arange(59, -1, -1)
    sampled = Sampled(pool.features, rows, np.random.default_rng(1))
    index = np.arange(5, 55)
    first, second = sampled[index], sampled[index]
    assert len(sampled) == 60
    assert first.shape == (50, 2, 4, 3) and first.dtype == np.float32
    original = pool.features[rows[index]]
    is_original, is_mirrored = (
        (first == features).all(axis=(1, 2, 3))
        for features in (original, original[:, :, ::-1]))
    assert (is_original ^ is_mirrored).all()
    assert 15 < is_mirrored.sum() < 35
    assert (first != second).any()


def test_a_mixed_style_lies_between_those_of_two_images(monkeypatch):
    monkeypatch.setattr(pools, "MIX_PROBABILITY", 1)
    features = np.random.default_rng(2).normal(
        [[[[0, 5, 9]]], [[[4, -5, 3]]]],
        [[[[1, 2, 4]]], [[[3, 1, 2]]]], (2, 6, 7, 3)).astype(np.float32)
    mean, deviation = features.mean(axis=(1, 2)), features.std(axis=(1, 2))
    shares = []
    for seed in range(20):
        mixed = mix_styles(features, np.random.default_rng(seed))
        assert mixed.shape == features.shape and mixed.dtype == np.float32
        for image, other in ((0, 1), (1, 0)):
            gap = mean[image] - mean[other]
            share = (mixed[image].mean(axis=(0, 1)) - mean[other]) / gap
            # One share for all channels, for mean and deviation alike.
            assert np.ptp(share) < 1e-4 and -1e-4 < share[0] < 1 + 1e-4
            assert mixed[image].std(axis=(0, 1)) == pytest.approx(
                share * deviation[image] + (1 - share) * deviation[other],
                rel=1e-2)
            # The content stays.
            assert np.corrcoef(mixed[image, ..., 0].ravel(),
                               features[image, ..., 0].ravel()
                               )[0, 1] == pytest.approx(1, abs=1e-4)
            shares.append(share[0])
    assert min(shares) < 0.1 and max(shares) > 0.9
    assert np.std(shares) > 0.1


def test_half_of_the_images_keep_their_style():
    features = np.random.default_rng(3).normal(
        0, 1, (400, 2, 2, 3)).astype(np.float32)
    before = features.copy()
    mixed = mix_styles(features, np.random.default_rng(4))
    kept = (mixed == before).all(axis=(1, 2, 3)).sum()
    assert 150 < kept < 250
    assert (features == before).all()
