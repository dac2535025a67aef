"""leaffliction/utils/class_folders.py: which folder is which class."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image
from leaffliction.utils.marks import COPY, mark_line

KAGGLE = ["train/Apple___healthy", "train/Apple___Apple_scab",
          "valid/Apple___healthy", "valid/Apple___Apple_scab"]


@pytest.mark.parametrize("folders, below, class_names, plants", [
    (["Apple_scab", "Apple_Black_rot", "Grape_Esca"], ".",
     ["Apple_Black_rot", "Apple_scab", "Grape_Esca"],
     ["Apple", "Apple", "Grape"]),
    (["Apple/apple_scab", "Apple/apple_rust", "Grape/grape_esca"], ".",
     ["apple_rust", "apple_scab", "grape_esca"],
     ["Apple", "Apple", "Grape"]),
    (["Apple/healthy", "Apple/scab", "Grape/healthy"], ".",
     ["Apple_healthy", "Apple_scab", "Grape_healthy"],
     ["Apple", "Apple", "Grape"]),
    (["Apple/healthy", "Apple/scab", "Grape/healthy"], "Apple",
     ["Apple_healthy", "Apple_scab"], ["Apple", "Apple"]),
    (["Apple/healthy", "Apple/scab"], "Apple/scab", ["Apple_scab"],
     ["Apple"]),
    (["Apple_scab"], "Apple_scab", ["Apple_scab"], ["Apple"]),
    (["scab", "rust"], ".", ["rust", "scab"], ["images", "images"]),
    (["_scab", "_"], ".", ["_", "_scab"], ["images", "images"]),
    (["A_10", "A_9"], ".", ["A_9", "A_10"], ["A", "A"]),
    (["a/b_c", "b_c", "c"], ".", ["a_b_c", "b_c", "c"],
     ["a", "images", "images"]),
    (["Pawpaw/pawpaw_rust", "Pawpaw/rot"], ".", ["Pawpaw_rot", "pawpaw_rust"],
     ["Pawpaw", "Pawpaw"]),
    (["Apple_scab/early", "Apple_healthy", "lab/1"], ".",
     ["Apple_healthy", "Apple_scab_early", "lab_1"],
     ["Apple", "Apple", "lab"]),
    (["Beans/bean_rust", "Beans/healthy"], ".",
     ["bean_rust", "Beans_healthy"], ["Beans", "Beans"])])
def test_classes_and_plants_are_named_after_the_folders(
        tree, folders, below, class_names, plants):
    dataset = read_dataset(tree(dict.fromkeys(folders, 1)) / below)
    assert list(dataset.class_names) == class_names
    assert list(dataset.plants) == plants


@pytest.mark.parametrize("neighbours", [
    [], ["Grape/healthy"], ["Grape/healthy", "healthy"], ["Apple/scab"]])
def test_a_class_has_the_same_name_whatever_lies_beside_it(tree, neighbours):
    folder = tree(dict.fromkeys(["Apple/healthy", *neighbours], 1))
    names = [read_dataset(part).class_names for part in (
        folder, folder / "Apple", folder / "Apple" / "healthy")]
    assert all("Apple_healthy" in found for found in names)


@pytest.mark.parametrize("names", [
    ["Apple_scab", "Apple_Scab"], ["Apple_scab", "Apple_scab "],
    ["Apple_scab", "Apple scab"], ["Apple_scab", "Apple___scab"],
    [unicodedata.normalize(form, "Apple_tavelée") for form in
     ("NFC", "NFD")],
    ["Apple_scab", "Apple/scab"], ["Apple_scab", "x/Apple_scab"]])
def test_two_spellings_are_one_class_and_noted(tree, names, capsys):
    dataset = read_dataset(tree({names[0]: 2, names[1]: 3, "Apple_rust": 1}))
    assert len(dataset.class_names) == 2
    assert sorted(dataset.counts().tolist()) == [1, 5]
    assert "one class" in capsys.readouterr().err


def test_classes_are_merged_across_split_folders(tree, capsys):
    folder = tree(dict.fromkeys(KAGGLE, 3))
    dataset = read_dataset(folder)
    assert dataset.class_names == ("Apple___Apple_scab", "Apple___healthy")
    assert dataset.counts().tolist() == [6, 6]
    assert capsys.readouterr().err == (
        f"{folder}: train, valid split the data set; the classes are the "
        "folders inside them, those of one name taken together\n")
    assert read_dataset(folder / "train").counts().tolist() == [3, 3]


@pytest.mark.parametrize("train, test", [
    ("Train", "TEST"), ("training", "testing"), ("train_set", "Test set"),
    ("Data/train", "Data/test"), ("dev", "validation"),
    ("fold_1", "fold2"), ("train images", "val_data")])
def test_many_names_of_split_folders_are_known(tree, train, test):
    folder = tree({f"{part}/{name}": 1 for part in (train, test)
                   for name in ("Apple_scab", "rust")})
    assert read_dataset(folder).class_names == ("Apple_scab", "rust")


@pytest.mark.parametrize("folders", [
    ["test", "train", "valid"], ["images/train", "images/val"],
    ["train/images", "val/images"], ["train"]])
def test_images_without_class_folders_in_split_folders_are_refused(
        tree, folders):
    with pytest.raises(UserError, match=f"are in {', '.join(folders)} without "
                                        "a folder for each class"):
        read_dataset(tree(dict.fromkeys(folders, 2)))


def test_images_directly_in_one_split_folder_are_left_out_and_noted(
        tree, capsys):
    folder = tree({**dict.fromkeys(KAGGLE, 2), "test": 2})
    dataset = read_dataset(folder)
    assert dataset.counts().tolist() == [4, 4]
    assert ("left out 2 images outside the class folders: "
            "test/image (1).JPG, test/image (2).JPG") in (
                capsys.readouterr().err)


@pytest.mark.parametrize("names", [
    ["color", "grayscale", "segmented"], ["color", "segmented"],
    ["raw/color", "raw/grayscale"], ["Masks", "Images"],
    ["train/color", "train/gray"], ["leaves_segmented", "leaves"],
    ["PlantVillage", "PlantVillage_segmented"]])
def test_renderings_of_the_same_photographs_are_refused(tree, names):
    folder = tree({f"{name}/Apple_{kind}": 1 for name in names
                   for kind in ("scab", "rust")})
    with pytest.raises(UserError, match="renderings") as caught:
        read_dataset(folder)
    assert all(name.split("/")[-1] in str(caught.value) for name in names)


@pytest.mark.parametrize("names", [
    ["Apple_scab", "Apple_scab_mask"], ["scab_grayscale", "scab"],
    ["Apple/scab", "Apple/scab segmented"]])
def test_a_class_and_its_rendering_side_by_side_are_refused(tree, names):
    with pytest.raises(UserError, match="renderings.*; keep .*scab and"):
        read_dataset(tree(dict.fromkeys([*names, "Apple_rust"], 1)))


@pytest.mark.parametrize("folders", [
    ["color/Apple_scab", "color/Apple_rust"],
    ["segmented/Apple_scab", "segmented/Apple_rust"],
    ["Apple_scab", "Apple_rust"], ["gray/Apple_scab", "rgb/Apple_rust"]])
def test_a_single_rendering_is_read(tree, folders):
    assert read_dataset(tree(dict.fromkeys(folders, 1))).class_names == (
        "Apple_rust", "Apple_scab")


def test_gray_mold_is_a_disease_and_no_rendering(tree):
    dataset = read_dataset(tree(dict.fromkeys(
        ["Tomato_gray_mold", "Tomato_leaf_mold", "Tomato_mold", "mask"], 1)))
    assert len(dataset.class_names) == 4


@pytest.mark.parametrize("folders", [
    {"": 1, "Apple_scab": 2, "Apple_rust": 2},
    {"Apple": 1, "Apple/scab": 2, "Apple/rust": 2},
    {"": 1, "Apple": 1, "Apple/scab": 2, "Apple/rust": 2}])
def test_a_stray_image_is_left_out_and_noted(tree, folders, capsys):
    dataset = read_dataset(tree(folders))
    assert dataset.class_names == ("Apple_rust", "Apple_scab")
    assert dataset.counts().tolist() == [2, 2]
    assert "outside the class folders: " in capsys.readouterr().err


@pytest.mark.parametrize("count", [2, 3, 14])
def test_a_class_folder_that_contains_another_is_refused(tree, count):
    with pytest.raises(UserError, match="Apple_scab: holds 3 images, and "
                                        f"folders with {count} more, such as "
                                        "Apple_scab/raw"):
        read_dataset(tree({"Apple_scab": 3, "Apple_scab/raw": count,
                           "b": 1}))


def test_more_strays_than_images_in_classes_are_refused(tree):
    folder = tree({"train/scab": 1, "train/rust": 1, "test": 9})
    with pytest.raises(UserError) as caught:
        read_dataset(folder)
    assert str(caught.value).startswith(
        f"{folder / 'test'}: holds 9 images in no class folder, beside")


def test_marked_copies_without_their_original_are_left_out(tree, capsys):
    folder = tree({"Apple_scab": 1, "figures": 0})
    green = np.zeros((8, 8, 3), np.uint8)
    for name in ("Apple_scab/image (1)_Flip.JPG", "Apple_scab/gone_Flip.JPG",
                 "figures/image (1)_Flip.JPG"):
        write_image(folder / name, green, mark_line("x", COPY))
    dataset = read_dataset(folder)
    assert list(map(str, dataset.files)) == [
        "Apple_scab/image (1).JPG", "Apple_scab/image (1)_Flip.JPG"]
    assert "2 augmented copies without their original" in (
        capsys.readouterr().err)


def test_each_image_has_the_label_of_its_folder(tree):
    folder = tree({"A_10": 2, "A_9": 11})
    dataset = read_dataset(f"{folder}/")
    assert dataset.counts().tolist() == [11, 2]
    assert [dataset.class_names[label] for label in dataset.labels] == [
        file.parent.name for file in dataset.files]
    assert dataset.files[10] == Path("A_9/image (11).JPG")
    assert all(path.is_file() for path in dataset.paths())


def test_a_folder_without_images_is_refused(tree):
    with pytest.raises(UserError, match="no images"):
        read_dataset(tree({"A_b": 0}))
