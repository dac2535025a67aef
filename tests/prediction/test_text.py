"""leaffliction/prediction/text.py: predictions in words."""

import numpy as np
import pytest

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.text import describe, summarize


def predict(known):
    return Prediction(("a", "b\x1b"), np.array([0.7, 0.3]), 9.0, known,
                      np.zeros((1, 1, 2)))


@pytest.mark.parametrize("known, count, words", [
    (True, 1, "a (70.0%)"), (True, 3, r"a (70.0%); then b\x1b (30.0%)"),
    (False, 1, "not like any leaf it has learned: no diagnosis; nearest is "
               "a (70.0%)")])
def test_an_unknown_image_gets_no_diagnosis(known, count, words):
    assert describe(predict(known), count) == words


@pytest.mark.parametrize("counts, words", [
    ((4, 2, 1), "4 images: 2 not like any leaf it has learned, "
                "1 could not be read"),
    ((2, 2, 0), "2 images: 2 not like any leaf it has learned"),
    ((2, 0, 2), "2 images: 2 could not be read"),
    ((3, 0, 0), "3 images: all like leaves it has learned")])
def test_the_summary_counts_unknown_and_unreadable_images(counts, words):
    assert summarize(*counts) == words
