"""leaffliction/augmentation/output_tree.py: results and the user's files."""

import os
from pathlib import Path

import pytest

from leaffliction.augmentation.output_tree import (OutputTree,
                                                   check_output_folder,
                                                   read_record)
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write, lock_output_tree
from leaffliction.utils.folders import RECORD

PLANNED = {Path("A/1.jpg"), Path("A/2.jpg"), Path("B/" + os.fsdecode(b"\xff"))}
PARTIAL = f".partial-{'0f' * 8}.jpg"


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a complete tree, of the fingerprint "first"."""
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


def test_the_record_holds_names_that_are_not_utf_8(folder):
    assert read_record(folder) == ("first", PLANNED)
    assert files_of(folder) == PLANNED | {Path(RECORD)}


def test_a_run_with_the_same_fingerprint_reuses_the_files(folder):
    (folder / "A/1.jpg").unlink()
    tree = OutputTree(folder, "first", PLANNED, False)
    assert tree.files == PLANNED - {Path("A/1.jpg")}
    assert files_of(folder) == PLANNED - {Path("A/1.jpg")} | {Path(RECORD)}


def test_finish_deletes_files_that_are_no_longer_planned(folder):
    tree = OutputTree(folder, "first", PLANNED, False)
    fewer = {Path("A/1.jpg"), Path("A/3.jpg")}
    tree.begin(fewer)
    # A run that is stopped now leaves a record of both plans.
    assert read_record(folder) == ("first", PLANNED | fewer)
    write(folder, fewer)
    tree.finish(fewer)
    assert files_of(folder) == fewer | {Path(RECORD)}
    assert read_record(folder) == ("first", fewer)


def test_partial_files_of_a_killed_run_are_deleted(folder):
    partial, similar = folder / "A" / PARTIAL, folder / "A/.partial-mine.jpg"
    for path in (partial, similar):
        path.write_text("half")
    with lock_output_tree(folder):
        assert similar.exists() and not partial.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_partial_files_of_a_stopped_run_are_deleted(folder, error):
    partial = folder / "A" / PARTIAL
    with pytest.raises(error), lock_output_tree(folder):
        # A worker process that is terminated leaves its partial file.
        partial.write_text("half")
        raise error
    assert not partial.exists() and (folder / "A/1.jpg").exists()


def test_a_partial_file_that_another_run_is_writing_stays(folder):
    with atomic_write(folder / "A/3.jpg") as partial:
        partial.write_text("half")
        with lock_output_tree(folder):
            assert partial.exists()
    assert (folder / "A/3.jpg").read_text() == "half"


def test_a_new_folder_that_stays_empty_is_deleted(tmp_path):
    with pytest.raises(UserError), lock_output_tree(tmp_path / "a" / "new"):
        raise UserError("nothing to write")
    assert not (tmp_path / "a" / "new").exists()


@pytest.mark.parametrize("content", [
    "", "[]", "{}", '{"fingerprint": "first"}', "\x00", '"first"',
    '{"fingerprint": "first", "files": [1]}'])
def test_with_a_damaged_record_all_files_are_the_user_s(folder, content):
    (folder / RECORD).write_text(content)
    with pytest.raises(UserError, match="holds other files already"):
        OutputTree(folder, "first", PLANNED, False)
    assert files_of(folder) == PLANNED | {Path(RECORD)}


def test_an_edited_record_deletes_no_file_outside_the_folder(folder):
    outside = folder.parent / "mine.txt"
    outside.write_text("mine")
    (folder / RECORD).write_text(
        '{"fingerprint": "other", "files": ["../mine.txt", "A/1.jpg"]}')
    OutputTree(folder, "first", PLANNED, True)
    (folder / RECORD).write_text(
        '{"fingerprint": "first", "files": ["../mine.txt"]}')
    OutputTree(folder, "first", PLANNED, True).finish(PLANNED)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("fingerprint", ["first", "second"])
def test_the_user_s_files_are_never_deleted(folder, fingerprint, capsys):
    mine = {Path("mine.txt"), Path("C/deep/mine.jpg")}
    write(folder, mine | {Path(".DS_Store")})
    before = files_of(folder)
    with pytest.raises(UserError, match="holds other files already"):
        OutputTree(folder, fingerprint, PLANNED, False)
    assert files_of(folder) == before
    tree = OutputTree(folder, fingerprint, PLANNED, True)
    assert "2 other files stay in it" in capsys.readouterr().err
    tree.begin(PLANNED)
    write(folder, PLANNED)
    tree.finish(PLANNED)
    assert files_of(folder) == before
    assert read_record(folder) == (fingerprint, PLANNED)


def test_only_force_replaces_another_tree(folder):
    with pytest.raises(UserError, match="other options"):
        OutputTree(folder, "second", PLANNED, False)
    OutputTree(folder, "second", {Path("A/1.jpg")}, True)
    assert files_of(folder) == {Path(RECORD)}


def test_a_tree_without_files_leaves_no_folder(tmp_path):
    tree = OutputTree(tmp_path / "new" / "tree", "first", PLANNED, False)
    tree.begin(PLANNED)
    tree.finish(set())
    assert not (tmp_path / "new" / "tree").exists()


@pytest.mark.parametrize("name, message", [
    ("file", "not a folder"), ("source", "lies inside"),
    ("source/new", "lies inside"), ("link/new", "lies inside"),
    (".", "holds")])
def test_a_tree_and_its_source_are_separate_folders(name, message, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("source")
    with pytest.raises(UserError, match=message):
        check_output_folder(tmp_path / name, tmp_path / "source")
    check_output_folder(tmp_path / "source2", tmp_path / "source")
