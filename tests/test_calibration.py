"""utils/calibration.py: the temperature."""

import numpy as np
import pytest

from utils.calibration import fit_temperature


def test_temperature_softens_overconfident_logits():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 3000)
    logits = np.eye(3)[targets] * 2 + rng.gumbel(0, 1, (3000, 3))
    # By construction these logits are right at some temperature; four times
    # as large ones need four times the temperature.
    fitted = fit_temperature(logits, targets)
    assert 0.2 < fitted < 5
    assert fit_temperature(4 * logits, targets) == pytest.approx(
        4 * fitted, rel=0.06)
    # Looks that are all alike are as good as one.
    looked = np.repeat(logits[:, np.newaxis], 4, axis=1)
    assert fit_temperature(looked, targets) == fitted
