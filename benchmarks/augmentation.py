"""How many balanced images are written in a second?

    python -m benchmarks.augmentation
    python -m benchmarks.augmentation FOLDER

Balances FOLDER (without one: 600 drawn leaves of 256x256 pixels in 3
classes) as Augmentation.py does with 1 and with 2 jobs, beside a plain loop
of the same operations with OpenCV in one process.  Counted from the first
image that is done, so without the start of the processes; medians of ROUNDS,
alternating.  Then the share of decoding, augmenting and encoding, per image.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from leaffliction.augmentation.balance import (PlannedImage, class_targets,
                                               plan_balance, plan_files,
                                               read_leaf, write_plan)
from leaffliction.augmentation.transforms import augment
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.images import JPEG_QUALITY, write_image
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf

ROUNDS = 3
SEED = 42
SIZE = 256
# Of the drawn leaves: about as unequal as the classes of PlantVillage.
COUNTS = {"Apple_healthy": 400, "Apple_rust": 80, "Grape_Esca": 120}


def plain_loop(plan: list[PlannedImage], root: Path, output: Path
               ) -> Iterator[int]:
    """Do the same as write_plan, as one would without it."""
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
    """Yield how many images write_plan has written of each source."""
    for planned, problem in zip(plan, write_plan(plan, root, output, SEED,
                                                 Workers(jobs))):
        yield 0 if problem else len(planned.files())


def rate(numbers: Iterator[int]) -> float:
    """Return images a second, from the first that is done on."""
    next(numbers)
    start = time.perf_counter()
    written = sum(numbers)
    return written / (time.perf_counter() - start)


def shares(plan: list[PlannedImage], root: Path, output: Path
           ) -> dict[str, float]:
    """Return milliseconds a file of each kind of work, in one process."""
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
    """Print the rates and shares for the images below root."""
    dataset = read_dataset(root)
    plan = plan_balance(dataset, class_targets(dataset, None, False), SEED)
    # In no order, so that the work is spread evenly over the time.
    plan = [plan[place] for place in
            np.random.default_rng(SEED).permutation(len(plan))]
    files = len(plan_files(plan)[0])
    print(f"{files} images, {files - len(plan)} of them augmented copies")
    sides = {"plain loop": lambda to: plain_loop(plan, root, to),
             "1 job": lambda to: write_jobs(plan, root, to, 1),
             "2 jobs": lambda to: write_jobs(plan, root, to, 2)}
    rates = {name: [] for name in sides}
    cv2.setNumThreads(1)
    for number in range(ROUNDS):
        for name, side in sides.items():
            rates[name].append(rate(side(work / f"{name} {number}")))
    for name, found in rates.items():
        print(f"{name:<10} {statistics.median(found):7.0f} images/s   "
              f"({min(found):.0f} to {max(found):.0f})")
    ratios = [two / one for one, two in zip(rates["1 job"], rates["2 jobs"])]
    print(f"2 jobs / 1 job: {statistics.median(ratios):.2f}")
    for name, milliseconds in shares(plan, root, work / "shares").items():
        print(f"{name:<16} {milliseconds:5.2f} ms "
              f"{'a source' if name == 'decode' else 'a copy'}")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(*sys.argv[1:2]) if sys.argv[1:] else Path(folder, "drawn")
        if not sys.argv[1:]:
            for name, count in COUNTS.items():
                for number in range(count):
                    rng = np.random.default_rng([number, count])
                    write_image(root / name / f"image ({number}).JPG",
                                draw_leaf(name, rng, SIZE))
        measure(root, Path(folder))


if __name__ == "__main__":
    main()
