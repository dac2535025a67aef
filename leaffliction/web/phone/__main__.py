"""Write a folder for a phone's browser: the page, with the network in it.

    python -m leaffliction.web.phone OUT_DIR
    python -m leaffliction.web.phone OUT_DIR --learnings learnings.zip

Put the folder on any web server; docs/how-to/phone.md says how.  Opened once
over https, it works without a network from then on, and no photograph leaves
the phone.
"""

from pathlib import Path

from leaffliction import program
from leaffliction.model.bundle import read_archive
from leaffliction.model.classifier import Classifier
from leaffliction.model.released import choose_archive
from leaffliction.utils import cli
from leaffliction.utils.storage import path_of


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser("Write a folder for a phone's browser.")
    parser.prog = "python -m leaffliction.web.phone"
    parser.add_argument("folder", type=Path, metavar="OUT_DIR",
                        help="folder to write, or to replace")
    parser.add_argument(
        "--learnings", type=path_of, metavar="ZIP", help="archive of "
        "train.py, or the name of a released model; without it, as "
        "predict.py chooses")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = build_parser().parse_args(argv)
    archive = choose_archive(options.learnings)
    # Refuses an archive whose parts do not match.
    Classifier.load(archive)
    # Imported here: -h answers without it.
    from leaffliction.web.phone.folder import write_folder
    size = write_folder(options.folder, read_archive(archive))
    print(f"{options.folder}: {size / 1e6:.1f} MB")
    return cli.DONE


if __name__ == "__main__":
    program.start(main)
