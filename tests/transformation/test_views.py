"""transformation/views.py: what each view shows."""

import cv2
import numpy as np
import pytest
from shapes import ellipse, two_leaves

from leaffliction.transformation.analysis import analyse_labels
from leaffliction.transformation.annotations import (BLUE, GREEN, MAGENTA,
                                                     ORANGE)
from leaffliction.transformation.mask import on_white
from leaffliction.transformation.views import VIEWS, landmarks
from samples.drawing import draw_leaf_and_mask


@pytest.fixture
def leaf():
    """Return a drawn leaf with lesions, RGB uint8, and its bool mask."""
    return draw_leaf_and_mask("Apple_rust", np.random.default_rng(3), 192)


def draw(name, image, labels):
    """Return a view of an image whose leaves are known."""
    return VIEWS[name].draw(analyse_labels(image, labels, [1.0, 1.0]))


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_rgb_and_do_not_change_the_image(name, leaf):
    image, mask = leaf
    before = image.copy(), mask.copy()
    view = draw(name, image, mask)
    assert view.dtype == np.uint8 and view.shape[2] == 3
    assert VIEWS[name].is_chart or view.shape == image.shape
    assert (image == before[0]).all() and (mask == before[1]).all()
    assert (view == draw(name, image, mask)).all()


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (24, 24)])
def test_views_of_no_leaf_and_of_the_smallest_leaves(name, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for mask in (np.zeros(shape, bool), np.ones(shape, bool)):
        view = draw(name, image, mask)
        assert view.dtype == np.uint8 and view.ndim == 3


def test_original_is_the_photograph(leaf):
    assert (draw("Original", *leaf) == leaf[0]).all()


def test_blur_shows_a_lesion_as_a_hole():
    image, mask = ellipse()
    cv2.circle(image, (150, 110), 15, (150, 80, 40), -1)
    view = draw("Blur", image, mask)
    assert (view[..., 0] == view[..., 1]).all()
    assert view[110, 150, 0] == 0          # lesion
    assert view[110, 100, 0] == 255        # green
    assert view[5, 5, 0] == 0              # background
    assert ((view > 0) & (view < 255)).any()   # blurred


def test_mask_is_the_leaf_on_white():
    # 480 rows, more than PlantCV masks at a time.
    image, labels = two_leaves(2)
    assert (draw("Mask", image, labels) == on_white(image, labels > 0)).all()


def test_roi_is_green_in_a_blue_frame():
    image, mask = ellipse()
    view = draw("ROI", image, mask)
    blue = (view == BLUE).all(axis=2)
    green = (view == GREEN).all(axis=2)
    assert (green | blue)[mask].all() and not green[~mask].any()
    # Bounding box: 150 +- 90, 110 +- 50; each side is blue throughout.
    assert blue[60, 60:241].all() and blue[160, 60:241].all()
    assert blue[60:161, 60].all() and blue[60:161, 240].all()
    assert not blue[:55].any() and not blue[166:].any()


def test_analyze_draws_outline_and_axes():
    image, mask = ellipse()
    view = draw("Analyze", image, mask)
    assert (view == BLUE).all(axis=2).sum() > 300
    assert (view == MAGENTA).all(axis=2).sum() > 300
    # The background is not drawn on.
    assert (view[220:] == 150).all()


def test_lines_do_not_cover_a_small_leaf_in_a_large_image():
    image, mask = ellipse()
    large = np.full((3000, 4000, 3), 150, np.uint8)
    large_mask = np.zeros((3000, 4000), bool)
    large[:240, :320], large_mask[:240, :320] = image, mask
    view = draw("Analyze", large, large_mask)
    changed = (view[:240, :320] != image).any(axis=2)
    assert 0.05 < changed[mask].mean() < 0.5


def test_landmarks_lie_on_the_ellipse():
    _, mask = ellipse()
    left, right, middle = landmarks(mask[60:161, 60:241]) + (60, 60)
    assert len(left) == len(right) == len(middle) == 20
    for points in (left, right):
        # On the ellipse, to 3 pixels: a slice is 5 pixels high and PlantCV
        # takes its lowest row.  The ends of the ellipse are too flat for it.
        radius = np.hypot((points[:, 0] - 150) / 90, (points[:, 1] - 110) / 50)
        assert np.abs(radius[3:-3] - 1).max() < 0.06
    assert np.abs(middle[:, 0] - 150).max() < 3
    # They cover the height, of which PlantCV alone would omit 17 %.
    assert middle[0, 1] < 65 and middle[-1, 1] > 150


@pytest.mark.parametrize("height", [5, 20, 41, 62, 300])
def test_landmarks_cover_leaves_of_any_height(height):
    y = landmarks(np.ones((height, 30), bool))[..., 1]
    assert 0 <= y.min() < 0.1 * height and 0.88 * height < y.max() < height


def test_landmarks_have_three_colours(leaf):
    view = draw("Landmarks", *leaf)
    for colour in (BLUE, MAGENTA, ORANGE):
        assert (view == colour).all(axis=2).sum() > 40


def test_lesions_are_coloured_over_the_photograph():
    image, mask = ellipse()
    assert (draw("Lesions", image, mask) == image).all()
    for x in (100, 150):
        cv2.circle(image, (x, 128), 9, (110, 70, 40), -1)
    view = draw("Lesions", image, mask).astype(int)
    for x in (100, 150):
        red, green, blue = view[128, x]
        assert red > green + 60 and blue > green + 60
    changed = (view != image).any(axis=2)
    assert not changed[~mask].any()
    assert changed.sum() == pytest.approx(2 * np.pi * 10 ** 2, rel=0.2)


@pytest.mark.parametrize("name", ["ROI", "Analyze", "Landmarks", "Lesions"])
@pytest.mark.parametrize("scale", [1, 6])
def test_each_leaf_is_drawn_and_numbered(name, scale):
    image, labels = two_leaves(scale)
    cv2.circle(image, (150 * scale, 128 * scale), 9 * scale, (110, 70, 40),
               -1)
    view = draw(name, image, labels)
    for x in (60, 380):
        # A white field with black in it, above the leaf's left corner.
        field = view[35 * scale:60 * scale, x * scale:(x + 14) * scale]
        assert (field == 255).all(axis=2).sum() > 60 * scale ** 2
        assert (field < 60).all(axis=2).sum() > 5 * scale ** 2
    if name != "Lesions":
        half = view.shape[1] // 2
        for part in (np.s_[60 * scale:, :half], np.s_[60 * scale:, half:]):
            changed = (view[part] != image[part]).any(axis=2)
            assert changed.sum() > 500 * scale
    alone = draw(name, image, labels == 1)
    assert not (alone[35 * scale:60 * scale] == 255).all(axis=2).any()


def test_subject_13_every_view_says_what_it_shows_and_why():
    for view in VIEWS.values():
        assert len(view.shows) > 20, view.title
        assert len(view.reason) > 100, view.title
