"""What one image file is, and reading all images of a data set."""

import hashlib

import cv2
import numpy as np
import pytest
from pictures import make_thumbnail, picture
from PIL import Image

from leaffliction.distribution import duplicates
from leaffliction.distribution.inspection import inspect_dataset, inspect_image
from leaffliction.utils import parallel
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError


@pytest.mark.parametrize("name, mode, size", [
    ("a.jpg", "RGB", (300, 200)), ("a.jpg", "L", (3, 500)),
    ("a.jpg", "CMYK", (90, 60)), ("a.png", "RGBA", (30, 20)),
    ("a.png", "P", (1, 1)), ("a.tif", "I;16", (64, 48))])
def test_size_mode_and_checksum_are_those_of_the_file(
        name, mode, size, tmp_path):
    if mode == "I;16":
        image = Image.fromarray(np.full(size[::-1], 9000, np.uint16))
    else:
        image = Image.new("RGB", size, "olive").convert(mode)
    image.save(tmp_path / name)
    inspection = inspect_image(tmp_path / name)
    assert (inspection.size, inspection.mode) == (size, mode)
    assert inspection.sha256 == hashlib.sha256(
        (tmp_path / name).read_bytes()).hexdigest()
    assert inspection.thumbnail.shape == (768,)
    assert inspection.thumbnail.dtype == np.uint8


@pytest.mark.parametrize("size", [(64, 64), (90, 70), (1500, 1100)])
def test_the_thumbnail_of_a_jpeg_does_not_depend_on_its_size(size, tmp_path):
    image = picture(1, 256)
    Image.fromarray(cv2.resize(
        image, size, interpolation=cv2.INTER_AREA)).save(
        tmp_path / "a.jpg", quality=95, subsampling=0)
    gap = (inspect_image(tmp_path / "a.jpg").thumbnail.astype(float)
           - make_thumbnail(image))
    assert np.sqrt((gap ** 2).mean()) < duplicates.MAX_DIFFERENCE / 2


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.9])
def test_a_truncated_file_is_not_readable(share, tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(picture(1, 256)).save(path)
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size * share)])
    with pytest.raises(UserError, match="not a readable image"):
        inspect_image(path)


def test_few_large_photographs_are_read_in_threads(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(picture(number)).save(
                tmp_path / name / f"{number}.jpg")
    (tmp_path / "b/2.jpg").write_bytes(b"truncated")
    # By their size they would be worth processes.
    monkeypatch.setattr(parallel, "MIN_BYTES_PER_PROCESS", 1)
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", None)
    results, readable = inspect_dataset(read_dataset(tmp_path),
                                        parallel.Workers(2))
    assert readable == [0, 1, 2, 3, 4]
    assert results[0].thumbnail.shape == (768,)
    assert isinstance(results[5], UserError)
