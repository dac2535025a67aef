"""Labelled images, and the names of the augmentations in file names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

# A copy's file name ends in one of these: "image (1)_Flip.JPG".  They stand
# here, and not beside the transforms, since all programs read such names.
AUGMENTATION_NAMES = (
    "Flip", "Rotate", "Skew", "Shear", "Crop", "Distortion", "Brightness",
    "WhiteBalance", "Blur", "JpegNoise", "Shadow")


@dataclass(frozen=True)
class Dataset:
    """Labelled images below one folder.

    files: paths relative to root, in natural order of class and name.
    labels: int array (N,), indices into class_names.
    plants: the plant of each class, in the order of class_names.
    """

    root: Path
    files: tuple[Path, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    plants: tuple[str, ...]

    def paths(self) -> list[Path]:
        """Return the files' paths with root in front."""
        return [self.root / file for file in self.files]

    def subset(self, indices: Sequence[int]) -> "Dataset":
        """Return the dataset with the images at indices alone."""
        return replace(self, labels=self.labels[indices],
                       files=tuple(self.files[index] for index in indices))

    def sample(self, most: int, rng: np.random.Generator) -> "Dataset":
        """Return the dataset with at most so many of its images."""
        return self.subset(np.sort(
            rng.permutation(len(self.files))[:most]))

    def classes(self) -> list[str]:
        """Return the name of each image's class, (N,)."""
        return [self.class_names[label] for label in self.labels]

    def counts(self) -> np.ndarray:
        """Return the number of images of each class, int (classes,)."""
        return np.bincount(self.labels, minlength=len(self.class_names))
