"""Step 4: learn the diseases from a folder of labelled photographs.

    python train.py images
    python train.py images --groups leaf_groups.csv --output learnings.zip

Transfer learning: MobileNetV2 has learned on ImageNet to see edges, textures
and shapes; its lower blocks are kept as they are ("frozen") and only what
names the disease is learned, in two phases:

1. the head, a single layer on top of the frozen backbone, at a high rate;
2. fine-tuning: the topmost blocks are unfrozen and learn together with the
   head, at a rate so low that they keep what they know.

A frozen layer answers the same for an image at every epoch, so each image
goes through the frozen part once, and both phases learn from what it gave.
The split is by leaf, and the validation part is looked at once, at the end.
"""

import argparse
import csv
import json
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np

from Augmentation import plan_balance, write_plan
from utils import backbone as backbones
from utils import cli, labels
from utils.cli import UserError
from utils.evaluation import Evaluation, confusion_figure, evaluate
from utils.images import preprocess, read_batches, read_image, whole_file
from utils.labels import STOPPING, TRAINING, VALIDATION, Dataset
from utils.learnings import (Description, Learnings, energies, softmax,
                             sign, write_archive)
from utils.litert import Network
from utils.workers import map_items

OUTPUT = Path("learnings.zip")
STOPPING_SHARE = 0.1     # of the training part, for EarlyStopping
HEAD_RATE = 1e-3         # Adam's own default: the head starts from nothing
HEAD_EPOCHS = 30         # more than it ever needs; EarlyStopping ends it
FINE_RATE = 2e-4         # at 1e-3 the unfrozen blocks collapse to one class
WEIGHT_DECAY = 1e-4
DROPOUT = 0.2            # of the pooled features, against overfitting
UNFREEZE = 38            # layers: blocks 13 to 16 and the last convolution
FROZEN_BATCH = 32        # images that go through the frozen part at once
KEPT_KNOWN = 0.99        # share of the stopping part that counts as known
TEMPERATURES = np.geomspace(0.5, 5, 100)


def inspect(path: Path) -> np.ndarray:
    """Return an image's thumbnail; UserError where it can't be read."""
    return labels.thumbnail(read_image(path))


def read_leaves(folder: Path, groups: Path | None, jobs: int
                ) -> tuple[Dataset, list[str], list[UserError]]:
    """Return the readable images, the leaf of each, and the problems.

    Without a CSV of groups a leaf is a cluster of near-identical images.
    """
    dataset = labels.read_dataset(folder)
    found = list(cli.progress(map_items(inspect, dataset.paths(), jobs),
                              len(dataset.files), "Reading"))
    good = [index for index, thumbnail in enumerate(found)
            if not isinstance(thumbnail, UserError)]
    problems = [error for error in found if isinstance(error, UserError)]
    for problem in problems:
        cli.print_error(problem)
    if not good:
        raise UserError(f"{folder}: no readable image in it")
    dataset = dataset.subset(good)
    if len(set(dataset.labels)) < 2:
        raise UserError(f"{folder}: has one class only "
                        f"({dataset.class_names[dataset.labels[0]]}); "
                        "learning takes at least two")
    if groups is not None:
        return dataset, labels.read_groups(groups, dataset), problems
    thumbnails = np.stack([found[index] for index in good])
    return (dataset, labels.near_identical_groups(dataset.files, thumbnails),
            problems)


def frozen_features(network: Network, paths: list[Path], size: int,
                    folder: Path, title: str
                    ) -> tuple[np.ndarray, np.ndarray]:
    """Return what the frozen part gives for each image, computed once.

    network: images to (features at the cut, pooled features of the top).
    Returns features, float16 (N, h, w, channels), memory-mapped in folder,
    and pooled features, float32 (N, 1280).
    """
    features = pooled = None
    done = 0
    batches = read_batches(paths, size, FROZEN_BATCH)
    count = -(-len(paths) // FROZEN_BATCH)
    for batch in cli.progress(batches, count, title):
        for image in batch:
            if isinstance(image, UserError):
                raise image
        at_cut, at_top = network(np.stack(batch))
        if features is None:
            features = np.lib.format.open_memmap(
                folder / f"{title}.npy", "w+", np.float16,
                (len(paths), *at_cut.shape[1:]))
            pooled = np.empty((len(paths), at_top.shape[1]), np.float32)
        features[done:done + len(batch)] = at_cut
        pooled[done:done + len(batch)] = at_top
        done += len(batch)
    return features, pooled


def shuffled_batches(features: np.ndarray, targets: np.ndarray, size: int,
                     rng: np.random.Generator) -> Iterator[tuple]:
    """Yield batches (float32 features, targets) without end.

    All images anew in another order at each epoch; only a batch of the
    memory-mapped features is in memory.
    """
    while True:
        order = rng.permutation(len(features))
        for start in range(0, len(order), size):
            # Sorted: a disk reads forwards faster.
            rows = np.sort(order[start:start + size])
            yield features[rows].astype(np.float32), targets[rows]


def build_head(classes: int):
    """Return the new head: pooled features (N, 1280) to logits."""
    keras = backbones.import_keras()
    return keras.Sequential([
        keras.layers.Input((1280,)),
        keras.layers.Dropout(DROPOUT),
        keras.layers.Dense(classes)], name="head")


def train_head(head, learned: tuple, stopping: tuple, patience: int):
    """Phase 1: learn the head at a high rate; return Keras's history.

    learned, stopping: (pooled features, labels) to learn from and to stop
    by.
    """
    keras = backbones.import_keras()
    compile_model(head, keras.optimizers.Adam(HEAD_RATE))
    return head.fit(*learned, validation_data=stopping, batch_size=64,
                    epochs=HEAD_EPOCHS, verbose=0,
                    callbacks=[early_stopping(patience),
                               epoch_bar("Head", HEAD_EPOCHS)])


def build_top(backbone, cut: str, head):
    """Return the part that is fine-tuned: features at the cut to logits.

    Its blocks are unfrozen, all but BatchNorm: its statistics come from
    millions of photographs, those of one small batch would upset all that
    lies above.
    """
    keras = backbones.import_keras()
    names = [layer.name for layer in backbone.layers]
    above = backbone.layers[names.index(cut) + 1:]
    for layer in above:
        layer.trainable = not isinstance(
            layer, keras.layers.BatchNormalization)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.get_layer(cut).output, head(pooled))


def fine_tune(top, learned: tuple, stopping: tuple, rate: float, epochs: int,
              batch_size: int, patience: int, rng: np.random.Generator):
    """Phase 2: learn top and head at a low rate; return Keras's history.

    learned, stopping: (features at the cut, labels).  The rate falls along
    a cosine to 0 (Loshchilov and Hutter 2017).
    """
    keras = backbones.import_keras()
    features, targets = learned
    steps = -(-len(targets) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    compile_model(top, keras.optimizers.AdamW(
        schedule, weight_decay=WEIGHT_DECAY))
    history = top.fit(
        shuffled_batches(features, targets, batch_size, rng),
        steps_per_epoch=steps, epochs=epochs, verbose=0,
        validation_data=(stopping[0].astype(np.float32), stopping[1]),
        callbacks=[early_stopping(patience),
                   epoch_bar("Fine-tuning", epochs * steps)])
    if not np.isfinite(history.history["loss"]).all():
        raise UserError("the loss is no longer a number; try a lower "
                        "--learning-rate")
    return history


def compile_model(model, optimizer) -> None:
    """Set optimiser and loss: cross-entropy of the logits."""
    keras = backbones.import_keras()
    model.compile(optimizer, metrics=["accuracy"],
                  loss=keras.losses.SparseCategoricalCrossentropy(
                      from_logits=True))


def early_stopping(patience: int):
    """Return the callback that stops when the stopping part's loss rises.

    From there on the network would only learn its images by heart; the
    weights of the best epoch are put back.
    """
    keras = backbones.import_keras()
    return keras.callbacks.EarlyStopping(
        "val_loss", patience=patience, restore_best_weights=True)


def epoch_bar(title: str, total: int):
    """Return a callback with a progress bar of epochs, or of steps."""
    keras = backbones.import_keras()
    bar = cli.progress_bar()
    task = bar.add_task(title, total=total)

    def step(*_) -> None:
        bar.advance(task)

    by_step = total > HEAD_EPOCHS
    return keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: bar.start(),
        on_train_batch_end=step if by_step else None,
        on_epoch_end=None if by_step else step,
        on_train_end=lambda logs: bar.stop())


def calibrate(logits: np.ndarray, targets: np.ndarray
              ) -> tuple[float, float]:
    """Return temperature and energy threshold, from the stopping part.

    The temperature makes confidence and accuracy agree (Guo et al. 2017);
    above the threshold lies KEPT_KNOWN of the images.
    """
    rows = np.arange(len(targets))
    losses = [-np.log(np.maximum(softmax(logits / heat)[rows, targets],
                                 1e-12)).mean() for heat in TEMPERATURES]
    return (float(TEMPERATURES[int(np.argmin(losses))]),
            float(np.quantile(energies(logits), 1 - KEPT_KNOWN)))


def validate(learnings: Learnings, paths: list[Path], targets: np.ndarray
             ) -> Evaluation:
    """Evaluate the archive's own network, as predict.py would use it."""
    probabilities = []
    batches = read_batches(paths, learnings.description.size, FROZEN_BATCH)
    count = -(-len(paths) // FROZEN_BATCH)
    for batch in cli.progress(batches, count, "Validation"):
        for image in batch:
            if isinstance(image, UserError):
                raise image
        probabilities += [prediction.probabilities for prediction
                          in learnings.predict(np.stack(batch))]
    return evaluate(targets, np.array(probabilities), learnings.class_names)


def write_split(path: Path, dataset: Dataset, groups: list[str],
                parts: np.ndarray) -> None:
    """Write which image and leaf is in which part, one row an image."""
    with whole_file(path) as partial:
        with open(partial, "w", newline="", encoding="utf-8") as lines:
            writer = csv.writer(lines, lineterminator="\n")
            writer.writerow(("file", "class", "leaf", "part"))
            for file, label, leaf, part in zip(
                    dataset.files, dataset.labels, groups, parts):
                writer.writerow((file.as_posix(), dataset.class_names[label],
                                 leaf, part))


def curves_figure(pyplot, head: dict, fine: dict):
    """Return a figure of loss and accuracy over the epochs of both phases.

    head, fine: Keras's histories.
    """
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.2),
                                   layout="constrained")
    start = len(head["loss"])
    for ax, name in zip(axes, ("loss", "accuracy")):
        epochs = range(1, start + len(fine["loss"]) + 1)
        for key, label in ((name, "learned from"),
                           (f"val_{name}", "stopping part")):
            ax.plot(epochs, head[key] + fine[key], ".-", label=label)
        ax.axvline(start + 0.5, color="grey", linestyle="--",
                   label="fine-tuning starts")
        best = start + 1 + int(np.argmin(fine["val_loss"]))
        ax.axvline(best, color="green", linestyle=":", label="weights kept")
        ax.set_xlabel("epoch")
        ax.set_ylabel(name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    figure.suptitle("Head, then fine-tuning")
    return figure


class Clock:
    """Seconds that each phase took, said on stderr as it ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)
        cli.print_note(f"{name}: {self.seconds[name]:.1f} s")
