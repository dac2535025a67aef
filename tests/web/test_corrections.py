"""leaffliction/web/corrections.py: a folder to learn from."""

import csv
import hashlib
import os
import re
import shlex
import threading

import numpy as np
import pytest

from serving import photograph

from leaffliction.model.classifier import Prediction
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.errors import UserError
from leaffliction.web.corrections import (COLUMNS, ENOUGH, MAX_NAME,
                                          Corrections, Said)

CLASSES = ("Apple_scab", "Grape_Esca")
SCAB = Prediction(CLASSES, np.array([0.75, 0.25]), 0.0, True,
                  np.zeros((1, 1, 2)))


def make(folder):
    return Corrections(folder, CLASSES, "apple-grape")


@pytest.fixture
def corrections(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make(tmp_path / "corrections")


def add(corrections, class_name, seed=0, name="leaf.jpg"):
    return corrections.add(photograph(seed), Said(
        class_name, name, SCAB, "apple-grape", "0123"))


def files_of(corrections):
    """Return {path in the folder: seed of its photograph, or None}."""
    seeds = {photograph(seed): seed for seed in range(12)}
    return {path.relative_to(corrections.folder).as_posix():
            seeds.get(path.read_bytes())
            for path in corrections.folder.rglob("*") if path.is_file()}


def photographs_of(corrections):
    """Return {folder: seeds of the photographs in it, sorted}."""
    folders = {}
    for path, seed in files_of(corrections).items():
        if path != "corrections.csv":
            folders.setdefault(os.path.dirname(path), []).append(seed)
    return {folder: sorted(seeds) for folder, seeds in folders.items()}


def rows_of(corrections):
    with open(corrections.folder / "corrections.csv", newline="") as lines:
        return list(csv.DictReader(lines))


def test_nothing_is_written_before_the_first_correction(corrections):
    assert corrections.state() == {
        "folder": str(corrections.folder), "counts": {}, "not_a_leaf": 0,
        "enough": ENOUGH, "command": f"python train.py {corrections.folder} "
        "--weights apple-grape --output corrected.zip"}
    corrections.undo("0123456789abcdef")
    assert not corrections.folder.exists()


def test_each_correction_is_a_copy_and_a_row(corrections):
    identity = add(corrections, "Grape_Esca", 1)
    assert identity == hashlib.sha256(photograph(1)).hexdigest()[:16]
    add(corrections, "Apple_scab", 2, "b.jpg")
    add(corrections, "not_a_leaf", 3)
    assert files_of(corrections) == {
        f"Grape_Esca/{identity}.jpg": 1, "corrections.csv": None} | {
        path: seed for path, seed in files_of(corrections).items()
        if seed in (2, 3)}
    assert photographs_of(corrections) == {
        "Grape_Esca": [1], "Apple_scab": [2], ".not_a_leaf": [3]}
    state = corrections.state()
    assert state["counts"] == {"Apple_scab": 1, "Grape_Esca": 1}
    assert state["not_a_leaf"] == 1
    row, second, third = rows_of(corrections)
    assert tuple(row) == COLUMNS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
                        row.pop("time"))
    assert row == {
        "said": "Grape_Esca", "file": f"Grape_Esca/{identity}.jpg",
        "name": "leaf.jpg", "predicted": "Apple_scab",
        "confidence": "0.750000", "known": "yes", "model": "apple-grape",
        "model_sha256": "0123"}
    assert (second["name"], third["said"]) == ("b.jpg", "not_a_leaf")


@pytest.mark.parametrize("said, folder", [
    ("apple scab", "Apple_scab"), ("APPLE___SCAB ", "Apple_scab"),
    ("Not a leaf", ".not_a_leaf"), ("Apple rust", "Apple rust"),
    ("\u00c9 \u6f22", "\u00c9 \u6f22"), ("PVY+", "PVY+"), ("CON", "CON")])
def test_a_class_has_one_spelling(corrections, said, folder):
    add(corrections, said)
    assert list(photographs_of(corrections)) == [folder]
    assert rows_of(corrections)[0]["said"] == folder.lstrip(".")


def test_a_new_class_is_spelled_as_at_first(corrections):
    add(corrections, "Apple rust", 1)
    add(corrections, "apple_RUST", 2)
    assert corrections.state()["counts"] == {"Apple rust": 2}
    assert make(corrections.folder).state()["counts"] == {"Apple rust": 2}


@pytest.mark.parametrize("name", [
    "", " ", "..", ".", ".hidden", ".undone", "../../x", "/etc/passwd",
    "a/b", "a\\b", "C:\\x", "a:b", "con*", "a?", 'a"b', "a<b", "a|b",
    "a\0b", "a\nb", "a\x1bb", "\u202eabc", "a\ud800", " a", "x" * 81,
    # What train.py would not take for a class.
    "images", "train", "2021", "batch 1", "segmented", "Apple segmented"])
def test_a_name_that_is_no_class_is_one_error(corrections, name):
    with pytest.raises(UserError, match="cannot be the name of a class"):
        add(corrections, name)
    assert not corrections.folder.exists()


def test_the_longest_name_is_a_folder(corrections):
    name = "\u6f22" * MAX_NAME      # Three bytes each: 255 are possible.
    add(corrections, name)
    assert corrections.state()["counts"] == {name: 1}


def test_who_changes_their_mind_moves_the_photograph(corrections):
    for said in ("Grape_Esca", "not_a_leaf", "Apple_scab", "Apple_scab"):
        add(corrections, said)
    assert photographs_of(corrections) == {
        ".undone/Grape_Esca": [0], ".undone/not_a_leaf": [0],
        "Apple_scab": [0]}
    state = corrections.state()
    assert (state["counts"], state["not_a_leaf"]) == ({"Apple_scab": 1}, 0)
    assert [row["said"] for row in rows_of(corrections)] == [
        "Grape_Esca", "not_a_leaf", "Apple_scab", "Apple_scab"]


def test_undo_keeps_the_photograph_and_a_second_one_does_nothing(corrections):
    identity = add(corrections, "Grape_Esca", 1)
    add(corrections, "Grape_Esca", 2)
    for name in (identity, identity, "0" * 16, "", "../corrections", ".*",
                 "corrections.csv"):
        corrections.undo(name)
    assert photographs_of(corrections) == {
        "Grape_Esca": [2], ".undone/Grape_Esca": [1]}
    assert [(row["said"], row["file"]) for row in rows_of(corrections)[2:]
            ] == [("undone", f".undone/Grape_Esca/{identity}.jpg")]
    # Said again, and taken back again.
    assert add(corrections, "Grape_Esca", 1) == identity
    corrections.undo(identity)
    assert photographs_of(corrections) == {
        "Grape_Esca": [2], ".undone/Grape_Esca": [1]}


def test_a_restart_goes_on_with_the_same_folder(corrections):
    identity = add(corrections, "Grape_Esca")
    again = make(corrections.folder)
    assert again.state() == corrections.state()
    again.undo(identity)
    add(again, "Apple_scab", 2)
    assert again.state()["counts"] == {"Apple_scab": 1}
    text = (again.folder / "corrections.csv").read_text()
    assert text.count(",".join(COLUMNS)) == 1
    assert [row["said"] for row in rows_of(again)] == [
        "Grape_Esca", "undone", "Apple_scab"]


def test_names_are_no_formulas_and_no_lines(corrections):
    for seed, name in enumerate(("=1+1.jpg", "+1.jpg", "-1.jpg", "@x.jpg",
                                 'a,"b".jpg', "a\nb.jpg", "\ud800.jpg")):
        add(corrections, "Apple_scab", seed, name)
    assert [row["name"] for row in rows_of(corrections)] == [
        "'=1+1.jpg", "'+1.jpg", "'-1.jpg", "'@x.jpg", 'a,"b".jpg',
        "a\\nb.jpg", "\\ud800.jpg"]
    add(corrections, "=cmd", 8)
    assert rows_of(corrections)[-1]["said"] == "'=cmd"


@pytest.mark.parametrize("blocked", [
    "", "Apple_scab", "corrections.csv"])
def test_a_folder_that_cannot_be_written_is_one_error(corrections, blocked):
    # Root may write anywhere, but not into a file.
    path = corrections.folder / blocked
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if path.suffix else path.touch()
    with pytest.raises(UserError) as error:
        add(corrections, "Apple_scab")
    assert str(error.value).startswith(f"{corrections.folder}/")
    assert "cannot be written" in str(error.value)


def test_threads_do_not_mix_their_rows_and_lose_nothing(corrections):
    def work(seeds):
        for seed in seeds:
            identity = add(corrections, CLASSES[seed % 2], seed)
            if seed % 3 == 0:
                corrections.undo(identity)
            # Both threads say something of the same photograph.
            add(corrections, CLASSES[seed // 6], 11)

    threads = [threading.Thread(target=work, args=[range(start, start + 5)])
               for start in (0, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = photographs_of(corrections)
    # Photograph 11 is in one class, and in what was undone.
    assert sorted(found["Apple_scab"] + found["Grape_Esca"]) == [
        1, 2, 4, 7, 8, 10, 11]
    undone = [found.get(f".undone/{name}", []) for name in CLASSES]
    assert sorted({*undone[0], *undone[1]} - {11}) == [0, 3, 6, 9]
    rows = rows_of(corrections)
    assert len(rows) == 10 + 10 + 4
    assert all(None not in row.values() and None not in row for row in rows)


def test_train_reads_exactly_the_classes(corrections):
    add(corrections, "Apple_scab", 1)
    add(corrections, "Grape_Esca", 2)
    add(corrections, "Apple rust", 3)
    add(corrections, "healthy", 4)
    add(corrections, "not_a_leaf", 5)
    corrections.undo(add(corrections, "Tomato_mold", 6))
    dataset = read_dataset(corrections.folder)
    assert sorted(dataset.class_names) == sorted(
        corrections.state()["counts"]) == [
        "Apple rust", "Apple_scab", "Grape_Esca", "healthy"]
    assert len(dataset.files) == 4


def test_the_command_learns_from_the_exercises_images_too(
        corrections, tmp_path):
    (tmp_path / "images").mkdir()
    spaced = Corrections(tmp_path / "a folder", CLASSES, "my model.zip")
    assert shlex.split(spaced.state()["command"]) == [
        "python", "train.py", "images", str(tmp_path / "a folder"),
        "--weights", "my model.zip", "--output", "corrected.zip"]
