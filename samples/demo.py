"""Choose the leaves that `make demo` shows.

    python -m samples.demo first          one readable image of ./images
    python -m samples.demo validation     one validation image per class

Prints their paths, each followed by a zero byte, for `xargs -0`: a file name
may contain any other byte.
"""

import csv
import os
import sys
from pathlib import Path

from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import check_image
from leaffliction.utils.tables import csv_value

IMAGES, SPLIT = Path("images"), Path("report/split.csv")


def first_leaf(folder: Path) -> Path:
    """Return the first readable image of a folder.

    Raises UserError where none is readable.
    """
    for file in find_images(folder):
        try:
            check_image(folder / file)
        except UserError:
            continue
        return folder / file
    raise UserError(f"{folder}: no readable image in it; delete the folder, "
                    "and make demo draws leaves")


def validation_leaves(folder: Path, split: Path) -> list[Path]:
    """Return the first validation image of each class.

    split: the CSV in which train.py recorded the split of the images.
    Raises UserError where it names no validation image of the folder.
    """
    # The CSV has control characters in file names escaped.
    files = {csv_value(file.as_posix()): file for file in find_images(folder)}
    leaves = {}
    with split.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["part"] == "validation" and row["file"] in files:
                leaves.setdefault(row["class"], folder / files[row["file"]])
    if not leaves:
        raise UserError(f"{split}: names no image of {folder}; if you "
                        "replaced that folder, run make clean, then make "
                        "demo")
    return list(leaves.values())


def main(argv: list[str] | None = None) -> int:
    """Print the paths of the chosen leaves."""
    parser = cli.Parser("Choose the leaves that make demo shows.")
    parser.add_argument(
        "which", choices=("first", "validation"),
        help="first: one readable image of ./images; validation: one image "
             "of each class in the validation set of train.py")
    options = parser.parse_args(argv)
    leaves = ([first_leaf(IMAGES)] if options.which == "first"
              else validation_leaves(IMAGES, SPLIT))
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(os.fsencode(leaf) + b"\0"
                                     for leaf in leaves))
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(main))
