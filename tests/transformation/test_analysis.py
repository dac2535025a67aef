"""transformation/analysis.py: each result is computed at most once."""

from collections import Counter

import cv2
import numpy as np
import pytest
from shapes import ellipse, two_leaves

from leaffliction.transformation import analysis, histogram, lesions
from leaffliction.transformation.analysis import analyse_image, analyse_labels
from leaffliction.transformation.measurements import measure
from leaffliction.transformation.plantcv_adapter import plantcv
from leaffliction.transformation.views import VIEWS


@pytest.fixture
def calls(monkeypatch):
    """Return a Counter of the calls of the expensive functions."""
    counter = Counter()
    with plantcv() as pcv:
        owners = (
            (analysis, "find_leaves"), (lesions, "lesions_at_fixed_area"),
            (histogram.cv2, "calcHist"), (pcv.analyze, "size"))

    def count(owner, name):
        function = getattr(owner, name)

        def counted(*arguments, **options):
            counter[name] += 1
            return function(*arguments, **options)
        monkeypatch.setattr(owner, name, counted)

    for owner, name in owners:
        count(owner, name)
    return counter


def test_each_leaf_is_analysed_once_for_all_views_and_measurements(calls):
    image = analyse_image(two_leaves()[0])
    for _ in range(2):
        for view in VIEWS.values():
            view.draw(image)
        measure(image)
    assert calls == {"find_leaves": 1, "lesions_at_fixed_area": 2,
                     "calcHist": 2 * 9, "size": 2}


@pytest.mark.parametrize("name, needed", [
    ("Original", {}), ("Mask", {}), ("ROI", {}), ("Blur", {}),
    ("Analyze", {"size": 2}), ("Lesions", {"lesions_at_fixed_area": 2}),
    ("Histogram", {"calcHist": 18})])
def test_views_compute_no_more_than_they_need(name, needed, calls):
    VIEWS[name].draw(analyse_image(two_leaves()[0]))
    assert calls == {"find_leaves": 1} | needed


def test_leaves_have_boxes_masks_and_qualities():
    image, mask = ellipse()
    analysed = analyse_labels(*two_leaves(), [0.9, 0.8])
    for leaf, number, quality in zip(analysed.leaves, (1, 2), (0.9, 0.8)):
        # The ellipse: 150 +- 90, 110 +- 50.
        assert leaf.box == (60 + 320 * (number - 1), 60, 181, 101)
        assert (leaf.mask == mask[60:161, 60:241]).all()
        assert (leaf.number, leaf.quality) == (number, quality)
        assert leaf.area == np.count_nonzero(mask)
        assert leaf.longer_side == 181
    alone = analyse_labels(image, mask, [1.0]).leaves
    assert [leaf.box for leaf in alone] == [(60, 60, 181, 101)]


def test_leaf_that_others_cover_is_not_analysed():
    image, labels = two_leaves()
    labels[labels == 1] = 3
    leaves = analyse_labels(image, labels, [0.9, 0.8, 0.7]).leaves
    assert [(leaf.number, leaf.quality) for leaf in leaves] == [
        (2, 0.8), (3, 0.7)]


def test_image_without_a_leaf_has_no_leaves():
    image = analyse_image(np.full((40, 50, 3), 150, np.uint8))
    assert image.leaves == () and not image.labels.any()
    assert image.size.values == []
    assert (image.size.drawing == image.rgb_img).all()
    assert not any(map(np.any, image.proportions.values()))


def test_lesions_and_colours_are_those_of_each_leaf():
    rgb_img, labels = two_leaves()
    cv2.circle(rgb_img, (320 + 150, 110), 12, (110, 70, 40), -1)
    image = analyse_labels(rgb_img, labels, [1.0, 1.0])
    healthy, diseased = image.leaves
    assert not healthy.lesions.any()
    assert diseased.lesions[110 - 60, 150 - 60]
    assert diseased.lesions.sum() == pytest.approx(np.pi * 12 ** 2, rel=0.2)
    assert healthy.proportions["red"][60] == pytest.approx(100)
    both = (healthy.proportions["red"] + diseased.proportions["red"]) / 2
    assert image.proportions["red"] == pytest.approx(both, abs=1e-4)
