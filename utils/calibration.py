"""How sure the network may be: the temperature of its logits."""

import numpy as np

from utils.evaluation import log_loss
from utils.learnings import softmax

# Smoothed labels make a network less sure than it may be (0.3), hard ones
# surer (2).
TEMPERATURES = np.geomspace(0.1, 10, 201)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature by which confidence and accuracy agree.

    logits (N, classes), targets (N,), not learned from (Guo et al. 2017).
    """
    losses = [log_loss(targets, softmax(logits / heat))
              for heat in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])
