"""leaffliction/prediction/writers.py: the keys, signs and digits of rows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaffliction.model.bundle import Description
from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.hints import NOT_LIKE_LEARNED, Hint
from leaffliction.prediction.plants import PredictedPlant
from leaffliction.prediction.writers import (csv_row, json_object, open_csv,
                                             open_json)
from leaffliction.utils.errors import UserError

LEAF, GONE = Path("leaf.jpg"), Path("gone.jpg")
RESULT = PredictedFile(LEAF, Prediction(
    ("a", "b"), np.array([1 / 3, 2 / 3]), 12.34567, False,
    np.zeros((1, 1, 2))), hints=(
        Hint("blurred", {}), Hint("small_leaf", {"share": 5}),
        Hint(NOT_LIKE_LEARNED, {"plants": "apple"})))


def test_a_csv_row_has_no_values_beside_an_error():
    assert csv_row(LEAF, RESULT) == [
        "leaf.jpg", "b", "0.666667", "no", "",
        "blurred small_leaf not_like_learned"]
    assert csv_row(GONE, UserError("gone")) == [
        "gone.jpg", "", "", "", "gone", ""]


def test_a_json_object_has_all_probabilities_or_an_error():
    assert json_object(LEAF, RESULT) == {
        "file": "leaf.jpg", "class": "b", "confidence": 0.666667,
        "known": False, "familiarity": -12.346,
        "probabilities": {"a": 0.333333, "b": 0.666667},
        "hints": [{"code": "blurred", "values": {}},
                  {"code": "small_leaf", "values": {"share": 5}},
                  {"code": NOT_LIKE_LEARNED, "values": {"plants": "apple"}}]}
    assert json_object(GONE, UserError("gone")) == {"file": "gone.jpg",
                                                    "error": "gone"}


@pytest.mark.parametrize("ood_score, text", [
    (0.0, "0.0"), (-2.5, "2.5"), (2.5, "-2.5")])
def test_familiarity_in_json_is_the_negative_of_the_ood_score(
        ood_score, text):
    row = json_object(LEAF, PredictedFile(LEAF, Prediction(
        ("a",), np.ones(1), ood_score, True, np.zeros((1, 1, 1)))))
    assert json.dumps(row["familiarity"]) == text


class Known:
    """What open_json needs of a classifier."""

    description = Description(("a", "b"), 160, 1.5, -2.0, 3.0)
    class_names = description.class_names
    checksum = "01"
    archive = "apple-grape"


def test_rows_of_plants_say_which_photographs_do_not_agree(tmp_path):
    known, other = (Prediction(("a", "b"), np.array(shares), -1.0, True,
                               np.zeros((1, 1, 2)))
                    for shares in ((0.3, 0.7), (0.6, 0.4)))
    plant = PredictedPlant(Path("p"), known, tuple(
        PredictedFile(Path("p", name), prediction) for name, prediction in (
            ("1.jpg", known), ("=x.jpg", other), ("y.jpg", other),
            ("2.jpg", known)))
        + (replace(RESULT, path=Path("p/z.jpg")),) * 2)
    with (open_csv(tmp_path / "a.csv", per_folder=True) as write_row,
          open_json(tmp_path / "a.json", Known, True) as write_object):
        for write in (write_row, write_object):
            write(GONE, UserError("gone"))
            write(Path("p"), plant)
    assert (tmp_path / "a.csv").read_text() == (
        "file,class,confidence,known,error,hints,photographs,agree,"
        "differing,without_vote\ngone.jpg,,,,gone,,,,,\n"
        "p,b,0.700000,yes,,blurred small_leaf,6,2,'=x.jpg; y.jpg,"
        "z.jpg; z.jpg\n")
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["plants"] == [
        {"file": "gone.jpg", "error": "gone"},
        json_object(Path("p"), plant) | {
            "photographs": 6, "agree": 2,
            "differing": ["p/=x.jpg", "p/y.jpg"],
            "without_vote": ["p/z.jpg", "p/z.jpg"]}]


def test_files_hold_all_images_in_order(tmp_path):
    rows = [(LEAF, RESULT), (GONE, UserError("gone")),
            (LEAF, replace(RESULT, hints=()))]
    with (open_csv(tmp_path / "a.csv") as write_row,
          open_json(tmp_path / "a.json", Known) as write_object):
        for row in rows:
            write_row(*row)
            write_object(*row)
    assert (tmp_path / "a.csv").read_text() == (
        "file,class,confidence,known,error,hints\n"
        "leaf.jpg,b,0.666667,no,,blurred small_leaf not_like_learned\n"
        "gone.jpg,,,,gone,\nleaf.jpg,b,0.666667,no,,\n")
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["learnings"] == {
        "sha256": "01", "size": 160, "temperature": 1.5,
        "familiarity_threshold": 2.0, "class_names": ["a", "b"],
        "archive": "apple-grape"}
    assert content["images"] == [json_object(*row) for row in rows]
