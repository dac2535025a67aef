"""leaffliction/utils/path_hints.py: wildcards, and hints at missing paths."""

from pathlib import Path

import numpy as np
import pytest

import Augmentation
import Distribution
import train
import Transformation
from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image
from leaffliction.utils.path_hints import (expand_wildcards, missing_error,
                                           path_hint)
from leaffliction.utils.storage import path_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the current folder, with files and folders in it."""
    for name in ("star/image [1].jpg", "star/image (2).jpg",
                 "star/image (10).jpg", "star/b.png", "star/.hidden.jpg",
                 "May [2]/a.jpg", "May 2/b.jpg", "deep/one/two/c.jpg",
                 "étoile/x.jpg", "what?.jpg"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text, names", [
    ("star/*.jpg", ["star/image (2).jpg", "star/image (10).jpg",
                    "star/image [1].jpg"]),
    ("star", ["star"]), ("missing", ["missing"]),
    ("star/image [1].jpg", ["star/image [1].jpg"]),
    ("what?.jpg", ["what?.jpg"]), ("wha??.jpg", ["what?.jpg"]),
    ("May [2]/*.jpg", ["May [2]/a.jpg"]), ("*[[]2]/*", ["May [2]/a.jpg"]),
    ("May [1-3]", ["May 2"]), ("*/b.*", ["May 2/b.jpg", "star/b.png"]),
    ("deep/**/*.jpg", ["deep/one/two/c.jpg"]),
    ("./star/b*", ["star/b.png"])])
def test_wildcards_return_matches_in_natural_order(folder, text, names):
    assert expand_wildcards(path_of(text)) == list(map(Path, names))
    whole = folder / text
    if whole != Path(text):
        assert expand_wildcards(whole) == [folder / name for name in names]


@pytest.mark.parametrize("text", ["star/*.gif", "star/image [12].jpg",
                                  "missing*/x.jpg", "[", "star/b.png/*"])
def test_wildcards_without_a_match_are_an_error(folder, text):
    with pytest.raises(UserError) as error:
        expand_wildcards(Path(text))
    assert str(error.value) == (f"{text}: no such file or folder, and "
                                "nothing matches it as a wildcard")


def test_two_stars_do_not_follow_a_loop_of_links(folder):
    (folder / "deep" / "loop").symlink_to(folder / "deep")
    match, = expand_wildcards(Path("deep/**/*.jpg"))
    assert match.name == "c.jpg"


def test_wildcards_match_objects_of_a_store(store):
    from object_store import put
    for name in ("b (10).jpg", "b (9).jpg", "c [1].jpg", "d.txt"):
        put(store / name, b"")
    assert expand_wildcards(store / "c [1].jpg") == [store / "c [1].jpg"]
    matches = expand_wildcards(store / "*.jpg")
    assert [path.name for path in matches] == ["b (9).jpg", "b (10).jpg",
                                               "c [1].jpg"]
    assert matches[0].read_bytes() == b""
    with pytest.raises(UserError, match="nothing matches"):
        expand_wildcards(store / "*.gif")


@pytest.mark.parametrize("text, meant", [
    ('"star/b.png"', "star/b.png"), ("'star/b.png'", "star/b.png"),
    ("star/b.png ", "star/b.png"), (" star/b.png\n", "star/b.png"),
    ("\u201cstar/b.png\u201d", "star/b.png"),
    ("\u202astar/b.png", "star/b.png"), ("star\\b.png", "star/b.png"),
    ('".\\star\\b.png"', "./star/b.png"), ("STAR/B.PNG", "star/b.png"),
    ("star/B.png ", "star/b.png"), ("$FOLDER/star", "{folder}/star"),
    ("star/image%20(2).jpg", "star/image (2).jpg"),
    ("e\u0301toile/x.jpg", "étoile/x.jpg"), ("Étoile/x.jpg", "étoile/x.jpg"),
    ("star/b*", "star/b.png")])
def test_nearly_right_path_is_suggested(folder, text, meant, monkeypatch):
    monkeypatch.setenv("FOLDER", str(folder))
    meant = meant.format(folder=folder)
    assert str(missing_error(Path(text))) == (
        f"{Path(text)}: no such file; did you mean {meant}?")


@pytest.mark.parametrize("text, expected", [
    ("missing.jpg", ""), ("star/c.png", ""), ("star/b.png/x", ""),
    ("C:\\Users\\me\\a.jpg", "a path of Windows"), ('"D:/a"', "of Windows"),
    ("/C:/a.jpg", "a path of Windows"), ("\\\\nas\\a.jpg", "of Windows"),
    ("%TEMP%\\a.jpg", "a path of Windows"),
    ("star/*.jpg", "it matches 3 files or folders, but exactly one")])
def test_unknown_path_gets_no_suggestion(folder, text, expected):
    hint = path_hint(Path(text))
    assert expected in hint and bool(expected) == bool(hint)


def test_ambiguous_path_gets_no_suggestion(folder):
    Path("star/B.png").write_bytes(b"")
    assert path_hint(Path("star/B.PNG")) == ""


@pytest.mark.parametrize("program, arguments, expected", [
    (Distribution, ["st*"], "st*: no such folder; did you mean star?"),
    (Distribution, ["*"], "*: no such folder; it matches 10 files or folders"),
    (Augmentation, ["star/*.jpg"], "no such file; it matches 3 files"),
    (Transformation, ["star\\b.png"], "no such file; did you mean star/b.png"),
    (Transformation, ["-src", '"star"', "-dst", "x"],
     '"star": no such folder; did you mean star?'),
    (train, ["gone/*"], "gone/*: no such file or folder, and nothing match"),
    (train, ["star/image (2).jpg"], "not a folder but empty; copy or"),
    (Distribution, ["leaf.png"], "leaf.png: not a folder but an image; give "),
    (Distribution, ["x.zip"], "x.zip: not a folder but a zip archive; unpack"),
    (Augmentation, ["x.zip"], "not a readable image (a zip archive; unpack"),
    (Augmentation, ["lfs.jpg"], "lfs.jpg: not a readable image (a pointer of "
                                "Git LFS, not the file itself; fetch that"),
    (Augmentation, ["star/b.png/x"], "star/b.png/x: no such file"),
    (Augmentation, [""], "a path is empty"), (Distribution, [""], "is empty"),
    (train, ["www.x.org/a"], "www.x.org/a: a web address"),
    (Distribution, ["alone", "--csv", "leaf.png/a.csv"],
     "leaf.png/a.csv: cannot be written (leaf.png is a file, not a folder)"),
    (train, ["star", "--output", "leaf.png/a.zip"],
     "leaf.png: cannot be written (leaf.png is a file, not a folder)"),
])
def test_each_program_reports_a_wrong_path_in_one_line(
        folder, program, arguments, expected, capsys):
    for file in ("leaf.png", "alone/leaf.png"):
        write_image(Path(file), np.zeros((9, 9, 3), np.uint8))
    Path("x.zip").write_bytes(b"PK\x03\x04" + bytes(99))
    Path("lfs.jpg").write_text("version https://git-lfs.github.com/spec/v1\n")
    options = [] if "-src" in arguments else ["--no-display"]
    assert cli.run(lambda: program.main([*arguments, *options])) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and printed.count("\n") == 1
    assert expected in printed
