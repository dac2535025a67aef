"""Data sets and inspections that are made up, without any file."""

from pathlib import Path

import numpy as np

from leaffliction.distribution.inspection import Inspection
from leaffliction.utils.labels import Dataset


def dataset_of(files):
    """Return the data set of files like "a/1.jpg"."""
    names = sorted({file.split("/")[0] for file in files})
    return Dataset(Path("images"), tuple(map(Path, files)), np.array(
        [names.index(file.split("/")[0]) for file in files]), tuple(names),
        tuple(names))


def inspection_of(level, sha256, size=(4, 3), mode="RGB"):
    """Return an inspection; levels 20 apart are different photographs."""
    return Inspection(size, mode, sha256, np.full(768, level, np.uint8))
