"""Photographs to make a released model of: few, and small."""

import cv2
import numpy as np

from leaffliction.release.dataset import read_sources
from leaffliction.training.config import TrainConfig
from leaffliction.utils.images import write_image
from leaffliction.utils.parallel import Workers

# Photographs of each class of each kind.  Only the orchard and the web have
# rust, and only the laboratory has Esca.
COUNTS = {
    "leaves": {"Apple_healthy": 8, "Apple_scab": 8, "Grape_Esca": 8},
    "orchard": {"Apple_healthy": 6, "Apple_rust": 6},
    "wild": {"Apple_rust": 5, "Apple_scab": 6},
    "strangers": {"Peach": 10, "Tomato": 5}}
CLASS_NAMES = ("Apple_healthy", "Apple_rust", "Apple_scab", "Grape_Esca")
CONFIG = TrainConfig(validation=0.25, size=32, batch_size=16, weights="none",
                     unfreeze="block_16")


def patches(source, name, rng):
    """Return 4 x 4 patches of random colours, which resemble no others."""
    return cv2.resize(rng.integers(0, 256, (4, 4, 3), np.uint8), (32, 32),
                      interpolation=cv2.INTER_NEAREST)


def write_photographs(folder, picture=patches):
    """Write the photographs of COUNTS.

    picture: function from the folder, the class and a generator to RGB uint8.
    By leaf_groups.csv, two photographs each of the laboratory show one leaf:
    the first and the second of a class, and so on.
    """
    rng = np.random.default_rng(1)
    rows = ["file,leaf"]
    for source, counts in COUNTS.items():
        for name, count in counts.items():
            for number in range(count):
                file = f"{name}/{source}{number}.png"
                write_image(folder / source / file,
                            picture(source, name, rng))
                if source == "leaves":
                    rows.append(f"{file},{name}-{number // 2}")
    (folder / "leaf_groups.csv").write_text("\n".join(rows) + "\n")


def read(folder):
    """Return the sources in a folder of write_photographs."""
    return read_sources(folder, CONFIG, Workers(1))
