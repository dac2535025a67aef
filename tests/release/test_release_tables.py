"""leaffliction/release/tables.py: the figures for a terminal."""

import pytest

from leaffliction.release.evaluation import share
from leaffliction.release.tables import (Table, absent_lines, join,
                                         join_tables, percent, small_samples,
                                         tables)


@pytest.mark.parametrize("of_share, with_count, text", [
    (share(59, 60), False, "98.3% (91.1% to 99.7%)"),
    (share(59, 60), True, "98.3% of 60 (91.1% to 99.7%)"),
    (share(0, 0), True, "-")])
def test_shares_in_words(of_share, with_count, text):
    assert percent(of_share, with_count) == text


def test_a_table_is_aligned_on_a_terminal_and_in_markdown():
    table = Table("title", ("a", "bb", "c"), (("ccc", "|", "10"),), left=2)
    assert table.text() == ("title\n"
                            "  a    bb   c\n"
                            "  ccc  |   10")
    assert table.markdown() == ("| a | bb | c |\n"
                                "| --- | --- | ---: |\n"
                                r"| ccc | \| | 10 |")


def test_each_kind_has_its_tables(figures):
    titles = [table.title for table in tables(figures)]
    assert titles == [
        "photographs of learned classes", "laboratory, by class",
        "orchard, by class", "web, by class",
        "grape leaves laid on orchard photographs",
        "grape leaves laid on orchard photographs, by class",
        "no learned class, so known is wrong",
        "apple leaves with several diseases at once",
        "answers that are known and at least 70% sure"]
    for table in tables(figures):
        assert all(len(row) == len(table.header) for row in table.rows)
    text = join_tables(tables(figures))
    assert text.count("\n\n") == len(titles) - 1


def test_rows_of_the_sure_answers(figures):
    rows = {row[0]: row[1:] for row in tables(figures)[-1].rows}
    assert rows["laboratory"] == ("4", percent(share(2, 4)),
                                  percent(share(1, 2), True))
    assert rows["other plants outdoors"] == ("3", percent(share(1, 3)),
                                             "none can be")


def test_absent_kinds_have_a_line(figures):
    assert absent_lines(figures) == [
        "orchard, kept apart: not judged (no folder field)",
        "other crops in the laboratory: not judged (no folder other/crops)"]


def test_small_samples_name_none_and_few(figures):
    assert small_samples(figures)[0] == (
        "outdoors, all kinds together: no photograph of Grape_Esca; fewer "
        "than 30 of Apple_rust (1) and Apple_scab (1).")
    assert small_samples(figures)[-1] == (
        "other plants outdoors: fewer than 30 of Cherry (2) and Corn (1).")


@pytest.mark.parametrize("count, warned", [(29, True), (30, False)])
def test_thirty_are_not_few(figures, count, warned):
    figures["foreign"]["strangers"]["groups"] = {
        "Cherry": {"n": count, "known": share(0, count)}}
    assert any("Cherry" in line for line in small_samples(figures)) == warned


@pytest.mark.parametrize("words, text", [
    (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")])
def test_words_are_joined(words, text):
    assert join(words, "or") == text
