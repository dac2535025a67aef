"""Draw a sample data set, for a computer without photographs of leaves.

    python -m samples ./images
    python -m samples ./images --count 240 --size 256 --seed 42

The classes, their imbalance and the file names are those of the exercise.
samples/drawing.py draws each leaf.
"""

import sys

from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.storage import path_of
from samples.dataset import MIN_PER_CLASS, sample_counts, write_samples
from samples.drawing import MIN_SIZE


def build_parser() -> cli.Parser:
    """Return the parser of the command line above."""
    parser = cli.Parser("Draw a sample data set of apple and grape leaves.")
    parser.add_argument("directory", type=path_of, metavar="DIRECTORY",
                        help="new or empty folder for the class folders")
    parser.add_argument("--count", type=cli.positive_int, default=240,
                        metavar="N", help="number of leaves in all; every "
                        f"class gets at least {MIN_PER_CLASS}")
    parser.add_argument("--size", type=cli.positive_int, default=256,
                        metavar="PIXELS",
                        help="width and height of each image")
    parser.add_seed()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Draw the leaves and print how many each class has."""
    options = build_parser().parse_args(argv)
    if options.size < MIN_SIZE:
        raise UserError(f"--size {options.size}: at least {MIN_SIZE}")
    write_samples(options.directory, options.count, options.size,
                  options.seed)
    for class_name, count in sample_counts(options.count).items():
        print(f"{count:6d}  {options.directory / class_name}")
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(main))
