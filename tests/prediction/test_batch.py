"""leaffliction/prediction/batch.py: many files, and pixels of the first."""

from pathlib import Path

import numpy as np
import pytest

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import (MAX_SIDE, ensure_pixels,
                                           predict_files)
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import Workers


class Grey:
    """Stands for a classifier; the number in a file's name is its grey."""

    def __init__(self):
        self.read_paths = []

    def read(self, path):
        self.read_paths.append(path)
        if not path.stem.isdecimal():
            raise UserError(f"{path}: not a readable image")
        return np.full((2 * MAX_SIDE, MAX_SIDE, 3), int(path.stem), np.uint8)

    def predict_image(self, rgb_img):
        # The network sees the image before it is reduced for the figure.
        assert rgb_img.shape == (2 * MAX_SIDE, MAX_SIDE, 3)
        return Prediction(("a",), np.ones(1), float(rgb_img[0, 0, 0]), True,
                          np.zeros((1, 1, 1)))


PATHS = [Path(f"{number}.png") for number in range(1, 30)]


@pytest.mark.parametrize("with_pixels", [0, 3])
def test_only_the_first_results_carry_pixels(with_pixels):
    results = list(predict_files(Grey(), PATHS, Workers(2), with_pixels))
    assert [result.path for result in results] == PATHS
    assert [result.prediction.ood_score for result in results] == list(
        range(1, 30))
    assert all(result.rgb_img is None for result in results[with_pixels:])
    for number, result in enumerate(results[:with_pixels], 1):
        assert result.rgb_img.shape == (MAX_SIDE, MAX_SIDE // 2, 3)
        assert (result.rgb_img == number).all()


def test_a_file_that_cannot_be_read_is_an_error_in_its_position():
    paths = [Path("1.png"), Path("text.png"), Path("3.png")]
    first, error, last = predict_files(Grey(), paths, Workers(2), 3)
    assert isinstance(error, UserError) and "text.png" in str(error)
    assert (first.path, last.path) == (paths[0], paths[2])


def test_a_file_is_read_once_and_again_only_for_missing_pixels():
    classifier = Grey()
    with_pixels, without = predict_files(classifier, PATHS[:2], Workers(1), 1)
    assert ensure_pixels(with_pixels, classifier) is with_pixels
    assert classifier.read_paths == PATHS[:2]
    reread = ensure_pixels(without, classifier)
    assert (reread.rgb_img == 2).all()
    assert max(reread.rgb_img.shape) == MAX_SIDE
    assert classifier.read_paths == [*PATHS[:2], PATHS[1]]
    assert reread.prediction is without.prediction


@pytest.mark.parametrize("with_hints, codes", [
    (True, ["too_dark"]), (False, [])])
def test_results_carry_hints_only_where_they_are_asked_for(with_hints, codes):
    result, = predict_files(Grey(), PATHS[:1], Workers(1),
                            with_hints=with_hints)
    assert [hint.code for hint in result.hints] == codes


def test_files_are_named_for_the_workers_by_their_path():
    class Recorder:
        def map(self, function, items, in_threads, name_of):
            assert in_threads
            return [name_of(item) for item in items]

    assert predict_files(Grey(), PATHS[:2], Recorder(), 1) == [
        "1.png", "2.png"]
