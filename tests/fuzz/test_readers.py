"""Whatever a file holds, its reader says what is wrong, or reads it."""

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
from mutations import changed, changes, tables
from watch import REGRESSIONS, cases

from leaffliction.augmentation.balance import LONGEST
from leaffliction.augmentation.transforms import AUGMENTATIONS, augment
from leaffliction.distribution.inspection import inspect_image
from leaffliction.model.bundle import verify_signature
from leaffliction.model.classifier import Classifier
from leaffliction.training.groups import read_groups
from leaffliction.training.pretrained import tensors_digest
from leaffliction.transformation.mask import find_leaf
from leaffliction.transformation.views import VIEWS, measure
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write
from leaffliction.utils.images import check_image, read_image
from leaffliction.utils.output_tree import RECORD, read_record

# Beyond, the views are the same code for more pixels.
MOST_PIXELS = 100_000


def kind(name):
    """Give the test's case the name of what it reads."""
    return pytest.mark.parametrize("case", [name], indirect=True)


# Images.

def read_and_use(path, choice):
    """Read an image as all programs do, and use it as they would."""
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
    if rgb_img.size > 3 * MOST_PIXELS or max(rgb_img.shape) > LONGEST:
        return
    names = sorted(AUGMENTATIONS)
    augmented = augment(rgb_img, names[choice % len(names)], choice, "key")
    assert augmented.shape == rgb_img.shape and augmented.dtype == np.uint8
    mask, quality = find_leaf(rgb_img)
    assert mask.shape == rgb_img.shape[:2] and 0 <= quality <= 1
    assert len(measure(rgb_img, mask, quality)) > 20
    names = sorted(VIEWS)
    view = VIEWS[names[choice % len(names)]][1](rgb_img, mask)
    assert view.dtype == np.uint8 and view.shape[2:] == (3,)


@kind("image")
@cases(few=150, part=0.6)
@given(file=image_files(), choice=st.integers(0, 1000))
def test_images(case, file, choice):
    with case.file(*file) as path:
        read_and_use(path, choice)


# Archives.

def load_and_use(path):
    """Load an archive, and predict with it if it is one."""
    before = sorted(path.parent.iterdir())
    try:
        learnings = Classifier.load(path)
    except UserError as error:
        assert str(path) in str(error)
    else:
        prediction = learnings.predict_image(
            np.full((50, 40, 3), 100, np.uint8))
        assert prediction.class_name in learnings.class_names
        assert len(prediction.probabilities) == len(learnings.class_names)
    assert sorted(path.parent.iterdir()) == before


@kind("archive")
@cases(few=60, part=0.2)
@given(data=st.data())
def test_archives(case, members, data):
    content = data.draw(archives(members))
    with case.file(".zip", content) as path:
        load_and_use(path)


# Texts.

def read_table(path, root):
    dataset = read_dataset(root)
    try:
        leaves, = read_groups(path, [dataset])
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert len(leaves) == len(dataset.files) and "" not in leaves


@kind("table")
@cases(few=100, part=0.1)
@given(data=st.data())
def test_tables(case, learned, data):
    content = data.draw(tables((learned / "leaves.csv").read_text()))
    with case.file(".csv", content) as path:
        read_table(path, learned / "images")


def read_signature(path):
    try:
        verify_signature(path.with_name("learnings.zip"), io.BytesIO())
    except UserError as error:
        assert "signature" in str(error)


@kind("signature")
@cases(few=30, part=0.04)
@given(operations=changes)
def test_signatures(case, learned, operations):
    content = changed((learned / "signature.txt").read_bytes(), operations)
    with case.file(".txt", content) as path:
        (path.parent / "learnings.zip").write_bytes(b"any")
        read_signature(path.rename(path.with_name("signature.txt")))
        path.touch()


def read_note(path):
    fingerprint, files = read_record(path.parent)
    assert isinstance(fingerprint, str)
    assert all(isinstance(file, Path) for file in files)


@kind("record")
@cases(few=30, part=0.04)
@given(operations=changes, fields=st.sampled_from((
    {"fingerprint": "a", "files": ["a", "b/c"]}, [], {}, {"fingerprint": 1},
    {"fingerprint": None, "files": None}, {"fingerprint": [], "files": [1]},
    {"fingerprint": "a", "files": "abc"})))
def test_records(case, operations, fields):
    content = changed(json.dumps(fields).encode(), operations)
    with case.file(".json", content) as path:
        read_note(path.rename(path.with_name(RECORD)))
        path.with_name(RECORD).rename(path)


@cache
def hdf5():
    """Return a small HDF5 file as Keras writes its weights."""
    import io

    import h5py
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name in ("Conv1", "bn_Conv1", "block_1_expand"):
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode()]
            group[f"{name}/kernel:0"] = np.ones((3, 3, 3, 8), np.float32)
    return content.getvalue()


def digest_weights(path):
    try:
        assert len(tensors_digest(path)) == 64
    except UserError:
        pass


@kind("weights")
@cases(few=60, part=0.02)
@given(operations=changes)
def test_weights(case, operations):
    with case.file(".h5", changed(hdf5(), operations)) as path:
        digest_weights(path)


# What has failed once.

AGAIN = {"image": partial(read_and_use, choice=0), "archive": load_and_use,
         "weights": digest_weights}


@pytest.mark.parametrize("file", sorted(
    set(REGRESSIONS.glob("*")) - set(REGRESSIONS.glob("command-*"))),
    ids=lambda file: file.name)
def test_what_has_failed_does_not_fail_again(file, tmp_path, learned):
    path = tmp_path / file.name
    with atomic_write(path) as partial_file:
        partial_file.write_bytes(file.read_bytes())
    name = file.name.split("-")[0]
    if name == "table":
        read_table(path, learned / "images")
    elif name == "signature":
        read_signature(path.rename(path.with_name("signature.txt")))
    elif name == "record":
        read_note(path.rename(path.with_name(RECORD)))
    else:
        AGAIN[name](path)
