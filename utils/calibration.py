"""How sure the network may be: the temperature of its logits."""

import numpy as np

from utils.evaluation import log_loss
from utils.learnings import softmax

# Networks are surer than they may be (1.3), or of drawn leaves less (0.1).
TEMPERATURES = np.geomspace(0.1, 10, 201)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature by which confidence and accuracy agree.

    logits (N, classes), targets (N,), not learned from (Guo et al. 2017);
    or (N, looks, classes), where the mean over the looks is the answer.
    """
    looked = logits.reshape(len(logits), -1, logits.shape[-1])
    losses = [log_loss(targets, softmax(looked / heat).mean(axis=1))
              for heat in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])
