"""The Dataset, images with class labels, and the names of augmentations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

# The name of an augmented copy ends in its augmentation: "image (1)_Flip.JPG"
# is a flipped "image (1).JPG".  Every program must recognise such copies (see
# copies.py), so the names are here and not beside the transforms.
AUGMENTATION_NAMES = (
    "Flip", "Rotate", "Skew", "Shear", "Crop", "Distortion", "Brightness",
    "WhiteBalance", "Blur", "JpegNoise", "Shadow")


@dataclass(frozen=True)
class Dataset:
    """Images below one folder, each with the label of its class.

    root: the folder.
    files: paths relative to root, sorted by class, then in natural order
    ("2.jpg" before "10.jpg").
    labels: int (N,), indices into class_names.
    plants: the plant of each class, in the order of class_names.
    """

    root: Path
    files: tuple[Path, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    plants: tuple[str, ...]

    def paths(self) -> list[Path]:
        """Return the path of each image: root and file joined."""
        return [self.root / file for file in self.files]

    def subset(self, indices: Sequence[int]) -> "Dataset":
        """Return the dataset of the images at these indices, all classes."""
        return replace(self, labels=self.labels[indices],
                       files=tuple(self.files[index] for index in indices))

    def sample(self, limit: int, rng: np.random.Generator) -> "Dataset":
        """Return a random subset of at most `limit` images, order kept."""
        return self.subset(np.sort(
            rng.permutation(len(self.files))[:limit]))

    def classes(self) -> list[str]:
        """Return the class name of each image, (N,)."""
        return [self.class_names[label] for label in self.labels]

    def counts(self) -> np.ndarray:
        """Return the number of images of each class, int (classes,)."""
        return np.bincount(self.labels, minlength=len(self.class_names))
