"""leaffliction/utils/path_hints.py: wildcards, and what is meant by a wrong path."""

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
from leaffliction.utils.path_hints import absent, expand, hint
from leaffliction.utils.storage import path_of


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder with files and folders, which is the current one."""
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
def test_wildcards_stand_for_what_matches_in_natural_order(
        place, text, names):
    assert expand(path_of(text)) == list(map(Path, names))
    whole = place / text
    if whole != Path(text):
        assert expand(whole) == [place / name for name in names]


@pytest.mark.parametrize("text", ["star/*.gif", "star/image [12].jpg",
                                  "missing*/x.jpg", "[", "star/b.png/*"])
def test_what_matches_nothing_is_one_error(place, text):
    with pytest.raises(UserError) as error:
        expand(Path(text))
    assert str(error.value) == (f"{text}: no such file or folder, and "
                                "nothing matches it as a wildcard")


def test_two_stars_do_not_go_round_in_a_loop(place):
    (place / "deep" / "loop").symlink_to(place / "deep")
    assert [path.name for path in expand(Path("deep/**/*.jpg"))] == ["c.jpg"]


def test_wildcards_are_for_stores_too(store):
    from object_store import put
    for name in ("b (10).jpg", "b (9).jpg", "c [1].jpg", "d.txt"):
        put(store / name, b"")
    assert expand(store / "c [1].jpg") == [store / "c [1].jpg"]
    found = expand(store / "*.jpg")
    assert [path.name for path in found] == ["b (9).jpg", "b (10).jpg",
                                             "c [1].jpg"]
    assert found[0].read_bytes() == b""
    with pytest.raises(UserError, match="nothing matches"):
        expand(store / "*.gif")


@pytest.mark.parametrize("text, meant", [
    ('"star/b.png"', "star/b.png"), ("'star/b.png'", "star/b.png"),
    ("star/b.png ", "star/b.png"), (" star/b.png\n", "star/b.png"),
    ("\u201cstar/b.png\u201d", "star/b.png"),
    ("\u202astar/b.png", "star/b.png"), ("star\\b.png", "star/b.png"),
    ('".\\star\\b.png"', "./star/b.png"), ("STAR/B.PNG", "star/b.png"),
    ("star/B.png ", "star/b.png"), ("$PLACE/star", "{place}/star"),
    ("star/image%20(2).jpg", "star/image (2).jpg"),
    ("e\u0301toile/x.jpg", "étoile/x.jpg"), ("Étoile/x.jpg", "étoile/x.jpg"),
    ("star/b*", "star/b.png")])
def test_a_slip_is_pointed_out(place, text, meant, monkeypatch):
    monkeypatch.setenv("PLACE", str(place))
    meant = meant.format(place=place)
    assert str(absent(Path(text))) == (
        f"{Path(text)}: no such file; did you mean {meant}?")


@pytest.mark.parametrize("text, said", [
    ("missing.jpg", ""), ("star/c.png", ""), ("star/b.png/x", ""),
    ("C:\\Users\\me\\a.jpg", "a path of Windows"), ('"D:/a"', "of Windows"),
    ("/C:/a.jpg", "a path of Windows"), ("\\\\nas\\a.jpg", "of Windows"),
    ("%TEMP%\\a.jpg", "a path of Windows"),
    ("star/*.jpg", "it matches 3 files or folders, and here one has")])
def test_what_is_not_known_is_not_guessed(place, text, said):
    assert (said in hint(Path(text))) and bool(said) == bool(
        hint(Path(text)))


def test_two_that_are_alike_are_not_guessed(place):
    Path("star/B.png").write_bytes(b"")
    assert hint(Path("star/B.PNG")) == ""


@pytest.mark.parametrize("program, arguments, said", [
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
def test_each_program_says_in_one_line_what_to_do(
        place, program, arguments, said, capsys):
    for file in ("leaf.png", "alone/leaf.png"):
        write_image(Path(file), np.zeros((9, 9, 3), np.uint8))
    Path("x.zip").write_bytes(b"PK\x03\x04" + bytes(99))
    Path("lfs.jpg").write_text("version https://git-lfs.github.com/spec/v1\n")
    options = [] if "-src" in arguments else ["--no-display"]
    assert cli.run(lambda: program.main([*arguments, *options])) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and printed.count("\n") == 1
    assert said in printed
