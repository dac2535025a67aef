"""leaffliction/model/registry.py: verified files, kept for the next time."""

import hashlib
import io
import os
from http.client import IncompleteRead
from pathlib import Path

import pytest

from leaffliction.model import registry
from leaffliction.utils.errors import UserError

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return the cache folder, in the test's folder; it is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return registry.cache_folder()


def test_the_cache_folder_is_in_the_home_folder_by_default(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/grower"))
    assert registry.cache_folder() == Path("/home/grower/.cache/leaffliction")


def test_a_user_without_a_home_folder_is_an_error(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(UserError, match="there is no home folder"):
        registry.cache_folder()


def test_the_first_source_that_has_the_file_is_taken(tmp_path):
    def is_missing():
        raise UserError("not there")

    def fail():
        pytest.fail("asked although an earlier source had the file")

    assert registry.first_available({
        "a cache": is_missing, "a site": lambda: tmp_path,
        "another": fail}) == (tmp_path, "a site")


def test_without_any_source_the_error_gives_the_reason_of_each():
    def source(error):
        def fetch():
            raise error
        return fetch

    with pytest.raises(UserError, match=r"^a cache \(not there\), "
                       r"a site \(unreachable\), a proxy \(Incomplete"):
        registry.first_available({
            "a cache": source(UserError("not there")),
            "a site": source(OSError("unreachable")),
            "a proxy": source(IncompleteRead(b"we"))})


def test_a_kept_file_is_found_again(cache, tmp_path):
    path = registry.add_to_cache(CONTENT, lambda: cache / "file",
                                 tmp_path / "file")
    assert path == cache / "file" == registry.find_cached("file", SHA256)
    assert path.read_bytes() == CONTENT
    assert not (tmp_path / "file").exists()


def test_a_missing_file_is_not_found():
    with pytest.raises(UserError, match="not there"):
        registry.find_cached("file", SHA256)


def test_a_damaged_file_is_deleted(cache, tmp_path):
    path = registry.add_to_cache(CONTENT[1:], lambda: cache / "file",
                                 tmp_path)
    with pytest.raises(UserError, match="damaged, removed"):
        registry.find_cached("file", SHA256)
    assert not path.exists()


def test_only_the_user_may_read_or_change_a_kept_file(cache, tmp_path):
    umask = os.umask(0)
    try:
        path = registry.add_to_cache(CONTENT, lambda: cache / "file",
                                     tmp_path)
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_cannot_be_kept_goes_to_the_fallback(tmp_path, capsys):
    (tmp_path / "cache").write_bytes(b"a file in the way")
    path = registry.add_to_cache(
        CONTENT, lambda: registry.cache_folder() / "file",
        tmp_path / "fallback")
    assert path == tmp_path / "fallback" and path.read_bytes() == CONTENT
    assert ("fallback: not kept for the next time ("
            in capsys.readouterr().err)


def test_a_wrong_checksum_is_an_error_that_names_the_file():
    registry.check_sha256(CONTENT, SHA256, "the weights")
    with pytest.raises(UserError, match="the weights: wrong SHA-256"):
        registry.check_sha256(b"other", SHA256, "the weights")


def test_download_gives_up_after_a_time(monkeypatch):
    def urlopen(url, timeout):
        assert (url, timeout) == ("https://a.b/c", registry.DOWNLOAD_TIMEOUT)
        return io.BytesIO(CONTENT)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    assert registry.download("https://a.b/c") == CONTENT
