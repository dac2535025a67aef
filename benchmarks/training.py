"""How much faster does train.py train than the usual way?

    python -m benchmarks.training images
    python -m benchmarks.training images --groups leaf_groups.csv

Ours is train.py with its defaults, or the further options given here.  The
usual way trains on the same balanced images, at the same size, with the same
epochs, batch size and unfrozen layers: one Keras model,
`image_dataset_from_directory`, and the frozen layers run in every epoch.  Each
runs in a new process, and is timed from its start until the network is saved;
the usual way does no balancing, synthetic field images, archive, calibration
or audit.  Prints both times, both accuracies on the same validation images,
both peaks of memory, and the ratio of the times.
"""

import argparse
import csv
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from leaffliction.augmentation.file_copy import link_or_copy
from leaffliction.utils import cli

HEAD_RATE, FINE_RATE = 1e-3, 1e-4     # from Keras's guide to fine-tuning


def run_ours(arguments: list[str], output: Path) -> tuple[float, dict]:
    """Run train.py; return seconds until signature.txt, and its report."""
    command = [sys.executable, "train.py", *arguments, "--output",
               str(output), "--no-display"]
    start = time.time()
    subprocess.run(command, check=True, stdout=sys.stderr)
    signature = output.with_name("signature.txt")
    report = output.parent / "report" / "report.json"
    return signature.stat().st_mtime - start, json.loads(report.read_text())


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


@dataclass(frozen=True)
class Settings:
    """What both ways have in common, from the report of ours.

    epochs: of the head and of fine-tuning.  unfrozen: number of layers.
    """

    size: int
    batch_size: int
    epochs: list[int]
    unfrozen: int
    weights: str


def train_usual(folder: Path, settings: Settings) -> tuple[float, float]:
    """Train as Keras's guides do.

    folder: of lay_out's trees.
    Returns the accuracy on validation, and the peak of memory in GB.
    """
    from leaffliction.training.backbone import build_backbone
    from leaffliction.training.keras import import_keras
    from leaffliction.training.pretrained import find_weights
    keras = import_keras()
    keras.utils.set_random_seed(42)
    size = settings.size
    parts = {part: keras.utils.image_dataset_from_directory(
        folder / part, image_size=(size, size),
        batch_size=settings.batch_size, shuffle=part == "training", seed=42,
        verbose=False) for part in ("training", "stopping", "validation")}
    classes = len(parts["training"].class_names)
    parts = {name: part.prefetch(2) for name, part in parts.items()}
    backbone = build_backbone(size, find_weights(settings.weights, folder)[0])
    model = keras.Sequential([
        keras.layers.Input((size, size, 3)),
        keras.layers.Rescaling(1 / 127.5, -1), backbone,
        keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.2),
        keras.layers.Dense(classes)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for rate, epochs in zip((HEAD_RATE, FINE_RATE), settings.epochs):
        model.compile(keras.optimizers.Adam(rate), loss,
                      metrics=["accuracy"])
        model.fit(parts["training"], validation_data=parts["stopping"],
                  epochs=epochs, shuffle=False, verbose=0)
        backbone.trainable = True
        for layer in backbone.layers[:-settings.unfrozen]:
            layer.trainable = False
        for layer in backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    model.save(folder / "model.keras")
    accuracy = model.evaluate(parts["validation"], verbose=0)[1]
    return accuracy, resource.getrusage(
        resource.RUSAGE_SELF).ru_maxrss / 2**20


def run_usual(folder: Path, settings: Settings) -> tuple[float, float, float]:
    """Return seconds, accuracy and peak memory (GB) of train_usual.

    It runs in a new process, and is timed from the start of that.
    """
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        accuracy, peak = pool.apply(train_usual, (folder, settings))
    return time.perf_counter() - start, accuracy, peak


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", type=Path, help="folder of class folders")
    parser.add_argument("--groups", help="see train.py")
    parser.add_argument("--weights", default="imagenet", help="see train.py")
    options, of_train = parser.parse_known_args(argv)
    arguments = [str(options.images), "--weights", options.weights, *of_train]
    if options.groups:
        arguments += ["--groups", options.groups]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        archive = folder / "learnings.zip"
        ours, report = run_ours(arguments, archive)
        peak = resource.getrusage(
            resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        lay_out(options.images, archive, folder / "report" / "split.csv",
                folder)
        fields = report["settings"]
        usual, accuracy, usual_peak = run_usual(folder, Settings(
            fields["size"], fields["batch_size"], report["epochs_done"],
            fields["unfrozen_layers"], options.weights))
    print(f"{report['augmented_images']} images of {fields['size']} pixels, "
          "epochs: {} of the head, {} of fine-tuning".format(
              *report["epochs_done"]))
    print(f"{'':<10} {'seconds':>8} {'accuracy':>9} {'GB':>6}")
    print(f"{'usual way':<10} {usual:8.1f} {accuracy:9.2%} "
          f"{usual_peak:6.2f}")
    print(f"{'train.py':<10} {ours:8.1f} "
          f"{report['validation']['accuracy']:9.2%} {peak:6.2f}")
    print(f"ratio {usual / ours:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
