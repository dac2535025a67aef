"""Out-of-distribution (OOD) detection: is this image like the training images?

The score is the relative Mahalanobis distance (Ren et al. 2021) of the
features that the network computes anyway; above a threshold an image counts
as out of distribution, and predict.py gives no diagnosis.

Features show the background as well.  Outdoors no two are alike, so that the
distance tells grounds apart and not leaves: a network that has learned from
photographs outdoors has a second score for them (OutdoorsRule).
"""

import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from leaffliction.model.metrics import log_sum_exp

# Added to each feature's variance, as a fraction of the mean variance: with
# few images, small variances are badly estimated.
SHRINKAGE = 0.03
# Fraction of new images of the trained classes that is to count as known.
KNOWN_FRACTION = 0.99
# Of cross-fitting: at least FOLDS, and with few images more, so that the
# detectors of the folds are nearly as good as that of all images.  All of
# them together are fitted to about FITTED_IMAGES, or more.
FOLDS, FITTED_IMAGES = 10, 20_000
# The arrays of the .npz file: of each detector, and of an OutdoorsRule.
ARRAYS = ("mean", "class_means", "within", "overall")
GATE, SHIFT = "outdoors_gate", "outdoors_shift"


@dataclass(frozen=True)
class OutdoorsRule:
    """Scores photographs taken outdoors by how sure the network is.

    The network was trained to be unsure of other plants outdoors (outlier
    exposure; Hendrycks et al. 2019).  The score is the energy (Liu et al.
    2020), which is high where all logits are low.
    gate: float32 (F + 1,); an image was taken outdoors if its F features and
    a 1, times the gate, sum to more than 0 (logistic regression).
    shift: added to the energy, so that both scores have one threshold.
    """

    gate: np.ndarray
    shift: float

    def applies(self, features: np.ndarray) -> np.ndarray:
        """Return which images were taken outdoors, bool (N,)."""
        return features @ self.gate[:-1] + self.gate[-1] > 0

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Return the OOD score of each image, (N,), for logits (N, C)."""
        return self.shift - log_sum_exp(logits)


@dataclass(frozen=True)
class OODDetector:
    """Two normal distributions of the training images' features.

    `within` describes each class around its own mean, with one covariance
    for all classes (Lee et al. 2018); `overall` describes all images
    together, without classes.
    mean: float32 (F,).  class_means: float32 (classes, F), minus that mean.
    within, overall: float32 (F, F), whitening matrices: the squared norm of
    a difference times the matrix is the squared Mahalanobis distance.
    outdoors: another score for photographs outdoors, if there is one; then
    the distributions are those of the other photographs.
    """

    mean: np.ndarray
    class_means: np.ndarray
    within: np.ndarray
    overall: np.ndarray
    outdoors: OutdoorsRule | None = None

    def judge(self, features: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return the OOD score of each image, (N,), by the rule for its kind.

        features: (N, F).  logits: (N, classes), of the same images.
        """
        scores = self.scores(features)
        if self.outdoors is None:
            return scores
        return np.where(self.outdoors.applies(features),
                        self.outdoors.scores(logits), scores)

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return the OOD score of each image, (N,), for features (N, F).

        The squared distance to the nearest class minus that to all images:
        low where an image resembles one class rather than leaves in general,
        high where it is out of distribution.
        """
        centred = features - self.mean
        to_all = np.square(centred @ self.overall).sum(axis=1)
        whitened = centred @ self.within
        to_classes = np.square(whitened[:, np.newaxis]
                               - self.whitened_means).sum(axis=2)
        return to_classes.min(axis=1) - to_all

    @cached_property
    def whitened_means(self) -> np.ndarray:
        """The class means multiplied by `within`, (classes, F)."""
        return self.class_means @ self.within

    def to_bytes(self) -> bytes:
        """Return the arrays as the content of an .npz file."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        if self.outdoors is not None:
            arrays[GATE] = self.outdoors.gate
            arrays[SHIFT] = np.float32([self.outdoors.shift])
        content = io.BytesIO()
        np.savez(content, **arrays)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "OODDetector":
        """Return the detector that to_bytes wrote.

        Reads arrays of numbers only: no pickle, so no code is executed.
        Raises ValueError or KeyError where arrays, shapes, dtypes or values
        are wrong.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as members:
            has_rule = GATE in members.files
            names = (*ARRAYS, GATE, SHIFT) if has_rule else ARRAYS
            arrays = {name: members[name] for name in names}
        count = arrays["mean"].size
        shapes = {"mean": (count,), "within": (count, count),
                  "overall": (count, count),
                  "class_means": (len(arrays["class_means"]), count),
                  GATE: (count + 1,), SHIFT: (1,)}
        for name, array in arrays.items():
            if (array.shape != shapes[name] or array.dtype != np.float32
                    or not np.isfinite(array).all()):
                raise ValueError(f"{name} is not as it was written")
        rule = (OutdoorsRule(arrays[GATE], float(arrays[SHIFT][0]))
                if has_rule else None)
        return cls(*(arrays[name] for name in ARRAYS), rule)


def fit_ood_detector(features: np.ndarray, labels: np.ndarray) -> OODDetector:
    """Fit the detector to training features (N, F) and class labels (N,)."""
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    classes, class_index = np.unique(labels, return_inverse=True)
    class_means = np.stack([centred[labels == label].mean(axis=0)
                            for label in classes])
    residuals = centred - class_means[class_index]
    return OODDetector(*(array.astype(np.float32) for array in (
        mean, class_means, whitening(residuals), whitening(centred))))


def cross_fitted_scores(features: np.ndarray, labels: np.ndarray,
                        leaves: np.ndarray) -> np.ndarray:
    """Return the scores that training images would get as new images, (M,).

    Each image is scored by a detector that was fitted without the images of
    its leaf: the leaves are divided into folds, and each fold is scored by a
    detector of the others (cross-fitting).  Of few images each leaf is a fold.
    features (N, F), labels (N,), leaves (N,): of all images.
    Images of a class that has no leaf in another fold get no score.
    """
    _, first_images, leaf_of_image = np.unique(
        leaves, return_index=True, return_inverse=True)
    # One class after the other, each in random order, so that each fold gets
    # its share of every class.  A fixed seed: the same images, the same fold.
    shuffled = np.random.default_rng(0).permutation(len(first_images))
    order = shuffled[np.argsort(labels[first_images[shuffled]],
                                kind="stable")]
    fold_of_leaf = np.empty(len(order), int)
    count = min(len(order), max(FOLDS, FITTED_IMAGES // len(labels)))
    fold_of_leaf[order] = np.arange(len(order)) % count
    folds = fold_of_leaf[leaf_of_image]
    scores = []
    for fold in range(count):
        rest = folds != fold
        scored = ~rest & np.isin(labels, labels[rest])
        if scored.any():
            detector = fit_ood_detector(features[rest], labels[rest])
            scores.append(detector.scores(features[scored]))
    return np.concatenate(scores or [np.empty(0)])


def whitening(centred: np.ndarray) -> np.ndarray:
    """Return the (F, F) matrix that whitens features (N, F) of mean 0.

    The features times this matrix are uncorrelated, with variance 1.
    """
    covariance = centred.T @ centred / len(centred)
    # Identical images have variance 0, by which nothing can be divided.
    mean_variance = max(np.trace(covariance) / len(covariance), 1e-12)
    covariance[np.diag_indices_from(covariance)] += SHRINKAGE * mean_variance
    return np.linalg.inv(np.linalg.cholesky(covariance)).T


def ood_threshold(scores: np.ndarray, known: float = KNOWN_FRACTION
                  ) -> float:
    """Return the score up to which a fraction `known` of new images lies.

    scores: (N,), of images of the known classes that were not trained on.
    """
    if len(scores) >= 1 / (1 - known):
        # Not np.quantile(scores, known): it rounds differently from
        # the lower quantile of earlier versions, and the same training must
        # give the same archive, byte for byte.
        return -float(np.quantile(-scores, 1 - known))
    if len(scores) < 2:
        # One score has no spread: no image counts as out of distribution.
        return float(np.finfo(np.float32).max)
    # Too few samples for an empirical 99 % quantile: the upper bound of the
    # prediction interval for one more sample of a normal distribution.
    from scipy.stats import t
    reach = t.ppf(known, len(scores) - 1) * np.sqrt(
        1 + 1 / len(scores))
    return float(scores.mean() + reach * scores.std(ddof=1))
