"""Temperature scaling (Guo et al. 2017): confidence that matches accuracy."""

from collections.abc import Sequence

import numpy as np

from leaffliction.model.metrics import log_losses, softmax

# Candidates.  Photographs need about 1.3, as networks are overconfident;
# drawn leaves, on which they are underconfident, as little as 0.1.
TEMPERATURES = np.geomspace(0.1, 10, 201)
UNCALIBRATED = len(TEMPERATURES) // 2    # index of temperature 1
FOLDS = 5
# Standard errors by which a temperature must lower the log loss of held-out
# leaves before it replaces 1.
MIN_GAIN = 1.0


def fit_temperature(logits: np.ndarray, targets: np.ndarray,
                    leaves: Sequence | None = None,
                    min_gain: float = MIN_GAIN) -> float:
    """Return the temperature with the least log loss, or 1 if in doubt.

    logits: (N, classes), or (N, views, classes) for test-time augmentation,
    which averages the probabilities over the views.  targets: (N,) class
    indices.  The images must not have been trained on.
    leaves: the leaf of each image (None: every image shows another leaf).
    min_gain: standard errors by which the temperature must lower the
    cross-validated log loss; with 0 any gain is enough.
    Returns 1 if the gain is smaller, or if there are fewer than FOLDS leaves.
    """
    views = logits.reshape(len(logits), -1, logits.shape[-1])
    _, leaf = np.unique(range(len(targets)) if leaves is None else leaves,
                        return_inverse=True)
    count = leaf.max() + 1
    if count < FOLDS:
        return 1.0
    # Both (temperatures, N): the loss, and the mean of the losses that each
    # of the other labels would give.
    losses, mislabelled = np.stack([
        log_losses(targets, softmax(views / temperature).mean(axis=1))
        for temperature in TEMPERATURES], axis=1)
    # A fixed seed: the same images always give the same temperature.
    fold = np.random.default_rng(0).permutation(count)[leaf] % FOLDS
    gains = np.empty(len(targets))
    for number in range(FOLDS):
        held_out = fold == number
        best = _best_index(losses[:, ~held_out], mislabelled[:, ~held_out])
        gains[held_out] = (losses[UNCALIBRATED] - losses[best])[held_out]
    # Photographs of one leaf fail together, so the leaf is the sample: the
    # standard error comes from the sums over each leaf.
    per_leaf = np.bincount(leaf, gains - gains.mean())
    standard_error = np.sqrt(np.square(per_leaf).sum() * count / (count - 1))
    if gains.sum() <= min_gain * standard_error:
        return 1.0
    return float(TEMPERATURES[_best_index(losses, mislabelled)])


def _best_index(losses: np.ndarray, mislabelled: np.ndarray) -> int:
    """Return the index of the temperature with the least mean loss.

    losses, mislabelled: (temperatures, N).  Where all images are classified
    correctly, an ever lower temperature lowers the loss, until the first
    error costs more than all gains.  So for temperatures below 1 each image
    counts as mislabelled with probability 1 / (N + 2) (rule of succession;
    Platt 1999).
    """
    best = int(losses.mean(axis=1).argmin())
    if best >= UNCALIBRATED:
        return best
    error_rate = 1 / (losses.shape[1] + 2)
    cautious = ((1 - error_rate) * losses
                + error_rate * mislabelled).mean(axis=1)
    return min(UNCALIBRATED, max(best, int(cautious.argmin())))
