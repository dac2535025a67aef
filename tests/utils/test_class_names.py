"""leaffliction/utils/class_names.py: the rule by which classes are named."""

from pathlib import Path

import pytest

from leaffliction.utils.class_names import (Rendering, class_key, name_class,
                                            plant_of_class, rendering_of,
                                            split_of)


@pytest.mark.parametrize("folder, root, name", [
    ("Apple/healthy apple", "/x", "healthy apple"),
    ("healthy", "/x/Apple/train", "Apple_healthy"),
    ("New Data(Augmented)/Apple___healthy", "/x", "Apple___healthy"),
    ("Pepper,_bell___healthy", "/x", "Pepper,_bell___healthy"),
    ("Apple leaves/healthy", "/x", "Apple_healthy"),
    ("Apple/2021/scab", "/x", "Apple_scab"),
    ("Cherries/rust", "/x", "Cherries_rust"),
    # Folders outside the one given do not count: this is a user's name.
    ("healthy", "/home/rose/images", "healthy"),
    ("lab/healthy", "/x", "lab_healthy"),
    ("E/Esca", "/x", "E_Esca"),
    # A name without a disease gets the name of the folder above.
    ("Apple/scab/early", "/x", "Apple_scab_early"),
    ("Apple/rust/batch1/2", "/x", "Apple_rust_batch1_2"),
    ("Apple_scab/mild stage", "/x", "Apple_scab_mild stage"),
    ("Apple/early", "/x", "Apple_early"),
    ("Apple/early blight", "/x", "Apple_early blight"),
    ("2021/1", "/x", "2021_1"), ("1", "/x", "1"),
    ("healthy/Apple", "/x", "healthy_Apple"),
    ("images/Apple", "/x", "Apple"), ("2021/Apple", "/x", "Apple"),
    ("Citrus/Lemon", "/x", "Lemon"),
    ("Apple/scab/images", "/x", "Apple_scab"),
    ("raw images", "/x/Apple/scab", "Apple_scab"),
    ("Apple/leaf", "/x", "Apple_leaf"),
    ("Apple/scab/leaf 1", "/x", "Apple_scab_leaf 1"),
    ("Apple/rust/stem", "/x", "Apple_rust_stem"),
    ("Apple/rust/100CANON", "/x", "Apple_rust_100CANON"),
    ("Original Images/Blast", "/x", "Blast"),
    ("Augmented Images/Blast", "/x", "Blast"),
    # A virus is named after the plant on which it was first described.
    ("Tomato/Tobacco mosaic virus", "/x", "Tomato_Tobacco mosaic virus"),
    ("Tobacco mosaic virus", "/x", "Tobacco mosaic virus"),
    ("Tomato mosaic virus", "/x/Tomato", "Tomato mosaic virus"),
    (".", "/", "images")])
def test_a_class_name_follows_from_the_path_alone(folder, root, name):
    assert name_class(Path(folder), Path(root))[0] == name


def test_names_that_differ_in_a_letter_or_sign_are_two_classes():
    assert len({class_key(name) for name in (
        "Apple_scab", "Apple_scar", "Applescab", "Pomme_tavelee",
        "Pomme_tavelée", "_", "-")}) == 7
    # Vowel signs, which \w does not match; and "+" or "-" after a word.
    for names in [("केला", "काली"), ("ดี", "ดิ"), ("PVY+", "PVY-", "PVY"),
                  ("Apple A+", "Apple A")]:
        assert len({class_key(name) for name in names}) == len(names)


@pytest.mark.parametrize("name, split", [
    ("Train images", "train"), ("val", "validation"), ("Test set", "test"),
    ("fold_2", "fold_2"), ("Fold 2", "fold_2"), ("Apple_test", None),
    ("images", None)])
def test_split_folders_are_recognised(name, split):
    assert split_of(name) == split


@pytest.mark.parametrize("name, rendering", [
    ("color", Rendering("", True)), ("segmented", Rendering("", False)),
    ("PlantVillage color", Rendering("plantvillage", True)),
    ("Apple_scab_mask", Rendering("apple_scab", False)),
    ("raw images", None), ("Apple_scab", None)])
def test_renderings_are_recognised(name, rendering):
    assert rendering_of(name) == rendering


@pytest.mark.parametrize("name, plant", [
    ("Apple_scab", "apple"), ("Tomatoes___healthy", "tomato"),
    ("grape", "grape"), ("lab_scab", None), ("healthy apple", None),
    ("-", None)])
def test_the_plant_of_a_class_is_the_first_word_of_its_name(name, plant):
    assert plant_of_class(name) == plant
