"""leaffliction/utils/labels.py: the Dataset."""

from pathlib import Path

import numpy as np
import pytest

from leaffliction.utils.labels import Dataset


@pytest.fixture
def dataset():
    """Return five images of two classes."""
    return Dataset(Path("images"), tuple(map(Path, "vwxyz")),
                   np.array([0, 0, 0, 1, 1]), ("A_b", "A_c"), ("A", "A"))


def test_paths_classes_and_counts_follow_files_and_labels(dataset):
    assert dataset.paths()[4] == Path("images/z")
    assert dataset.classes() == ["A_b", "A_b", "A_b", "A_c", "A_c"]
    assert dataset.counts().tolist() == [3, 2]


def test_a_subset_keeps_all_class_names(dataset):
    part = dataset.subset([4])
    assert part.files == (Path("z"),)
    assert part.class_names == ("A_b", "A_c")
    assert part.counts().tolist() == [0, 1]


def test_a_sample_is_random_in_order_and_no_larger_than_the_limit(dataset):
    samples = {dataset.sample(3, np.random.default_rng(seed)).files
               for seed in range(20)}
    assert len(samples) > 1
    assert all(len(files) == 3 and list(files) == sorted(files)
               for files in samples)
    assert dataset.sample(9, np.random.default_rng(0)).files == dataset.files
