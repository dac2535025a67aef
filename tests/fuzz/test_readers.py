"""Each reader reads any file, or raises a UserError that names it."""

import io
import json
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from archive_files import archives
from hypothesis import given
from hypothesis import strategies as st
from image_files import image_files
from mutations import leaf_tables, mutate, mutations
from watch import REGRESSIONS, cases

from leaffliction.augmentation.balance import MAX_SIDE
from leaffliction.augmentation.output_tree import read_record
from leaffliction.augmentation.transforms import AUGMENTATIONS, augment
from leaffliction.distribution.inspection import inspect_image
from leaffliction.model.bundle import verify_signature
from leaffliction.model.classifier import Classifier
from leaffliction.training.leaf_csv import read_groups
from leaffliction.training.pretrained import arrays_sha256
from leaffliction.transformation.analysis import analyse_image
from leaffliction.transformation.measurements import UNITS, measure
from leaffliction.transformation.views import VIEWS
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write
from leaffliction.utils.folders import RECORD
from leaffliction.utils.images import check_image, read_image

# Larger images take longer in the same code, so they are only read.
MAX_PIXELS = 100_000


def kind(name):
    """Mark a test with the kind of its case, which names its files."""
    return pytest.mark.parametrize("case", [name], indirect=True)


# Images.

def read_and_use_image(path, choice):
    """Read an image as the programs do, augment, measure and draw it.

    choice: selects one of the augmentations and one of the views.
    """
    try:
        rgb_img = read_image(path)
    except UserError as error:
        assert str(path) in str(error)
        with pytest.raises(UserError):
            inspect_image(path)
        return
    assert rgb_img.dtype == np.uint8 and rgb_img.shape[2:] == (3,)
    assert min(rgb_img.shape[:2]) > 0
    for read in (check_image, inspect_image):
        read(path)
    if rgb_img.size > 3 * MAX_PIXELS or max(rgb_img.shape) > MAX_SIDE:
        return
    names = sorted(AUGMENTATIONS)
    augmented = augment(rgb_img, names[choice % len(names)], choice, "key")
    assert augmented.shape == rgb_img.shape and augmented.dtype == np.uint8
    image = analyse_image(rgb_img)
    assert image.labels.shape == rgb_img.shape[:2]
    for values in measure(image):
        assert list(values) == list(UNITS)
        assert 0 <= values["mask_quality"] <= 1
    names = sorted(VIEWS)
    view = VIEWS[names[choice % len(names)]].draw(image)
    assert view.dtype == np.uint8 and view.shape[2:] == (3,)


@kind("image")
@cases(few=150, share=0.6)
@given(file=image_files(), choice=st.integers(0, 1000))
def test_any_image_file_is_used_or_named_in_an_error(case, file, choice):
    with case.file(*file) as path:
        read_and_use_image(path, choice)


# Archives.

def load_and_predict(path):
    """Load an archive and predict; neither writes any file."""
    before = sorted(path.parent.iterdir())
    try:
        classifier = Classifier.load(path)
    except UserError as error:
        assert str(path) in str(error)
    else:
        prediction = classifier.predict_image(
            np.full((50, 40, 3), 100, np.uint8))
        assert prediction.class_name in classifier.class_names
        assert len(prediction.probabilities) == len(classifier.class_names)
    assert sorted(path.parent.iterdir()) == before


@kind("archive")
@cases(few=60, share=0.2)
@given(data=st.data())
def test_any_archive_predicts_or_is_named_in_an_error(case, members, data):
    content = data.draw(archives(members))
    with case.file(".zip", content) as path:
        load_and_predict(path)


# Texts.

def read_leaf_table(path, root):
    """Read a CSV of leaves for the images below root."""
    dataset = read_dataset(root)
    try:
        leaves, = read_groups(path, [dataset])
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert len(leaves) == len(dataset.files) and "" not in leaves


@kind("table")
@cases(few=100, share=0.1)
@given(data=st.data())
def test_any_leaf_table_is_read_or_named_in_an_error(case, learned, data):
    content = data.draw(leaf_tables((learned / "leaves.csv").read_text()))
    with case.file(".csv", content) as path:
        read_leaf_table(path, learned / "images")


def check_signature(path):
    """Verify the learnings.zip beside a signature.txt."""
    try:
        verify_signature(path.with_name("learnings.zip"), io.BytesIO())
    except UserError as error:
        assert "signature" in str(error)


@kind("signature")
@cases(few=30, share=0.04)
@given(operations=mutations)
def test_any_signature_is_verified_or_an_error(case, learned, operations):
    content = mutate((learned / "signature.txt").read_bytes(), operations)
    with case.file(".txt", content) as path:
        (path.parent / "learnings.zip").write_bytes(b"any")
        check_signature(path.rename(path.with_name("signature.txt")))
        path.touch()


def read_tree_record(path):
    """Read the record of an output tree: unreadable ones count as empty."""
    fingerprint, files = read_record(path.parent)
    assert isinstance(fingerprint, str)
    assert all(isinstance(file, Path) for file in files)


@kind("record")
@cases(few=30, share=0.04)
@given(operations=mutations, fields=st.sampled_from((
    {"fingerprint": "a", "files": ["a", "b/c"]}, [], {}, {"fingerprint": 1},
    {"fingerprint": None, "files": None}, {"fingerprint": [], "files": [1]},
    {"fingerprint": "a", "files": "abc"})))
def test_any_record_gives_text_and_paths(case, operations, fields):
    content = mutate(json.dumps(fields).encode(), operations)
    with case.file(".json", content) as path:
        read_tree_record(path.rename(path.with_name(RECORD)))
        path.with_name(RECORD).rename(path)


# Weights.

@cache
def keras_weights():
    """Return the content of a small HDF5 file, laid out as Keras does."""
    import h5py
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name in ("Conv1", "bn_Conv1", "block_1_expand"):
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode()]
            group[f"{name}/kernel:0"] = np.ones((3, 3, 3, 8), np.float32)
    return content.getvalue()


def digest_weights(path):
    """Compute the checksum of an HDF5 file's arrays."""
    try:
        assert len(arrays_sha256(path)) == 64
    except UserError:
        pass


@kind("weights")
@cases(few=60, share=0.02)
@given(operations=mutations)
def test_any_weights_have_a_checksum_or_are_an_error(case, operations):
    with case.file(".h5", mutate(keras_weights(), operations)) as path:
        digest_weights(path)


# Regressions.

READERS = {"image": partial(read_and_use_image, choice=0),
           "archive": load_and_predict, "weights": digest_weights}


@pytest.mark.parametrize("file", sorted(
    set(REGRESSIONS.glob("*")) - set(REGRESSIONS.glob("command-*"))),
    ids=lambda file: file.name)
def test_a_file_that_failed_once_passes(file, tmp_path, learned):
    path = tmp_path / file.name
    with atomic_write(path) as partial_file:
        partial_file.write_bytes(file.read_bytes())
    name = file.name.split("-")[0]
    if name == "table":
        read_leaf_table(path, learned / "images")
    elif name == "signature":
        check_signature(path.rename(path.with_name("signature.txt")))
    elif name == "record":
        read_tree_record(path.rename(path.with_name(RECORD)))
    else:
        READERS[name](path)
