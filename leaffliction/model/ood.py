"""Has the network learned from images like this one?  By its features."""

import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Added to each feature's variance, in parts of their mean: few images know
# little of the directions in which they hardly differ.
SHRINKAGE = 0.03
# Share of the leaves never learned from that shall count as known.
KEPT = 0.99


@dataclass(frozen=True)
class OODDetector:
    """What the features of the images learned from are like.

    Two descriptions by normal distributions: `within` of each class around
    its mean, with one covariance for all (Lee et al. 2018), and `overall`
    of all images as if there were no classes.
    mean: float32 (F,).  class_means: (classes, F), less that mean.
    within, overall: (F, F), by which differences are multiplied so that
    their squares add up to the Mahalanobis distance.
    """

    mean: np.ndarray
    class_means: np.ndarray
    within: np.ndarray
    overall: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return how familiar images are, (N,), for features (N, F).

        The distance from all images less that from the nearest class: high
        where an image looks like one class rather than like anything (the
        relative Mahalanobis distance of Ren et al. 2021).
        """
        apart = features - self.mean
        far = np.square(apart @ self.overall).sum(axis=1)
        inside = apart @ self.within
        near = np.square(inside[:, np.newaxis]
                         - self.whitened_means).sum(axis=2)
        return far - near.min(axis=1)

    @cached_property
    def whitened_means(self) -> np.ndarray:
        """The class means as differences are in `within`, (classes, F)."""
        return self.class_means @ self.within

    def to_bytes(self) -> bytes:
        """Return the four arrays as an .npz file's content."""
        content = io.BytesIO()
        np.savez(content, **{name: getattr(self, name)
                             for name in self.__dataclass_fields__})
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "OODDetector":
        """Return what to_bytes had written; ValueError where that is wrong.

        Arrays of numbers alone are read: no pickle, so no code.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in cls.__dataclass_fields__}
        count = found["mean"].size
        shapes = {"mean": (count,), "within": (count, count),
                  "overall": (count, count),
                  "class_means": (len(found["class_means"]), count)}
        for name, array in found.items():
            if (array.shape != shapes[name] or array.dtype != np.float32
                    or not np.isfinite(array).all()):
                raise ValueError(f"{name} is not as it was written")
        return cls(**found)


def fit_ood_detector(features: np.ndarray, labels: np.ndarray) -> OODDetector:
    """Describe the features (N, F) of images of the classes in labels."""
    mean = features.mean(axis=0, dtype=np.float64)
    apart = features - mean
    classes, places = np.unique(labels, return_inverse=True)
    class_means = np.stack([apart[labels == label].mean(axis=0)
                            for label in classes])
    inside = apart - class_means[places]
    return OODDetector(*(array.astype(np.float32) for array in (
        mean, class_means, whitening(inside), whitening(apart))))


def whitening(apart: np.ndarray) -> np.ndarray:
    """Return what makes features (N, F) of mean 0 alike and independent."""
    covariance = apart.T @ apart / len(apart)
    # A spread of nothing (images all alike) must stay a divisor.
    spread = max(np.trace(covariance) / len(covariance), 1e-12)
    covariance[np.diag_indices_from(covariance)] += SHRINKAGE * spread
    return np.linalg.inv(np.linalg.cholesky(covariance)).T


def ood_threshold(scores: np.ndarray) -> float:
    """Return the score above which KEPT of the images alike lie.

    scores: (N,), of images not learned from.
    """
    if len(scores) >= 1 / (1 - KEPT):
        return float(np.quantile(scores, 1 - KEPT))
    if len(scores) < 2:
        return float(np.finfo(np.float32).min)     # One says nothing.
    # So few have no hundredth part: the lower end of what a normal
    # distribution lets expect of the next one.
    from scipy.stats import t
    reach = t.ppf(KEPT, len(scores) - 1) * np.sqrt(1 + 1 / len(scores))
    return float(scores.mean() - reach * scores.std(ddof=1))
