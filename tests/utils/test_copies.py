"""leaffliction/utils/copies.py: augmented copies, recognised by name."""

from pathlib import Path

import pytest

from leaffliction.utils.copies import (augmented_copies, copy_path,
                                       link_copies, original_stems,
                                       unattributed_copies)
from leaffliction.utils.images import SUFFIXES

HASH, UUID = "0123456789abcdef" * 2, "6e5c4b0c-1111-4222-8333-0123456789ab"


def paths(*names):
    """Return the names as paths."""
    return [Path(name) for name in names]


def test_copies_are_recognised_by_name_and_original():
    files = paths("c/a.JPG", "c/a_Flip.JPG", "c/a_Rotate_2.JPG",
                  "c/a_Flip_Crop.JPG", "c/a_Skew_Shear.JPG", "d/a_Flip.JPG",
                  "c/Crop.JPG", "c/b_Flip.JPG", "c/a_Flipside.JPG")
    assert augmented_copies(files) == dict.fromkeys(files[1:5], files[0])


@pytest.mark.parametrize("name", [
    "a_90deg.JPG", "a_180deg.JPG", "a_270deg.JPG", "a_flipLR.JPG",
    "a_flipTB.JPG", "a_new30degFlipLR.JPG", "a.JPG_90deg.JPG",
    "a_NEW30DEGFLIPLR.jpg", "a_rot90.jpg", "a_rotate_45.png", "A_aug1.jpg",
    "a_aug_3.png", "a_augmented-12.jpg", "a_rotated.jpg", "a_flipped.jpg",
    "a_hflip.jpg", "a_horizontal_flip.jpg", "a-flip-vertical.jpg",
    "a_bright.jpg", "a_darker.jpg", "a_noise.jpg", "a_gaussian_noise_2.jpg",
    "a_mirror.jpg", "a_zoom.jpg", "a_Contrast.JPG", "a_Scaling.JPG",
    "a_Illumination.JPG", "a_Projective.JPG", "a_Translation.JPG",
    "a_Blur_2.JPG", "a_brightness.jpg", "aug_3_a.jpg", "flipped_a.jpg",
    "a_flipped_horizontally.jpg", "a_shear_0.2.jpg", "a_shift_5_-3.jpg",
    "a_randomcrop.jpg", "a_random_crop_1.jpg", "a_zoom_in.jpg", "a flip.jpg",
    "a aug 1.jpg", "a_clahe.jpg", "a_elastic_2.jpg", "a_cutout.jpg",
    "a_mask.JPG", "a_final_masked.jpg", "a_Original.JPG",
    "a_0_4711.jpg", "a_0_9999999.png", f"a_jpg.rf.{HASH}.jpg",
    f"A_JPG.rf.{HASH.upper()}.jpg", f"c_original_a.JPG_{UUID}.JPG"])
def test_copies_of_many_tools_are_recognised(name):
    original, copy = paths("c/a.jpg", f"c/{name}")
    assert augmented_copies([copy, original]) == {copy: original}
    # Only in the class of its original.
    assert augmented_copies([copy, *paths("d/a.jpg", "c/other.jpg")]) == {}


@pytest.mark.parametrize("name", [
    "a.jpg", "a.JPG", "a.jfif", "a.heic", "a", "a.jpg?w=300", "a.HEIC.jpg",
    "a.jpg.jpg", "leaf.001", "1.5 m", "Flip.gif"])
def test_copy_path_is_writable_and_recognised(name):
    original = Path("c", name)
    copy, other = copy_path(original, "Flip_2"), Path("c/other.001")
    assert copy.suffix.lower() in SUFFIXES
    assert augmented_copies([copy, other, original]) == {copy: original}


@pytest.mark.parametrize("names", [
    ("image (1).jpg", "image (10).jpg"), ("IMG.jpg", "IMG_180.jpg"),
    ("IMG.jpg", "IMG_20190101_123456.jpg"), ("IMG_1.jpg", "IMG_11.jpg"),
    ("DSC.jpg", "DSC_0001.jpg"), ("leaf.jpg", "leaf (2).jpg"),
    ("Apple.jpg", "Apple_scab.jpg"), ("a.jpg", "a_b.jpg"),
    ("image (1).jpg", "image (1)_2.jpg"), ("leaf 1.jpg", "leaf 2.jpg"),
    ("2021.jpg", "2021_08_13.jpg"), ("black rot 1.jpg", "black rot 2.jpg"),
    ("a.jpg", "aflip.jpg"), ("a.jpg", "a_flipper.jpg"),
    ("Apple_Black.jpg", "Apple_Black_rotten.jpg"), ("Flip.jpg", "Crop.jpg"),
    ("Flip.jpg", "Flip.png")])
def test_similar_names_are_not_copies(names):
    files = paths(*(f"c/{name}" for name in names))
    assert augmented_copies(files) == {}
    assert link_copies(files).tolist() == [0, 1]


def test_the_original_may_be_in_another_folder_of_the_class():
    files = paths("train/c/a.jpg", "valid/c/a_flipLR.jpg", "valid/c/a.jpg",
                  "valid/d/a_Flip.jpg", "train/c/b.png", "valid/c/b_Crop.jpg",
                  "valid/c/b_Crop.png")
    assert augmented_copies(files, "cccdccc") == {
        files[1]: files[2], files[5]: files[4], files[6]: files[4]}
    assert augmented_copies(files) == {files[1]: files[2]}


def test_copies_of_one_missing_original_are_linked():
    files = paths(
        f"c/b_jpg.rf.{HASH}.jpg", f"c/b_jpg.rf.{HASH[::-1]}.jpg",
        f"d/b_jpg.rf.{HASH}.jpg", "c/a_90deg.jpg", "c/a_flipLR.jpg",
        f"c/c_original_e.JPG_{UUID}.JPG",
        f"c/c_original_e.JPG_{UUID[::-1]}.JPG",
        f"c/c_original_e.JPG_{UUID.replace('6', '7')}.JPG",
        # These numbers may count photographs.
        "c/rot_1.jpg", "c/x_aug_1.jpg", "c/x_aug_2.jpg", "c/a_180deg.png")
    assert link_copies(files).tolist() == [
        0, 0, 2, 3, 3, 5, 6, 5, 8, 9, 10, 3]
    assert augmented_copies(files) == {}


def test_copies_are_linked_to_their_original():
    files = paths("c/a_Flip.jpg", "c/b.jpg", "c/a.jpg", "c/a_Flip_Crop.jpg")
    assert link_copies(files).tolist() == [2, 1, 2, 2]
    assert link_copies([]).tolist() == []


def test_keras_names_without_a_photograph_are_listed():
    files = paths("c/aug_0_123.jpg", "c/_12_4567.png", "c/a_0_123.jpg",
                  "c/IMG_2019_123.jpg")
    assert unattributed_copies(files) == files[:2]


def test_original_stems_lead_from_copies_of_copies_to_the_photograph():
    assert list(original_stems("a")) == []
    assert list(original_stems("a_Flip_Crop")) == [
        ("a_Flip", True), ("a", True)]
    assert list(original_stems("a.JPG_90deg")) == [("a.JPG", True),
                                                   ("a", True)]
    # Only numbered: "aug_0_123" and "aug_0_124" may be two photographs.
    assert list(original_stems("aug_0_123")) == [("aug", False)]


def test_files_named_as_copies_of_each_other_do_not_loop():
    files = paths("c/Flip_Crop.jpg", "c/Flip.jpg", "c/Crop.jpg")
    assert set(augmented_copies(files)) == {files[0]}
