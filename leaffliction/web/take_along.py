"""The report and the CSV of what the page shows.

The page sends what it was told of each photograph, and gets a file.  It may
send anything: what does not have the form of its rows is refused.
"""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import replace

from leaffliction.prediction.hints import Hint
from leaffliction.prediction.languages import Language
from leaffliction.prediction.leaf_views import LesionSummary
from leaffliction.prediction.report import open_report
from leaffliction.prediction.report_html import ReportRow
from leaffliction.prediction.writers import (COLUMNS, error_values,
                                             predicted_values)
from leaffliction.utils.errors import UserError
from leaffliction.utils.tables import format_csv

JPEG_URL = "data:image/jpeg;base64,"
MAX_TEXT = 1000     # characters of a name or an error
# Commas in the JSON: 64 MB of little but "{},{}," would be 1.5 GB of
# dictionaries.  A photograph has some 40.
MAX_COMMAS = 1_000_000
# The plant that a photograph was joined to comes after predict.py's columns.
PAGE_COLUMNS = (*COLUMNS, "plant")


def make_report(content: bytes, language: Language, model: str) -> bytes:
    """Return the report about the page's rows, HTML in UTF-8.

    content: the rows, as JSON.  model: the name of the archive.
    Raises UserError where they are no rows.
    """
    stream = io.StringIO()
    with open_report(stream, language, model) as add:
        for row in read_rows(content, language):
            add(row)
    return stream.getvalue().encode()


def make_csv(content: bytes, language: Language) -> bytes:
    """Return the page's rows as CSV in UTF-8; PAGE_COLUMNS is its header.

    Raises UserError where content is no rows.
    """
    return format_csv(PAGE_COLUMNS, map(
        csv_row, read_rows(content, language))).encode()


def csv_row(row: ReportRow) -> list[str]:
    """Return the values of PAGE_COLUMNS for a photograph."""
    values = (predicted_values(row.name, *row.classes[0], row.known, row.hints)
              if row.error is None else error_values(row.name, row.error))
    return [*values, row.plant or ""]


def read_rows(content: bytes, language: Language) -> list[ReportRow]:
    """Return the rows in JSON of the page, as a report takes them.

    Raises UserError where content has another form.
    """
    if content.count(b",") > MAX_COMMAS:
        raise UserError("there are too many photographs on the page")
    try:
        rows = [read_row(row, language)
                for row in json.loads(content)["rows"]]
    except (ValueError, LookupError, TypeError, AttributeError,
            OverflowError, RecursionError):
        raise UserError("these are no rows of the page") from None
    if not rows:
        raise UserError("there are no photographs on the page")
    return without_mixed_plants(rows)


def read_row(row: dict, language: Language) -> ReportRow:
    """Return the row for one photograph.

    Raises ValueError, LookupError, TypeError, AttributeError or
    OverflowError where it has another form.
    """
    name, plant = text_of(row["name"]), row.get("plant")
    plant = None if plant is None else text_of(plant)
    if row.get("error") is not None:
        return ReportRow(name, error=text_of(row["error"]), plant=plant)
    classes = [(text_of(one["name"]), float(one["probability"]))
               for one in row["classes"]]
    if not classes or any(not 0 <= share <= 1 for _, share in classes):
        raise ValueError("no probabilities")
    if len(dict(classes)) < len(classes):
        raise ValueError("a class twice")
    hints = [Hint(hint["code"], dict(hint["values"]))
             for hint in row["hints"]]
    for hint in hints:
        language.hint(hint)     # Raises KeyError for an unknown one.
    lesions = row["lesions"]
    return ReportRow(
        name, classes, row["known"] is True, hints,
        None if lesions is None else LesionSummary(
            int(lesions["leaves"]), float(lesions["share"]),
            int(lesions["spots"])),
        jpeg_of(row.get("thumbnail")), plant=plant)


def text_of(value: object) -> str:
    """Return a text; TypeError where the value is none."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value[:MAX_TEXT]


def jpeg_of(url: str | None) -> bytes | None:
    """Return the JPEG in a data: URL; ValueError where it holds none."""
    if url is None:
        return None
    if not url.startswith(JPEG_URL):
        raise ValueError("no JPEG")
    # For what is no base64 it raises binascii.Error, a ValueError.
    return base64.b64decode(url.removeprefix(JPEG_URL), validate=True)


def without_mixed_plants(rows: Sequence[ReportRow]) -> list[ReportRow]:
    """Return the rows; a plant's photographs all have the same classes.

    Those whose prediction is by a model with other classes than that of the
    plant's first photograph leave the plant.
    """
    names: dict[str, set[str]] = {}
    kept = []
    for row in rows:
        if row.plant is not None and row.error is None:
            classes = {name for name, _ in row.classes}
            if classes != names.setdefault(row.plant, classes):
                row = replace(row, plant=None)
        kept.append(row)
    return kept
