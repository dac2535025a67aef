"""A bundle whose predictions can be computed by hand: mean colours to classes.
"""

from pathlib import Path

import numpy as np

from leaffliction.model.bundle import (FLOAT_MODEL, MODEL, OOD_DETECTOR,
                                       Description, write_archive)
from leaffliction.model.ood import OODDetector
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert

# Options of train.py for the shortest training.
SMALL = ("--weights", "none", "--size", "64", "--epochs", "1", "--unfreeze",
         "block_16", "--no-display")
CLASS_NAMES = ("Apple_scab", "Grape_Esca", "É 漢")
WEIGHTS = np.array([[4, -4, 0], [0, 3, -3], [1, 0, 2]], np.float32)
BIAS = np.array([0.5, 0, -0.5], np.float32)
DETECTOR = OODDetector(
    np.zeros(3, np.float32),
    np.array([[.2, 0, 0], [0, .2, 0], [0, 0, -.2]], np.float32),
    2 * np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32))
OOD_THRESHOLD = 0.5


def make_model():
    """Return a LiteRT model: mean colours of 8 x 8 pixels to three logits.

    Its class maps have 2 x 2 regions; its features are the mean colours.
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
    """Write the bundle; files: images below augmented/, to include."""
    write_archive(path, Description(CLASS_NAMES, 8, 2.0, OOD_THRESHOLD, 3.0,
                                    {"seed": 42}),
                  {MODEL: model, FLOAT_MODEL: b"as floats",
                   OOD_DETECTOR: DETECTOR.to_bytes()},
                  Path("augmented"), files, stale)
