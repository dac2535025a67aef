"""leaffliction/prediction/text.py: predictions in words."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.plants import PredictedPlant
from leaffliction.prediction.text import (describe, describe_choice,
                                          describe_classes, describe_plant,
                                          summarize)


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


@pytest.mark.parametrize("names, words", [
    ("+1", ""), ("+1 +2 +3", "; 3 of 3 photographs agree"),
    ("+1 -2 ?3 -4", "; 1 of 4 photographs agree; other class: 2, 4; "
                    "not like any leaf it has learned: 3"),
    ("-1 -2 -3 -4 -5 -6", "; 0 of 6 photographs agree; "
                          "other class: 1, 2, 3, 4, 2 more")])
def test_a_plant_names_the_photographs_that_do_not_agree(names, words):
    other = replace(predict(True), probabilities=np.array([0.3, 0.7]))
    kinds = {"+": predict(True), "-": other, "?": predict(False)}
    plant = PredictedPlant(Path("p"), predict(True), tuple(
        PredictedFile(Path("p", name[1:]), kinds[name[0]])
        for name in names.split()))
    assert describe_plant(plant, 1) == "a (70.0%)" + words


@pytest.mark.parametrize("counts, words", [
    ((9, 1, 2, 3), "3 plants in 9 images: 1 not like any leaf it has "
                   "learned, 2 of the images could not be read"),
    ((1, 1, 0, 1), "1 plant in 1 image: 1 not like any leaf it has learned"),
    ((2, 0, 0, 1), "1 plant in 2 images: all like leaves it has learned")])
def test_the_summary_counts_plants(counts, words):
    assert summarize(*counts) == words


@pytest.mark.parametrize("names, words", [
    ("Apple_scab", "1 class of apple"),
    ("Grape_Esca Apple_scab Apples_rust", "3 classes of apple and grape"),
    ("Apple_scab Background", "2 classes of apple and others"),
    ("Fig_rust Pea_rust Apple_rust x", "4 classes of apple, fig, pea and "
                                       "others"),
    ("Fig_a Pea_a Rice_a Corn_a Oat_a Oat_b", "6 classes of 5 plants"),
    ("Fig_a Pea_a Rice_a Corn_a Oat_a x", "6 classes of 5 plants and others"),
    ("a b", "2 classes")])
def test_classes_are_counted_and_their_plants_named(names, words):
    assert describe_classes(names.split()) == words


def test_the_choice_of_an_archive_is_told_with_the_way_to_the_other(
        models_folder, monkeypatch):
    names, local = ("Apple_scab", "Grape_Esca"), Path("learnings.zip")
    start = "using learnings.zip of this folder, which knows 2 classes of "
    assert describe_choice(local, names) == start + "apple and grape"
    archive = models_folder / "apple-grape.zip"
    archive.touch()
    assert describe_choice(local, names) == start + (
        "apple and grape (--learnings apple-grape: the released model)")
    start = ("no learnings.zip here: using the released model apple-grape, "
             "which knows 2 classes of apple and grape")
    assert describe_choice(archive, names) == start
    card = archive.with_suffix(".md")
    card.touch()
    assert describe_choice(archive, names) == f"{start} ({card})"
    monkeypatch.chdir(os.path.realpath(models_folder.parent))
    assert describe_choice(archive, names) == (
        f"{start} (models/apple-grape.md)")
