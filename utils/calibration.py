"""How sure the network may be: temperature and threshold of the unknown."""

import numpy as np

from utils.evaluation import log_loss
from utils.learnings import energies, softmax

KEPT_KNOWN = 0.99        # share of the stopping part that counts as known
# Smoothed labels make a network less sure than it may be (0.3), hard ones
# surer (2).
TEMPERATURES = np.geomspace(0.1, 10, 201)


def calibrate(logits: np.ndarray, targets: np.ndarray
              ) -> tuple[float, float]:
    """Return temperature and energy threshold, from the stopping part.

    logits (N, classes), targets (N,).  The temperature makes confidence and
    accuracy agree (Guo et al. 2017); above the threshold lies KEPT_KNOWN of
    the images.
    """
    losses = [log_loss(targets, softmax(logits / heat))
              for heat in TEMPERATURES]
    scores = energies(logits)
    threshold = np.quantile(scores, 1 - KEPT_KNOWN)
    if len(scores) < 1 / (1 - KEPT_KNOWN):
        # So few have no hundredth part: take that of a normal distribution.
        threshold = min(threshold, scores.mean() - 2.326 * scores.std())
    return float(TEMPERATURES[int(np.argmin(losses))]), float(threshold)
