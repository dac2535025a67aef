"""How many images a second does Augmentation.py write?

    python -m benchmarks.augmentation
    python -m benchmarks.augmentation FOLDER

Balances the classes in FOLDER (by default 600 drawn leaves of 256 x 256
pixels in 3 classes) in three ways: as Augmentation.py does with 1 and with 2
jobs, and with a plain loop of the same augmentations in one process, which
reads and writes with OpenCV.  Prints images a second for each, the median of
ROUNDS, the three ways alternating; the clock starts when the first image is
done, so the start of the processes does not count.

Then prints how long decoding, augmenting and encoding an image take, in one
process.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.throughput import rate
from leaffliction.augmentation.balance import (PlannedImage, class_targets,
                                               plan_balance, plan_files,
                                               read_leaf, write_plan)
from leaffliction.augmentation.transforms import augment
from leaffliction.utils import cli
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.images import JPEG_QUALITY, write_image
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf

ROUNDS = 3
SEED = 42
SIZE = 256
# Drawn leaves of each class: about as imbalanced as PlantVillage.
COUNTS = {"Apple_healthy": 400, "Apple_rust": 80, "Grape_Esca": 120}


def plain_loop(plan: list[PlannedImage], root: Path, output: Path
               ) -> Iterator[int]:
    """Write the plan's images one after the other, with OpenCV.

    Yields the number of images written for each source.
    """
    for planned in plan:
        content = (root / planned.source).read_bytes()
        bgr_img = cv2.imread(str(root / planned.source))
        (output / planned.source).parent.mkdir(parents=True, exist_ok=True)
        (output / planned.source).write_bytes(content)
        for augmentation, file in planned.copies:
            augmented = augment(bgr_img, augmentation, SEED, file.as_posix())
            cv2.imwrite(str(output / file), augmented,
                        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        yield 1 + len(planned.copies)


def write_jobs(plan: list[PlannedImage], root: Path, output: Path, jobs: int
               ) -> Iterator[int]:
    """Yield the number of images that write_plan writes for each source."""
    for planned, problem in zip(plan, write_plan(plan, root, output, SEED,
                                                 Workers(jobs))):
        yield 0 if problem else len(planned.files())


def stages(plan: list[PlannedImage], root: Path, output: Path
           ) -> dict[str, float]:
    """Return the milliseconds of each stage, measured in one process.

    Decoding counts for each source, augmenting and encoding for each
    augmented copy.  Every fifth source of the plan is measured.
    """
    taken = dict.fromkeys(("decode", "augment", "encode and write"), 0.0)
    copied = 0
    for planned in plan[::5]:
        start = time.perf_counter()
        rgb_img = read_leaf(root / planned.source)
        taken["decode"] += time.perf_counter() - start
        for augmentation, file in planned.copies:
            start = time.perf_counter()
            augmented = augment(rgb_img, augmentation, SEED, file.as_posix())
            middle = time.perf_counter()
            write_image(output / file, augmented)
            taken["augment"] += middle - start
            taken["encode and write"] += time.perf_counter() - middle
            copied += 1
    return {name: 1000 * seconds / (len(plan[::5]) if name == "decode"
                                    else max(1, copied))
            for name, seconds in taken.items()}


def measure(root: Path, work: Path) -> None:
    """Print rates and stages for the images below root.

    work: folder for all that is written.
    """
    dataset = read_dataset(root)
    plan = plan_balance(dataset, class_targets(dataset, None, False), SEED)
    # Shuffled, because the classes need different numbers of copies.
    plan = [plan[index] for index in
            np.random.default_rng(SEED).permutation(len(plan))]
    files = len(plan_files(plan)[0])
    print(f"{files} images, {files - len(plan)} of them augmented copies")
    ways = {"plain loop": lambda to: plain_loop(plan, root, to),
            "1 job": lambda to: write_jobs(plan, root, to, 1),
            "2 jobs": lambda to: write_jobs(plan, root, to, 2)}
    rates = {name: [] for name in ways}
    cv2.setNumThreads(1)
    for number in range(ROUNDS):
        for name, way in ways.items():
            rates[name].append(rate(way(work / f"{name} {number}")))
    for name, of_rounds in rates.items():
        print(f"{name:<10} {statistics.median(of_rounds):7.0f} images/s   "
              f"({min(of_rounds):.0f} to {max(of_rounds):.0f})")
    ratios = [two / one for one, two in zip(rates["1 job"], rates["2 jobs"])]
    print(f"2 jobs / 1 job: {statistics.median(ratios):.2f}")
    for name, milliseconds in stages(
            plan, root, work / "stages").items():
        print(f"{name:<16} {milliseconds:5.2f} ms "
              f"{'a source' if name == 'decode' else 'a copy'}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?",
                        help="folder of class folders; default: drawn leaves")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.folder or Path(folder, "drawn")
        if not options.folder:
            for name, count in COUNTS.items():
                for number in range(count):
                    rng = np.random.default_rng([number, count])
                    write_image(root / name / f"image ({number}).JPG",
                                draw_leaf(name, rng, SIZE))
        measure(root, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
