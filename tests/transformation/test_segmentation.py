"""transformation/segmentation.py: leaf pixels, connected parts, leaves."""

import cv2
import numpy as np
import pytest

from leaffliction.transformation.segmentation import (box_distance,
                                                      connected_parts,
                                                      fill_outlines,
                                                      group_parts, segment)

GREY, GREEN = (150, 150, 150), (60, 130, 50)


def picture(*boxes):
    """Return green rectangles on grey, RGB uint8 (300, 400, 3).

    boxes: x, y, width and height of each.
    """
    image = np.full((300, 400, 3), GREY, np.uint8)
    for x, y, width, height in boxes:
        image[y:y + height, x:x + width] = GREEN
    return image


def groups_of(image):
    """Return for each leaf of an image the boxes of its parts."""
    segmentation = segment(image)
    groups = group_parts(connected_parts(segmentation.leaf_pixels),
                         segmentation)
    return [[cv2.boundingRect(part) for part in group] for group in groups]


def test_leaf_pixels_are_those_of_the_leaf_s_colour():
    segmentation = segment(picture((100, 80, 150, 120)))
    truth = (picture((100, 80, 150, 120)) == GREEN).all(axis=2)
    assert segmentation.leaf_pixels.dtype == np.uint8
    # The opening rounds the corners.
    assert (segmentation.leaf_pixels != truth).sum() <= 20
    assert ((segmentation.log_odds > 0) == truth).mean() > 0.999


def test_frame_decides_the_background_unless_it_shows_too_little():
    image = np.full((60, 60, 3), GREEN, np.uint8)
    assert not segment(image).leaf_pixels.any()
    grey = segment(picture()).background
    known = segment(image, leaf=np.ones((60, 60), bool), background=grey)
    assert known.leaf_pixels.all()
    black = segment(picture(), background=np.zeros(3)).background
    assert (black == grey).all()


def test_parts_are_sorted_by_area():
    pixels = np.zeros((50, 50), np.uint8)
    pixels[2:6, 2:6] = pixels[10:40, 10:40] = pixels[45:48, 20:40] = 1
    assert [cv2.boundingRect(part) for part in connected_parts(pixels)] == [
        (10, 10, 30, 30), (20, 45, 20, 3), (2, 2, 4, 4)]


@pytest.mark.parametrize("gap, count", [(4, 1), (60, 2)])
def test_parts_with_a_narrow_gap_along_an_edge_are_one_leaf(gap, count):
    assert len(groups_of(picture((40, 80, 130, 140),
                                 (170 + gap, 80, 110, 140)))) == count


def test_crumbs_and_thin_strips_are_no_leaves():
    # The largest part is a leaf in any case.
    assert groups_of(picture((40, 40, 150, 150), (300, 40, 10, 10),
                             (250, 240, 120, 12))) == [[(40, 40, 150, 150)]]


def test_distance_of_boxes_is_the_larger_of_the_gaps():
    assert box_distance((0, 0, 10, 10), (15, 2, 5, 5)) == 5
    assert box_distance((15, 32, 5, 5), (0, 0, 10, 10)) == 22
    assert box_distance((0, 0, 10, 10), (5, 5, 10, 10)) < 0


def test_outlines_are_filled_inside_the_box():
    pixels = np.zeros((30, 40), np.uint8)
    pixels[5:25, 10:30] = 1
    part = connected_parts(pixels)[0]
    pixels[10:15, 15:20] = 0
    assert (fill_outlines([part], (10, 5, 20, 20)) == 1).all()
    assert fill_outlines([part], (0, 0, 40, 30)).sum() == 400
