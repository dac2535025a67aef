"""How accurate is train.py when it learns from few photographs?

    python -m benchmarks.few leaves leaf_groups.csv
    python -m benchmarks.few leaves leaf_groups.csv --images 10 --seeds 4

For each seed and each set of classes, samples 25 photographs (--images) of
each class from one half of its leaves, runs train.py on them with its
defaults, and evaluates the archive on at most TEST_IMAGES photographs of each
class from the other half.  Prints for each run accuracy, share of images that
are `known`, calibration error and seconds; then the means, and the worst
accuracy of all seeds.  Further options are passed to train.py.
"""

import argparse
import contextlib
import csv
import io
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

import train
from leaffliction.augmentation.file_copy import link_or_copy
from leaffliction.model.classifier import Classifier
from leaffliction.model.metrics import calibration_error
from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import Workers, raise_errors

CLASSES = ("Apple_rust,Apple_scab,Grape_Black_rot",
           "Apple_Black_rot,Grape_Black_rot,Grape_Esca")
TEST_IMAGES = 200        # of each class, at most


def sample(groups: Path, class_names: list[str], count: int, seed: int
           ) -> tuple[list[str], dict[str, str]]:
    """Return `count` photographs of each class, and {test photograph: class}.

    No leaf is among both.
    """
    with open(groups, newline="") as lines:
        leaf_of = {row["file"]: row["leaf"] for row in csv.DictReader(lines)}
    rng = np.random.default_rng(seed)
    few, test = [], {}
    for name in class_names:
        files = sorted(file for file in leaf_of
                       if Path(file).parts[0] == name)
        leaves = sorted({leaf_of[file] for file in files})
        half = set(rng.permutation(leaves)[:len(leaves) // 2].tolist())
        first, other = (rng.permutation([
            file for file in files
            if (leaf_of[file] in half) == is_in_half])[:most].tolist()
            for is_in_half, most in ((True, count), (False, TEST_IMAGES)))
        few += first
        test |= dict.fromkeys(other, name)
    return few, test


def measure(leaves: Path, few: Iterable[str], test: Mapping[str, str],
            options: list[str]) -> dict[str, float]:
    """Train on few photographs; return the figures of the archive on test.

    leaves: the folder of all files.  few: files to train on.
    test: the class of each file to evaluate on.  options: of train.py.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for file in few:
            target = folder / "images" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(leaves / file, target)
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            status = train.main([
                str(folder / "images"), "--output",
                str(folder / "learnings.zip"), "--no-display", *options])
        seconds = time.perf_counter() - start
        if status != cli.DONE:
            raise UserError(f"train.py ended with status {status}")
        classifier = Classifier.load(folder / "learnings.zip")
    predictions = list(raise_errors(Workers(2).map(
        classifier.predict_file, [leaves / file for file in test],
        in_threads=True)))
    is_right = np.array([
        prediction.class_name == name
        for prediction, name in zip(predictions, test.values())])
    return {"accuracy": is_right.mean(),
            "known": np.mean([prediction.known
                              for prediction in predictions]),
            "calibration error": calibration_error(np.array(
                [prediction.confidence for prediction in predictions]),
                is_right),
            "seconds": seconds}


def line(run: dict[str, float]) -> str:
    """Return the figures of a run as text."""
    return "  ".join(f"{name} {value:.3f}" for name, value in run.items())


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("leaves", type=Path, help="folder of class folders")
    parser.add_argument("groups", type=Path, help="columns file,leaf")
    parser.add_argument("--images", type=int, default=25, metavar="N",
                        help="photographs of each class to train on")
    parser.add_argument("--seeds", type=int, default=10, metavar="N",
                        help="number of runs for each set of classes")
    parser.add_argument("--classes", nargs="+", default=CLASSES,
                        metavar="A,B", help="sets of classes")
    options, of_train = parser.parse_known_args(argv)
    for names in options.classes:
        print(f"{names}: {options.images} photographs each", flush=True)
        runs = []
        for seed in range(1, options.seeds + 1):
            few, test = sample(options.groups, names.split(","),
                               options.images, seed)
            runs.append(measure(
                options.leaves, few, test,
                ["--groups", str(options.groups), "--seed", str(seed),
                 *of_train]))
            print(f"  seed {seed:<3}  {line(runs[-1])}", flush=True)
        accuracies = [run["accuracy"] for run in runs]
        print(f"  mean {np.mean(accuracies):.1%}, "
              f"worst {min(accuracies):.1%}"
              + "".join(f", {name} {np.mean([run[name] for run in runs]):.3f}"
                        for name in list(runs[0])[1:]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
