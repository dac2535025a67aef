"""From which weights does train.py learn best from few photographs?

    python -m benchmarks.few_shot crops
    python -m benchmarks.few_shot field --images 5 10 --weights none my.zip

For each number of photographs (--images), each seed and each start
(--weights), samples that many photographs of each class of the folder, runs
train.py on them with its defaults, and evaluates the archive on those left
over, at most TEST_IMAGES of each class.  All starts get the same photographs,
and with the same seed more photographs include the fewer.  Prints the figures
of each run; then a table of the mean and the worst accuracy of all seeds, and
the means of the share of images that are `known`, the calibration error and
the seconds.  Further options are passed to train.py.

Two photographs of one leaf may be on both sides: the figures serve to compare
the starts with each other.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.few import TEST_IMAGES, line, measure
from leaffliction.utils import cli
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset
from leaffliction.utils.tables import text_table

TITLES = ("photographs", "weights", "accuracy", "worst", "known",
          "calibration error", "seconds")


def sample(dataset: Dataset, count: int, seed: int
           ) -> tuple[list[str], dict[str, str]]:
    """Return `count` photographs of each class, and {test photograph: class}.

    Raises UserError for a class without a photograph left over.
    """
    rng = np.random.default_rng(seed)
    few, test = [], {}
    for label, name in enumerate(dataset.class_names):
        files = rng.permutation([
            str(dataset.files[index])
            for index in np.flatnonzero(dataset.labels == label)]).tolist()
        if len(files) <= count:
            raise UserError(f"{name} has {len(files)} photographs: none is "
                            f"left over of --images {count}")
        few += files[:count]
        test |= dict.fromkeys(files[max(count, len(files) - TEST_IMAGES):],
                              name)
    return few, test


def row(count: int, weights: str, runs: list[dict[str, float]]) -> list[str]:
    """Return the texts below TITLES for the runs of all seeds."""
    known, error, seconds = (
        np.mean([run[name] for run in runs])
        for name in ("known", "calibration error", "seconds"))
    accuracies = [run["accuracy"] for run in runs]
    return [str(count), weights, f"{np.mean(accuracies):.1%}",
            f"{min(accuracies):.1%}", f"{known:.1%}", f"{error:.3f}",
            f"{seconds:.0f}"]


def compare(dataset: Dataset, counts: Iterable[int], seeds: Iterable[int],
            starts: list[str], of_train: list[str]) -> list[list[str]]:
    """Run train.py for each number, seed and start; return the table.

    starts: values of --weights.  of_train: further options of train.py.
    """
    table = [[*TITLES]]
    for count in counts:
        runs = {weights: [] for weights in starts}
        for seed in seeds:
            few, test = sample(dataset, count, seed)
            for weights in starts:
                runs[weights].append(measure(
                    dataset.root, few, test,
                    ["--weights", weights, "--seed", str(seed), *of_train]))
                print(f"{count} of each class, seed {seed}, {weights}:  "
                      f"{line(runs[weights][-1])}", flush=True)
        table += [row(count, weights, runs[weights]) for weights in starts]
    return table


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of class folders")
    parser.add_argument("--images", type=int, nargs="+", default=[5, 10, 25],
                        metavar="N",
                        help="photographs of each class to train on")
    parser.add_argument("--seeds", type=int, default=3, metavar="N",
                        help="number of runs for each number and each start")
    parser.add_argument("--weights", nargs="+",
                        default=["imagenet", "apple-grape"], metavar="START",
                        help="values of train.py's --weights")
    options, of_train = parser.parse_known_args(argv)
    table = compare(read_dataset(options.folder), options.images,
                    range(1, options.seeds + 1), options.weights, of_train)
    print(text_table(table, [title == "weights" for title in TITLES]))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
