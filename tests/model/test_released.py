"""leaffliction/model/released.py: archives that are known by name."""

import shutil
from pathlib import Path

import pytest
from paths import ROOT
from tiny import CLASS_NAMES

from leaffliction.model import released
from leaffliction.model.bundle import sign
from leaffliction.model.classifier import Classifier
from leaffliction.model.released import (choose_archive, find_archive,
                                         released_models, released_name)
from leaffliction.utils.errors import UserError

MAX_MEGABYTES = 6


@pytest.fixture
def models(archive, models_folder):
    """Return the folder of two released models, apple-grape and pear.

    The working directory holds neither of them, and no learnings.zip.
    """
    for name in ("pear.zip", "apple-grape.zip"):
        shutil.copy(archive, models_folder / name)
    sign(models_folder / "apple-grape.zip", models_folder / "signature.txt")
    archive.unlink()
    return models_folder


def test_each_zip_of_the_folder_is_a_model_named_like_it(models):
    (models / "apple-grape.md").touch()
    assert list(released_models().items()) == [
        ("apple-grape", models / "apple-grape.zip"),
        ("pear", models / "pear.zip")]
    assert find_archive("pear") == find_archive(Path("pear")) == (
        models / "pear.zip")


def test_a_file_or_a_folder_that_exists_comes_before_a_name(models):
    Path("pear").touch()
    Path("apple-grape").mkdir()
    assert find_archive("pear") == Path("pear")
    assert find_archive("apple-grape") == Path("apple-grape")
    # The name of a released file is a path, and nothing but a path.
    assert find_archive(models / "pear.zip") == models / "pear.zip"


def test_an_unknown_name_is_an_error_that_lists_the_names(models):
    for name in ("peer", "learnings.zip", "apple-grape.zip"):
        with pytest.raises(UserError) as error:
            Classifier.load(name)
        assert str(error.value) == (
            f"{name}: no such file (train.py makes one), nor one of the "
            "released models (apple-grape, pear)")
    Path("mine").touch()
    with pytest.raises(UserError, match="pear.; did you mean mine?"):
        find_archive("mine ")


@pytest.mark.parametrize("path", [
    "folder/pear", "/pear", "../pear", "memory://pear"])
def test_a_path_is_no_name(models, path):
    with pytest.raises(UserError, match=f"^{path}: no such file; train.py"):
        Classifier.load(path)


@pytest.mark.parametrize("remove", [True, False])
def test_without_released_models_every_text_is_a_path(
        models_folder, tmp_path, monkeypatch, remove):
    monkeypatch.chdir(tmp_path)
    if remove:
        models_folder.rmdir()
    assert released_models() == {}
    assert choose_archive(None) == Path("learnings.zip")
    for load in (lambda: Classifier.load("pear"),
                 lambda: Classifier.load(choose_archive(None))):
        with pytest.raises(UserError, match="no such file; train.py makes"):
            load()


def test_learnings_zip_is_chosen_before_the_released_model(models):
    assert choose_archive(None) == models / "apple-grape.zip"
    assert choose_archive(Path("pear")) == models / "pear.zip"
    # Even a link that leads nowhere: the user wants to know.
    Path("learnings.zip").symlink_to("gone.zip")
    assert choose_archive(None) == Path("learnings.zip")
    assert choose_archive(Path("apple-grape")) == models / "apple-grape.zip"


def test_a_classifier_is_loaded_by_name_and_says_which_it_is(
        models, monkeypatch):
    classifier = Classifier.load("apple-grape", verify=True)
    assert classifier.class_names == CLASS_NAMES
    assert classifier.archive == "apple-grape"
    monkeypatch.chdir(models)
    assert Classifier.load("apple-grape.zip").archive == "apple-grape"
    shutil.copy("pear.zip", "../apple-grape.zip")
    assert Classifier.load("../apple-grape.zip").archive == (
        "../apple-grape.zip")
    assert released_name(Path("../apple-grape.zip")) is None
    Path("signature.txt").write_text("0" * 40 + "  apple-grape.zip\n")
    with pytest.raises(UserError, match="apple-grape.zip: is not the arch"):
        Classifier.load("apple-grape", verify=True)


def test_the_released_archive_is_light_and_the_one_that_was_signed():
    archive = find_archive(released.DEFAULT)
    assert archive == ROOT / "models" / "apple-grape.zip"
    assert archive.stat().st_size <= MAX_MEGABYTES * 10**6
    classifier = Classifier.load(released.DEFAULT, verify=True)
    assert len(classifier.class_names) == 9
