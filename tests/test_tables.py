"""utils/tables.py: lines of text for people, CSV for programs."""

import csv
import os

import pytest

from utils.cli import UserError
from utils.tables import csv_text, text_table, write_csv


def test_texts_stand_to_the_left_and_numbers_to_the_right():
    rows = [["class", "count", "mode"], ["Apple_scab", "1", "L"],
            ["b", "1,234", "RGB"]]
    assert text_table(rows, [True, False, True]).splitlines() == [
        "class       count  mode",
        "Apple_scab      1  L",
        "b           1,234  RGB"]


def test_a_csv_reader_reads_what_was_written(tmp_path):
    rows = [["a,b", '"x"', ""], ["line\nbreak", "é", "1"]]
    write_csv(tmp_path / "new" / "a.csv", ["one", "two", "three"], rows)
    with open(tmp_path / "new" / "a.csv", newline="", encoding="utf-8") as it:
        assert list(csv.reader(it)) == [["one", "two", "three"], *rows]


def test_the_name_of_a_file_leads_to_it_again(tmp_path):
    name = os.fsdecode(b"\xff.jpg")
    write_csv(tmp_path / "a.csv", ["file"], [[name]])
    content = (tmp_path / "a.csv").read_bytes()
    assert content == b"file\n\xff.jpg\n"
    assert csv_text(["file"], [[name]]) == os.fsdecode(content)


def test_a_csv_that_cannot_be_written_is_the_user_s_to_solve(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        write_csv(tmp_path / "file" / "a.csv", ["a"], [])
