"""transformation/annotations.py: lines, outlines and numbers of leaves."""

import numpy as np
import pytest

from leaffliction.transformation.annotations import (MAGENTA, draw_outlines,
                                                     line_width, write_numbers)


@pytest.mark.parametrize("shape, leaf_side, width", [
    ((256, 256), 200, 2), ((4000, 4000), 3500, 31),
    # A small leaf in a large image, and the smallest images.
    ((3000, 4000), 192, 6), ((1, 1), 1, 1)])
def test_line_width_fits_the_image_and_the_leaf(shape, leaf_side, width):
    assert line_width(np.zeros((*shape, 3), np.uint8), leaf_side) == width


def test_each_part_of_a_mask_is_outlined_at_its_position():
    view = np.full((40, 60, 3), 150, np.uint8)
    mask = np.zeros((20, 30), bool)
    mask[2:8, 3:9] = mask[12:15, 20:26] = True
    draw_outlines(view, mask, (25, 10), MAGENTA, 1)
    expected = np.zeros((40, 60), bool)
    expected[12:18, 28:34] = expected[22:25, 45:51] = True
    expected[13:17, 29:33] = expected[23:24, 46:50] = False
    assert ((view == MAGENTA).all(axis=2) == expected).all()
    assert (view[~expected] == 150).all()


def test_numbers_are_written_above_the_leaf_or_inside_the_image():
    view = np.full((240, 300, 3), 150, np.uint8)
    assert write_numbers(view, [(1, 100, 120), (2, 295, 2)]) is view
    rows, columns = np.nonzero((view == 255).all(axis=2))
    first = columns < 200
    assert rows[first].max() <= 120 and columns[first].min() == 100
    # No room above or to the right of the second leaf's corner.
    assert rows[~first].min() == 0 and columns[~first].max() == 299
    assert columns[~first].min() < 290
    assert (view < 60).all(axis=2).any()


@pytest.mark.parametrize("corners", [[], [(1, 100, 120)]])
def test_single_leaf_has_no_number(corners):
    view = np.full((240, 300, 3), 150, np.uint8)
    assert (write_numbers(view, corners) == 150).all()
