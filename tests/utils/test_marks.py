"""leaffliction/utils/marks.py: a mark that programs see and readers do not."""

import os
from pathlib import Path

import pytest

from leaffliction.utils.marks import (COPY, DRAWING, TAIL, last_bytes, mark,
                                      mark_line, marked_kind, marked_source,
                                      source_key)


@pytest.mark.parametrize("kind", [DRAWING, COPY])
@pytest.mark.parametrize("name", [
    "a.png", "a.jpg", "a.svg", "a.pdf", "a.eps", "a.avif", "a"])
def test_a_marked_file_names_its_kind_and_its_source(tmp_path, name, kind):
    path = tmp_path / name
    path.write_bytes(b"content" * 20)
    assert marked_kind(last_bytes(path)) is None
    assert marked_source(last_bytes(path)) is None
    mark(path, "a leaf", kind)
    assert marked_kind(last_bytes(path)) == kind
    assert marked_source(last_bytes(path)) == source_key("a leaf")
    assert path.read_bytes().startswith(b"content" * 20)


def test_the_mark_stays_readable_by_later_versions():
    # These bytes are in the images of users.
    assert mark_line("a leaf", COPY) == (
        b"\nLeaffliction copy caf6bc887f8fd870\n")


@pytest.mark.parametrize("name, end", [
    ("a.svg", b" -->\n"), ("a.pdf", b"\n"), ("a.avif", b"\n")])
def test_formats_that_are_read_to_their_end_have_the_mark_in_a_comment(
        tmp_path, name, end):
    path = tmp_path / name
    path.touch()
    mark(path, "a leaf")
    content = path.read_bytes()
    start = {"a.svg": b"\n<!-- Leaf", "a.pdf": b"\n% Leaf",
             "a.avif": len(content).to_bytes(4, "big") + b"free\nLeaf"}[name]
    assert content.startswith(start) and content.endswith(end)


def test_a_path_is_identified_by_its_absolute_form(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert source_key(Path("a")) == source_key(tmp_path / "a")
    assert source_key(Path("a")) != source_key("a")
    # A file name that is not UTF-8.
    assert len(source_key(os.fsdecode(b"\xff"))) == 16


def test_what_cannot_be_read_has_no_last_bytes(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("none", "pipe", "."):
        assert last_bytes(tmp_path / name) == b""
    (tmp_path / "long").write_bytes(bytes(range(200)))
    assert last_bytes(tmp_path / "long") == bytes(range(200))[-TAIL:]
