"""leaffliction/web/take_along.py: the page's rows as a report and as CSV."""

import base64
import json

import pytest

from leaffliction.prediction.languages import load_language
from leaffliction.utils.errors import UserError
from leaffliction.web.take_along import JPEG_URL, make_csv, make_report

ENGLISH = load_language("en")
CLASSES = [{"name": "Apple_scab", "probability": 0.75},
           {"name": "Apple_healthy", "probability": 0.25}]
ROW = {"name": "a.jpg", "known": True, "classes": CLASSES,
       "hints": [{"code": "small_leaf", "values": {"share": 5}}],
       "lesions": {"leaves": 1, "share": 0.1, "spots": 3}, "error": None,
       "thumbnail": JPEG_URL + base64.b64encode(b"pixels").decode()}


def as_json(*rows):
    """Return rows as the page sends them."""
    return json.dumps({"rows": rows}).encode()


def test_the_csv_has_the_columns_of_predict_and_the_plant():
    table = make_csv(as_json(
        ROW | {"name": "=1.jpg", "plant": "tree"},
        {"name": "b.txt", "error": "no image"},
        ROW | {"known": False, "hints": []}), ENGLISH).decode()
    assert table.splitlines() == [
        "file,class,confidence,known,error,hints,plant",
        "'=1.jpg,Apple_scab,0.750000,yes,,small_leaf,tree",
        "b.txt,,,,no image,,",
        "a.jpg,Apple_scab,0.750000,no,,,"]


def test_the_report_holds_all_that_the_page_said():
    report = make_report(as_json(
        ROW | {"name": "<b>.jpg", "plant": "tree"}, ROW | {"plant": "tree"},
        {"name": "b.txt", "error": "no image"}),
        load_language("fr"), "apple-grape").decode()
    assert "&lt;b&gt;.jpg" in report and "<b>.jpg" not in report
    for text in ('lang="fr"', "Tavelure du pommier", "no image", "tree",
                 "apple-grape", base64.b64encode(b"pixels").decode(),
                 load_language("fr").hints["small_leaf"].format(share=5)):
        assert text in report


def test_photographs_by_models_with_other_classes_are_no_plant():
    other = ROW | {"plant": "tree", "classes": [
        {"name": "Pea_rust", "probability": 1}]}
    table = make_csv(as_json(ROW | {"plant": "tree"}, other), ENGLISH)
    assert [line.rpartition(",")[2]
            for line in table.decode().splitlines()] == ["plant", "tree", ""]
    make_report(as_json(ROW | {"plant": "tree"}, other), ENGLISH, "a")


@pytest.mark.parametrize("content", [
    b"", b"\xff", b"[]", b"{}", b'{"rows": 1}', b'{"rows": [1]}',
    as_json(), as_json(ROW | {"classes": []}), as_json(ROW | {"name": 1}),
    as_json(ROW | {"classes": [{"name": "a", "probability": 1.5}]}),
    as_json(ROW | {"classes": [{"name": "a", "probability": float("nan")}]}),
    as_json(ROW | {"hints": [{"code": "no such", "values": {}}]}),
    as_json(ROW | {"hints": [{"code": "small_leaf", "values": {}}]}),
    as_json(ROW | {"thumbnail": "https://example.org/a.jpg"}),
    as_json(ROW | {"thumbnail": JPEG_URL + '" onload="'}),
    as_json(ROW | {"lesions": {"leaves": "many"}}),
    as_json(ROW | {"lesions": []}), as_json(ROW | {"lesions": 0}),
    as_json(ROW | {"lesions": ROW["lesions"] | {"spots": float("inf")}}),
    as_json(ROW | {"classes": [{"name": "a", "probability": 10 ** 400}]}),
    as_json(ROW | {"plant": "p"},
            ROW | {"plant": "p", "classes": CLASSES + CLASSES[:1]}),
    b"[" * 100_000], ids=range(22))
def test_what_is_no_rows_is_refused(content):
    for make in (lambda: make_csv(content, ENGLISH),
                 lambda: make_report(content, ENGLISH, "a")):
        with pytest.raises(UserError, match="rows of the page|photographs"):
            make()


def test_more_rows_than_fit_into_memory_are_not_read():
    content = b'{"rows": [' + b"{}," * 1_000_001 + b"{}]}"
    with pytest.raises(UserError, match="^there are too many photographs"):
        make_csv(content, ENGLISH)
