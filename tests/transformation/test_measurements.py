"""transformation/measurements.py: what is measured, against known shapes."""

import math
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from shapes import ellipse, two_leaves

from leaffliction.transformation.analysis import analyse_labels
from leaffliction.transformation.measurements import UNITS, measure
from samples.drawing import draw_leaf_and_mask


def measure_one(image, mask, quality=1.0):
    """Return the measurements of one leaf, given its mask."""
    return measure(analyse_labels(image, mask, [quality]))[0]


@pytest.fixture
def leaf():
    """Return a drawn leaf with lesions, RGB uint8, and its bool mask."""
    return draw_leaf_and_mask("Apple_rust", np.random.default_rng(3), 192)


def test_size_and_shape_of_an_ellipse():
    a, b = 90, 50
    values = measure_one(*ellipse(a, b))
    assert list(values) == list(UNITS)
    # Pixels are counted whole: half a pixel more on each side.
    assert values["area"] == pytest.approx(
        math.pi * (a + 0.5) * (b + 0.5), rel=0.01)
    assert values["width"] == 2 * a + 1 and values["height"] == 2 * b + 1
    assert values["center_of_mass_x"] == pytest.approx(150, abs=0.5)
    assert values["center_of_mass_y"] == pytest.approx(110, abs=0.5)
    assert values["solidity"] == pytest.approx(1, abs=0.015)
    assert values["ellipse_major_axis"] == pytest.approx(2 * a, rel=0.02)
    assert values["ellipse_minor_axis"] == pytest.approx(2 * b, rel=0.02)
    assert values["ellipse_eccentricity"] == pytest.approx(
        math.sqrt(1 - (b / a) ** 2), abs=0.01)
    assert values["longest_path"] == pytest.approx(2 * a, rel=0.03)
    # Ramanujan 1914; steps along pixels are up to 8 % longer.
    h = ((a - b) / (a + b)) ** 2
    perimeter = math.pi * (a + b) * (
        1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
    assert perimeter <= values["perimeter"] <= 1.08 * perimeter
    assert values["in_bounds"] is True


def test_mean_colours_are_those_of_the_leaf():
    image, mask = ellipse()
    values = measure_one(image, mask)
    assert values["red_mean"] == pytest.approx(60)
    assert values["green_mean"] == pytest.approx(130)
    assert values["blue_mean"] == pytest.approx(50)


def test_mean_hue_of_two_reds_is_red():
    # Hues of 350 and 10 degrees: the mean is 0, not 180 (cyan).
    image, mask = ellipse()
    image[:, :150] = (255, 0, 43)
    image[:, 150:] = (255, 43, 0)
    hue = measure_one(image, mask)["hue_circular_mean"]
    assert min(hue, 360 - hue) < 3


def test_lesions_and_quality_are_measured():
    image, mask = ellipse()
    for x in (100, 150):
        cv2.circle(image, (x, 128), 9, (110, 70, 40), -1)
    values = measure_one(image, mask, 0.75)
    share = 100 * 2 * np.pi * 9 ** 2 / mask.sum()
    assert values["lesion_share"] == pytest.approx(share, rel=0.2)
    assert values["spot_count"] == 2 and values["mask_quality"] == 0.75


def test_image_without_a_leaf_has_no_measurements():
    assert measure(analyse_labels(np.zeros((9, 9, 3), np.uint8),
                                  np.zeros((9, 9), bool), [])) == []


def test_leaf_is_measured_as_if_it_were_alone():
    image, labels = two_leaves()
    for x in (100, 480, 500):
        cv2.circle(image, (x, 110), 9, (110, 70, 40), -1)
    rows = measure(analyse_labels(image, labels, [0.9, 0.8]))
    for number, row in enumerate(rows, 1):
        half = np.s_[:, 320 * (number - 1):320 * number]
        alone = measure_one(image[half], labels[half] == number,
                            row["mask_quality"])
        alone["center_of_mass_x"] += 320 * (number - 1)
        assert row == pytest.approx(alone)
    assert rows[0]["lesion_share"] < 0.8 * rows[1]["lesion_share"]


def test_measurements_do_not_depend_on_the_image_before(leaf):
    before = measure_one(*ellipse())
    measure_one(*leaf)
    assert measure_one(*ellipse()) == before


def test_threads_of_a_worker_do_not_affect_each_other(leaf):
    # PlantCV's settings and observations are those of the whole process.
    expected = [measure_one(*ellipse()), measure_one(*leaf)]
    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(lambda pair: measure_one(*pair),
                               [ellipse(), leaf] * 20))
    assert values == expected * 20
