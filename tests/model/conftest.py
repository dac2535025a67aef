"""The bundle of tiny.py, and images for it."""

import os
from pathlib import Path

import numpy as np
import pytest
from tiny import make_model, write

from leaffliction.utils.images import preprocess

# The augmented images in it; the last name is no UTF-8.
FILES = [Path("Apple_scab/image (1).JPG"), Path("Apple_scab/a.JPG"),
         Path(os.fsdecode(b"caf\xe9.JPG"))]


@pytest.fixture(scope="session")
def model():
    return make_model()


@pytest.fixture
def images():
    """Return five images of different colours, RGB uint8 (5, 8, 8, 3)."""
    rng = np.random.default_rng(1)
    colours = rng.uniform(20, 230, (5, 1, 1, 3))
    return (colours + rng.uniform(-20, 20, (5, 8, 8, 3))).astype(np.uint8)


@pytest.fixture
def batch(images):
    """Return the images preprocessed, float32 (5, 8, 8, 3) in -1..1."""
    return np.stack([preprocess(image, 8) for image in images])


@pytest.fixture
def files():
    """Return the augmented images of `archive`, relative to augmented/."""
    return FILES


@pytest.fixture
def archive(model, files, tmp_path, monkeypatch):
    """Return the path of an archive, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for file in files:
        path = "augmented" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(file))
    write(Path("learnings.zip"), model, files)
    return Path("learnings.zip")
