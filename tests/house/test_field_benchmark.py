"""benchmarks/field.py: evaluates no image that was trained on."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import field
from leaffliction.utils.class_folders import read_dataset


def test_all_figures_are_of_the_validation_images_alone(
        learned, tmp_path, monkeypatch, capsys):
    figure = tmp_path / "figure.png"
    monkeypatch.setattr(sys, "argv", [
        "field", str(learned), "--leaves", str(learned / "images"),
        "--field", str(learned / "images"), "--figure", str(figure)])
    assert field.main() == 0
    printed = capsys.readouterr().out
    # Both lines are about the same three images, those of the validation set.
    laboratory, others = (line for line in printed.splitlines() if line
                          .startswith(("  laboratory,", "  field: ")))
    assert " of 3;" in laboratory
    assert laboratory.split(":")[1] == others.split(":")[1]
    assert "audit: whole image" in printed
    assert figure.stat().st_size > 1000


def test_halves_alternate_within_each_class(tree):
    dataset = read_dataset(tree({"A_b": 3, "A_c": 4}))
    first, other = field.halves(dataset)
    assert first.counts().tolist() == [2, 2]
    assert other.counts().tolist() == [1, 2]
    assert not set(first.files) & set(other.files)


@pytest.mark.parametrize("row, column", [(20, 30), (60, 50)])
def test_crop_leaf_contains_the_leaf_and_little_else(row, column):
    rgb_img = np.full((120, 160, 3), 170, np.uint8)
    rgb_img[row:row + 40, column:column + 30] = (60, 120, 50)
    crop = field.crop_leaf(rgb_img)
    green = (crop == (60, 120, 50)).all(axis=2).sum()
    assert green >= 0.95 * 40 * 30 and max(crop.shape) < 60


def test_crop_leaf_without_a_leaf_is_the_whole_image():
    plain = np.full((20, 30, 3), 128, np.uint8)
    assert field.crop_leaf(plain) is plain


@pytest.mark.parametrize("folders", [
    {"A_b": 2, "A_c": 1}, {"A/b": 2, "A/c": 1}], ids=["flat", "by plant"])
@pytest.mark.parametrize("prefix", ["", "data/photos"])
def test_images_of_the_split_are_found_in_either_layout(
        tree, folders, prefix):
    dataset = read_dataset(tree(folders))
    rows = [{"file": str(Path(prefix) / file), "class": name, "part": part}
            for file, name, part in zip(
                dataset.files, ("A_b", "A_b", "A_c"),
                ("training", "validation", "stopping"))]
    assert (field.without_training_images(dataset, rows).files
            == dataset.files[1:2])
    part = field.validation_part(dataset.root, rows, ("A_b", "A_c"))
    assert part.files == dataset.files[1:2] and part.labels.tolist() == [0]
