"""How fast, how right and how modest is predict.py?

    python -m benchmarks.prediction learnings.zip images
    python -m benchmarks.prediction learnings.zip images --strangers DIR ...

images: the folder that train.py has learned from; report/split.csv beside
the archive says which of them were never looked at.  --strangers: folders of
what should be refused, each counted for itself.  Prints, in one run:

- images a second from a folder to a CSV file, and its peak of memory;
- seconds of a cold start, without and with a figure, and of `import
  tensorflow`, medians of ROUNDS, alternating;
- the network in 32-bit floats and in the form that answers: size, images a
  second of the network alone, wrong answers on the validation part;
- calibration error, share refused of the validation part and of strangers,
  at the archive's threshold and at the one of the energy (Liu et al. 2020)
  that keeps as many of the stopping part.
"""

import argparse
import csv
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from leaffliction.model.bundle import FLOAT_MODEL
from leaffliction.model.classifier import Classifier
from leaffliction.model.metrics import (calibration_error, softmax,
                                        wilson_interval)
from leaffliction.model.ood import ood_threshold
from leaffliction.model.runtime import Network
from leaffliction.training.features import network_outputs
from leaffliction.utils import cli
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import preprocess, read_image
from leaffliction.utils.parallel import Workers

ROUNDS = 5
BULK_ROUNDS = 3
NETWORK_IMAGES = 400     # a round of the network alone
JOBS = 2


def seconds_of(*command: str) -> float:
    """Return how long a command of this interpreter takes from its start."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True,
                   capture_output=True)
    return time.perf_counter() - start


def print_cold_start(archive: str, image: str, folder: Path) -> None:
    """Measure one image, and the import that it does without."""
    commands = {
        "one image": ("predict.py", image, "--learnings", archive,
                      "--csv", "-"),
        "one image, its figure saved": (
            "predict.py", image, "--learnings", archive, "--no-display",
            "--save", str(folder / "figure.png")),
        "import tensorflow": ("-c", "import tensorflow")}
    taken = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            taken[name].append(seconds_of(*command))
    for name, seconds in taken.items():
        print(f"{name:<28} {statistics.median(seconds):6.2f} s")


def print_bulk(archive: str, images: Path, folder: Path) -> None:
    """Measure a folder of images, read to CSV."""
    count = len(find_images(images))
    taken = [seconds_of(
        "predict.py", str(images), "--learnings", archive, "--csv",
        str(folder / "all.csv"), "--jobs", str(JOBS))
        for _ in range(BULK_ROUNDS)]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rate = count / statistics.median(taken)
    print(f"{count} files to CSV, {JOBS} threads: {rate:.0f} images/s, "
          f"{peak:.0f} MB", flush=True)


def network_rate(model: bytes, images: np.ndarray) -> float:
    """Return images a second of a network alone, in JOBS threads."""
    networks = [Network(model, threads=1) for _ in range(JOBS)]

    def work(network: Network) -> None:
        for number in range(NETWORK_IMAGES // JOBS):
            place = number % len(images)
            network(images[place:place + 1])

    taken = []
    with ThreadPoolExecutor(JOBS) as pool:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            list(pool.map(work, networks))
            taken.append(time.perf_counter() - start)
    return NETWORK_IMAGES / statistics.median(taken)


def read_part(split: Path, images: Path, part: str, class_names: tuple
              ) -> tuple[list[Path], np.ndarray]:
    """Return paths and labels (N,) of a part of the split."""
    with open(split, newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["part"] == part]
    return ([images / row["file"] for row in rows],
            np.array([class_names.index(row["class"]) for row in rows]))


def energies(logits: np.ndarray) -> np.ndarray:
    """Return the log of the summed exponentials, (N,), for (N, classes)."""
    return np.logaddexp.reduce(logits, axis=1)


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("learnings", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--strangers", type=Path, nargs="*", default=[])
    options = parser.parse_args(argv)
    learnings = Classifier.load(options.learnings)
    size = learnings.description.size
    split = options.learnings.parent / "report" / "split.csv"
    paths, labels = read_part(split, options.images, "validation",
                              learnings.class_names)
    archive = str(options.learnings)
    with tempfile.TemporaryDirectory() as folder:
        # Before TensorFlow, whose memory would be the peak.
        print_bulk(archive, options.images, Path(folder))
        print_cold_start(archive, str(paths[0]), Path(folder))
    with zipfile.ZipFile(options.learnings) as opened:
        as_float = opened.read(FLOAT_MODEL)
    answering, workers = learnings.network.content, Workers(JOBS)
    few = np.stack([preprocess(read_image(path), size)
                    for path in paths[:64]])
    print(f"network at {size} pixels; validation: {len(labels)} images")
    for name, model in (("32-bit floats", as_float),
                        ("what answers", answering)):
        logits, _, *features = network_outputs(
            model, paths, size, workers, name)
        wrong = int((logits.argmax(axis=1) != labels).sum())
        print(f"  {name:<14} {len(model) / 1e6:4.1f} MB  "
              f"{network_rate(model, few):5.0f} images/s  {wrong} wrong: "
              f"{1 - wrong / len(labels):.2%}", flush=True)
    shares = softmax(logits / learnings.description.temperature)
    error = calibration_error(shares.max(axis=1),
                              logits.argmax(axis=1) == labels)
    print(f"calibration error {error:.4f}")
    stopping, _ = read_part(split, options.images, "stopping",
                            learnings.class_names)
    threshold = ood_threshold(energies(network_outputs(
        answering, stopping, size, workers, "Stopping part")[0]))
    print("refused by familiarity (and by energy)")
    found = {"validation": (logits, features)}
    for folder in options.strangers:
        logits, _, *features = network_outputs(
            answering, [folder / file for file in find_images(folder)],
            size, workers, folder.name)
        found[folder.name] = logits, features
    for name, (logits, features) in found.items():
        refused = int((learnings.familiarity.scores(np.hstack(features))
                       < learnings.description.threshold).sum())
        low, high = wilson_interval(refused, len(logits))
        print(f"  {name:<12} {refused} of {len(logits)}: "
              f"{refused / len(logits):.1%} ({low:.1%} to {high:.1%})  "
              f"({np.mean(energies(logits) < threshold):.1%})")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
