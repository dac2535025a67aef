"""A sample data set of drawn leaves, with the classes of the exercise."""

from pathlib import Path

import numpy as np

from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image
from leaffliction.utils.progress import progress
from samples.drawing import draw_leaf

# Photographs per class in the exercise's part of PlantVillage (Hughes and
# Salathe 2015, arXiv:1511.08060).  The samples imitate this imbalance.
CLASS_COUNTS = {
    "Apple_Black_rot": 500, "Apple_healthy": 1312, "Apple_rust": 218,
    "Apple_scab": 504, "Grape_Black_rot": 938, "Grape_Esca": 1094,
    "Grape_healthy": 350, "Grape_spot": 859}
# train.py needs three leaves per class: one each for training, early
# stopping and validation.
MIN_PER_CLASS = 3


def sample_counts(total: int) -> dict[str, int]:
    """Return the number of leaves to draw per class.

    The counts are proportional to CLASS_COUNTS, but at least MIN_PER_CLASS.
    They add up to `total`, or to MIN_PER_CLASS leaves of each class where
    `total` is smaller than that.
    """
    counts = dict.fromkeys(CLASS_COUNTS, MIN_PER_CLASS)
    photographs = sum(CLASS_COUNTS.values())
    for _ in range(total - sum(counts.values())):
        # Each further leaf goes to the class furthest below its share.
        furthest_below = max(counts, key=lambda name: (
            total * CLASS_COUNTS[name] / photographs - counts[name]))
        counts[furthest_below] += 1
    return counts


def write_samples(folder: Path, total: int, size: int,
                  seed: int) -> list[Path]:
    """Write `FOLDER/CLASS/image (N).JPG`; return the paths, class by class.

    size: width and height of each image in pixels.
    Each image has its own random generator, seeded with (seed, class index,
    N).  So image N is the same however many others are drawn.
    Raises UserError where the folder is not empty.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: not a folder")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: not empty; give a new or an empty "
                        "folder for the drawn leaves")
    leaves = [(class_name, class_index, number)
              for class_index, (class_name, count)
              in enumerate(sample_counts(total).items())
              for number in range(1, count + 1)]
    paths = []
    for class_name, class_index, number in progress(
            leaves, len(leaves), "Drawing leaves"):
        rng = np.random.default_rng([seed, class_index, number])
        path = folder / class_name / f"image ({number}).JPG"
        write_image(path, draw_leaf(class_name, rng, size))
        paths.append(path)
    return paths
