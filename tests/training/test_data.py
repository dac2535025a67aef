"""leaffliction/training/data.py: domains, classes and leaves."""

import numpy as np
import pytest

from leaffliction.training.data import (group_images, read_domain_groups,
                                        read_domains)
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image
from leaffliction.utils.parallel import Workers
from samples.drawing import draw_leaf


def test_a_single_folder_is_one_domain(tree):
    folder = tree({"A_b": 2, "A_c": 1})
    dataset, domains = read_domains([folder])
    alone = read_dataset(folder)
    assert dataset.root == folder and dataset.files == alone.files
    assert domains.tolist() == [0, 0, 0]


def test_classes_of_one_name_are_one_class_of_several_domains(tree):
    folders = [tree({"A_b": 2, "A_c": 1}, "lab"),
               tree({"A_c": 2, "B_d": 1}, "field")]
    dataset, domains = read_domains(folders)
    assert dataset.class_names == ("A_b", "A_c", "B_d")
    assert dataset.plants == ("A", "A", "B")
    assert domains.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.labels.tolist() == [0, 0, 1, 1, 1, 2]
    assert all(path.is_file() for path in dataset.paths())
    assert str(dataset.files[3]) == "field/A_c/image (1).JPG"


def test_spellings_of_a_class_in_several_folders_are_one_class(tree):
    folders = [tree({"Apple/healthy": 1, "Grape/healthy": 1}, "img"),
               tree({"Apple/Healthy": 1}, "orchard"),
               tree({"apple healthy": 1}, "phone")]
    folders.append(tree({"healthy": 1}, "more/Apple"))
    dataset, domains = read_domains(folders)
    assert dataset.class_names == ("Apple_healthy", "Grape_healthy")
    assert dataset.labels.tolist() == [0, 1, 0, 0, 0]
    assert domains.tolist() == [0, 0, 1, 2, 3]


def test_a_class_whose_plant_another_folder_names_is_noted(tree, capsys):
    lab = tree({"Apple_scab": 1, "Apple_rust": 1, "scab_old": 1}, "lab")
    orchard = tree({"scab": 1, "Apple_rust": 1, "mildew": 1}, "orchard")
    dataset, _ = read_domains([lab, orchard])
    assert len(dataset.class_names) == 5
    assert capsys.readouterr().err == (
        f"{orchard}: scab is a class of its own; if it is Apple_scab, give "
        "its folder that name\n")
    # A folder with both means two classes.
    read_domains([lab, tree({"scab": 1, "Apple_scab": 1}, "both")])
    assert capsys.readouterr().err == ""


def test_images_in_a_test_folder_are_not_learned_from(tree, capsys):
    folder = tree({"train/Apple_scab": 2, "train/Apple_rust": 2,
                   "valid/Apple_scab": 1, "Test/Apple_scab": 3,
                   "Test/Apple_healthy": 3})
    dataset, domains = read_domains([folder])
    assert dataset.class_names == ("Apple_rust", "Apple_scab")
    assert dataset.plants == ("Apple", "Apple")
    assert dataset.labels.tolist() == [0, 0, 1, 1, 1] and len(domains) == 5
    assert (f"{folder}: 6 images in Test are not learned from"
            in capsys.readouterr().err)
    dataset, _ = read_domains([folder, tree({"Apple_scab": 1}, "more")])
    assert dataset.counts().tolist() == [2, 4]
    # Where there are no other images, they are learned from.
    assert len(read_domains([folder / "Test"])[0].files) == 6


@pytest.mark.parametrize("below", [".", "A_b"])
def test_a_folder_inside_another_is_refused(tree, below):
    folder = tree({"A_b": 2, "A_c": 1})
    with pytest.raises(UserError, match="given twice"):
        read_domains([folder, folder / below])


def test_a_csv_of_leaves_is_relative_to_each_folder(tree, tmp_path):
    folders = [tree({"A_b": 2}, "lab"), tree({"A_b": 3}, "field")]
    csv = tmp_path / "leaves.csv"
    csv.write_text("file,leaf\nA_b/image (1).JPG,x\nA_b/image (2).JPG,x\n")
    dataset, domains = read_domains(folders)
    assert read_domain_groups(csv, dataset, domains, folders) == [
        "lab: x", "lab: x", "field: x", "field: x", None]
    dataset, domains = read_domains(folders[:1])
    assert read_domain_groups(csv, dataset, domains, folders[:1]) == ["x",
                                                                      "x"]


def test_leaves_of_two_folders_of_one_name_are_not_confused(tree, tmp_path):
    folders = [tree({"A_b": 1}, "a/photos"), tree({"A_b": 1}, "b/photos")]
    csv = tmp_path / "leaves.csv"
    csv.write_text("file,leaf\nA_b/image (1).JPG,x\n")
    dataset, domains = read_domains(folders)
    assert read_domain_groups(csv, dataset, domains, folders) == [
        "a/photos: x", "b/photos: x"]


@pytest.mark.parametrize("root", ["", "images/", "/home/me/images/",
                                  "C:\\me\\"])
def test_a_csv_can_put_images_of_two_folders_on_one_leaf(
        tree, tmp_path, root):
    folders = [tree({"A_b": 2}, "lab"), tree({"A_b": 2}, "field")]
    csv = tmp_path / "leaves.csv"
    csv.write_text("file,leaf\n" + "".join(
        f"{root}{folder}/A_b/image ({number}).JPG,{number}\n"
        for folder in ("lab", "field") for number in (1, 2)))
    dataset, domains = read_domains(folders)
    assert read_domain_groups(csv, dataset, domains, folders) == [
        "1", "2", "1", "2"]


def test_classes_of_several_folders_are_in_the_same_order(tree):
    counts = {"A_10": 1, "A_9": 1, "a_8": 1}
    alone = read_dataset(tree(counts, "lab"))
    dataset, _ = read_domains([tree(counts, "lab2"), tree(counts, "field")])
    assert dataset.class_names == alone.class_names


def leaf(seed):
    """Return a drawn leaf, another one for each seed."""
    return draw_leaf("Apple_scab", np.random.default_rng(seed), 64)


@pytest.fixture
def photographs(tmp_path):
    """Return a folder of two classes, in which photographs repeat."""
    first, twice, other = leaf(1), leaf(2), leaf(3)
    for name, rgb_img in {
            "a/1.png": first,
            "a/1 turned.jpg": np.rot90(first).copy(),
            "a/1_Crop.png": leaf(9), "a/2.png": other, "a/3.png": twice,
            "b/1.png": np.ascontiguousarray(twice[:, ::-1]),
            "b/2.png": leaf(4), "b/3.png": leaf(5)}.items():
        write_image(tmp_path / "images" / name, rgb_img)
    return tmp_path / "images"


def test_images_are_grouped_by_pixels_and_names(photographs, capfd):
    found = group_images(*read_domains([photographs]), [photographs], None,
                         Workers(1))
    leaves = dict(zip(map(str, found.dataset.files), found.groups))
    assert len(set(leaves.values())) == 5
    assert leaves["a/1.png"] == leaves["a/1 turned.jpg"] == leaves[
        "a/1_Crop.png"]
    assert leaves["a/3.png"] == leaves["b/1.png"]
    assert [str(file) for file, contradicts in zip(
        found.dataset.files, found.contradicting) if contradicts] == [
            "a/3.png", "b/1.png"]
    assert ("photographs in several classes: 1, as 2 images ('a/3.png' and "
            "'b/1.png'") in capfd.readouterr().err


def test_a_csv_adds_to_the_groups_by_pixels(photographs, tmp_path, capfd):
    path = tmp_path / "leaves.csv"
    path.write_text("file,leaf\na/1.png,x\na/2.png,y\nb/2.png,z\n"
                    "b/3.png,z\na/1 turned.jpg,y\n")
    found = group_images(*read_domains([photographs]), [photographs], path,
                         Workers(1))
    leaves = dict(zip(map(str, found.dataset.files), found.groups))
    # The CSV puts "a/1 turned" on the leaf of "a/2", so these are one leaf.
    assert {leaves[name] for name in (
        "a/1.png", "a/1 turned.jpg", "a/1_Crop.png", "a/2.png")} == {"x"}
    assert leaves["b/2.png"] == leaves["b/3.png"] == "z"
    assert leaves["a/3.png"] == leaves["b/1.png"]
    assert len(set(leaves.values())) == 3
    notes = capfd.readouterr().err
    assert "pairs of leaves in the CSV that share a photograph" in notes
    assert "so are one leaf: 1 (" in notes
    assert "2 of 8 images have no row with a leaf ('a/3.png')" in notes


def test_keras_copies_of_an_unknown_photograph_are_noted(
        photographs, capfd):
    (photographs / "a" / "2.png").rename(photographs / "a" / "aug_0_77.png")
    group_images(*read_domains([photographs]), [photographs], None,
                 Workers(1))
    assert ("copies that Keras saved, without the name of their photograph: "
            "1 ('a/aug_0_77.png')" in capfd.readouterr().err)
