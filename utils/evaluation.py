"""How right a classifier is: figures and tables for train and predict."""

from dataclasses import dataclass

import numpy as np

from utils.cli import printable

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
