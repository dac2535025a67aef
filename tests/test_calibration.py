"""utils/calibration.py: temperature and threshold."""

import numpy as np
import pytest

from utils.calibration import calibrate
from utils.learnings import energies


def test_temperature_softens_overconfident_logits():
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 3, 3000)
    logits = np.eye(3)[targets] * 2 + rng.gumbel(0, 1, (3000, 3))
    # By construction these logits are right at some temperature; four times
    # as large ones need four times the temperature.
    fitted, _ = calibrate(logits, targets)
    hotter, threshold = calibrate(4 * logits, targets)
    assert hotter == pytest.approx(4 * fitted, rel=0.06)
    assert np.mean(energies(4 * logits) >= threshold) == pytest.approx(
        0.99, abs=0.001)


def test_few_images_set_the_threshold_below_their_own_quantile():
    logits = np.random.default_rng(1).normal(0, 1, (20, 3)) + [5, 0, 0]
    few = energies(logits)
    _, threshold = calibrate(logits, np.zeros(20, int))
    assert threshold == pytest.approx(few.mean() - 2.326 * few.std())
    assert threshold < np.quantile(few, 0.01)
    many = np.tile(logits, (6, 1))
    _, threshold = calibrate(many, np.zeros(120, int))
    assert threshold == pytest.approx(np.quantile(energies(many), 0.01))
