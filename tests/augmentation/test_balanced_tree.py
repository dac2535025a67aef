"""Identical images, divided data sets, and the fingerprint of a tree."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from leaffliction.augmentation import balanced_tree
from leaffliction.augmentation.balanced_tree import (BalanceConfig,
                                                     find_identical,
                                                     fingerprint_of,
                                                     read_checksums,
                                                     refuse_splits)
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import Workers

CONFIG = BalanceConfig(None, False, ("Flip", "Crop"), 42)


@pytest.fixture
def folder(tree):
    """Return a folder with the classes A_b and A_c, all files different."""
    root = tree({"A_b": 3, "A_c": 2})
    for file in root.rglob("*.JPG"):
        file.write_text(str(file))
    return root


def test_identical_originals_are_found_within_and_across_classes(folder):
    first, second = (folder / f"A_b/image ({number}).JPG"
                     for number in (1, 2))
    for name in ("A_b/x.JPG", "A_c/x.JPG", "A_c/y.JPG",
                 # An augmented copy is no original, whatever its bytes.
                 "A_b/image (1)_Flip.JPG"):
        shutil.copy(first, folder / name)
    shutil.copy(second, folder / "A_b/w.JPG")
    (folder / "A_c/gone 1.JPG").symlink_to("nowhere")
    (folder / "A_c/gone 2.JPG").symlink_to("nowhere")
    duplicates, ambiguous = find_identical(*read_checksums(folder,
                                                           Workers(1)))
    assert {str(file): str(other) for file, other in duplicates.items()} == {
        "A_b/w.JPG": "A_b/image (2).JPG", "A_b/x.JPG": "A_b/image (1).JPG",
        "A_c/y.JPG": "A_c/x.JPG"}
    assert ambiguous == [[Path("A_b/image (1).JPG"), Path("A_c/x.JPG")]]


@pytest.mark.parametrize("parts, given", [
    (("train", "valid"), "train"), (("test", "Training"), "Training")])
def test_of_a_divided_data_set_the_training_part_is_asked_for(
        tree, parts, given):
    root = tree({f"{part}/A_b": 1 for part in parts})
    with pytest.raises(UserError, match=f"give that part: {root / given}"):
        refuse_splits(read_dataset(root))
    refuse_splits(read_dataset(root / given))


def test_the_fingerprint_changes_with_all_that_determines_the_bytes(
        folder, monkeypatch):
    dataset, checksums = read_checksums(folder, Workers(1))
    fingerprints = {
        fingerprint_of(dataset, checksums, config) for config in (
            CONFIG, replace(CONFIG, target=3), replace(CONFIG, seed=1),
            replace(CONFIG, per_plant=True),
            replace(CONFIG, augmentations=("Flip",)))}
    fingerprints.add(fingerprint_of(dataset, [*checksums[1:], "0"], CONFIG))
    monkeypatch.setattr(balanced_tree, "VERSION", 0)
    fingerprints.add(fingerprint_of(dataset, checksums, CONFIG))
    assert len(fingerprints) == 7
