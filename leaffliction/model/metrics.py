"""Metrics of a classifier: accuracy, calibration, confusion matrix.

train.py and predict.py --evaluate print the same table, from here.
"""

from dataclasses import dataclass

import numpy as np

from leaffliction.utils.console import printable
from leaffliction.utils.figures import renderable

Z_95 = 1.959964     # normal quantile of a two-sided 95 % interval
BINS = 15           # of the calibration error, as in Guo et al. 2017
MIN_PROBABILITY = 1e-12     # keeps the log loss finite


@dataclass(frozen=True)
class Evaluation:
    """Metrics of predictions compared with the true labels.

    confusion: int (classes, classes), rows true, columns predicted.
    interval: 95 % Wilson interval of the accuracy, 0..1.
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
        """Return all metrics as plain values, for JSON."""
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
        """Return a text table: a row for each class, then the accuracy."""
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
    """Return the metrics of probabilities (N, classes), N at least 1.

    labels: (N,), true class indices.
    """
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
    """Return two cross-entropies of each image, (2, N).

    The first row uses its label; the second is the mean over all other
    labels, as if the image were mislabelled.
    """
    losses = -np.log(np.maximum(probabilities, MIN_PROBABILITY))
    of_label = losses[np.arange(len(labels)), labels]
    return np.stack([of_label, (losses.sum(axis=1) - of_label)
                     / (probabilities.shape[1] - 1)])


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion, 0..1 (Wilson 1927)."""
    share = correct / total
    middle = share + Z_95**2 / (2 * total)
    reach = Z_95 * np.sqrt(share * (1 - share) / total
                           + (Z_95 / (2 * total))**2)
    scale = 1 + Z_95**2 / total
    return (max(0.0, float((middle - reach) / scale)),
            min(1.0, float((middle + reach) / scale)))


def calibration_error(confidences: np.ndarray, correct: np.ndarray) -> float:
    """Return the expected calibration error, 0..1 (Guo et al. 2017).

    confidences: (N,), 0..1.  correct: bool (N,).
    The gap between mean confidence and accuracy in each of BINS bins of
    confidence, weighted by the number of images in the bin.
    """
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidences - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidences))


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of exp(logits) over the last axis."""
    highest = logits.max(axis=-1, keepdims=True)
    return highest[..., 0] + np.log(np.exp(logits - highest).sum(axis=-1))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities for logits, both (..., classes)."""
    # exp of a large logit would overflow; a common shift changes nothing.
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def confusion_figure(pyplot, evaluation: Evaluation):
    """Return the confusion matrix as a figure.

    Each field shows its count and its percentage of the true class.
    """
    confusion = evaluation.confusion
    count = len(evaluation.class_names)
    side = 3.5 + 0.62 * count
    figure, ax = pyplot.subplots(figsize=(side + 0.8, side),
                                 layout="constrained")
    rows = confusion.sum(axis=1, keepdims=True)
    shares = confusion / np.maximum(rows, 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [renderable(name) for name in evaluation.class_names]
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
