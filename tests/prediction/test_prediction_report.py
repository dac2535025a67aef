"""leaffliction/prediction/report.py: what the report says, and in what order.
"""

import base64
import io
import re
import tempfile
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.languages import language_codes, load_language
from leaffliction.prediction.leaf_views import LesionSummary
from leaffliction.prediction.plants import predict_plant
from leaffliction.prediction.report import (ReportRow, open_report,
                                            open_report_file, report_rows)
from leaffliction.utils.errors import UserError

EVIL = '<img src=x onerror="alert(1)">&amp;\x1b\ud800.jpg'
SCAB = (("Apple_scab", 0.9), ("Apple_rust", 0.1))
RUST = (("Apple_rust", 0.6), ("Apple_scab", 0.4))
VOID = {"meta", "img", "path", "rect"}


class Page(HTMLParser):
    """The elements of a page: their tags and attributes, and all text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self.open = [], "", []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def tags(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def make(*rows, code="en", model="apple-grape"):
    """Return the report on some rows, as HTML."""
    stream = io.StringIO()
    with open_report(stream, load_language(code), model,
                     date(2026, 11, 26)) as add:
        for row in rows:
            add(row)
    stream.getvalue().encode()      # No lone surrogates.
    return stream.getvalue()


def test_the_least_certain_come_first():
    page = Page(make(
        ReportRow("sure.jpg", SCAB, True), ReportRow("unsure.jpg", RUST, True),
        ReportRow("other.jpg", SCAB), ReportRow("bad.jpg", error="damaged"),
        ReportRow("odd.jpg", RUST)))
    assert re.findall(r"\w+\.jpg", page.text) == [
        "bad.jpg", "odd.jpg", "other.jpg", "unsure.jpg", "sure.jpg"]


def test_a_row_says_all_about_a_photograph():
    hint = SimpleNamespace(code="small_leaf", values={"share": 8})
    language = load_language("en")
    language = SimpleNamespace(**vars(language), class_name=lambda name: name,
                               class_text=lambda name: None,
                               hint=lambda hint: f"{hint.values['share']} !")
    stream = io.StringIO()
    with open_report(stream, language, "m") as add:
        add(ReportRow("leaf.jpg", RUST, True, [hint],
                      LesionSummary(2, 0.1234, 14), b"\xff\xd8jpeg"))
    page = Page(stream.getvalue())
    for words in ("leaf.jpg", "Apple_rust", "60.0%", "Apple_scab", "40.0%",
                  "Like leaves it has learned", "8 !",
                  "12.3% of the leaf area; spots: 14; leaves: 2"):
        assert words in page.text
    assert "Not like" not in page.text and "No diagnosis" not in page.text
    image, = page.tags("img")
    assert base64.b64decode(image["src"].removeprefix(
        "data:image/jpeg;base64,")) == b"\xff\xd8jpeg"
    assert [bar["width"] for bar in page.tags("rect")] == [
        "100", "60.0", "100", "40.0"]


def test_an_unknown_photograph_has_no_diagnosis():
    text = Page(make(ReportRow("leaf.jpg", SCAB))).text
    assert "Not like any leaf it has learned" in text
    assert "No diagnosis; nearest is:" in text
    assert "Like leaves it has learned" not in text
    assert "Lesions: not measured" in text
    # Only known photographs are counted by class, and explained.
    assert "Apple scab1" not in text and "About" not in text


def test_the_summary_counts_and_the_classes_are_explained_once():
    page = Page(make(*[ReportRow("a.jpg", SCAB, True)] * 2,
                     ReportRow("b.jpg", SCAB), ReportRow("c.jpg", error="x"),
                     ReportRow("d.jpg", RUST, True)))
    summary = page.text[:page.text.index("Photographs\nThe least")]
    assert re.search(r"Apple scab2\nCedar apple rust1\nNot like any leaf it "
                     r"has learned1\nCould not be read1\n\nAll photographs5",
                     summary)
    about = page.text[page.text.index("About these classes"):]
    texts = [load_language("en").class_text(name)
             for name in ("Apple_scab", "Apple_rust")]
    for text in texts:
        assert about.count(text.what) == about.count(text.next) == 1


@pytest.mark.parametrize("code", language_codes())
def test_each_language_writes_a_whole_page(code):
    html = make(ReportRow("p/1.jpg", SCAB, True, plant="p"),
                ReportRow("p/2.jpg", RUST, True, plant="p"),
                ReportRow("p/3.jpg", SCAB, False, plant="p"),
                ReportRow("q.jpg", SCAB, True,
                          lesions=LesionSummary(1, 0.5, 3)),
                ReportRow("r.jpg", error="damaged"), code=code)
    page = Page(html)
    assert page.tags("html") == [{"lang": code}]
    assert "{" not in page.text and r"\xa0" not in page.text
    assert load_language(code).class_text("Apple_scab").name in page.text
    assert ("50,0\u00a0%" if code == "fr" else "50.0%") in page.text


def test_plants_come_before_the_photographs():
    text = Page(make(
        *(ReportRow(f"p/{number}.jpg", classes, known, plant="p")
          for number, classes, known in ((1, SCAB, True), (2, RUST, True),
                                         (3, SCAB, True), (4, RUST, False))),
        ReportRow("q/5.jpg", RUST, True, plant="q"))).text
    plants = text[text.index("Plants"):text.index("Photographs\nThe least")]
    assert plants.index("\nq\n") < plants.index("\np\n")
    assert "2 of 4 photographs agree" in plants
    assert "Other class: 2.jpg" in plants
    assert "without a vote: 4.jpg" in plants
    # 0.9, 0.4 and 0.9 of scab are odds of 9, 2/3 and 9: three photographs
    # are worth 1.5, and 54 ** 0.5 is 7.35 to 1.
    assert "Apple scab88.0%" in plants
    assert text.count("Plant: p") == 4


def test_a_plant_is_known_whatever_the_order_of_its_photographs():
    for known in ((True, True, False, False), (False, False, True, True)):
        text = Page(make(*(ReportRow("a", SCAB, one, plant="p")
                           for one in known))).text
        assert "2 of 4 photographs agree" in text
        assert "without a vote: a, a" in text


def test_nothing_from_outside_becomes_html():
    html = make(
        ReportRow(EVIL, ((EVIL, 0.9), ("b", 0.1)), True, plant=EVIL),
        ReportRow(EVIL, error=EVIL), model=EVIL)
    page = Page(html)
    assert page.tags("img") == page.tags("script") == []
    assert page.text.count(r'onerror="alert(1)">&amp;\x1b\ud800.jpg') >= 6
    assert not any(name.startswith("on") for _, attrs in page.elements
                   for name in attrs)


def test_the_page_needs_no_other_file():
    html = make(ReportRow("a.jpg", SCAB, True, thumbnail=b"jpeg"))
    assert set(re.findall(r'(?:src|href)="(.{10})', html)) == {"data:image"}
    assert "url(" not in html and "@import" not in html
    assert "<script" not in html and "@page { size: A4" in html


def test_rows_wait_on_the_disk_not_in_memory(monkeypatch):
    spools = []
    make_spool = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: spools.append(
        make_spool()) or spools[-1])
    stream = io.StringIO()
    with open_report(stream, load_language("en"), "m") as add:
        add(ReportRow("a.jpg", SCAB, True, thumbnail=bytes(30_000)))
        assert spools[0].tell() > 40_000 and not stream.getvalue()
    assert spools[0].closed and len(stream.getvalue()) > 40_000


def test_a_run_that_fails_leaves_no_report(tmp_path):
    path = tmp_path / "report.html"
    with pytest.raises(KeyboardInterrupt):
        with open_report_file(path, "m") as add:
            add(Path("a"), UserError("a: bad"))
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variables, lang", [
    ({}, "en"), ({"LANG": "fr_FR.UTF-8"}, "fr"), ({"LANG": "xx_XX"}, "en"),
    ({"LC_ALL": "C", "LANG": "fr_FR.UTF-8"}, "en"),
    ({"LC_ALL": "", "LC_MESSAGES": "fr_CH", "LANG": "en_GB"}, "fr")])
def test_the_language_is_that_of_the_environment(
        variables, lang, tmp_path, monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with open_report_file(tmp_path / "a.html", "m") as add:
        add(Path("b.jpg"), UserError("b.jpg: damaged"))
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert f'<html lang="{lang}">' in html


def test_rows_of_a_plant_are_those_of_its_photographs():
    photographs = [PredictedFile(
        Path("p", name), Prediction(("a", "b"), np.array([0.2, 0.8]), 1.0,
                                    True, np.zeros((1, 1, 2))),
        thumbnail=b"jpeg", lesions=LesionSummary(1, 0.5, 2))
        for name in ("1.jpg", "2.jpg")]
    rows = report_rows(Path("p"), predict_plant(Path("p"), photographs))
    assert [(row.name, row.plant) for row in rows] == [
        ("p/1.jpg", "p"), ("p/2.jpg", "p")]
    row, = report_rows(Path("p/1.jpg"), photographs[0])
    assert row == ReportRow("p/1.jpg", [("b", 0.8), ("a", 0.2)], True, (),
                            LesionSummary(1, 0.5, 2), b"jpeg")
    row, = report_rows(Path("x.jpg"), UserError("x.jpg: damaged"))
    assert row == ReportRow("x.jpg", error="damaged")
