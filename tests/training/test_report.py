"""leaffliction/training/report.py: what the figures show, and all files."""

import json
from pathlib import Path

import numpy as np
import pytest

from leaffliction.model.metrics import evaluate
from leaffliction.training import report
from leaffliction.utils.figures import open_pyplot, renderable
from leaffliction.utils.images import write_image
from leaffliction.utils.labels import Dataset

CLASS_NAMES = ("Apple_scab", "Grape_$Esca$", "Apple_" + 30 * "x")
HEAD = {"loss": [1.0, 0.5], "accuracy": [0.5, 0.8],
        "val_loss": [0.9, 0.6], "val_accuracy": [0.6, 0.7]}
FINE_TUNING = {
    "loss": [0.3, 0.2, 0.1], "accuracy": [0.9, 0.9, 1.0],
    "val_loss": [0.4, 0.2, 0.3], "val_accuracy": [0.8, 0.9, 0.9]}


@pytest.fixture
def pyplot():
    yield open_pyplot(no_display=True)
    from matplotlib import pyplot
    pyplot.close("all")


@pytest.fixture
def validation(tmp_path):
    """Return a data set of 40 grey images in three classes."""
    files = [Path(f"{number}.png") for number in range(40)]
    for file in files:
        write_image(tmp_path / file, np.full((8, 8, 3), 99, np.uint8))
    return Dataset(tmp_path, tuple(files), np.arange(40) % 3, CLASS_NAMES,
                   CLASS_NAMES)


def make_probabilities(validation, wrong):
    """Return probabilities, (40, 3), wrong for the first `wrong` images.

    The confidence rises from image to image.
    """
    predicted = validation.labels.copy()
    predicted[:wrong] = (predicted[:wrong] + 1) % 3
    confidence = np.linspace(0.5, 0.9, len(predicted))[:, np.newaxis]
    return np.where(np.eye(3, dtype=bool)[predicted], confidence,
                    (1 - confidence) / 2)


@pytest.mark.parametrize("wrong, shown", [(0, 0), (1, 1), (5, 5), (30, 24)])
def test_errors_figure_shows_true_and_predicted_class(
        pyplot, validation, wrong, shown):
    figure = report.errors_figure(pyplot, validation, make_probabilities(
        validation, wrong))
    titles = [ax.get_title() for ax in figure.axes if ax.get_images()]
    assert len(titles) == shown
    assert figure.get_suptitle().startswith(
        f"{wrong} of 40 validation images are wrong")
    if shown:
        # The wrong prediction of the highest confidence comes first.
        label = (wrong - 1) % 3
        file, true, predicted = titles[0].splitlines()
        assert file == f"{wrong - 1}.png"
        names = [report.truncate(renderable(name), report.NAME_LENGTH)
                 for name in CLASS_NAMES]
        assert true == f"is {names[label]}"
        assert predicted.startswith(f"predicted {names[(label + 1) % 3]} (")
        # A name with $ or of any length can be drawn.
        figure.canvas.draw()


@pytest.mark.parametrize("fine_tuning, best, last", [
    (FINE_TUNING, 4, 5), ({}, 2, 2)])
def test_curves_figure_marks_start_best_and_last_epoch(
        pyplot, fine_tuning, best, last):
    figure = report.curves_figure(pyplot, HEAD, fine_tuning)
    for ax in figure.axes:
        lines = {line.get_label(): line for line in ax.lines}
        assert len(lines["training set"].get_xdata()) == last
        assert len(lines["early-stopping set"].get_xdata()) == last
        assert lines["fine-tuning starts"].get_xdata()[0] == 2.5
        assert lines["weights kept"].get_xdata()[0] == best
        assert lines["stopped"].get_xdata()[0] == pytest.approx(last, abs=0.2)


def test_without_early_stopping_the_last_weights_are_kept(pyplot):
    figure = report.curves_figure(pyplot, HEAD, FINE_TUNING,
                                  stops_early=False)
    for ax in figure.axes:
        lines = {line.get_label(): line for line in ax.lines}
        assert lines["weights kept"].get_xdata()[0] == 5


def test_write_report_writes_json_and_three_figures(validation, tmp_path):
    probabilities = make_probabilities(validation, 3)
    folder, details = tmp_path / "report", {"settings": {"patience": 3}}
    report.write_report(
        folder, details, evaluate(validation.labels, probabilities,
                                  CLASS_NAMES),
        (HEAD, FINE_TUNING), validation, probabilities)
    assert json.loads((folder / "report.json").read_text()) == details
    written = {path.name for path in folder.iterdir()}
    assert written == {
        "report.json", "confusion.png", "curves.png", "errors.png"}
    # split.csv has a writer of its own.
    assert {path.name for path in report.report_files(folder)} == {
        *written, "split.csv"}
