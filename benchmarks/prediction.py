"""Speed, accuracy and out-of-distribution detection of predict.py.

    python train.py images --float-model
    python -m benchmarks.prediction learnings.zip images
    python -m benchmarks.prediction learnings.zip images --strangers DIR ...

images: the folder that train.py was given; report/split.csv beside the
archive names the images that were not trained on.  --strangers: folders of
images that are out of distribution, so should be refused; each is reported
separately.  Prints, in one run, with 2 threads:

- images per second from a folder to a CSV file, and peak memory;
- seconds of a cold start, without and with a figure, and of `import
  tensorflow`: medians of ROUNDS, taken in turn;
- the network in 32-bit floats and in the form that predicts: size, images
  per second of the network alone, errors on the validation set;
- the calibration error; the share of the validation set and of the strangers
  that is refused, by the archive's OOD threshold and by a threshold on the
  energy (Liu et al. 2020) that refuses as many of the early-stopping set.
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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from leaffliction.utils.errors import UserError
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import preprocess, read_image
from leaffliction.utils.parallel import Workers

ROUNDS = 5
BULK_ROUNDS = 3
NETWORK_IMAGES = 400     # in a round of the network alone
JOBS = 2


@dataclass(frozen=True)
class Outputs:
    """A network's outputs for N images: logits (N, classes), features (N, F).
    """

    logits: np.ndarray
    features: np.ndarray

    @property
    def energies(self) -> np.ndarray:
        """The log of the summed exponentials of the logits, (N,).

        Low out of distribution (the negative energy of Liu et al. 2020).
        """
        return np.logaddexp.reduce(self.logits, axis=1)

    @property
    def classes(self) -> np.ndarray:
        """The predicted classes, int (N,)."""
        return self.logits.argmax(axis=1)


def run_model(model: bytes, paths: Sequence[Path], size: int, title: str
              ) -> Outputs:
    """Return the outputs of a LiteRT model for image files."""
    logits, _, *features = network_outputs(
        model, paths, size, Workers(JOBS), title)
    return Outputs(logits, np.hstack(features))


def seconds_of(*command: str) -> float:
    """Return the seconds that Python takes to run a command, with its start.
    """
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True,
                   capture_output=True)
    return time.perf_counter() - start


def print_cold_start(archive: str, image: str, folder: Path) -> None:
    """Measure one image, and the import of TensorFlow that it avoids."""
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
    """Measure a folder of images to a CSV file."""
    count = len(find_images(images))
    taken = [seconds_of(
        "predict.py", str(images), "--learnings", archive, "--csv",
        str(folder / "all.csv"), "--jobs", str(JOBS))
        for _ in range(BULK_ROUNDS)]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rate = count / statistics.median(taken)
    print(f"{count} files to CSV, {JOBS} threads: {rate:.0f} images/s, "
          f"{peak:.0f} MB", flush=True)


def network_rate(model: bytes, pixels: np.ndarray) -> float:
    """Return images per second of a network alone, in JOBS threads.

    pixels: a few preprocessed images, float32 (N, size, size, 3).
    """
    networks = [Network(model, threads=1) for _ in range(JOBS)]

    def work(network: Network) -> None:
        for number in range(NETWORK_IMAGES // JOBS):
            index = number % len(pixels)
            network(pixels[index:index + 1])

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


def print_networks(classifier: Classifier, as_float: bytes,
                   paths: list[Path], labels: np.ndarray) -> Outputs:
    """Measure both forms of the network on the validation set.

    as_float: the form in 32-bit floats.  Returns the outputs of the form
    that predicts.
    """
    size = classifier.description.size
    pixels = np.stack([preprocess(read_image(path), size)
                       for path in paths[:64]])
    print(f"network at {size} pixels; validation: {len(labels)} images")
    for name, model in (("32-bit floats", as_float),
                        ("as predicted", classifier.network.content)):
        outputs = run_model(model, paths, size, name)
        errors = int((outputs.classes != labels).sum())
        print(f"  {name:<14} {len(model) / 1e6:4.1f} MB  "
              f"{network_rate(model, pixels):5.0f} images/s  "
              f"{errors} wrong: {1 - errors / len(labels):.2%}", flush=True)
    shares = softmax(outputs.logits / classifier.description.temperature)
    error = calibration_error(shares.max(axis=1), outputs.classes == labels)
    print(f"calibration error {error:.4f}")
    return outputs


def print_refused(classifier: Classifier, stopping: Outputs,
                  sets: dict[str, Outputs]) -> None:
    """Print the refused share of each set, by OOD score and by energy."""
    least_energy = -ood_threshold(-stopping.energies)
    print("refused by OOD score (and by energy)")
    for name, outputs in sets.items():
        scores = classifier.ood_detector.scores(outputs.features)
        refused = int((scores > classifier.description.ood_threshold).sum())
        count = len(scores)
        low, high = wilson_interval(refused, count)
        print(f"  {name:<12} {refused} of {count}: {refused / count:.1%} "
              f"({low:.1%} to {high:.1%})  "
              f"({np.mean(outputs.energies < least_energy):.1%})")


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("learnings", type=Path, help="archive of train.py")
    parser.add_argument("images", type=Path,
                        help="the folder that train.py was given")
    parser.add_argument("--strangers", type=Path, nargs="*", default=[],
                        metavar="DIR", help="out-of-distribution images")
    options = parser.parse_args(argv)
    classifier = Classifier.load(options.learnings)
    split = options.learnings.parent / "report" / "split.csv"
    parts = {part: read_part(split, options.images, part,
                             classifier.class_names)
             for part in ("validation", "stopping")}
    paths, labels = parts["validation"]
    archive = str(options.learnings)
    with tempfile.TemporaryDirectory() as folder:
        # First, before a child process imports TensorFlow: the peak memory
        # is that of the largest child so far.
        print_bulk(archive, options.images, Path(folder))
        print_cold_start(archive, str(paths[0]), Path(folder))
    with zipfile.ZipFile(options.learnings) as opened:
        if FLOAT_MODEL not in opened.namelist():
            raise UserError(f"{options.learnings}: has no {FLOAT_MODEL}; "
                            "train.py --float-model writes one")
        as_float = opened.read(FLOAT_MODEL)
    sets = {"validation": print_networks(classifier, as_float, paths, labels)}
    model, size = classifier.network.content, classifier.description.size
    stopping = run_model(model, parts["stopping"][0], size, "Early stopping")
    for folder in options.strangers:
        sets[folder.name] = run_model(
            model, [folder / file for file in find_images(folder)], size,
            folder.name)
    print_refused(classifier, stopping, sets)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
