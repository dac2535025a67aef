"""leaffliction/utils/output_tree.py: whose is a file in a folder of results?"""

import os
from pathlib import Path

import pytest

from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write
from leaffliction.utils.output_tree import (RECORD, OutputTree, check_place,
                                            lock_output_tree, read_record)

PLANNED = {Path("A/1.jpg"), Path("A/2.jpg"), Path("B/" + os.fsdecode(b"\xff"))}


@pytest.fixture
def place(tmp_path):
    """Return a folder with a whole tree in it."""
    folder = tmp_path / "tree"
    tree = OutputTree(folder, "first", PLANNED, False)
    tree.begin(PLANNED)
    write(folder, PLANNED)
    tree.finish(PLANNED)
    return folder


def write(folder, files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("content")


def files_of(folder):
    return {path.relative_to(folder) for path in folder.rglob("*")
            if not path.is_dir()}


def test_a_tree_is_recorded_with_any_name(place):
    assert read_record(place) == ("first", PLANNED)
    assert files_of(place) == PLANNED | {Path(RECORD)}


def test_what_the_same_run_has_left_stays(place):
    (place / "A/1.jpg").unlink()
    tree = OutputTree(place, "first", PLANNED, False)
    assert tree.own == PLANNED - {Path("A/1.jpg")}
    assert files_of(place) == PLANNED - {Path("A/1.jpg")} | {Path(RECORD)}


def test_what_is_no_longer_planned_goes(place):
    tree = OutputTree(place, "first", PLANNED, False)
    fewer = {Path("A/1.jpg"), Path("A/3.jpg")}
    tree.begin(fewer)
    # A run that is stopped now leaves a record of both plans.
    assert read_record(place) == ("first", PLANNED | fewer)
    write(place, fewer)
    tree.finish(fewer)
    assert files_of(place) == fewer | {Path(RECORD)}
    assert read_record(place) == ("first", fewer)


def test_files_that_were_being_written_are_cleared_away(place):
    partial = place / "A" / f".partial-{'0f' * 8}.jpg"
    similar = place / "A" / ".partial-mine.jpg"
    for path in (partial, similar):
        path.write_text("half")
    with lock_output_tree(place):
        assert similar.exists() and not partial.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_what_was_being_written_goes_when_a_run_is_stopped(place, error):
    partial = place / "A" / f".partial-{'0f' * 8}.jpg"
    with pytest.raises(error), lock_output_tree(place):
        # As a worker leaves it that was stopped by its parent.
        partial.write_text("half")
        raise error
    assert not partial.exists() and (place / "A/1.jpg").exists()


def test_what_another_run_is_writing_stays(place):
    with atomic_write(place / "A/3.jpg") as partial:
        partial.write_text("half")
        with lock_output_tree(place):
            assert partial.exists()
    assert (place / "A/3.jpg").read_text() == "half"


def test_a_folder_that_stays_empty_goes_again(tmp_path):
    with pytest.raises(UserError), lock_output_tree(tmp_path / "a" / "new"):
        raise UserError("nothing to write")
    assert not (tmp_path / "a" / "new").exists()


@pytest.mark.parametrize("content", [
    "", "[]", "{}", '{"fingerprint": "first"}', "\x00", '"first"',
    '{"fingerprint": "first", "files": [1]}'])
def test_a_damaged_record_makes_the_files_the_user_s(place, content):
    (place / RECORD).write_text(content)
    with pytest.raises(UserError, match="holds other files already"):
        OutputTree(place, "first", PLANNED, False)
    assert files_of(place) == PLANNED | {Path(RECORD)}


def test_a_record_names_no_file_outside(place):
    outside = place.parent / "mine.txt"
    outside.write_text("mine")
    (place / RECORD).write_text(
        '{"fingerprint": "other", "files": ["../mine.txt", "A/1.jpg"]}')
    OutputTree(place, "first", PLANNED, True)
    (place / RECORD).write_text(
        '{"fingerprint": "first", "files": ["../mine.txt"]}')
    OutputTree(place, "first", PLANNED, True).finish(PLANNED)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("fingerprint", ["first", "second"])
def test_the_user_s_own_files_are_never_deleted(place, fingerprint, capsys):
    mine = {Path("mine.txt"), Path("C/deep/mine.jpg")}
    write(place, mine | {Path(".DS_Store")})
    before = files_of(place)
    with pytest.raises(UserError, match="holds other files already"):
        OutputTree(place, fingerprint, PLANNED, False)
    assert files_of(place) == before
    tree = OutputTree(place, fingerprint, PLANNED, True)
    assert "2 other files stay in it" in capsys.readouterr().err
    tree.begin(PLANNED)
    write(place, PLANNED)
    tree.finish(PLANNED)
    assert files_of(place) == before
    assert read_record(place) == (fingerprint, PLANNED)


def test_another_tree_is_replaced_by_force_alone(place):
    with pytest.raises(UserError, match="other options"):
        OutputTree(place, "second", PLANNED, False)
    OutputTree(place, "second", {Path("A/1.jpg")}, True)
    assert files_of(place) == {Path(RECORD)}


def test_nothing_planned_leaves_nothing(tmp_path):
    tree = OutputTree(tmp_path / "new" / "tree", "first", PLANNED, False)
    tree.begin(PLANNED)
    tree.finish(set())
    assert not (tmp_path / "new" / "tree").exists()


@pytest.mark.parametrize("place, reason", [
    ("file", "not a folder"), ("source", "lies inside"),
    ("source/new", "lies inside"), ("link/new", "lies inside"),
    (".", "holds")])
def test_a_tree_and_its_source_stay_apart(place, reason, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("source")
    with pytest.raises(UserError, match=reason):
        check_place(tmp_path / place, tmp_path / "source")
    check_place(tmp_path / "source2", tmp_path / "source")
