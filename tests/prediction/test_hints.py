"""leaffliction/prediction/hints.py: each rule, where it holds."""

import cv2
import numpy as np
import pytest

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.hints import CODES, find_hints
from samples.dataset import sample_counts
from samples.drawing import draw_leaf

GREEN, GREY, WHITE = (70, 130, 50), (150, 150, 155), (255, 255, 255)


def codes(rgb_img, known=True, names=("Apple_scab",)):
    """Return the codes of an image's hints."""
    return [hint.code for hint in hints_of(rgb_img, known, names)]


def hints_of(rgb_img, known=True, names=("Apple_scab",)):
    """Return an image's hints; names: of the classes that were learned."""
    shares = np.full(len(names), 1 / len(names))
    return find_hints(rgb_img, Prediction(
        tuple(names), shares, 0.0, known, np.zeros((1, 1, len(names)))))


def grain(rgb_img, seed=0):
    """Return an image with a camera's grain, so that it is not blurred."""
    rng = np.random.default_rng(seed)
    return cv2.subtract(rgb_img, rng.integers(0, 12, rgb_img.shape, np.uint8))


def lay(*leaves, ground=GREY, colour=GREEN, size=(256, 256)):
    """Return leaves on a plain ground.

    leaves: the centre and the semi-axes of each ellipse, pixels.
    """
    rgb_img = np.full((*size, 3), ground, np.uint8)
    for x, y, a, b in leaves:
        cv2.ellipse(rgb_img, (x, y), (a, b), 0, 0, 360, colour, -1)
    return grain(rgb_img)


def foliage(seed=0, side=256):
    """Return many leaves over one another, in all greens."""
    rng = np.random.default_rng(seed)
    rgb_img = np.full((side, side, 3), (30, 50, 25), np.uint8)
    for x, y, a, b, turn in rng.integers(0, side, (150, 5)):
        colour = np.array(GREEN) * rng.uniform(0.4, 1.7)
        cv2.ellipse(rgb_img, (int(x), int(y)), (20 + int(a) // 8,
                                                12 + int(b) // 16),
                    int(turn), 0, 360, colour.tolist(), -1)
    return grain(rgb_img)


LEAF = lay((128, 128, 100, 60))


@pytest.mark.parametrize("class_name", sample_counts(160))
def test_a_good_photograph_gets_no_hint(class_name):
    assert codes(draw_leaf(class_name, np.random.default_rng(1), 256)) == []


@pytest.mark.parametrize("rgb_img", [LEAF, foliage()])
@pytest.mark.parametrize("percent, expected", [
    (0.2, []), (0.4, []), (1.2, ["blurred"]), (2.5, ["blurred"])])
def test_a_photograph_is_blurred_from_one_percent_of_its_side_on(
        rgb_img, percent, expected):
    soft = cv2.GaussianBlur(rgb_img, (0, 0), percent / 100 * 256)
    assert codes(soft) == expected
    # The blur counts in relation to the side, whatever the contrast.
    assert codes(cv2.resize(soft, (700, 700))) == expected
    assert codes(64 + soft // 2) == expected


def test_where_there_is_nothing_to_be_sharp_nothing_is_blurred():
    assert codes(np.full((200, 300, 3), 128, np.uint8)) == []


def test_too_dark_is_what_has_no_bright_part():
    assert codes(foliage() // 4) == ["too_dark"]
    assert codes(LEAF // 4) == ["too_dark"]
    on_black = lay((128, 128, 50, 40), ground=(8, 8, 8), colour=(80, 150, 60))
    assert codes(on_black) == []


def test_burnt_out_is_the_leaf_and_not_the_paper_under_it():
    assert codes(lay((128, 128, 60, 50), ground=WHITE)) == []
    assert codes(lay((128, 128, 90, 70), colour=(235, 255, 120))) == [
        "burnt_out"]
    bright = np.uint8(np.clip(foliage() * np.float32(3), 0, 255))
    assert codes(bright) == ["burnt_out"]


@pytest.mark.parametrize("size", [(256, 256), (1200, 1600)])
@pytest.mark.parametrize("part, expected", [
    (0.5, []), (0.2, []), (0.06, [6]), (0.02, [2])])
def test_a_small_leaf_is_told_with_its_share(size, part, expected):
    height, width = size
    radius = round((part * height * width / np.pi) ** 0.5)
    rgb_img = lay((width // 2, height // 2, min(radius, height // 2 - 9),
                   radius), size=size)
    hints = hints_of(rgb_img)
    assert [hint.code for hint in hints] == ["small_leaf"] * len(expected)
    assert [hint.values["share"] for hint in hints] == pytest.approx(
        expected, abs=1)


def test_leaves_of_like_size_are_several_and_crumbs_are_none():
    three = lay((60, 60, 40, 30), (180, 70, 40, 30), (120, 190, 40, 30))
    hint, = hints_of(three)
    assert (hint.code, hint.values) == ("several_leaves", {"count": 3})
    assert codes(lay((100, 128, 80, 60), (215, 40, 26, 18))) == []


@pytest.mark.parametrize("x, expected", [
    (146, []),                  # touches the edge
    (180, []),                  # loses its tip
    (256, ["cut_leaf"])])       # loses half
def test_a_leaf_is_cut_where_half_of_it_is_missing(x, expected):
    rgb_img = lay((x, 128, 110, 70))
    for turns in range(4):
        assert codes(np.rot90(rgb_img, turns)) == expected


@pytest.mark.parametrize("rgb_img", [
    foliage(), foliage(1), lay((128, 128, 300, 300))])
def test_without_a_plain_ground_nothing_is_said_of_single_leaves(rgb_img):
    assert codes(rgb_img) == []
    assert codes(rgb_img, known=False) == ["not_like_learned"]


def test_no_leaf_is_what_is_neither_green_nor_known():
    street = grain(np.repeat(np.repeat(np.random.default_rng(0).integers(
        60, 200, (16, 16, 1), np.uint8), 16, 0), 16, 1).repeat(3, 2))
    assert codes(street, known=False) == ["no_leaf", "not_like_learned"]
    assert codes(street) == []
    # A small leaf is green enough, though the photograph is not.
    small = lay((128, 128, 25, 20))
    assert codes(small, known=False) == ["small_leaf", "not_like_learned"]
    # In the dark nobody sees green.
    assert codes(street // 6, known=False) == ["too_dark", "not_like_learned"]


@pytest.mark.parametrize("names, plants", [
    (("Grape_Esca", "Apple_scab", "Apples_rust"), "apple, grape"),
    (("Grape_Esca", "Background"), "Background, grape")])
def test_what_is_not_known_is_told_what_is(names, plants):
    hint, = hints_of(LEAF, known=False, names=names)
    assert hint.values == {"plants": plants}


def test_hints_stand_in_the_order_of_their_codes():
    blurred = cv2.GaussianBlur(lay((128, 128, 25, 20)), (0, 0), 4)
    found = codes(blurred, known=False)
    assert found == ["blurred", "small_leaf", "not_like_learned"]
    assert found == [code for code in CODES if code in found]


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 2)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_of_any_size_is_looked_at(shape, level):
    assert codes(np.full((*shape, 3), level, np.uint8)) == (
        ["too_dark"] if level == 0 else [])
