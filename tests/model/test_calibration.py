"""leaffliction/model/metrics.py: the temperature."""

import numpy as np
import pytest

from leaffliction.model.metrics import FOLDS, fit_temperature


def made(count, seed=0, scale=1.0):
    """Return logits of three classes, right at `scale`, and targets."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 3))
    # Drawn as sure as the logits say (the Gumbel-max trick).
    targets = (logits + rng.gumbel(0, 1, logits.shape)).argmax(axis=1)
    return logits * scale, targets


@pytest.mark.parametrize("scale", [0.4, 3.0])
def test_the_temperature_undoes_what_logits_are_too_large_by(scale):
    logits, targets = made(2000, scale=scale)
    fitted = fit_temperature(logits, targets)
    assert fitted == pytest.approx(scale, rel=0.1)
    assert fit_temperature(logits / 2, targets) == pytest.approx(
        fitted / 2, rel=0.03)
    # Looks that are all alike are as good as one.
    looked = np.repeat(logits[:, np.newaxis], 4, axis=1)
    assert fit_temperature(looked, targets) == fitted


def test_a_temperature_that_helps_no_held_out_leaf_is_1():
    # As sure as they may be: what the best temperature gains is chance.
    kept = [fit_temperature(*made(300, seed)) for seed in range(40)]
    assert np.mean(np.array(kept) == 1) > 0.8


def test_what_one_leaf_alone_gains_is_no_gain():
    # 30 photographs of a single leaf say that it is too sure, 60 of others
    # that it is as sure as it may be.
    logits, targets = made(60, 3)
    more = np.tile([6.0, 0, 0], (30, 1))
    wrong = np.r_[np.ones(15, int), np.zeros(15, int)]
    logits, targets = np.r_[logits, more], np.r_[targets, wrong]
    leaves = [*range(60), *[60] * 30]
    assert fit_temperature(logits, targets) > 1.2
    assert fit_temperature(logits, targets, leaves) == 1


def test_of_too_few_leaves_the_temperature_is_1():
    logits, targets = made(200, scale=3.0)
    leaves = np.arange(200)
    assert fit_temperature(logits, targets, leaves % (FOLDS - 1)) == 1
    assert fit_temperature(logits, targets, leaves % FOLDS) == pytest.approx(
        3, rel=0.2)


@pytest.mark.parametrize("count", [6, 48, 480])
def test_images_of_which_none_is_wrong_are_not_ever_more_sure(count):
    targets = np.arange(count) % 3
    logits = np.eye(3)[targets] * 8.0
    assert fit_temperature(logits, targets) == 1
    # What is hardly sure, and always right, may be surer: one in N + 2
    # wrong.
    fitted = fit_temperature(np.eye(3)[targets] * 1.0, targets)
    odds = 2 * (count + 1)
    assert fitted == pytest.approx(1 / np.log(odds), rel=0.03)


def test_less_proof_may_be_enough():
    proven = [fit_temperature(*made(60, seed, 1.4)) for seed in range(20)]
    likely = [fit_temperature(*made(60, seed, 1.4), least_gain=0)
              for seed in range(20)]
    # One that is proven is likely as well, and the same.
    assert all(one in (1, other) for one, other in zip(proven, likely))
    assert sum(np.array(likely) > 1) >= sum(np.array(proven) > 1) + 4
