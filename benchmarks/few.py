"""How right is train.py after learning from few photographs?

    python -m benchmarks.few leaves leaf_groups.csv
    python -m benchmarks.few leaves leaf_groups.csv --images 10 --seeds 4

For each seed and set of classes, draws photographs from one half of each
class's leaves, runs train.py on them with its defaults, and has the archive
name photographs of the other half.  Prints each run, then the mean and the
worst of all seeds.
"""

import argparse
import contextlib
import csv
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import train
from leaffliction.augmentation.balance import link_or_copy
from leaffliction.model.classifier import Classifier
from leaffliction.model.metrics import calibration_error
from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import Workers, raise_errors

CLASSES = ("Apple_rust,Apple_scab,Grape_Black_rot",
           "Apple_Black_rot,Grape_Black_rot,Grape_Esca")
OTHERS = 200             # photographs of each class, at most, to judge by


def draw(groups: Path, class_names: list[str], count: int, seed: int
         ) -> tuple[list[str], list[str]]:
    """Return `count` photographs of each class, and those of other leaves."""
    with open(groups, newline="") as lines:
        leaf_of = {row["file"]: row["leaf"] for row in csv.DictReader(lines)}
    rng = np.random.default_rng(seed)
    few, others = [], []
    for name in class_names:
        files = sorted(file for file in leaf_of
                       if Path(file).parts[0] == name)
        leaves = sorted({leaf_of[file] for file in files})
        own = set(rng.permutation(leaves)[:len(leaves) // 2].tolist())
        for part, most, is_own in ((few, count, True),
                                   (others, OTHERS, False)):
            part += rng.permutation([
                file for file in files
                if (leaf_of[file] in own) == is_own])[:most].tolist()
    return few, others


def judge(options: argparse.Namespace, class_names: list[str], seed: int
          ) -> dict:
    """Learn from few photographs, and return how right the archive is."""
    few, others = draw(options.groups, class_names, options.images, seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for file in few:
            target = folder / "images" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(options.leaves / file, target)
        begun = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            status = train.main([
                str(folder / "images"), "--groups", str(options.groups),
                "--output", str(folder / "learnings.zip"), "--seed",
                str(seed), "--no-display"])
        seconds = time.perf_counter() - begun
        if status != cli.DONE:
            raise UserError(f"train.py ended with status {status}")
        learnings = Classifier.load(folder / "learnings.zip")
    found = list(
    raise_errors(
        Workers(2).map(
            learnings.predict_file, [
                options.leaves / file for file in others], in_threads=True)))
    right = np.array([prediction.class_name == Path(file).parts[0]
                      for prediction, file in zip(found, others)])
    return {"right": right.mean(),
            "known": np.mean([prediction.known for prediction in found]),
            "calibration error": calibration_error(np.array(
                [prediction.confidence for prediction in found]), right),
            "seconds": seconds}


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("leaves", type=Path, help="folder of class folders")
    parser.add_argument("groups", type=Path, help="columns file,leaf")
    parser.add_argument("--images", type=int, default=25, metavar="N",
                        help="photographs of each class to learn from")
    parser.add_argument("--seeds", type=int, default=10, metavar="N")
    parser.add_argument("--classes", nargs="+", default=CLASSES,
                        metavar="A,B", help="sets of classes to tell apart")
    options = parser.parse_args(argv)
    for names in options.classes:
        print(f"{names}: {options.images} photographs each", flush=True)
        runs = []
        for seed in range(1, options.seeds + 1):
            runs.append(judge(options, names.split(","), seed))
            print(f"  seed {seed:<3}" + "".join(
                f"  {name} {value:.3f}" for name, value in runs[-1].items()),
                flush=True)
        right = [run["right"] for run in runs]
        print(f"  mean {np.mean(right):.1%}, worst {min(right):.1%}"
              + "".join(f", {name} {np.mean([run[name] for run in runs]):.3f}"
                        for name in list(runs[0])[1:]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
