"""leaffliction/prediction/figure.py: what is drawn is what was answered."""

import cv2
import numpy as np
import pytest
from matplotlib import pyplot

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.figure import (BARS, LESION, draw_predictions,
                                            looked_at, outlined)
from leaffliction.utils.images import write_image


def make_prediction(known=True, place=(0, 1), classes=7):
    """Return a Prediction of the second class, seen at a place of 2 x 2."""
    maps = np.zeros((2, 2, classes), np.float32)
    maps[place][1] = 8
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
def close():
    """Close all figures after a test."""
    yield
    pyplot.close("all")


@pytest.mark.parametrize("place, half", [
    ((0, 1), np.s_[:90, 160:]), ((1, 0), np.s_[110:, :140])])
def test_red_is_where_the_class_was_seen(leaf, place, half):
    looked = looked_at(leaf, make_prediction(place=place)).astype(int)
    assert looked.shape == leaf.shape
    redder = looked[..., 0] - looked[..., 2]
    assert redder[half].mean() > redder.mean() + 15


def test_what_speaks_for_all_classes_alike_speaks_for_none(leaf):
    prediction = make_prediction()
    shifted = Prediction(
        prediction.class_names, prediction.probabilities, 1.0, True,
        prediction.class_maps + np.array([[[5.0], [0.0]], [[1.0], [2.0]]]))
    assert np.array_equal(looked_at(leaf, prediction),
                          looked_at(leaf, shifted))


def test_the_lesion_is_outlined_on_white(leaf):
    drawn = outlined(leaf)
    rows, columns = np.nonzero((drawn == LESION).all(axis=2))
    assert abs(columns.mean() - 190) < 3 and abs(rows.mean() - 110) < 3
    assert (np.hypot(columns - 190, rows - 110) > 8).all()
    assert (drawn[:20] == 255).all()
    nothing = np.full((50, 50, 3), 100, np.uint8)
    assert np.array_equal(outlined(nothing), nothing)


def test_a_small_leaf_s_lesions_are_not_drawn_over():
    image = np.full((800, 800, 3), 150, np.uint8)
    for x in (200, 600):
        cv2.circle(image, (x, 400), 60, (60, 130, 50), -1)
        for y in (370, 430):
            cv2.circle(image, (x, y), 6, (110, 70, 40), -1)
    drawn = (outlined(image) == LESION).all(axis=2)
    # A line of one pixel round each of four spots, and not 7 wide.
    assert 4 * 25 < drawn.sum() < 4 * 60


@pytest.mark.parametrize("known, words, colour", [
    (True, "class 1   90.0%", "darkgreen"),
    (False, "not like any leaf it has learned: no diagnosis (nearest: "
            "class 1)", "firebrick")])
def test_the_words_and_bars_say_what_was_answered(
        leaf, tmp_path, known, words, colour):
    write_image(tmp_path / "leaf.png", leaf)
    figure = draw_predictions(pyplot, [
        (tmp_path / "leaf.png", make_prediction(known))] * 2)
    figure.canvas.draw()
    assert len(figure.subfigs) == 2
    part = figure.subfigs[0]
    assert part.get_supxlabel() == words
    assert part._supxlabel.get_color() == colour
    bars = part.axes[3].patches
    assert len(bars) == BARS
    assert bars[0].get_width() == pytest.approx(0.9)
    shown = [text.get_text() for text in part.axes[3].texts]
    assert shown[:2] == ["class 1", "90.0%"]
    # Nothing is drawn outside of its part.
    box = part.axes[3].get_tightbbox()
    assert box.x1 <= figure.bbox.x1 and box.x0 >= part.axes[2].bbox.x1 - 1


def test_two_classes_have_two_bars(leaf, tmp_path):
    write_image(tmp_path / "leaf.png", leaf)
    figure = draw_predictions(pyplot, [
        (tmp_path / "leaf.png", make_prediction(classes=2))])
    assert len(figure.subfigs[0].axes[3].patches) == 2
