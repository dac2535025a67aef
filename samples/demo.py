"""The leaves that `make demo` shows, whatever their files are called.

    python -m samples.demo first          an image of ./images
    python -m samples.demo validation     one of each class not learned from

Each name ends in a zero byte, for `xargs -0`: it may hold anything else.
"""

import csv
import os
import sys
from pathlib import Path

from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import check_image
from leaffliction.utils.tables import cell

FOLDER, SPLIT = Path("images"), Path("report/split.csv")


def first_leaf(folder: Path) -> Path:
    """Return the first image of a folder that can be read."""
    for file in find_images(folder):
        try:
            check_image(folder / file)
        except UserError:
            continue
        return folder / file
    raise UserError(f"{folder}: no readable image in it; without this folder "
                    "make demo draws leaves")


def validation_leaves(folder: Path, split: Path) -> list[Path]:
    """Return the first image of each class in the split's validation part."""
    # A CSV holds the names escaped.
    files = {cell(file.as_posix()): file for file in find_images(folder)}
    leaves = {}
    with split.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["part"] == "validation" and row["file"] in files:
                leaves.setdefault(row["class"], folder / files[row["file"]])
    if not leaves:
        raise UserError(f"{split}: names no image of {folder}; was that "
                        "exchanged since? make clean, then make demo")
    return list(leaves.values())


def main(argv: list[str] | None = None) -> int:
    """Print the names asked for."""
    parser = cli.Parser("Name the leaves that make demo shows.")
    parser.add_argument("which", choices=("first", "validation"))
    leaves = ([first_leaf(FOLDER)]
              if parser.parse_args(argv).which == "first"
              else validation_leaves(FOLDER, SPLIT))
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(os.fsencode(leaf) + b"\0"
                                     for leaf in leaves))
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(main))
