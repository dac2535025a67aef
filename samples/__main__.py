"""A sample data set, drawn: for a machine that has no photographs of leaves.

    python -m samples.__main__ ./images
    python -m samples.__main__ ./images --count 240 --size 256 --seed 42

The classes, their imbalance and their file names are those of the exercise.
How a leaf is drawn stands in samples/drawing.py.
"""

import sys
from pathlib import Path

import numpy as np

from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import path_of
from samples.drawing import SMALLEST, draw_leaf, draw_leaf_and_mask

__all__ = ["CLASS_COUNTS", "draw_leaf", "draw_leaf_and_mask",
           "sample_counts", "write_samples"]

# Photographs a class in the exercise's part of PlantVillage (Hughes and
# Salathe 2015, arXiv:1511.08060): the imbalance to imitate.
CLASS_COUNTS = {
    "Apple_Black_rot": 500, "Apple_healthy": 1312, "Apple_rust": 218,
    "Apple_scab": 504, "Grape_Black_rot": 938, "Grape_Esca": 1094,
    "Grape_healthy": 350, "Grape_spot": 859}
# One leaf each to learn from, to stop early by, and to
# evaluate_classifier it with.
FEWEST = 3


def sample_counts(total: int) -> dict[str, int]:
    """Return how many leaves of each class to draw, in proportion.

    No class gets fewer than FEWEST.  The sum is `total`, or FEWEST for each
    class where `total` is smaller than that.
    """
    counts = dict.fromkeys(CLASS_COUNTS, FEWEST)
    everything = sum(CLASS_COUNTS.values())
    for _ in range(total - sum(counts.values())):
        # One leaf at a time to the class furthest below its share.
        poorest = max(counts, key=lambda name: (
            total * CLASS_COUNTS[name] / everything - counts[name]))
        counts[poorest] += 1
    return counts


def write_samples(folder: Path, total: int, size: int,
                  seed: int) -> list[Path]:
    """Write `FOLDER/CLASS/image (N).JPG`; return the paths, class by class.

    Each image has a generator of its own, from (seed, class, N): image N is
    the same however many others are drawn.
    Raises UserError where the folder holds something already.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: not a folder")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: not empty; samples are drawn into a "
                        "new or an empty folder")
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


def build_parser() -> cli.Parser:
    """Return the parser of the command line above."""
    parser = cli.Parser("Draw a sample data set of apple and grape leaves.")
    parser.add_argument("directory", type=path_of, metavar="DIRECTORY",
                        help="new or empty folder for the classes")
    parser.add_argument("--count", type=cli.positive_int, default=240,
                        metavar="N", help="number of leaves in all; at least "
                        f"{FEWEST} for each class are drawn")
    parser.add_argument("--size", type=cli.positive_int, default=256,
                        metavar="PIXELS", help="width and height")
    parser.add_seed()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Draw the samples and print how many there are of each class."""
    options = build_parser().parse_args(argv)
    if options.size < SMALLEST:
        raise UserError(f"--size {options.size}: at least {SMALLEST}")
    write_samples(options.directory, options.count, options.size,
                  options.seed)
    for class_name, count in sample_counts(options.count).items():
        print(f"{count:6d}  {options.directory / class_name}")
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(main))
