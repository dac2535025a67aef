"""How right is a released model, kind of photographs by kind?

    python -m benchmarks.release DATA
    python -m benchmarks.release DATA --learnings models/apple-grape.zip \\
        --split models/apple-grape-split.csv --json figures.json
    python -m benchmarks.release DATA --figure answers.png

DATA: a folder of photographs with the subfolders leaves, orchard, strangers,
wild, field, other/everyday, other/crops and other/diseases, or some of them;
a note names each kind that is absent.
--learnings: the name of a released model, or the path of an archive.
--split: the CSV file,leaf,class,domain,part that says which photographs were
learned from; of leaves, orchard and strangers only the validation part is
judged.  Photographs from the web that were learned from are not judged again:
their figures are those that make release wrote (NAME.json).

Prints, with 95 % intervals: accuracy, share known and calibration error of
each kind that shows learned classes, and of each class; how many pictures of
anything else are taken for known; grape leaves laid on orchard photographs;
leaves with several diseases.  Warnings name the classes with few photographs.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from leaffliction.model.classifier import Classifier
from leaffliction.model.released import DEFAULT
from leaffliction.release.evaluation import evaluate_release
from leaffliction.release.photographs import (WEB, read_photographs,
                                              read_split)
from leaffliction.release.pictures import draw_answers
from leaffliction.release.scenes import lay_leaf
from leaffliction.release.tables import (absent_lines, join_tables,
                                         small_samples, tables)
from leaffliction.utils import cli, models_folder
from leaffliction.utils.console import print_note, printable
from leaffliction.utils.figures import (check_figure_format, open_pyplot,
                                        save_figure)
from leaffliction.utils.parallel import Workers
from leaffliction.utils.tables import open_output

MODELS = models_folder.FOLDER
NAME = DEFAULT
JOBS = 2


def default_split(learnings: str) -> Path:
    """Return NAME-split.csv for NAME.zip beside it, or for a model's NAME."""
    archive = Path(learnings)
    folder = archive.parent if archive.suffix else MODELS
    return folder / f"{archive.stem}-split.csv"


def add_web(figures: dict, split: Path) -> None:
    """Add the figures of the web that make release wrote beside the split."""
    path = split.with_name(f"{split.name.removesuffix('-split.csv')}.json")
    if WEB in figures["learned"] or not path.is_file():
        return
    written = json.loads(path.read_text())["learned"]
    if WEB in written:
        figures["learned"][WEB] = written[WEB]
        del figures["absent"][WEB]
        print_note(f"web: from {printable(path)}, of networks that left a "
                   "fold out")


def print_figures(figures: dict) -> None:
    """Print all tables, then the warnings."""
    print(join_tables(tables(figures)))
    if warnings := small_samples(figures):
        print("\nsmall numbers\n" + "\n".join(
            f"  {warning}" for warning in warnings))
    for line in absent_lines(figures):
        print_note(line)


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name the photographs, the model and its split."""
    parser.add_argument("data", type=Path, help="the folder of photographs")
    parser.add_argument("--learnings", default=NAME, metavar="NAME|ZIP",
                        help=f"released model or archive (default: {NAME})")
    parser.add_argument("--split", type=Path, metavar="CSV",
                        help="the split (default: NAME-split.csv beside the "
                             "archive)")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_inputs(parser)
    parser.add_argument("--json", metavar="FILE",
                        help="write all figures, to stdout for -")
    parser.add_argument("--figure", type=Path, metavar="FILE",
                        help="draw some photographs of each kind with their "
                             "answers")
    return parser


def main() -> int:
    """Judge and print; return the exit status."""
    options = build_parser().parse_args()
    check_figure_format(options.figure)
    classifier = Classifier.load(options.learnings)
    split = options.split or default_split(options.learnings)
    start = time.perf_counter()
    figures = evaluate_release(classifier, options.data, split, Workers(JOBS),
                               lay_leaf)
    add_web(figures, split)
    print_note(f"judged in {time.perf_counter() - start:.0f} s")
    if options.json:
        with open_output(options.json) as stream:
            json.dump(figures, stream, indent=1)
            stream.write("\n")
    if options.json != "-":
        print_figures(figures)
    if options.figure:
        # Also those from the web, which only the figures must leave out.
        found, _ = read_photographs(options.data, [
            row for row in read_split(split) if row.domain != WEB])
        figure = draw_answers(open_pyplot(True), classifier, found, lay_leaf)
        save_figure(figure, options.figure)
        print_note(f"figure: {printable(options.figure)}")
    return cli.FAILED if figures["unreadable"] else cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(main))
