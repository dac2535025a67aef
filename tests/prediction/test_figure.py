"""leaffliction/prediction/figure.py: the figure shows the predictions."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib import pyplot

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.figure import (BARS, LESION, draw_predictions,
                                            outline_lesions, overlay_class_map)


def make_prediction(known=True, region=(0, 1), classes=7):
    """Return a prediction of class 1, which one of 2 x 2 regions supports."""
    maps = np.zeros((2, 2, classes), np.float32)
    maps[region][1] = 8
    shares = np.full(classes, 0.1 / (classes - 1))
    shares[1] = 0.9
    names = tuple(f"class {number}" for number in range(classes))
    return Prediction(names, shares, 1.0, known, maps)


@pytest.fixture
def leaf():
    """Return a green leaf with a brown spot, RGB uint8 (200, 300, 3)."""
    rgb_img = np.full((200, 300, 3), 225, np.uint8)
    cv2.ellipse(rgb_img, (150, 100), (110, 70), 0, 0, 360, (60, 130, 50), -1)
    cv2.circle(rgb_img, (190, 110), 14, (120, 80, 40), -1)
    return rgb_img


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures after each test."""
    yield
    pyplot.close("all")


@pytest.mark.parametrize("region, pixels", [
    ((0, 1), np.s_[:90, 160:]), ((1, 0), np.s_[110:, :140])])
def test_regions_that_support_the_class_are_red(leaf, region, pixels):
    overlay = overlay_class_map(leaf, make_prediction(region=region))
    assert overlay.shape == leaf.shape
    redness = overlay[..., 0].astype(int) - overlay[..., 2]
    assert redness[pixels].mean() > redness.mean() + 15


def test_logits_common_to_all_classes_do_not_change_the_map(leaf):
    prediction = make_prediction()
    shifted = Prediction(
        prediction.class_names, prediction.probabilities, 1.0, True,
        prediction.class_maps + np.array([[[5.0], [0.0]], [[1.0], [2.0]]]))
    assert np.array_equal(overlay_class_map(leaf, prediction),
                          overlay_class_map(leaf, shifted))


def test_lesions_are_outlined_on_white(leaf):
    view = outline_lesions(leaf)
    rows, columns = np.nonzero((view == LESION).all(axis=2))
    assert abs(columns.mean() - 190) < 3 and abs(rows.mean() - 110) < 3
    assert (np.hypot(columns - 190, rows - 110) > 8).all()
    assert (view[:20] == 255).all()
    empty = np.full((50, 50, 3), 100, np.uint8)
    assert np.array_equal(outline_lesions(empty), empty)


def test_outlines_are_thin_on_small_leaves():
    image = np.full((800, 800, 3), 150, np.uint8)
    for x in (200, 600):
        cv2.circle(image, (x, 400), 60, (60, 130, 50), -1)
        for y in (370, 430):
            cv2.circle(image, (x, y), 6, (110, 70, 40), -1)
    outlines = (outline_lesions(image) == LESION).all(axis=2)
    # One pixel wide around each of four lesions, not seven.
    assert 4 * 25 < outlines.sum() < 4 * 60


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
