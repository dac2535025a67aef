"""leaffliction/model/calibration.py: the temperature."""

import numpy as np
import pytest

from leaffliction.model.calibration import FOLDS, fit_temperature


def sample(count, seed=0, scale=1.0):
    """Return logits (count, 3), calibrated at temperature `scale`, and labels.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 3))
    # Labels with the probabilities of the logits (Gumbel-max trick).
    targets = (logits + rng.gumbel(0, 1, logits.shape)).argmax(axis=1)
    return logits * scale, targets


@pytest.mark.parametrize("scale", [0.4, 3.0])
def test_the_temperature_undoes_the_scale_of_the_logits(scale):
    logits, targets = sample(2000, scale=scale)
    fitted = fit_temperature(logits, targets)
    assert fitted == pytest.approx(scale, rel=0.1)
    assert fit_temperature(logits / 2, targets) == pytest.approx(
        fitted / 2, rel=0.03)
    # Four equal views give the result of one.
    views = np.repeat(logits[:, np.newaxis], 4, axis=1)
    assert fit_temperature(views, targets) == fitted


def test_the_temperature_is_1_where_held_out_leaves_gain_nothing():
    # These logits are calibrated: what the best temperature gains is chance.
    fitted = [fit_temperature(*sample(300, seed)) for seed in range(40)]
    assert np.mean(np.array(fitted) == 1) > 0.8


def test_the_temperature_ignores_what_only_one_leaf_gains():
    # 60 photographs of other leaves are calibrated; the network is
    # overconfident on 30 photographs of a single leaf.
    logits, targets = sample(60, 3)
    more = np.tile([6.0, 0, 0], (30, 1))
    wrong = np.r_[np.ones(15, int), np.zeros(15, int)]
    logits, targets = np.r_[logits, more], np.r_[targets, wrong]
    leaves = [*range(60), *[60] * 30]
    assert fit_temperature(logits, targets) > 1.2
    assert fit_temperature(logits, targets, leaves) == 1


def test_the_temperature_of_fewer_leaves_than_folds_is_1():
    logits, targets = sample(200, scale=3.0)
    leaves = np.arange(200)
    assert fit_temperature(logits, targets, leaves % (FOLDS - 1)) == 1
    assert fit_temperature(logits, targets, leaves % FOLDS) == pytest.approx(
        3, rel=0.2)


@pytest.mark.parametrize("count", [6, 48, 480])
def test_a_set_without_errors_does_not_drive_the_temperature_to_0(count):
    targets = np.arange(count) % 3
    logits = np.eye(3)[targets] * 8.0
    assert fit_temperature(logits, targets) == 1
    # Underconfident logits may become as confident as 1 error in N + 2.
    fitted = fit_temperature(np.eye(3)[targets] * 1.0, targets)
    odds = 2 * (count + 1)
    assert fitted == pytest.approx(1 / np.log(odds), rel=0.03)


def test_a_minimal_gain_of_0_accepts_more_temperatures():
    strict = [fit_temperature(*sample(60, seed, 1.4)) for seed in range(20)]
    lenient = [fit_temperature(*sample(60, seed, 1.4), min_gain=0)
               for seed in range(20)]
    # What the strict limit accepts, the lenient one accepts unchanged.
    assert all(one in (1, other) for one, other in zip(strict, lenient))
    assert sum(np.array(lenient) > 1) >= sum(np.array(strict) > 1) + 4
