"""transformation/batch.py: the views' files, and which are out of date."""

import os
from pathlib import Path

import numpy as np
import pytest

from leaffliction.transformation import batch
from leaffliction.transformation.batch import (Transformed, output_names,
                                               transform_file, view_file)
from leaffliction.utils.images import read_image, write_image
from samples.drawing import draw_leaf


def test_no_two_sources_have_one_name():
    files = [Path(name) for name in (
        "a/b.JPG", "a/b.jpg", "a/B.png", "a/b-2.jpg", "a/c.jpg", "b/b.jpg",
        "A/c.jpg")]
    names = output_names(files)
    assert len({str(name).casefold() for name in names}) == len(files)
    assert names[0] == Path("a/b") and names[3] == Path("a/b-2")
    assert names[4] == Path("a/c") and names[5] == Path("b/b")
    assert [name.parent for name in names] == [
        file.parent for file in files]


@pytest.mark.parametrize("name, suffix, expected", [
    ("Mask", ".JPG", "leaf_Mask.JPG"), ("Mask", ".avif", "leaf_Mask.png"),
    ("Histogram", ".JPG", "leaf_Histogram.png")])
def test_view_has_the_photograph_s_suffix_unless_it_is_a_chart(
        name, suffix, expected):
    assert view_file(Path("out/leaf"), name, suffix) == Path("out", expected)


@pytest.fixture
def paths(tmp_path):
    """Return a drawn leaf's file, and the path of its views."""
    write_image(tmp_path / "leaf.png",
                draw_leaf("Grape_Esca", np.random.default_rng(1), 64))
    return tmp_path / "leaf.png", tmp_path / "views" / "leaf"


def transform(paths, measured=False, force=False):
    """Make two views of one file."""
    return transform_file(paths, ["Mask", "ROI"], measured, force)


def test_views_are_written_and_leaves_measured_if_wanted(paths):
    assert transform(paths) == Transformed(1, [])
    assert sorted(file.name for file in paths[1].parent.iterdir()) == [
        "leaf_Mask.png", "leaf_ROI.png"]
    result = transform(paths, measured=True)
    assert result.leaf_count == len(result.measurements) == 1


def test_photograph_without_a_leaf_has_views_and_no_measurements(paths):
    blank = paths[0].with_name("blank.png")
    write_image(blank, np.full((20, 20, 3), 150, np.uint8))
    assert transform((blank, paths[1]), measured=True) == Transformed(0, [])
    assert len(list(paths[1].parent.iterdir())) == 2


def test_views_that_are_up_to_date_are_not_made_again(paths, monkeypatch):
    transform(paths)
    reads = []
    monkeypatch.setattr(batch, "read_image", lambda path: (
        reads.append(path), read_image(path))[1])
    assert transform(paths) == Transformed(None, []) and not reads
    mask, roi = (paths[1].with_name(f"leaf_{name}.png")
                 for name in ("Mask", "ROI"))
    content = mask.read_bytes()
    # Gone, empty after a power cut, or older than the photograph.
    for spoil in (mask.unlink, lambda: os.truncate(mask, 0),
                  lambda: os.utime(mask, (1, 1))):
        spoil()
        written = roi.stat().st_mtime_ns
        assert transform(paths) == Transformed(1, [])
        assert mask.read_bytes() == content and mask.stat().st_mtime > 1
        assert roi.stat().st_mtime_ns == written
    assert len(reads) == 3
    roi.write_bytes(b"spoilt")
    transform(paths, force=True)
    assert roi.read_bytes() != b"spoilt"
