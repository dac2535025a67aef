"""leaffliction/prediction/figure.py: the figure shows the predictions."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.figure import BARS, draw_predictions
from tests.prediction.example_predictions import draw_leaf, make_prediction


@pytest.fixture
def leaf():
    """Return a green leaf with a brown spot, RGB uint8 (200, 300, 3)."""
    return draw_leaf()


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures after each test."""
    yield
    pyplot.close("all")


@pytest.mark.parametrize("known, caption, colour", [
    (True, "class 1   90.0%", "darkgreen"),
    (False, "not like any leaf it has learned: no diagnosis (nearest: "
            "class 1)", "firebrick")])
def test_caption_and_bars_show_the_prediction(leaf, known, caption, colour):
    figure = draw_predictions(pyplot, [
        PredictedFile(Path("leaf.png"), make_prediction(known), leaf)] * 2)
    figure.canvas.draw()
    assert len(figure.subfigs) == 2
    row = figure.subfigs[0]
    assert row.get_supxlabel() == caption
    assert row._supxlabel.get_color() == colour
    bars = row.axes[3].patches
    assert len(bars) == BARS
    assert bars[0].get_width() == pytest.approx(0.9)
    texts = [text.get_text() for text in row.axes[3].texts]
    assert texts[:2] == ["class 1", "90.0%"]
    # The bars stay inside the figure and right of the images.
    box = row.axes[3].get_tightbbox()
    assert box.x1 <= figure.bbox.x1 and box.x0 >= row.axes[2].bbox.x1 - 1


def test_two_classes_have_two_bars(leaf):
    figure = draw_predictions(pyplot, [
        PredictedFile(Path("leaf.png"), make_prediction(classes=2), leaf)])
    assert len(figure.subfigs[0].axes[3].patches) == 2


def test_subject_17_the_figure_has_original_transformed_and_class(leaf):
    prediction = Prediction(("Apple_scab", "Grape_$x$"), np.array([0.1, 0.9]),
                            -5.0, True, np.zeros((2, 2, 2), np.float32))
    figure = draw_predictions(pyplot, [
        PredictedFile(Path("leaf.png"), prediction, leaf)])
    figure.canvas.draw()
    row, = figure.subfigs
    assert [ax.get_title() for ax in row.axes] == [
        "Original", "Transformed: lesions", "What it looked at",
        "Most probable classes"]
    original, transformed, _ = (ax.images[0].get_array()
                                for ax in row.axes[:3])
    assert (original == leaf).all()
    assert (transformed == 255).all(axis=2).mean() > 0.1
    # A dollar sign in a name is not a formula.
    assert row.get_supxlabel() == r"Grape_\$x\$   90.0%"
