"""leaffliction/release/pictures.py: which photographs, and their answers."""

import numpy as np
import pytest
from judged import FromName, pixels_of, write_data

from leaffliction.release.photographs import read_photographs, read_split
from leaffliction.release.pictures import (choose_tiles, draw_answers,
                                           pad_to_square)
from leaffliction.utils.figures import open_pyplot


@pytest.fixture
def found(tmp_path):
    data, split = write_data(tmp_path)
    return read_photographs(data, read_split(split))[0]


def lay(leaf, ground, seed):
    return pixels_of(leaf)


def test_two_of_each_class_three_laid_and_a_stranger_of_each_plant(found):
    chosen = choose_tiles(FromName(), found, lay)
    assert {kind: [tile.truth for tile in tiles]
            for kind, tiles in chosen.items()} == {
        "laboratory": ["Apple_scab"] * 2 + ["grape_esca"] * 2,
        "orchard": ["Apple_mildew"] * 2 + ["Apple_scab"],
        "web": ["Apple_rust"], "laid": ["grape_esca"] * 3,
        "strangers": ["Cherry", "Corn"]}
    assert "laid" not in choose_tiles(FromName(), found, None)


def test_at_most_two_of_a_class_and_not_neighbours(tmp_path):
    files = {f"leaves/Apple_scab/scab-9{number}-known.jpg": "validation"
             for number in range(9)}
    data, split = write_data(tmp_path, files)
    found, _ = read_photographs(data, read_split(split))
    tiles = choose_tiles(FromName(), found, None)["laboratory"]
    assert [tile.read()[0, 0, 1] for tile in tiles] == [93, 96]


def test_captions_say_class_and_answer_in_colour(found):
    pyplot = open_pyplot(True)
    figure = draw_answers(pyplot, FromName(), found, lay)
    answers = {(ax.get_title(), ax.get_xlabel()): ax.xaxis.label.get_color()
               for ax in figure.axes if ax.get_title()}
    assert answers[("Apple_scab", "Apple_scab\n90%, known")] == "darkgreen"
    assert answers[("Apple_scab", "Grape_Esca\n80%, known, wrong")] == (
        "firebrick")
    # The class of the folder "grape esca" is right in any spelling.
    assert answers[("grape_esca", "Grape_Esca\n60%, known")] == "darkgreen"
    assert answers[("grape_esca", "Apple_rust\n95%, refused")] == "dimgrey"
    assert answers[("Corn", "Apple_rust\n50%, refused")] == "dimgrey"
    titles = [part.get_suptitle() for part in figure.subfigs]
    assert titles == ["laboratory", "orchard", "web",
                      "grape leaves laid on orchard photographs",
                      "other plants outdoors"]
    pyplot.close(figure)


def test_an_image_is_in_the_middle_of_a_white_square():
    square = pad_to_square(np.zeros((2, 4, 3), np.uint8))
    assert square.shape == (4, 4, 3)
    assert (square[[0, 3]] == 255).all() and not square[1:3].any()
