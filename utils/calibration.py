"""How sure the network may be: the temperature of its logits."""

from collections.abc import Sequence

import numpy as np

from utils.evaluation import log_losses
from utils.learnings import softmax

# Networks are surer than they may be (1.3), or of drawn leaves less (0.1).
TEMPERATURES = np.geomspace(0.1, 10, 201)
AS_LEARNED = len(TEMPERATURES) // 2      # the place of temperature 1
FOLDS = 5
# By so many standard errors a temperature must lower the log loss of leaves
# that it was not fitted on.
LEAST_GAIN = 1.0


def fit_temperature(logits: np.ndarray, targets: np.ndarray,
                    leaves: Sequence | None = None,
                    least_gain: float = LEAST_GAIN) -> float:
    """Return the temperature by which confidence and accuracy agree.

    logits (N, classes), targets (N,), not learned from (Guo et al. 2017);
    or (N, looks, classes), where the mean over the looks is the answer.
    leaves: that of each image (None: each shows a leaf of its own).
    It is 1 unless another also helps on leaves on which it was not fitted
    (cross-validation), by more than chance; so it is of very few leaves.
    least_gain: the standard errors by which it must help; 0 for by anything.
    """
    looked = logits.reshape(len(logits), -1, logits.shape[-1])
    _, leaf = np.unique(range(len(targets)) if leaves is None else leaves,
                        return_inverse=True)
    count = leaf.max() + 1
    if count < FOLDS:
        return 1.0
    # Of each image at each temperature, (temperatures, N): the loss, and
    # that if its label were another one, whichever.
    losses, mislabelled = np.stack([
        log_losses(targets, softmax(looked / heat).mean(axis=1))
        for heat in TEMPERATURES], axis=1)
    # The same folds each time; leaves come in the order of their names.
    fold = np.random.default_rng(0).permutation(count)[leaf] % FOLDS
    gains = np.empty(len(targets))
    for number in range(FOLDS):
        held_out = fold == number
        best = _best(losses[:, ~held_out], mislabelled[:, ~held_out])
        gains[held_out] = (losses[AS_LEARNED] - losses[best])[held_out]
    # Photographs of one leaf are wrong together: the leaves' sums vary.
    apart = np.bincount(leaf, gains - gains.mean())
    noise = np.sqrt(np.square(apart).sum() * count / (count - 1))
    if gains.sum() <= least_gain * noise:
        return 1.0
    return float(TEMPERATURES[_best(losses, mislabelled)])


def _best(losses: np.ndarray, mislabelled: np.ndarray) -> int:
    """Return the place of the temperature with the least mean loss.

    losses, mislabelled: (temperatures, N).  Images of which none is wrong
    would be answered ever more surely, and the first error then costs more
    than all temperatures gain.  So below 1 each counts as wrong with the
    probability 1 / (N + 2) (rule of succession; Platt 1999).
    """
    best = int(losses.mean(axis=1).argmin())
    if best >= AS_LEARNED:
        return best
    doubt = 1 / (losses.shape[1] + 2)
    cautious = ((1 - doubt) * losses + doubt * mislabelled).mean(axis=1)
    return min(AS_LEARNED, max(best, int(cautious.argmin())))
