"""leaffliction/transformation/histogram.py: a leaf's colours in nine channels."""

import numpy as np
import pytest
from shapes import ellipse

from leaffliction.transformation.histogram import (CHANNELS, CHART_TOPS,
                                                   blank_chart, draw_histogram,
                                                   proportions)
from samples.drawing import draw_leaf_and_mask


@pytest.fixture
def leaf():
    """Return a drawn leaf, RGB uint8 (128, 128, 3), and its mask."""
    return draw_leaf_and_mask("Apple_rust", np.random.default_rng(3), 128)


def test_proportions_count_the_leaf_alone():
    image, mask = ellipse()
    shares = proportions(image, mask)
    assert list(shares) == [
        "blue", "blue-yellow", "green", "green-magenta", "hue", "lightness",
        "red", "saturation", "value"]
    # RGB (60, 130, 50): all of it on one level of each channel.
    for name, level in (("red", 60), ("green", 130), ("blue", 50),
                        ("value", 130), ("saturation", 157), ("hue", 56)):
        assert shares[name][level] == pytest.approx(100)
    for share in shares.values():
        assert share.sum() == pytest.approx(100)
    image[~mask] = 7
    assert (proportions(image, mask)["red"] == shares["red"]).all()
    assert all(share.sum() == 0
               for share in proportions(image, mask & False).values())


def test_histogram_lines_lie_where_the_axes_say(leaf):
    chart, origin, scale = blank_chart(10)
    black = (chart < 100).all(axis=2)
    x, y = np.rint(origin).astype(int)
    # The frame, to one pixel.
    assert black[y - 1:y + 2, x:x + 400].any(axis=0).all()
    assert black[y - 300:y, x - 1:x + 2].any(axis=1).all()
    assert scale[0] > 0 > scale[1]
    top = np.rint(origin + scale * (0, 10)).astype(int)[1]
    assert black[top - 1:top + 2, x:x + 400].any(axis=0).all()
    view = draw_histogram(proportions(*leaf))
    for colour, *_ in CHANNELS.values():
        # More than the legend's line has.
        near = np.abs(view.astype(int) - colour).max(axis=2) < 40
        assert near.sum() > 60


def test_lines_of_the_histogram_reach_from_end_to_end(leaf):
    view = draw_histogram(proportions(*leaf))
    chart, origin, scale = blank_chart(
        next(top for top in CHART_TOPS
             if top >= max(map(np.max, proportions(*leaf).values()))))
    for level in (0, 128, 255):
        x, y = np.rint(origin + (level, 0) * scale).astype(int)
        changed = (view != chart)[y - 3:y + 4, x - 3:x + 4]
        assert changed.any(), level
