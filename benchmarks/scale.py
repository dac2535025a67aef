"""What does a Dask cluster cost in speed, and how much memory does it take?

    python -m benchmarks.scale
    python -m benchmarks.scale --files 54000 --learnings learnings.zip

Draws IMAGES leaves of 256 x 256 pixels, in eight classes of unequal sizes,
and applies to them what the programs apply to many images: with 1 process,
with 2, and with 2 workers of a Dask cluster on this computer.  Prints images
a second, the median of ROUNDS, the three ways alternating; the clock starts
when the first image is done, so the start of the processes does not count.
The overhead is the additional time for an image on the cluster, compared with
2 processes.
With --files, the programs themselves then process that many files on the
cluster, while the memory of the scheduler, the workers and the program is
measured.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import psutil

from benchmarks.local_cluster import ROOT, LocalCluster, local_cluster
from benchmarks.throughput import rate
from leaffliction.augmentation.balance import (class_targets, make_copies,
                                               plan_balance)
from leaffliction.distribution.inspection import inspect_image
from leaffliction.model.classifier import Classifier
from leaffliction.model.released import find_archive
from leaffliction.scale.dask import DaskWorkers
from leaffliction.training.features import load_image, predict_batch
from leaffliction.transformation.batch import transform_file
from leaffliction.utils import cli
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.images import write_image
from leaffliction.utils.parallel import Workers, raise_errors
from leaffliction.utils.progress import progress
from samples.dataset import CLASS_COUNTS
from samples.drawing import draw_leaf

IMAGES, ROUNDS, SEED, SIZE = 2000, 3, 42, 256
DRAWN = 20               # leaves drawn of each class; all files vary these
INTERVAL = 0.5           # seconds between two measurements of memory
SHARES = 10              # of a run; the peak memory of each is printed


@cache
def base_leaf(name: str, number: int) -> np.ndarray:
    """Return one of the drawn leaves of a class."""
    return draw_leaf(name, np.random.default_rng(number), SIZE)


def draw_file(file: Path) -> None:
    """Write a shifted, noisy variant of a leaf that no other file has."""
    number = int(file.stem)
    rng = np.random.default_rng([SEED, number])
    leaf = base_leaf(file.parent.name, number % DRAWN)
    variant = np.roll(leaf, rng.integers(-20, 20, 2), (0, 1)).astype(np.int16)
    variant += rng.integers(-12, 13, (*variant.shape[:2], 1), np.int16)
    write_image(file, np.clip(variant, 0, 255).astype(np.uint8))


def draw_files(root: Path, count: int) -> None:
    """Draw `count` leaves below root, in the proportions of the demo."""
    total = sum(CLASS_COUNTS.values())
    files = [root / name / f"{number}.jpg"
             for name, share in CLASS_COUNTS.items()
             for number in range(round(count * share / total))]
    for _ in progress(Workers(2).map(draw_file, files),
                      len(files), "Drawing"):
        pass


@dataclass(frozen=True)
class Step:
    """What a program does with many images.

    make: maps a new output folder to (function, items).
    """

    name: str
    make: Callable[[Path], tuple[Callable, Sequence]]
    in_threads: bool = False


def steps(root: Path, learnings: Path | None) -> list[Step]:
    """Return the steps to measure, on the files below root."""
    dataset = read_dataset(root)
    paths = dataset.paths()
    plan = plan_balance(dataset, class_targets(dataset, None, False), SEED)
    measured = [
        # The cost of distributing alone.
        Step("nothing", lambda work: (os.fspath, paths)),
        Step("Distribution", lambda work: (inspect_image, paths)),
        Step("Augmentation", lambda work: (partial(
            make_copies, root=root, output=work, seed=SEED), plan)),
        Step("Transformation -mask", lambda work: (partial(
            transform_file, views=["Mask"], measured=False, force=False),
            [(path, work / path.parent.name / path.stem) for path in paths]))]
    if learnings:
        classifier = Classifier.load(learnings)
        load = partial(load_image, size=classifier.description.size)
        measured += [
            Step("predict", lambda work: (classifier.predict_file, paths),
                 True),
            Step("train, features", lambda work: (partial(
                predict_batch, network=classifier.network, load=load,
                dtype=np.float16), paths), True)]
    return measured


def measure_steps(root: Path, learnings: Path | None, cluster: LocalCluster,
                  work: Path) -> None:
    """Print images a second of each step, run in three ways."""
    ways = {"1 process": Workers(1), "2 processes": Workers(2),
            "2 Dask workers": DaskWorkers(2, cluster.address)}
    print("images/s" + "".join(f"{way:>16}" for way in ways)
          + "   overhead of Dask, ms an image")
    for step in steps(root, learnings):
        rates = {way: [] for way in ways}
        for number in range(ROUNDS):
            for way, workers in ways.items():
                function, items = step.make(
                    work / step.name / way / str(number))
                rates[way].append(rate(1 for _ in raise_errors(workers.map(
                    function, items, step.in_threads))))
        medians = [statistics.median(of_rounds)
                   for of_rounds in rates.values()]
        _, two, dask = medians
        print(f"{step.name}\n        " + "".join(
            f"{median:16,.0f}" for median in medians)
            + f"   {1000 / dask - 1000 / two:+.3f}", flush=True)


def memory_of(cluster: LocalCluster) -> dict[str, int]:
    """Return megabytes of the scheduler's and of each worker's process."""
    processes = {"scheduler": psutil.Process(cluster.processes[0].pid)}
    for number, process in enumerate(cluster.processes[1:], 1):
        # Dask's nanny starts the worker in a process of its own.
        nanny = psutil.Process(process.pid)
        processes[f"worker {number}"] = max(
            nanny.children(recursive=True),
            key=lambda child: child.memory_info().rss)
    return {name: process.memory_info().rss >> 20
            for name, process in processes.items()}


def watch(title: str, command: list, cluster: LocalCluster, files: int
          ) -> None:
    """Run a program; print its speed, and the memory while it ran."""
    start = time.perf_counter()
    program = subprocess.Popen(
        [sys.executable, *map(str, command), "--cluster", cluster.address],
        cwd=ROOT, stdout=subprocess.DEVNULL)
    measured = []
    while program.poll() is None:
        try:
            rss = psutil.Process(program.pid).memory_info().rss
            measured.append(memory_of(cluster) | {"program": rss >> 20})
        except psutil.NoSuchProcess:
            pass
        time.sleep(INTERVAL)
    seconds = time.perf_counter() - start
    print(f"{title}: exit status {program.returncode}, {files:,} files in "
          f"{seconds:.0f} s: {files / seconds:,.0f}/s, "
          f"{seconds / files * 1e6 / 3600:.2f} hours for a million")
    parts = np.array_split(np.arange(len(measured)), SHARES)
    for name in ("scheduler", "worker 1", "worker 2", "program"):
        print(f"  {name:<10} MB " + " ".join(
            f"{max(measured[index].get(name, 0) for index in part):5}"
            for part in parts if part.size), flush=True)


def measure_programs(files: int, learnings: Path | None,
                     cluster: LocalCluster, work: Path) -> None:
    """Print speed and memory of the programs on so many files."""
    many = work / "many"
    draw_files(many, files)
    count = len(read_dataset(many).files)
    programs = [
        ("Distribution", ["Distribution.py", many, "--no-display", "--save",
                          work / "figure.png"]),
        ("Augmentation", ["Augmentation.py", many, "--output-dir",
                          work / "balanced"]),
        ("Transformation -mask", ["Transformation.py", "-src", many, "-dst",
                                  work / "views", "-mask"])]
    if learnings:
        programs.append(("predict", [
            "predict.py", many, "--learnings",
            find_archive(learnings).resolve(), "--csv",
            work / "predictions.csv"]))
    for title, command in programs:
        watch(title, command, cluster, count)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=0, metavar="N",
                        help="also let the programs process N files")
    parser.add_argument("--learnings", type=Path, metavar="ZIP|NAME",
                        help="also measure predict.py and the features of "
                        "train.py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, local_cluster(2) as cluster:
        work = Path(folder)
        draw_files(work / "images", IMAGES)
        measure_steps(work / "images", options.learnings, cluster,
                      work / "output")
        if options.files:
            measure_programs(options.files, options.learnings, cluster, work)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
