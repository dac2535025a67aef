"""A report: one HTML file with a row for each photograph, to take along.

It holds all that it shows: no script, and no other file.  There may be many
thousand photographs, and the least certain come first: so their rows wait in
a temporary file until all are known, and only where they are is in memory.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, TextIO

import numpy as np

from leaffliction.model.classifier import Prediction
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.languages import Language, choose_language
from leaffliction.prediction.plants import PredictedPlant, predict_plant
from leaffliction.prediction.report_html import (ReportRow, about_html,
                                                 head_html, plant_html,
                                                 row_html, summary_html,
                                                 text_html)
from leaffliction.utils.errors import UserError
from leaffliction.utils.tables import open_text

# How certain, from the least: what the rows are sorted by first.
UNREADABLE, UNKNOWN, KNOWN = range(3)
# What decides the language of a program's messages (POSIX), the first first.
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


class RowStore:
    """The rows of a report in a temporary file, and what they sum up to."""

    def __init__(self, spool: IO[bytes], language: Language) -> None:
        """Keep rows in spool, an empty file, in a language."""
        self.spool, self.language = spool, language
        # (how certain, probability, where the row begins, its bytes)
        self.index: list[tuple[int, float, int, int]] = []
        self.states: Counter[int] = Counter()
        self.classes: Counter[str] = Counter()      # of known photographs
        self.plants: dict[str, list[PredictedFile]] = {}

    def add(self, row: ReportRow) -> None:
        """Write a row to the temporary file."""
        content = row_html(row, self.language).encode()
        share = 0.0
        state = UNREADABLE
        if row.error is None:
            name, share = row.classes[0]
            state = KNOWN if row.known else UNKNOWN
            self.classes[name] += row.known
            if row.plant is not None:
                self.plants.setdefault(row.plant, []).append(
                    predicted_file(row))
        self.states[state] += 1
        self.index.append((state, share, self.spool.tell(), len(content)))
        self.spool.write(content)

    def rows(self) -> Iterator[str]:
        """Yield the rows, the least certain first."""
        for _, _, start, length in sorted(self.index):
            self.spool.seek(start)
            yield self.spool.read(length).decode()

    def predicted_plants(self) -> list[PredictedPlant]:
        """Return the plants, the least certain first."""
        plants = [predict_plant(Path(name), photographs)
                  for name, photographs in self.plants.items()]
        return sorted(plants, key=lambda plant: (
            plant.prediction.known, plant.prediction.confidence))


def predicted_file(row: ReportRow) -> PredictedFile:
    """Return the prediction for a readable photograph, to make a plant of."""
    names, shares = zip(*sorted(row.classes))
    # A score that says no more than `known` does.
    return PredictedFile(Path(row.name), Prediction(
        names, np.array(shares), float(not row.known), row.known,
        np.empty((0, 0, len(names)), np.float32)))


@contextmanager
def open_report(stream: TextIO, language: Language, model: str,
                day: date | None = None
                ) -> Iterator[Callable[[ReportRow], None]]:
    """Give a function that adds a row; at the end, write the report.

    stream: a text stream in UTF-8, which stays open.  Nothing is written to
    it before the block ends, nor where the block raises an exception.
    model: name of the archive.  day: that the report bears; today without.
    """
    with tempfile.TemporaryFile() as spool:
        store = RowStore(spool, language)
        yield store.add
        write_document(stream, store, model, day or date.today())


def write_document(stream: TextIO, store: RowStore, model: str, day: date
                   ) -> None:
    """Write the whole report, row by row."""
    language, texts = store.language, store.language.report
    stream.write(head_html(language, model, day))
    classes = sorted(+store.classes, key=lambda name: (
        -store.classes[name], language.class_name(name)))
    stream.write(summary_html(
        [(name, store.classes[name]) for name in classes],
        store.states[UNKNOWN], store.states[UNREADABLE], language))
    plants = store.predicted_plants()
    if plants:
        stream.write(f"<h2>{text_html(texts['plants'])}</h2>\n")
        stream.writelines(plant_html(plant, language) for plant in plants)
    stream.write(f"<h2>{text_html(texts['photographs'])}</h2>\n"
                 f'<p class="quiet">{text_html(texts["order"])}</p>\n')
    stream.writelines(store.rows())
    stream.write(about_html(classes, language))
    stream.write("</main>\n</body>\n</html>\n")


@contextmanager
def open_report_file(path: Path, model: str) -> Iterator[Callable]:
    """Give a function that adds the rows of (path, result or error).

    result: a PredictedFile, or a PredictedPlant, of which all photographs
    get a row.  path: of the HTML file, which appears whole or not at all.
    The language is that of the environment, or English.
    """
    with (open_text(path) as stream,
          open_report(stream, environment_language(), model) as add):
        yield lambda name, result: [add(row)
                                    for row in report_rows(name, result)]


def environment_language() -> Language:
    """Return the language that LC_ALL, LC_MESSAGES or LANG asks for."""
    values = filter(None, map(os.environ.get, LOCALE_VARIABLES))
    return choose_language([next(values, "")])


def report_rows(path: Path, result: PredictedFile | PredictedPlant | UserError
                ) -> list[ReportRow]:
    """Return the rows for an image, or for the photographs of a plant."""
    if isinstance(result, UserError):
        return [ReportRow(str(path), error=str(result).removeprefix(
            f"{path}: "))]
    if isinstance(result, PredictedFile):
        return [photograph_row(result)]
    return [photograph_row(one, str(path)) for one in result.photographs]


def photograph_row(result: PredictedFile, plant: str | None = None
                   ) -> ReportRow:
    """Return the row for one photograph."""
    prediction = result.prediction
    return ReportRow(
        str(result.path), prediction.top(len(prediction.class_names)),
        prediction.known, result.hints, result.lesions, result.thumbnail,
        plant=plant)
