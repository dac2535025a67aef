"""How right a classifier is: figures and tables for train and predict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaffliction.utils.console import printable
from leaffliction.utils.figures import drawable

# Normal quantile of a 95 % interval.
Z = 1.959964
BINS = 15  # of the calibration error, as Guo et al. 2017


@dataclass(frozen=True)
class Evaluation:
    """Metrics of predictions against the truth.

    confusion: int (classes, classes), rows true, columns predicted.
    interval: 95 % Wilson interval of the accuracy.
    precision, recall, f1: float (classes,), 0 where undefined.
    """

    class_names: tuple[str, ...]
    confusion: np.ndarray
    accuracy: float
    interval: tuple[float, float]
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    log_loss: float
    calibration_error: float

    def as_dict(self) -> dict:
        """Return everything as plain values, for JSON."""
        return {
            "images": int(self.confusion.sum()),
            "accuracy": self.accuracy,
            "accuracy_interval_95": list(self.interval),
            "log_loss": self.log_loss,
            "calibration_error": self.calibration_error,
            "classes": {
                name: {"precision": float(self.precision[index]),
                       "recall": float(self.recall[index]),
                       "f1": float(self.f1[index]),
                       "support": int(self.confusion[index].sum())}
                for index, name in enumerate(self.class_names)},
            "confusion": self.confusion.tolist()}

    def table(self) -> str:
        """Return accuracy, calibration and a row for each class, as text."""
        total, (low, high) = self.confusion.sum(), self.interval
        names = [printable(name) for name in self.class_names]
        width = max(len(name) for name in (*names, "class"))
        lines = [f"{'class':<{width}}  precision  recall      F1  images"]
        for index, name in enumerate(names):
            lines.append(
                f"{name:<{width}}  {self.precision[index]:9.4f}  "
                f"{self.recall[index]:6.4f}  {self.f1[index]:6.4f}  "
                f"{self.confusion[index].sum():6d}")
        lines += [
            f"accuracy {self.accuracy:.2%} ({np.trace(self.confusion)} of "
            f"{total} images; 95 % interval {low:.2%} to {high:.2%})",
            f"calibration error {self.calibration_error:.4f}"]
        return "\n".join(lines)


def evaluate(labels: np.ndarray, probabilities: np.ndarray,
             class_names: tuple[str, ...]) -> Evaluation:
    """Compare probabilities (N, classes) with labels (N,), N at least 1."""
    from sklearn.metrics import (confusion_matrix,
                                 precision_recall_fscore_support)
    classes = np.arange(len(class_names))
    predicted = probabilities.argmax(axis=1)
    correct = predicted == labels
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0)
    return Evaluation(
        class_names=class_names,
        confusion=confusion_matrix(labels, predicted, labels=classes),
        accuracy=float(correct.mean()),
        interval=wilson_interval(int(correct.sum()), len(labels)),
        precision=precision, recall=recall, f1=f1,
        log_loss=log_loss(labels, probabilities),
        calibration_error=calibration_error(
            probabilities.max(axis=1), correct))


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean cross-entropy; labels (N,), probabilities (N, C)."""
    return float(log_losses(labels, probabilities)[0].mean())


def log_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of each image, (2, N).

    First with its label, then the mean of those with any other.
    """
    surprise = -np.log(np.maximum(probabilities, 1e-12))
    own = surprise[np.arange(len(labels)), labels]
    return np.stack([own, (surprise.sum(axis=1) - own)
                     / (probabilities.shape[1] - 1)])


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, 0..1 (Wilson 1927)."""
    share = right / total
    middle = share + Z**2 / (2 * total)
    reach = Z * np.sqrt(share * (1 - share) / total + (Z / (2 * total))**2)
    scale = 1 + Z**2 / total
    return (max(0.0, float((middle - reach) / scale)),
            min(1.0, float((middle + reach) / scale)))


def calibration_error(confidences: np.ndarray, correct: np.ndarray) -> float:
    """Return the expected calibration error, 0..1 (Guo et al. 2017).

    confidences (N,) 0..1, correct bool (N,): the gap between both means in
    each of BINS bins of confidence, weighted by the bin's share of images.
    """
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidences - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidences))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities for logits, both (..., classes)."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def confusion_figure(pyplot, evaluation: Evaluation):
    """Return a figure of the confusion matrix: counts and row per cent."""
    confusion = evaluation.confusion
    count = len(evaluation.class_names)
    side = 3.5 + 0.62 * count
    figure, ax = pyplot.subplots(figsize=(side + 0.8, side),
                                 layout="constrained")
    rows = confusion.sum(axis=1, keepdims=True)
    shares = confusion / np.maximum(rows, 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [drawable(name) for name in evaluation.class_names]
    ax.set_xticks(range(count), names, rotation=45, ha="right",
                  rotation_mode="anchor")
    ax.set_yticks(range(count), names)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    ax.set_title(f"{np.trace(confusion)} of {confusion.sum()} right "
                 f"({evaluation.accuracy:.2%})")
    for row, column in np.argwhere(confusion > 0):
        ax.text(column, row,
                f"{confusion[row, column]}\n{shares[row, column]:.1%}",
                ha="center", va="center", fontsize=8,
                color="white" if shares[row, column] > 0.5 else "black")
    return figure


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
