"""leaffliction/utils/tables.py: lines of text for people, CSV for programs."""

import csv
import os

import pytest

import Distribution
import predict
import Transformation
from leaffliction.utils.errors import UserError
from leaffliction.utils.tables import CSV_HELP, csv_text, text_table, write_csv


def test_texts_stand_to_the_left_and_numbers_to_the_right():
    rows = [["class", "count", "mode"], ["Apple_scab", "1", "L"],
            ["b", "1,234", "RGB"]]
    assert text_table(rows, [True, False, True]).splitlines() == [
        "class       count  mode",
        "Apple_scab      1  L",
        "b           1,234  RGB"]


def test_a_csv_reader_reads_what_was_written(tmp_path):
    rows = [["a,b", '"x"', ""], ["line", "é", "1"]]
    write_csv(tmp_path / "new" / "a.csv", ["one", "two", "three"], rows)
    with open(tmp_path / "new" / "a.csv", newline="", encoding="utf-8") as it:
        assert list(csv.reader(it)) == [["one", "two", "three"], *rows]


@pytest.mark.parametrize("name, written", [
    (os.fsdecode(b"\xff.jpg"), r"\udcff.jpg"),
    ("a\x1b[2J\r\n", r"a\x1b[2J\r\n"),
    ("=1+1", "'=1+1"), ("@a", "'@a"), ("+a", "'+a"), ("-a/b", "'-a/b"),
    ("\t=1", r"\t=1"), ("a=b", "a=b"), (-1.5, "-1.5"), (None, "")])
def test_a_name_is_neither_formula_nor_control(name, written, tmp_path):
    write_csv(tmp_path / "a.csv", ["file"], [[name]])
    content = (tmp_path / "a.csv").read_text("utf-8")
    assert content == csv_text(["file"], [[name]])
    assert content.removeprefix("file\n").strip('"\n') == written


def test_a_csv_that_cannot_be_written_is_the_user_s_to_solve(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        write_csv(tmp_path / "file" / "a.csv", ["a"], [])


def test_there_is_no_byte_order_mark_and_the_help_says_what_to_do(
        tmp_path, capsys):
    write_csv(tmp_path / "a.csv", ["file"], [["é"]])
    assert (tmp_path / "a.csv").read_bytes() == "file\né\n".encode()
    for program in (Distribution, Transformation, predict):
        with pytest.raises(SystemExit):
            program.main(["-h"])
        said = " ".join(capsys.readouterr().out.split())
        assert CSV_HELP in said


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_stdout_by_any_name_is_written_to_where_it_is(name, capsys):
    print("before")
    write_csv(name, ["a"], [[1]])
    assert capsys.readouterr().out == "before\na\n1\n"
