"""leaffliction/prediction/leaf_views.py: the views show what they say."""

import math

import cv2
import numpy as np
import pytest

from leaffliction.model.classifier import Prediction
from leaffliction.prediction import leaf_views as leaf_view_module
from leaffliction.prediction.leaf_views import (LESION, leaf_views,
                                                overlay_class_map)
from tests.prediction.example_predictions import draw_leaf, make_prediction


def draw_plate():
    """Return two small leaves with two lesions each, RGB uint8."""
    image = np.full((800, 800, 3), 150, np.uint8)
    for x in (200, 600):
        cv2.circle(image, (x, 400), 60, (60, 130, 50), -1)
        for y in (370, 430):
            cv2.circle(image, (x, y), 6, (110, 70, 40), -1)
    return image


@pytest.mark.parametrize("region, pixels", [
    ((0, 1), np.s_[:90, 160:]), ((1, 0), np.s_[110:, :140])])
def test_regions_that_support_the_class_are_red(region, pixels):
    leaf = draw_leaf()
    overlay = overlay_class_map(leaf, make_prediction(region=region))
    assert overlay.shape == leaf.shape
    redness = overlay[..., 0].astype(int) - overlay[..., 2]
    assert redness[pixels].mean() > redness.mean() + 15


def test_logits_common_to_all_classes_do_not_change_the_map():
    leaf, prediction = draw_leaf(), make_prediction()
    shifted = Prediction(
        prediction.class_names, prediction.probabilities, 1.0, True,
        prediction.class_maps + np.array([[[5.0], [0.0]], [[1.0], [2.0]]]))
    assert np.array_equal(overlay_class_map(leaf, prediction),
                          overlay_class_map(leaf, shifted))


def test_the_leaf_is_on_white_and_its_lesions_are_outlined():
    leaf, prediction = draw_leaf(), make_prediction()
    views = leaf_views(leaf, prediction)
    assert np.array_equal(views.photograph, leaf)
    assert np.array_equal(views.class_map,
                          overlay_class_map(leaf, prediction))
    rows, columns = np.nonzero((views.lesions == LESION).all(axis=2))
    assert abs(columns.mean() - 190) < 3 and abs(rows.mean() - 110) < 3
    assert (np.hypot(columns - 190, rows - 110) > 8).all()
    assert (views.lesions[:20] == 255).all()
    # The leaf alone: no outlines.
    assert not (views.leaf == LESION).all(axis=2).any()
    assert (views.leaf[:20] == 255).all()
    assert np.array_equal(views.leaf[100, 150], leaf[100, 150])


def test_the_lesions_are_measured():
    summary = leaf_views(draw_leaf(), make_prediction()).summary
    assert (summary.leaves, summary.spots) == (1, 1)
    # One disc on one ellipse; the lesions' edge is found to a pixel.
    assert summary.share == pytest.approx(
        math.pi * 14 ** 2 / (math.pi * 110 * 70), rel=0.2)


def test_the_lesions_of_several_leaves_are_added():
    views = leaf_views(draw_plate(), make_prediction())
    assert (views.summary.leaves, views.summary.spots) == (2, 4)
    # One pixel wide around each of four lesions, not seven.
    outlines = (views.lesions == LESION).all(axis=2)
    assert 4 * 25 < outlines.sum() < 4 * 60


def test_views_are_reduced(monkeypatch):
    monkeypatch.setattr(leaf_view_module, "MAX_SIDE", 150)
    views = leaf_views(draw_leaf(), make_prediction())
    for view in (views.photograph, views.leaf, views.lesions,
                 views.class_map):
        assert view.shape == (100, 150, 3)


def test_without_a_leaf_there_is_nothing_to_measure():
    empty = np.full((50, 50, 3), 100, np.uint8)
    views = leaf_views(empty, make_prediction())
    assert (views.leaf, views.lesions, views.summary) == (None, None, None)
    assert views.class_map.shape == empty.shape
