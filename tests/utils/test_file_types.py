"""leaffliction/utils/file_types.py: kinds of files by their first bytes."""

import time

import pytest
from encoded_images import write

from leaffliction.utils import images
from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import foreign_kind, is_any_picture


@pytest.mark.parametrize("content, reason", [
    (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "JPEG 2000"),
    (b"8BPS\0\1" + bytes(99), "Photoshop"),
    (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera's raw file"),
    (b"IIRO\x08\0\0\0" + bytes(99), "camera's raw file"),
    (b"%PDF-1.7\n", "a PDF document"),
    (b"<?xml version='1.0'?>\n<!-- by hand -->\n<svg xmlns='x'>", "SVG"),
    (b"\xef\xbb\xbf\n <!DOCTYPE html><html>", "a web page"),
    (b"<HTML><IMAGE_HEAD_BYTES><TITLE>404", "a web page"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied", "XML or JSON"),
    (b'{"error": "not found"}', "XML or JSON"),
    (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    (b"\0\0\0\x18ftypmp42" + bytes(9), "a video"),
    (b"PK\3\4" + bytes(30), "a zip archive"), (bytes(4096), "zeros"),
    (b"", "empty"), (b"one leaf\n", "unknown or damaged format")])
def test_foreign_files_are_described(content, reason, tmp_path):
    path = write(tmp_path / "a.jpg", content)
    with pytest.raises(UserError) as error:
        images.read_image(path)
    assert str(error.value).startswith(f"{path}: not a readable image (")
    assert reason in str(error.value)


@pytest.mark.parametrize("content, kind", [
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
     "PostScript"),
    (b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x08\0\0\0\x08\0\x08\0\3"
     + bytes(800), "Photoshop")])
def test_postscript_and_photoshop_are_never_decoded(content, kind, tmp_path):
    # PostScript in a .jpg would start Ghostscript.
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UserError, match="not a readable image .a " + kind):
        images.read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("head, expected", [
    (b"\xff\xd8\xff", True), (b"8BPS", True), (b"%PDF-1.7", True),
    (b"....ftypmp42", True),
    (b"<?xml?><!-- x --><!DOCTYPE svg [<!ENTITY a 'b'>]><!-- --><svg>", True),
    (b"PK\3\4", False), (b"<html>", False), (b"", False), (b"text", False)])
def test_pictures_and_videos_differ_from_texts_and_archives(head, expected):
    assert is_any_picture(head) == expected


@pytest.mark.parametrize("rest", [b"<html>", b"<svg>", b"<other>"])
def test_many_comments_take_no_exponential_time(rest):
    # A pattern that backtracks takes 40 s for 26 comments, and twice as long
    # for each further one.
    start = time.perf_counter()
    foreign_kind(b"<!---->" * 26 + rest)
    assert time.perf_counter() - start < 1
