"""What training leaves beside the archive, to evaluate_classifier what was learned."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from leaffliction.model.metrics import Evaluation, confusion_figure
from leaffliction.utils.console import print_note
from leaffliction.utils.figures import (drawable, open_pyplot, save_figure,
                                        shortened)
from leaffliction.utils.files import atomic_write
from leaffliction.utils.images import read_reduced, shrink
from leaffliction.utils.labels import Dataset
from leaffliction.utils.tables import write_csv

MOST_ERRORS = 24         # on the figure of errors
ERRORS_A_ROW = 6
LONGEST_SIDE = 400       # pixels; a figure shows no more of an image
LONGEST_NAME = 24        # characters of a name under a small picture


def report_files(folder: Path) -> list[Path]:
    """Return all files of a report; the first one is written last."""
    return [folder / name for name in (
        "report.json", "split.csv", "confusion.png", "curves.png",
        "errors.png")]


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
        print_note(f"{name}: {self.seconds[name]:.1f} s")


def write_split(path: Path, dataset: Dataset, groups: list[str],
                parts: np.ndarray) -> None:
    """Write which image and leaf is in which part, one row an image."""
    write_csv(path, ("file", "class", "leaf", "part"), (
        (file.as_posix(), dataset.class_names[label], leaf, part)
        for file, label, leaf, part in zip(
            dataset.files, dataset.labels, groups, parts)))


def curves_figure(pyplot, head: dict, fine: dict,
                  stops_early: bool = True):
    """Return a figure of loss and accuracy over the epochs of both phases.

    head, fine: Keras's histories; that of fine-tuning is empty where it was
    stopped in its first epoch.  stops_early: the weights of the epoch with
    the lowest loss were kept, not the last ones.
    """
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.2),
                                   layout="constrained")
    start = len(head["loss"])
    losses = head["val_loss"] + fine.get("val_loss", [])
    for ax, name in zip(axes, ("loss", "accuracy")):
        epochs = range(1, len(losses) + 1)
        for key, label in ((name, "learned from"),
                           (f"val_{name}", "stopping part")):
            ax.plot(epochs, head[key] + fine.get(key, []), ".-", label=label)
        ax.axvline(start + 0.5, color="grey", linestyle="--",
                   label="fine-tuning starts")
        ax.axvline(1 + int(np.argmin(losses)) if stops_early else len(losses),
                   color="green", linestyle=":", label="weights kept")
        ax.axvline(len(losses) + 0.1, color="black", linestyle="-.",
                   label="stopped")
        ax.set_xlabel("epoch")
        ax.set_ylabel(name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    figure.suptitle("Head, then fine-tuning")
    return figure


def errors_figure(pyplot, validation: Dataset, probabilities: np.ndarray):
    """Return a figure of the wrong validation images, with both names.

    probabilities: (N, classes).  The surest errors come first.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != validation.labels)
    wrong = wrong[np.argsort(-probabilities[wrong].max(axis=1),
                             kind="stable")]
    shown = wrong[:MOST_ERRORS]
    columns = min(max(len(shown), 2), ERRORS_A_ROW)
    rows = max(1, -(-len(shown) // columns))
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(2.9 * columns, 3.4 * rows + 0.5),
        layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    names = [drawable(shortened(name, LONGEST_NAME))
             for name in validation.class_names]
    for ax, index in zip(axes.flat, shown):
        file = validation.files[index].name
        ax.imshow(shrink(read_reduced(
            validation.root / validation.files[index], LONGEST_SIDE),
            LONGEST_SIDE))
        ax.set_title(
            f"{drawable(shortened(file, LONGEST_NAME))}\n"
            f"is {names[validation.labels[index]]}\n"
            f"said {names[predicted[index]]} "
            f"({probabilities[index].max():.0%})", fontsize=9)
    figure.suptitle(
        f"{len(wrong)} of {len(predicted)} validation images are wrong"
        + (f", the {len(shown)} surest of them" if len(shown) < len(wrong)
           else ""))
    return figure


def write_report(folder: Path, details: dict, evaluation: Evaluation,
                 histories: tuple[dict, dict], validation: Dataset,
                 probabilities: np.ndarray) -> None:
    """Write report.json and the three figures into folder.

    validation, probabilities (N, classes): what was evaluated.
    """
    pyplot = open_pyplot(no_display=True)
    for name, figure in (
            ("confusion", confusion_figure(pyplot, evaluation)),
            ("curves", curves_figure(
                pyplot, *histories,
                details["settings"]["patience"] is not None)),
            ("errors", errors_figure(pyplot, validation, probabilities))):
        save_figure(figure, folder / f"{name}.png")
    pyplot.close("all")
    # Last: where it is there, all the rest is.
    with atomic_write(folder / "report.json") as partial:
        partial.write_text(json.dumps(details, indent=1) + "\n")
