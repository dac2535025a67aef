"""leaffliction/training/report.py: what training leaves, as files and as pictures."""

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
FINE = {"loss": [0.3, 0.2, 0.1], "accuracy": [0.9, 0.9, 1.0],
        "val_loss": [0.4, 0.2, 0.3], "val_accuracy": [0.8, 0.9, 0.9]}


@pytest.fixture
def pyplot():
    yield open_pyplot(no_display=True)
    from matplotlib import pyplot
    pyplot.close("all")


@pytest.fixture
def validation(tmp_path):
    """Return 40 images of three classes."""
    files = [Path(f"{number}.png") for number in range(40)]
    for file in files:
        write_image(tmp_path / file, np.full((8, 8, 3), 99, np.uint8))
    return Dataset(tmp_path, tuple(files), np.arange(40) % 3, CLASS_NAMES,
                   CLASS_NAMES)


def probabilities_of(validation, wrong):
    """Return probabilities that are wrong for the first `wrong` images."""
    said = validation.labels.copy()
    said[:wrong] = (said[:wrong] + 1) % 3
    # The later, the surer.
    sure = np.linspace(0.5, 0.9, len(said))[:, np.newaxis]
    return np.where(np.eye(3, dtype=bool)[said], sure, (1 - sure) / 2)


@pytest.mark.parametrize("wrong, shown", [(0, 0), (1, 1), (5, 5), (30, 24)])
def test_each_wrong_image_is_shown_with_both_names(
        pyplot, validation, wrong, shown):
    figure = report.errors_figure(pyplot, validation, probabilities_of(
        validation, wrong))
    titles = [ax.get_title() for ax in figure.axes if ax.get_images()]
    assert len(titles) == shown
    assert figure.get_suptitle().startswith(
        f"{wrong} of 40 validation images are wrong")
    if shown:
        # The surest error first.
        label = (wrong - 1) % 3
        file, true, said = titles[0].splitlines()
        assert file == f"{wrong - 1}.png"
        names = [report.truncate(renderable(name), report.LONGEST_NAME)
                 for name in CLASS_NAMES]
        assert true == f"is {names[label]}"
        assert said.startswith(f"said {names[(label + 1) % 3]} (")
        figure.canvas.draw()


@pytest.mark.parametrize("fine, best, end", [(FINE, 4, 5), ({}, 2, 2)])
def test_the_curves_show_where_it_was_started_kept_and_stopped(
        pyplot, fine, best, end):
    figure = report.curves_figure(pyplot, HEAD, fine)
    for ax in figure.axes:
        lines = {line.get_label(): line for line in ax.lines}
        assert len(lines["learned from"].get_xdata()) == end
        assert lines["fine-tuning starts"].get_xdata()[0] == 2.5
        assert lines["weights kept"].get_xdata()[0] == best
        assert lines["stopped"].get_xdata()[0] == pytest.approx(end, abs=0.2)


def test_without_early_stopping_the_last_weights_are_kept(pyplot):
    figure = report.curves_figure(pyplot, HEAD, FINE, stops_early=False)
    for ax in figure.axes:
        lines = {line.get_label(): line for line in ax.lines}
        assert lines["weights kept"].get_xdata()[0] == 5


def test_all_files_are_written(validation, tmp_path):
    probabilities = probabilities_of(validation, 3)
    folder, details = tmp_path / "report", {"settings": {"patience": 3}}
    report.write_report(
        folder, details, evaluate(validation.labels, probabilities,
                                  CLASS_NAMES),
        (HEAD, FINE), validation, probabilities)
    assert json.loads((folder / "report.json").read_text()) == details
    assert {path.name for path in folder.iterdir()} == {
        "report.json", "confusion.png", "curves.png", "errors.png"}
