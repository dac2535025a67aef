"""leaffliction/augmentation/file_copy.py: errors name the file at fault."""

import errno
import os
from pathlib import Path

import pytest

from leaffliction.augmentation.file_copy import SourceError, link_or_copy
from leaffliction.utils.errors import UserError


@pytest.fixture
def source(tmp_path):
    """Return a file to copy, source/A_b/image (1).png."""
    file = tmp_path / "source" / "A_b" / "image (1).png"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"content")
    return file


def test_a_file_is_linked_or_else_copied(source, tmp_path, monkeypatch):
    link = tmp_path / "link.png"
    link.symlink_to(source)
    for number, path in enumerate((source, link)):
        link_or_copy(path, tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").samefile(source)
        assert not (tmp_path / f"{number}.png").is_symlink()

    def refuse(*names):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(source, tmp_path / "copy.png")
    assert not (tmp_path / "copy.png").samefile(source)
    assert (tmp_path / "copy.png").read_bytes() == source.read_bytes()
    # Linked to itself, it leaves no temporary file.
    monkeypatch.undo()
    link_or_copy(source, tmp_path / "0.png")
    assert not list(tmp_path.glob(".partial*"))


class Vanishing:
    """An open file that fails to be read."""

    def __init__(self, number):
        self.error = OSError(number, os.strerror(number))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def read(self, _):
        raise self.error


@pytest.mark.parametrize("number", [
    errno.ENOENT, errno.EACCES, errno.ESTALE, errno.EIO])
@pytest.mark.parametrize("when", ["opened", "read"])
def test_a_source_that_disappears_is_a_source_error(
        source, tmp_path, monkeypatch, number, when):
    target = tmp_path / "out" / "a.png"

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    real = Path.open
    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(Path, "open", lambda path, mode="r", **options: (
        real(path, mode, **options) if path != source else
        fail() if when == "opened" else Vanishing(number)))
    with pytest.raises(SourceError, match=r"A_b/image \(1\).png: cannot be "
                                          "read any more"):
        link_or_copy(source, target)
    assert not list((tmp_path / "out").iterdir())


def test_a_target_that_cannot_be_written_is_no_source_error(source, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/a.png: cannot be written") as at:
        link_or_copy(source, tmp_path / "file/a.png")
    assert not isinstance(at.value, SourceError)


def test_a_missing_source_or_a_link_to_itself_is_a_source_error(tmp_path):
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "there.png").touch()
    for name in ("loop.png", "gone.png"):
        for target in ("new.png", "there.png"):
            with pytest.raises(SourceError, match=f"{name}: cannot be read"):
                link_or_copy(tmp_path / name, tmp_path / target)
