"""leaffliction/transformation/views.py: what each view shows, and what is measured."""

import math
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from shapes import ellipse

from leaffliction.transformation import views
from leaffliction.transformation.mask import on_white
from leaffliction.transformation.views import UNITS, VIEWS, landmarks, measure
from samples.drawing import draw_leaf_and_mask


@pytest.fixture
def leaf():
    """Return a drawn leaf with lesions, RGB uint8, and its bool mask."""
    return draw_leaf_and_mask("Apple_rust", np.random.default_rng(3), 192)


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_rgb_and_leave_the_image_alone(name, leaf):
    image, mask = leaf
    kept = image.copy(), mask.copy()
    view = VIEWS[name][1](image, mask)
    assert view.dtype == np.uint8 and view.shape[2] == 3
    assert name == "Histogram" or view.shape == image.shape
    assert (image == kept[0]).all() and (mask == kept[1]).all()
    assert (view == VIEWS[name][1](image, mask)).all()


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (24, 24)])
def test_views_of_empty_tiny_and_full_masks(name, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3))
    for mask in (np.zeros(shape, bool), np.ones(shape, bool)):
        view = VIEWS[name][1](image.astype(np.uint8), mask)
        assert view.dtype == np.uint8 and view.ndim == 3


def test_original_is_the_photograph(leaf):
    assert (VIEWS["Original"][1](*leaf) == leaf[0]).all()


def test_blur_shows_the_lesion_as_a_hole():
    image, mask = ellipse()
    cv2.circle(image, (150, 110), 15, (150, 80, 40), -1)
    view = VIEWS["Blur"][1](image, mask)
    assert (view[..., 0] == view[..., 1]).all()
    assert view[110, 150, 0] == 0          # lesion
    assert view[110, 100, 0] == 255        # green
    assert view[5, 5, 0] == 0              # table
    assert ((view > 0) & (view < 255)).any()   # blurred


def test_mask_is_the_leaf_on_white(leaf):
    assert (VIEWS["Mask"][1](*leaf) == on_white(*leaf)).all()


def test_roi_is_green_in_a_blue_frame():
    image, mask = ellipse()
    view = VIEWS["ROI"][1](image, mask)
    blue = (view == views.BLUE).all(axis=2)
    green = (view == views.GREEN).all(axis=2)
    assert (green | blue)[mask].all() and not green[~mask].any()
    # Bounding box: 150 +- 90, 110 +- 50; each side is blue throughout.
    assert blue[60, 60:241].all() and blue[160, 60:241].all()
    assert blue[60:161, 60].all() and blue[60:161, 240].all()
    assert not blue[:55].any() and not blue[166:].any()


def test_analyze_draws_outline_and_axes():
    image, mask = ellipse()
    view = VIEWS["Analyze"][1](image, mask)
    assert (view == views.BLUE).all(axis=2).sum() > 300
    assert (view == views.MAGENTA).all(axis=2).sum() > 300
    # Grey and far away stays grey.
    assert (view[220:] == 150).all()


def test_landmarks_lie_on_the_ellipse():
    _, mask = ellipse()
    left, right, middle = landmarks(mask)
    assert len(left) == len(right) == len(middle) == 20
    for points in (left, right):
        # On the ellipse, to 3 pixels: a slice is 5 pixels high and PlantCV
        # takes its lowest row.  Ends of the ellipse are too flat for that.
        radius = np.hypot((points[:, 0] - 150) / 90, (points[:, 1] - 110) / 50)
        assert np.abs(radius[3:-3] - 1).max() < 0.06
    assert np.abs(middle[:, 0] - 150).max() < 3
    # They cover the height, where PlantCV alone would leave 17 % out.
    assert middle[0, 1] < 65 and middle[-1, 1] > 150


@pytest.mark.parametrize("height", [5, 20, 41, 62, 300])
def test_landmarks_cover_leaves_of_any_height(height):
    mask = np.zeros((320, 100), bool)
    mask[10:10 + height, 30:60] = True
    points = landmarks(mask)
    assert points[..., 1].max() > 10 + 0.88 * height
    assert points[..., 1].min() < 10 + 0.1 * height
    assert 10 <= points[..., 1].min() and points[..., 1].max() < 10 + height


def test_landmarks_have_three_colours(leaf):
    view = VIEWS["Landmarks"][1](*leaf)
    for colour in (views.BLUE, views.MAGENTA,
                   views.ORANGE):
        assert (view == colour).all(axis=2).sum() > 40


# The measurements.

def test_measurements_of_an_ellipse():
    a, b = 90, 50
    values = measure(*ellipse(a, b), 1.0)
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
    round_it = math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
    assert round_it <= values["perimeter"] <= 1.08 * round_it
    assert values["in_bounds"] is True


def test_mean_colours():
    image, mask = ellipse()
    values = measure(image, mask, 1.0)
    assert values["red_mean"] == pytest.approx(60)
    assert values["green_mean"] == pytest.approx(130)
    assert values["blue_mean"] == pytest.approx(50)
    # Half of the leaf at 350 degrees, half at 10: on average red, not cyan.
    image[:, :150] = (255, 0, 43)
    image[:, 150:] = (255, 43, 0)
    hue = measure(image, mask, 1.0)["hue_circular_mean"]
    assert min(hue, 360 - hue) < 3


def spotted():
    """Return a green ellipse with two brown spots, and its mask."""
    image, mask = ellipse()
    for x in (100, 150):
        cv2.circle(image, (x, 128), 9, (110, 70, 40), -1)
    return image, mask


def test_lesions_are_coloured_over_the_original():
    image, mask = spotted()
    view = VIEWS["Lesions"][1](image, mask).astype(int)
    for x in (100, 150):
        red, green, blue = view[128, x]
        assert red > green + 60 and blue > green + 60
    changed = (view != image).any(axis=2)
    assert not changed[~mask].any()
    assert changed.sum() == pytest.approx(2 * np.pi * 10 ** 2, rel=0.2)
    assert (VIEWS["Lesions"][1](*ellipse()) == ellipse()[0]).all()


def test_lesions_and_quality_are_measured():
    image, mask = spotted()
    values = measure(image, mask, 0.75)
    share = 100 * 2 * np.pi * 9 ** 2 / mask.sum()
    assert values["lesion_share"] == pytest.approx(share, rel=0.2)
    assert values["spot_count"] == 2 and values["mask_quality"] == 0.75


def test_measurements_without_a_leaf():
    values = measure(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool),
                     0.0)
    assert values.pop("area") == values.pop("mask_quality") == 0
    assert set(values.values()) == {None}


def test_plantcv_forgets_one_image_before_the_next(leaf):
    before = measure(*ellipse(), 1.0)
    measure(*leaf, 1.0)
    assert measure(*ellipse(), 1.0) == before
    from plantcv import plantcv
    assert not plantcv.outputs.observations
    assert plantcv.params.debug is None


def test_subject_13_every_view_explains_itself():
    for title, view in VIEWS.values():
        what, why = view.__doc__.split("\n\n", 1)
        assert len(what) > 20, title
        assert len(" ".join(why.split())) > 100, title


def test_threads_of_a_worker_do_not_disturb_each_other(leaf):
    # PlantCV's settings and observations are one for the process.
    expected = [measure(*ellipse(), 1.0), measure(*leaf, 1.0)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pair: measure(*pair, 1.0),
                              [ellipse(), leaf] * 20))
    assert found == expected * 20


# Several leaves.

def two_leaves(scale=1):
    """Return an image of two ellipses, and each pixel's leaf: 0, 1 or 2."""
    image, mask = ellipse()
    labels = np.hstack([mask, mask * np.uint8(2)])
    image = np.hstack([image, image])
    return (cv2.resize(image, None, fx=scale, fy=scale,
                       interpolation=cv2.INTER_NEAREST),
            cv2.resize(labels, None, fx=scale, fy=scale,
                       interpolation=cv2.INTER_NEAREST))


@pytest.mark.parametrize("name", ["ROI", "Analyze", "Landmarks", "Lesions"])
@pytest.mark.parametrize("scale", [1, 6])
def test_each_leaf_is_drawn_and_numbered(name, scale):
    image, labels = two_leaves(scale)
    cv2.circle(image, (150 * scale, 128 * scale), 9 * scale, (110, 70, 40),
               -1)
    view = VIEWS[name][1](image, labels)
    for number, x in ((1, 60), (2, 380)):
        # A white field with black in it, above the leaf's left corner.
        sign = view[35 * scale:60 * scale, x * scale:(x + 14) * scale]
        assert (sign == 255).all(axis=2).sum() > 60 * scale ** 2
        assert (sign < 60).all(axis=2).sum() > 5 * scale ** 2
    if name != "Lesions":
        half = view.shape[1] // 2
        for part in (np.s_[60 * scale:, :half], np.s_[60 * scale:, half:]):
            changed = (view[part] != image[part]).any(axis=2)
            assert changed.sum() > 500 * scale
    alone = VIEWS[name][1](image, labels == 1)
    assert not (alone[35 * scale:60 * scale] == 255).all(axis=2).any()


def test_a_leaf_is_measured_as_if_it_were_alone():
    image, labels = two_leaves()
    for x in (100, 480, 500):
        cv2.circle(image, (x, 110), 9, (110, 70, 40), -1)
    rows = views.measure_all(image, labels, [0.9, 0.8])
    for number, row in enumerate(rows, 1):
        apart = image[:, 320 * (number - 1):320 * number]
        alone = measure(apart, labels[:, 320 * (number - 1):320 * number]
                        == number, row["mask_quality"])
        alone["center_of_mass_x"] += 320 * (number - 1)
        assert row == pytest.approx(alone)
    assert rows[0]["lesion_share"] < 0.8 * rows[1]["lesion_share"]


def test_lines_are_no_thicker_than_a_small_leaf_bears():
    image, mask = ellipse()
    large = np.full((3000, 4000, 3), 150, np.uint8)
    large[:240, :320], there = image, np.zeros((3000, 4000), bool)
    there[:240, :320] = mask
    view = VIEWS["Analyze"][1](large, there)
    drawn = (view[:240, :320] != image).any(axis=2)
    assert 0.05 < drawn[mask].mean() < 0.5
