"""What the tests of predict.py share: three leaves and an archive."""

import shutil

import pytest


@pytest.fixture
def leaves(learned, tmp_path, monkeypatch):
    """Return a folder of three training images under other names.

    The working directory holds it and learnings.zip.
    """
    monkeypatch.chdir(tmp_path)
    shutil.copy(learned / "learnings.zip", tmp_path)
    for file, name in (("Apple_healthy/image (1).JPG", "x10.jpg"),
                       ("Grape_Esca/image (1).JPG", "x9.jpg"),
                       ("Grape_Esca/image (2).JPG", "Apple_healthy.jpg")):
        (tmp_path / "leaves").mkdir(exist_ok=True)
        shutil.copy(learned / "images" / file, tmp_path / "leaves" / name)
    return tmp_path / "leaves"
