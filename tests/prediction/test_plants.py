"""leaffliction/prediction/plants.py: one prediction from several."""

from pathlib import Path

import numpy as np
import pytest

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.plants import (combine, combine_folders,
                                            group_by_folder, predict_plant)
from leaffliction.utils.errors import UserError

THRESHOLD = 0.0
A, B = (0.8, 0.2), (0.1, 0.9)


def make(shares, ood_score=-1.0):
    """Return a prediction of two classes, a and b."""
    return Prediction(("a", "b"), np.array(shares), ood_score,
                      ood_score <= THRESHOLD, np.zeros((2, 2, 2)))


def photographs(*predictions):
    """Return the photographs p/0.jpg, p/1.jpg, ... with these predictions."""
    return [PredictedFile(Path(f"p/{number}.jpg"), prediction)
            for number, prediction in enumerate(predictions)]


def test_the_prediction_is_the_mean_of_calibrated_logits():
    combined = combine([make(A), make(B)])
    # Odds of 4 and 1/9: their geometric mean is 2/3.  Two photographs are
    # worth 4/3 independent ones.
    odds = np.divide(*combined.probabilities)
    assert odds == pytest.approx((2 / 3) ** (4 / 3))
    assert combined.probabilities.sum() == pytest.approx(1)
    assert combined.class_name == "b" and combined.known


@pytest.mark.parametrize("count, worth", [(1, 1), (2, 4 / 3), (5, 5 / 3),
                                          (999, 1.998)])
def test_many_like_photographs_are_worth_two(count, worth):
    odds = np.divide(*combine([make(A)] * count).probabilities)
    assert odds == pytest.approx(4 ** worth)


def test_a_probability_of_zero_leaves_a_finite_prediction():
    shares = combine([make((1.0, 0.0)), make((0.0, 1.0))]).probabilities
    np.testing.assert_allclose(shares, (0.5, 0.5))


@pytest.mark.parametrize("scores, known", [
    ((-1,), True), ((1,), False), ((-1, 1), True), ((-1, 1, 1), False),
    ((1, -1, 1, -2), True), ((3, 2, 1, -1), False)])
def test_a_plant_is_known_if_half_of_its_photographs_are(scores, known):
    combined = combine([make(A, score) for score in scores])
    assert combined.known is known
    # The score of the plant is one of theirs, and says the same.
    assert combined.ood_score in scores
    assert (combined.ood_score <= THRESHOLD) is known


def test_unknown_photographs_have_no_vote_in_a_known_plant():
    boots = make((0.01, 0.99), 5.0)
    np.testing.assert_allclose(
        combine([make(A), boots]).probabilities, A)
    # In an unknown plant all have one.
    assert combine([make(A), boots, boots]).class_name == "b"


def test_a_plant_says_which_photographs_agree_and_which_differ():
    plant = predict_plant(Path("p"), photographs(
        make(A), make(A), make((0.4, 0.6)), make(B, 5.0)))
    assert plant.prediction.class_name == "a"
    assert (len(plant.photographs), plant.agree) == (4, 2)
    assert plant.differing == [Path("p/2.jpg")]
    assert plant.without_vote == [Path("p/3.jpg")]
    unknown = predict_plant(Path("p"), photographs(make(A, 1.0), make(B, 2.0)))
    assert (unknown.agree, unknown.without_vote) == (1, [])
    assert unknown.differing == [Path("p/0.jpg")]


def test_a_folder_has_the_images_that_it_holds_itself_each_once():
    paths = map(Path, ("t/1/a.jpg", "t/1/sub/b.jpg", "t/1/z.jpg", "c.jpg",
                       "t/1/a.jpg"))
    assert group_by_folder(paths) == {
        Path("t/1"): [Path("t/1/a.jpg"), Path("t/1/z.jpg")],
        Path("t/1/sub"): [Path("t/1/sub/b.jpg")], Path("."): [Path("c.jpg")]}


def test_unreadable_images_are_named_and_do_not_count():
    folders = {Path("p"): [Path("p/0.jpg"), Path("p/bad.jpg")],
               Path("q"): [Path("q/bad.jpg")], Path("r"): [Path("r/2.jpg")]}
    first, _, last = photographs(make(A), make(B), make(B))
    bad = UserError("bad")
    rows = combine_folders(folders, [first, bad, bad, last])
    assert next(rows) == (Path("p/bad.jpg"), bad)
    path, plant = next(rows)
    assert path == plant.path == Path("p")
    assert plant.photographs == (first,)
    assert next(rows) == (Path("q/bad.jpg"), bad)
    path, plant = next(rows)
    assert (path, plant.prediction.class_name) == (Path("r"), "b")
    assert next(rows, None) is None


def test_plants_come_before_later_photographs_are_read():
    read = []

    def results():
        for one in photographs(*[make(A)] * 4):
            read.append(one.path)
            yield one

    folders = {Path("p"): [Path("p/0.jpg"), Path("p/1.jpg")],
               Path("q"): [Path("q/2.jpg"), Path("q/3.jpg")]}
    next(combine_folders(folders, results()))
    assert len(read) == 2
