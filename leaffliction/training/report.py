"""The report folder: what training did, as JSON, CSV and figures.

report.json      settings, figures, versions, seconds of each phase
split.csv        each image's class, leaf and part of the split
confusion.png    confusion matrix of the validation set
curves.png       loss and accuracy of each epoch
errors.png       validation images that were predicted wrongly
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from leaffliction.model.metrics import Evaluation, confusion_figure
from leaffliction.utils.console import print_note
from leaffliction.utils.figures import (hide_axes, open_pyplot, renderable,
                                        save_figure, truncate)
from leaffliction.utils.files import atomic_write
from leaffliction.utils.images import read_reduced, shrink
from leaffliction.utils.labels import Dataset
from leaffliction.utils.tables import write_csv

MAX_ERRORS = 24          # images in errors.png
ERRORS_PER_ROW = 6
IMAGE_SIDE = 400         # pixels of the longer side of an image in a figure
NAME_LENGTH = 24         # characters of a name above an image, at most


def report_files(folder: Path) -> list[Path]:
    """Return the files of a report; the first one is written last."""
    return [folder / name for name in (
        "report.json", "split.csv", "confusion.png", "curves.png",
        "errors.png")]


class Clock:
    """Measures how long each phase takes; prints it as the phase ends."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def elapsed(self) -> float:
        """Return the seconds since the clock was made."""
        return time.perf_counter() - self.start

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the block; a phase that fails is not counted."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)
        print_note(f"{name}: {self.seconds[name]:.1f} s")


def write_split(path: Path, dataset: Dataset, leaves: list[str],
                parts: np.ndarray) -> None:
    """Write split.csv: one row for each image of a data set.

    leaves, parts: the leaf and the part of the split of each image, (N,).
    """
    write_csv(path, ("file", "class", "leaf", "part"), (
        (file.as_posix(), dataset.class_names[label], leaf, part)
        for file, label, leaf, part in zip(
            dataset.files, dataset.labels, leaves, parts)))


def write_report(folder: Path, details: dict, evaluation: Evaluation,
                 histories: tuple[dict, dict], validation: Dataset,
                 probabilities: np.ndarray) -> None:
    """Write report.json (the details) and the three figures into a folder.

    histories: Keras's, of the head and of fine-tuning.
    validation, probabilities (N, classes): what was evaluated.
    """
    pyplot = open_pyplot(no_display=True)
    stops_early = details["settings"]["patience"] is not None
    for name, figure in (
            ("confusion", confusion_figure(pyplot, evaluation)),
            ("curves", curves_figure(pyplot, *histories, stops_early)),
            ("errors", errors_figure(pyplot, validation, probabilities))):
        save_figure(figure, folder / f"{name}.png")
    pyplot.close("all")
    # Written last, so that a folder with report.json is complete.
    with atomic_write(folder / "report.json") as partial:
        partial.write_text(json.dumps(details, indent=1) + "\n")


def curves_figure(pyplot, head: dict, fine_tuning: dict,
                  stops_early: bool = True):
    """Return a figure of loss and accuracy over the epochs of both phases.

    head, fine_tuning: Keras's histories; the second is empty if fine-tuning
    was interrupted in its first epoch.  stops_early: whether the weights of
    the epoch with the lowest loss were kept, or else the last ones.
    """
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.2),
                                   layout="constrained")
    losses = head["val_loss"] + fine_tuning.get("val_loss", [])
    epochs = range(1, len(losses) + 1)
    best = 1 + int(np.argmin(losses)) if stops_early else len(losses)
    for ax, name in zip(axes, ("loss", "accuracy")):
        for key, label in ((name, "training set"),
                           (f"val_{name}", "early-stopping set")):
            ax.plot(epochs, head[key] + fine_tuning.get(key, []), ".-",
                    label=label)
        ax.axvline(len(head["loss"]) + 0.5, color="grey", linestyle="--",
                   label="fine-tuning starts")
        ax.axvline(best, color="green", linestyle=":", label="weights kept")
        ax.axvline(len(losses) + 0.1, color="black", linestyle="-.",
                   label="stopped")
        ax.set_xlabel("epoch")
        ax.set_ylabel(name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    figure.suptitle("Head, then fine-tuning")
    return figure


def errors_figure(pyplot, validation: Dataset, probabilities: np.ndarray):
    """Return a figure of wrong predictions, with true and predicted class.

    probabilities: of the validation images, (N, classes).  At most
    MAX_ERRORS are shown, those of the highest confidence first.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != validation.labels)
    wrong = wrong[np.argsort(-probabilities[wrong].max(axis=1),
                             kind="stable")]
    shown = wrong[:MAX_ERRORS]
    columns = min(max(len(shown), 2), ERRORS_PER_ROW)
    rows = max(1, -(-len(shown) // columns))
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(2.9 * columns, 3.4 * rows + 0.5),
        layout="constrained", squeeze=False)
    for ax in axes.flat:
        hide_axes(ax)
    names = [renderable(truncate(name, NAME_LENGTH))
             for name in validation.class_names]
    for ax, index in zip(axes.flat, shown):
        path = validation.root / validation.files[index]
        ax.imshow(shrink(read_reduced(path, IMAGE_SIDE), IMAGE_SIDE))
        ax.set_title(
            f"{renderable(truncate(path.name, NAME_LENGTH))}\n"
            f"is {names[validation.labels[index]]}\n"
            f"predicted {names[predicted[index]]} "
            f"({probabilities[index].max():.0%})", fontsize=9)
    figure.suptitle(
        f"{len(wrong)} of {len(predicted)} validation images are wrong"
        + (f", the {len(shown)} surest of them" if len(shown) < len(wrong)
           else ""))
    return figure
