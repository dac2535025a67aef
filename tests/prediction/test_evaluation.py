"""leaffliction/prediction/evaluation.py: predictions against folder names."""

from pathlib import Path

import numpy as np
import pytest

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.evaluation import (match_classes, predict_dataset,
                                                refused_text, unlearned_table)
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import Workers

CLASS_NAMES = ("Apple_healthy", "Grape_Esca", "Pawpaw_healthy")


class FromName:
    """Stands for a classifier that reads its prediction in a file's name.

    "image (1)" is known and Apple_healthy; "image (2)" is unknown and
    Grape_Esca; "image (3)" cannot be read.
    """

    class_names = CLASS_NAMES

    def read(self, path):
        if "3" in path.name:
            raise UserError(f"{path}: not a readable image")
        return path.name

    def predict_image(self, name):
        first = "1" in name
        return Prediction(CLASS_NAMES, np.array(
            [0.8, 0.2, 0] if first else [0.2, 0.8, 0]), 0.0, first, None)


@pytest.mark.parametrize("folder, start", [
    ("Apple/healthy", ""), ("Apple/healthy", "Apple"),
    ("Apple/healthy", "Apple/healthy"), ("APPLE  Healthy ", ""),
    ("apple-healthy", ""), ("test/Apple_healthy", "")])
def test_a_class_is_matched_by_any_form_of_its_name(tree, folder, start):
    dataset = read_dataset(tree({folder: 1}) / start)
    assert match_classes(dataset, CLASS_NAMES) == [0]


def test_a_class_of_an_unknown_plant_is_matched_by_the_plant_s_folder(tree):
    dataset = read_dataset(tree({"healthy": 1, "mildew": 1}, "Pawpaw"))
    assert match_classes(dataset, CLASS_NAMES) == [2, None]


def test_unlearned_classes_and_unreadable_images_are_counted_separately(
        tree, capsys):
    dataset = read_dataset(tree({"Apple_healthy": 3, "Grape_Esca": 2,
                                 "Grape_mildew": 3}))
    predictions = predict_dataset(FromName(), dataset, Workers(2))
    assert predictions.labels.tolist() == [0, 0, 1, 1]
    assert predictions.probabilities.argmax(axis=1).tolist() == [0, 1, 0, 1]
    assert predictions.known.tolist() == [True, False, True, False]
    assert predictions.unlearned.tolist() == [[0, 0], [0, 0], [2, 1]]
    assert predictions.failed == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(error.startswith("error: ") for error in errors)
    assert unlearned_table(dataset, predictions.unlearned).split("\n") == [
        "class         images  refused",
        "Grape_mildew       2        1  50.0%"]
    # Of the known ones, one of two is right.
    assert refused_text(predictions) == (
        "refused 50.00% of the images; of the others 50.00% are right")


def test_where_all_images_are_refused_there_is_no_accuracy(tree):
    folder = tree({"Apple_healthy": 2})
    (folder / "Apple_healthy" / "image (1).JPG").unlink()
    predictions = predict_dataset(FromName(), read_dataset(Path(folder)),
                                  Workers(1))
    assert refused_text(predictions) == "refused 100.00% of the images"
