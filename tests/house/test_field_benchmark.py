"""benchmarks/field.py: what it counts, and what it leaves out."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import field
from leaffliction.utils.class_folders import read_dataset


def test_it_reports_and_draws_what_was_never_learned_from(
        learned, tmp_path, monkeypatch, capsys):
    figure = tmp_path / "figure.png"
    monkeypatch.setattr(sys, "argv", [
        "field", str(learned), "--leaves", str(learned / "images"),
        "--field", str(learned / "images"), "--figure", str(figure)])
    assert field.main() == 0
    printed = capsys.readouterr().out
    # Both are the three images of the validation part.
    laboratory, others = (line for line in printed.splitlines() if line
                          .startswith(("  laboratory,", "  field: ")))
    assert " of 3;" in laboratory
    assert laboratory.split(":")[1] == others.split(":")[1]
    assert "audit: whole image" in printed
    assert figure.stat().st_size > 1000


def test_halves_take_turns_in_each_class(tree):
    dataset = read_dataset(tree({"A_b": 3, "A_c": 4}))
    first, other = field.halves(dataset)
    assert first.counts().tolist() == [2, 2]
    assert other.counts().tolist() == [1, 2]
    assert not set(first.files) & set(other.files)


@pytest.mark.parametrize("place", [(20, 30), (60, 50)])
def test_the_leaf_is_in_its_crop(place):
    rgb_img = np.full((120, 160, 3), 170, np.uint8)
    y, x = place
    rgb_img[y:y + 40, x:x + 30] = (60, 120, 50)
    crop = field.crop_leaf(rgb_img)
    green = (crop == (60, 120, 50)).all(axis=2).sum()
    assert green >= 0.95 * 40 * 30 and max(crop.shape) < 60
    plain = np.full((20, 30, 3), 128, np.uint8)
    assert field.crop_leaf(plain) is plain


@pytest.mark.parametrize("folders", [
    {"A_b": 2, "A_c": 1}, {"A/b": 2, "A/c": 1}])
@pytest.mark.parametrize("before", ["", "data/photos"])
def test_what_was_learned_from_is_found_in_either_layout(
        tree, folders, before):
    dataset = read_dataset(tree(folders))
    rows = [{"file": str(Path(before) / file), "class": name, "part": part}
            for file, name, part in zip(
                dataset.files, ("A_b", "A_b", "A_c"),
                ("training", "validation", "stopping"))]
    assert field.not_learned(dataset, rows).files == dataset.files[1:2]
    found = field.validation_part(dataset.root, rows, ("A_b", "A_c"))
    assert found.files == dataset.files[1:2] and found.labels.tolist() == [0]
