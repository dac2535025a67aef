"""leaffliction/utils/tables.py: aligned text for people, CSV for programs."""

import csv
import os

import pytest

import Distribution
import predict
import Transformation
from leaffliction.utils.errors import UserError
from leaffliction.utils.tables import (CSV_HELP, MAX_LINES, first_lines,
                                       format_csv, text_table, write_csv)


def test_text_table_aligns_each_column():
    rows = [["class", "count", "mode"], ["Apple_scab", "1", "L"],
            ["b", "1,234", "RGB"]]
    assert text_table(rows, [True, False, True]).splitlines() == [
        "class       count  mode",
        "Apple_scab      1  L",
        "b           1,234  RGB"]


def test_csv_reader_returns_what_was_written(tmp_path):
    rows = [["a,b", '"x"', ""], ["line", "é", "1"]]
    write_csv(tmp_path / "new" / "a.csv", ["one", "two", "three"], rows)
    with open(tmp_path / "new" / "a.csv", newline="", encoding="utf-8") as it:
        assert list(csv.reader(it)) == [["one", "two", "three"], *rows]


@pytest.mark.parametrize("name, written", [
    (os.fsdecode(b"\xff.jpg"), r"\udcff.jpg"),
    ("a\x1b[2J\r\n", r"a\x1b[2J\r\n"),
    ("=1+1", "'=1+1"), ("@a", "'@a"), ("+a", "'+a"), ("-a/b", "'-a/b"),
    ("\t=1", r"\t=1"), ("a=b", "a=b"), (-1.5, "-1.5"), (None, "")])
def test_formulas_and_control_characters_are_escaped(name, written, tmp_path):
    write_csv(tmp_path / "a.csv", ["file"], [[name]])
    content = (tmp_path / "a.csv").read_text("utf-8")
    assert content == format_csv(["file"], [[name]])
    assert content.removeprefix("file\n").strip('"\n') == written


def test_csv_that_cannot_be_written_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        write_csv(tmp_path / "file" / "a.csv", ["a"], [])


def test_csv_has_no_byte_order_mark_and_the_help_says_so(
        tmp_path, capsys):
    write_csv(tmp_path / "a.csv", ["file"], [["é"]])
    assert (tmp_path / "a.csv").read_bytes() == "file\né\n".encode()
    for program in (Distribution, Transformation, predict):
        with pytest.raises(SystemExit):
            program.main(["-h"])
        help_text = " ".join(capsys.readouterr().out.split())
        assert CSV_HELP in help_text


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_every_name_of_stdout_appends_to_it(name, capsys):
    print("before")
    write_csv(name, ["a"], [[1]])
    assert capsys.readouterr().out == "before\na\n1\n"


def test_a_long_list_ends_with_the_number_of_lines_left_out():
    lines = [str(number) for number in range(MAX_LINES + 1)]
    assert first_lines(lines[:-1], "{} more") == lines[:-1]
    assert first_lines(lines, "{} more") == [*lines[:-1], "1 more"]
