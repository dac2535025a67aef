"""transformation/histogram.py: a leaf's colours in nine channels."""

import numpy as np
import pytest
from shapes import ellipse

from leaffliction.transformation.histogram import (CHANNELS, add_counts,
                                                   blank_chart, chart_top,
                                                   count_levels,
                                                   draw_histogram, proportions)
from samples.drawing import draw_leaf_and_mask


def shares_of(image, mask):
    """Return the proportions of a leaf's colours."""
    return proportions(count_levels(image, mask), np.count_nonzero(mask))


@pytest.fixture
def shares():
    """Return the proportions of a drawn leaf of 128x128 pixels."""
    return shares_of(*draw_leaf_and_mask(
        "Apple_rust", np.random.default_rng(3), 128))


def test_proportions_are_of_the_leaf_alone():
    image, mask = ellipse()
    shares = shares_of(image, mask)
    assert list(shares) == [
        "blue", "blue-yellow", "green", "green-magenta", "hue", "lightness",
        "red", "saturation", "value"]
    # RGB (60, 130, 50): all pixels are on one level of each channel.
    for name, level in (("red", 60), ("green", 130), ("blue", 50),
                        ("value", 130), ("saturation", 157), ("hue", 56)):
        assert shares[name][level] == pytest.approx(100)
    for share in shares.values():
        assert share.sum() == pytest.approx(100)
    image[~mask] = 7
    assert (shares_of(image, mask)["red"] == shares["red"]).all()
    assert all(share.sum() == 0
               for share in shares_of(image, mask & False).values())


def test_counts_of_two_halves_add_up_to_those_of_the_leaf():
    image, mask = ellipse()
    image[:, ::3] = (110, 70, 40)
    left = mask.copy()
    left[:, 150:] = False
    whole = count_levels(image, mask)
    halves = add_counts([count_levels(image, left),
                         count_levels(image, mask & ~left)])
    assert list(halves) == list(whole)
    assert all((halves[name] == whole[name]).all() for name in whole)
    assert not any(counts.any() for counts in add_counts([]).values())


def test_counts_of_a_crop_are_those_of_the_image():
    # OpenCV converts 16 pixels at a time, and the last of a row by themselves.
    image = np.random.default_rng(0).integers(0, 256, (63, 101, 3), np.uint8)
    mask = np.zeros((63, 101), bool)
    mask[5:60, 3:96] = True
    crop = np.s_[5:60, 3:96]
    whole, part = count_levels(image, mask), count_levels(image[crop],
                                                          mask[crop])
    assert all((whole[name] == part[name]).all() for name in whole)


def test_chart_s_scale_ends_above_the_highest_line(shares):
    assert chart_top({"red": np.float64([0, 10.5])}) == 20
    assert chart_top({"red": np.float64([0, 100.1])}) == 100
    assert chart_top(shares) >= max(map(np.max, shares.values()))


def test_histogram_lines_lie_where_the_axes_say(shares):
    chart, origin, scale = blank_chart(10)
    black = (chart < 100).all(axis=2)
    x, y = np.rint(origin).astype(int)
    # The frame, to one pixel.
    assert black[y - 1:y + 2, x:x + 400].any(axis=0).all()
    assert black[y - 300:y, x - 1:x + 2].any(axis=1).all()
    assert scale[0] > 0 > scale[1]
    top = np.rint(origin + scale * (0, 10)).astype(int)[1]
    assert black[top - 1:top + 2, x:x + 400].any(axis=0).all()
    view = draw_histogram(shares)
    for channel in CHANNELS.values():
        # More pixels than the legend's line has.
        near = np.abs(view.astype(int) - channel.colour).max(axis=2) < 40
        assert near.sum() > 60


def test_histogram_lines_reach_from_end_to_end(shares):
    view = draw_histogram(shares)
    chart, origin, scale = blank_chart(chart_top(shares))
    for level in (0, 128, 255):
        x, y = np.rint(origin + (level, 0) * scale).astype(int)
        changed = (view != chart)[y - 3:y + 4, x - 3:x + 4]
        assert changed.any(), level
