"""How much faster does train.py train than the usual way, and how well?

    python -m benchmarks.training images
    python -m benchmarks.training images --groups leaf_groups.csv --seeds 42

Ours is train.py with its defaults, or the further options given here.  The
usual way is what Keras's guides to transfer learning do, on the same balanced
images, of the same size, in the same batches, with the same layers unfrozen:
one Keras model, `image_dataset_from_directory`, the frozen layers run in every
epoch; USUAL_EPOCHS of the head and of fine-tuning at most, with EarlyStopping.

Each runs in a new process, and is timed from its start until the network is
saved; the usual way does no balancing, synthetic field images, archive,
calibration or audit.  Prints for each seed both times, both accuracies on the
same validation images and both peaks of memory; then their means, and the
ratio of the times.
"""

import argparse
import csv
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from leaffliction.augmentation.file_copy import link_or_copy
from leaffliction.utils import cli
from leaffliction.utils.errors import UserError

SEEDS = (42, 1, 2)
USUAL_RATES = (1e-3, 1e-4)   # of the head and of fine-tuning
USUAL_EPOCHS = (8, 6)        # likewise, at most
USUAL_PATIENCE = 3


@dataclass(frozen=True)
class Result:
    """What a training took, and how well its network does.

    peak: memory in GB.  accuracy: on the validation set, 0..1.
    """

    seconds: float
    accuracy: float
    peak: float


def run_ours(arguments: list[str], output: Path) -> tuple[Result, dict]:
    """Run train.py; return the result until signature.txt, and its report."""
    command = [sys.executable, "train.py", *arguments, "--output",
               str(output), "--no-display"]
    start = time.time()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise UserError(f"train.py failed: {' '.join(command)}")
    signature = output.with_name("signature.txt")
    report = json.loads(
        (output.parent / "report" / "report.json").read_text())
    return Result(signature.stat().st_mtime - start,
                  report["validation"]["accuracy"],
                  usage.ru_maxrss / 2**20), report


def lay_out(images: Path, archive: Path, split: Path, folder: Path) -> None:
    """Write a tree for each part, with the images of our run.

    split: split.csv of our run.  A class is one folder, whatever the layout
    of images is.
    """
    with open(split, newline="") as lines:
        rows = list(csv.DictReader(lines))
    class_of = {Path(row["file"]).parent: row["class"] for row in rows}
    with zipfile.ZipFile(archive) as learned:
        for name in learned.namelist():
            tree, _, file = name.partition("/")
            if tree == "augmented_directory":
                target = (folder / "training" / class_of[Path(file).parent]
                          / Path(file).name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(learned.read(name))
    for row in rows:
        if row["part"] in ("stopping", "validation"):
            link_or_copy(images / row["file"], folder / row["part"]
                         / row["class"] / Path(row["file"]).name)


def train_usual(folder: Path, settings: dict) -> tuple[float, float]:
    """Train as Keras's guides do.

    folder: of lay_out's trees.  settings: of our run.
    Returns the accuracy on validation, and the peak of memory in GB.
    """
    from leaffliction.training.backbone import build_backbone
    from leaffliction.training.keras import import_keras
    from leaffliction.training.pretrained import find_weights
    keras = import_keras()
    keras.utils.set_random_seed(settings["seed"])
    size = settings["size"]
    parts = {part: keras.utils.image_dataset_from_directory(
        folder / part, image_size=(size, size),
        batch_size=settings["batch_size"], shuffle=part == "training",
        seed=settings["seed"], verbose=False)
        for part in ("training", "stopping", "validation")}
    classes = len(parts["training"].class_names)
    parts = {name: part.prefetch(2) for name, part in parts.items()}
    backbone = build_backbone(
        size, find_weights(settings["weights_option"], folder)[0])
    model = keras.Sequential([
        keras.layers.Input((size, size, 3)),
        keras.layers.Rescaling(1 / 127.5, -1), backbone,
        keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.2),
        keras.layers.Dense(classes)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for rate, epochs in zip(USUAL_RATES, USUAL_EPOCHS):
        model.compile(keras.optimizers.Adam(rate), loss,
                      metrics=["accuracy"])
        model.fit(parts["training"], validation_data=parts["stopping"],
                  epochs=epochs, shuffle=False, verbose=0, callbacks=[
                      keras.callbacks.EarlyStopping(
                          patience=USUAL_PATIENCE,
                          restore_best_weights=True)])
        backbone.trainable = True
        for layer in backbone.layers[:-settings["unfrozen_layers"]]:
            layer.trainable = False
        for layer in backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    model.save(folder / "model.keras")
    accuracy = model.evaluate(parts["validation"], verbose=0)[1]
    return accuracy, resource.getrusage(
        resource.RUSAGE_SELF).ru_maxrss / 2**20


def run_usual(folder: Path, settings: dict) -> Result:
    """Return the result of train_usual.

    It runs in a new process, and is timed from the start of that.
    """
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        accuracy, peak = pool.apply(train_usual, (folder, settings))
    return Result(time.perf_counter() - start, accuracy, peak)


def compare(options: argparse.Namespace, arguments: list[str], seed: int
            ) -> tuple[Result, Result]:
    """Return the results of the usual way and of ours with a seed."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        archive = folder / "learnings.zip"
        ours, report = run_ours([*arguments, "--seed", str(seed)], archive)
        lay_out(options.images, archive, folder / "report" / "split.csv",
                folder)
        usual = run_usual(folder, report["settings"] | {
            "weights_option": options.weights})
    print_row(f"usual way, {seed}", usual)
    print_row(f"train.py, {seed}", ours)
    return usual, ours


def print_row(name: str, result: Result) -> None:
    """Print a row of the table."""
    print(f"{name:<16} {result.seconds:8.1f} {result.accuracy:9.2%} "
          f"{result.peak:6.2f}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", type=Path, help="folder of class folders")
    parser.add_argument("--groups", help="see train.py")
    parser.add_argument("--weights", default="imagenet", help="see train.py")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options, of_train = parser.parse_known_args(argv)
    arguments = [str(options.images), "--weights", options.weights, *of_train]
    if options.groups:
        arguments += ["--groups", options.groups]
    print(f"{'way, seed':<16} {'seconds':>8} {'accuracy':>9} {'GB':>6}")
    pairs = [compare(options, arguments, seed) for seed in options.seeds]
    usual, ours = (Result(*np.mean([astuple(result) for result in results],
                                   axis=0)) for results in zip(*pairs))
    print_row("usual way, mean", usual)
    print_row("train.py, mean", ours)
    print(f"ratio {usual.seconds / ours.seconds:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
