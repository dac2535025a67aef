"""Classifier of which everything is known: mean colours, three classes."""

from pathlib import Path

import numpy as np

from leaffliction.model.bundle import (FAMILIARITY, FLOAT_MODEL, MODEL,
                                       Description, write_archive)
from leaffliction.model.ood import OODDetector
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert

# What train.py is asked for where little time is to be spent.
SMALL = ("--weights", "none", "--size", "64", "--epochs", "1", "--unfreeze",
         "block_16", "--no-display")
CLASS_NAMES = ("Apple_scab", "Grape_Esca", "É 漢")
WEIGHTS = np.array([[4, -4, 0], [0, 3, -3], [1, 0, 2]], np.float32)
BIAS = np.array([0.5, 0, -0.5], np.float32)
FAMILIAR = OODDetector(
    np.zeros(3, np.float32),
    np.array([[.2, 0, 0], [0, .2, 0], [0, 0, -.2]], np.float32),
    2 * np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32))
THRESHOLD = -0.5


def make_model():
    """Return a LiteRT model: mean colours of 8 x 8 pixels to three logits.

    Its class maps have 2 x 2 places, its features are the mean colours.
    """
    keras = import_keras()
    image = keras.layers.Input((8, 8, 3))
    head, to_maps = keras.layers.Dense(3), keras.layers.Conv2D(3, 1)
    means = keras.layers.GlobalAveragePooling2D()(image)
    network = keras.Model(image, [
        head(means), to_maps(keras.layers.AveragePooling2D(4)(image)),
        means[:, :1], means[:, 1:]])
    head.set_weights([WEIGHTS, BIAS])
    to_maps.set_weights([WEIGHTS[np.newaxis, np.newaxis], BIAS])
    return to_litert(network)


def write(path, model, files=(), stale=()):
    """Write learnings; files: below augmented/, to go along."""
    write_archive(path, Description(CLASS_NAMES, 8, 2.0, THRESHOLD,
                                    3.0, {"seed": 42}),
                  {MODEL: model, FLOAT_MODEL: b"as floats",
                   FAMILIARITY: FAMILIAR.to_bytes()},
                  Path("augmented"), files, stale)
