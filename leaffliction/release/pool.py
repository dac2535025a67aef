"""The pool: features of all planned images, from which batches are sampled.

The frozen layers see each image once.  What the network is trained on is
sampled from the pool, so that one class on one ground is seen as often as
another, however many images there are of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaffliction.release.plan import OUTLIER, Planned, sampling_weights
from leaffliction.training.examples import Examples

# Of the images of a batch, the share whose style is mixed with another's, and
# the parameter of the beta distribution of the mixture (Zhou et al. 2021).
MIX_PROBABILITY, MIX_BETA = 0.5, 0.3


@dataclass(frozen=True)
class Pool:
    """N images to sample from.

    features: of the frozen layers, float16 (N, h, w, channels).
    labels: int (N,), OUTLIER for strangers.  grounds: str (N,).
    folds: int (N,), of photographs from the web, else -1.
    weights: float (N,), as in Planned.
    """

    features: np.ndarray
    labels: np.ndarray
    grounds: np.ndarray
    folds: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, planned: Sequence[Planned], features: np.ndarray) -> "Pool":
        """Return the pool of planned images and their features."""
        return cls(features, *(
            np.array([getattr(image, name) for image in planned])
            for name in ("label", "ground", "fold", "weight")))

    def sample(self, count: int, classes: int, left_out: np.ndarray,
               rng: np.random.Generator) -> Examples:
        """Return `count` examples to train on, in random order.

        left_out: bool (N,), images that are not sampled.
        A stranger gets a random label each time it is sampled: the network
        that is least wrong about them is equally unsure of all classes
        (outlier exposure; Hendrycks et al. 2019).
        """
        weights = sampling_weights(self.labels, self.grounds, np.where(
            left_out, 0, self.weights))
        # Systematic resampling: an image is sampled as often as its weight
        # says, rounded up or down.
        points = (rng.random() + np.arange(count)) / count
        rows = np.searchsorted(np.cumsum(weights), points)
        rows = rng.permutation(np.minimum(rows, len(weights) - 1))
        labels = self.labels[rows].copy()
        is_outlier = labels == OUTLIER
        labels[is_outlier] = rng.integers(classes, size=is_outlier.sum())
        return Examples(Sampled(self.features, rows, rng.spawn(1)[0]), labels)


class Sampled:
    """Features of sampled images, varied each time that they are read.

    Half of them are mirrored.  Half of them get some of the style of another
    image of the batch: a mixture of the mean and of the standard deviation
    of each channel (MixStyle; Zhou et al. 2021), in which the light, the
    camera and the kind of ground show.
    """

    def __init__(self, features: np.ndarray, rows: np.ndarray,
                 rng: np.random.Generator) -> None:
        """features: (N, h, w, channels).  rows: of what is sampled, (M,)."""
        self.features, self.rows, self.rng = features, rows, rng

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """Return features of sampled images, float32 (n, h, w, channels)."""
        batch = self.features[self.rows[index]].astype(np.float32)
        is_mirrored = self.rng.random(len(batch)) < 0.5
        batch[is_mirrored] = batch[is_mirrored, :, ::-1]
        return mix_styles(batch, self.rng)


def mix_styles(batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return features, (n, h, w, channels), of which half are in a new style.
    """
    mean = batch.mean(axis=(1, 2), keepdims=True)
    deviation = batch.std(axis=(1, 2), keepdims=True) + np.float32(1e-3)
    other = rng.permutation(len(batch))
    share = rng.beta(MIX_BETA, MIX_BETA,
                     (len(batch), 1, 1, 1)).astype(np.float32)
    mixed = ((batch - mean) / deviation
             * (share * deviation + (1 - share) * deviation[other])
             + share * mean + (1 - share) * mean[other])
    is_mixed = rng.random((len(batch), 1, 1, 1)) < MIX_PROBABILITY
    return np.where(is_mixed, mixed, batch)
