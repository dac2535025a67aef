"""leaffliction/training/training_set.py: how often each image is used."""

from collections import Counter

import numpy as np
import pytest

from leaffliction.training import training_set
from leaffliction.training.config import TrainConfig
from leaffliction.training.data import group_images, read_domains
from leaffliction.training.split import split_leaves
from leaffliction.training.training_set import (TrainingSet, add_field_images,
                                                make_calibration_set, summary,
                                                write_balanced)
from leaffliction.utils.parallel import Workers

CONFIG = TrainConfig(size=32)


@pytest.fixture
def parts(draw_leaves):
    """Return two classes from a laboratory, one also from an orchard."""
    folders = [draw_leaves({"Apple_rust": 12, "Apple_scab": 9}, "lab"),
               draw_leaves({"Apple_rust": 4}, "orchard")]
    leaves = group_images(*read_domains(folders), folders, None, Workers(1))
    return split_leaves(leaves, CONFIG)


def test_several_folders_get_the_same_weight_in_a_class(
        parts, tmp_path, monkeypatch):
    monkeypatch.setattr(training_set, "MIN_IMAGES", 20)
    balanced = write_balanced(parts, CONFIG, tmp_path / "tree", Workers(1))
    counts = Counter(file.parts[0] for file in balanced.files)
    # Two classes of the laboratory and one of the orchard, equally large.
    assert counts == {"lab": 40, "orchard": 20}
    names = parts.training.class_names
    assert names == ("Apple_rust", "Apple_scab")
    assert [names[target] for target in balanced.targets] == [
        file.parts[1] for file in balanced.files]
    assert all(path.is_file() for path in balanced.images())


def test_field_images_are_a_fraction_of_each_class(parts, tmp_path):
    balanced = TrainingSet(tmp_path, ["a", "b", "c", "d", "e"], [],
                           np.array([0, 0, 0, 0, 1]))
    training = add_field_images(balanced, parts.training,
                                TrainConfig(field_images=0.6))
    # 0.6 of 4 images and of 1 image, rounded.
    assert training.targets[5:].tolist() == [0, 0, 1]
    assert len(training.images()) == len(training.targets) == 8
    shown = {image.path for image in training.field_images}
    assert shown <= set(parts.training.paths())
    assert summary(parts, training).endswith(
        "training on 5 balanced images and 3 synthetic field images")


def test_the_calibration_set_shows_early_stopping_leaves_only(parts):
    calibration = make_calibration_set(parts, None, 42)
    paths = calibration.images.paths()
    assert paths == parts.early_stopping.paths()
    assert {image.path for image in calibration.field_images} <= set(paths)
    assert Counter(calibration.targets.tolist()) == {
        0: training_set.FIELD_IMAGES, 1: training_set.FIELD_IMAGES}
    leaf_of = dict(zip(parts.leaves.dataset.paths(), parts.leaves.groups))
    assert list(calibration.leaves) == [leaf_of[path] for path in paths]
