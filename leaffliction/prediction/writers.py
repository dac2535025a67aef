"""Predictions as CSV and JSON, each written as soon as it is made."""

import csv
import json
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from leaffliction.model.bundle import familiarity
from leaffliction.model.classifier import Classifier
from leaffliction.prediction.batch import PredictedFile
from leaffliction.prediction.hints import Hint
from leaffliction.prediction.plants import PredictedPlant
from leaffliction.utils.errors import UserError
from leaffliction.utils.tables import csv_value, open_output

# Other programs read these; new columns come after them.
COLUMNS = ("file", "class", "confidence", "known", "error", "hints")
# With --per-folder; in a list, this is between the names of two files.
PLANT_COLUMNS = (*COLUMNS, "photographs", "agree", "differing",
                 "without_vote")
SEPARATOR = "; "
# The libraries that a prediction depends on.
PACKAGES = ("numpy", "opencv-python", "pillow", "ai-edge-litert")

Result: TypeAlias = PredictedFile | PredictedPlant


def csv_row(path: Path, result: Result | UserError) -> list[str]:
    """Return the values of COLUMNS for an image or a plant."""
    if isinstance(result, UserError):
        return error_values(str(path), str(result))
    prediction = result.prediction
    return predicted_values(str(path), prediction.class_name,
                            prediction.confidence, prediction.known,
                            result.hints)


def predicted_values(name: str, class_name: str, confidence: float,
                     known: bool, hints: Iterable[Hint]) -> list[str]:
    """Return the values of COLUMNS where there is a prediction.

    confidence: 0..1.  hints: each code is named once.
    """
    return [name, class_name, f"{confidence:.6f}", "yes" if known else "no",
            "", " ".join(dict.fromkeys(hint.code for hint in hints))]


def error_values(name: str, error: str) -> list[str]:
    """Return the values of COLUMNS where there is none."""
    return [name, "", "", "", error, ""]


def plant_row(path: Path, result: PredictedPlant | UserError) -> list[str]:
    """Return the values of PLANT_COLUMNS for a plant or unreadable image."""
    if isinstance(result, UserError):
        return csv_row(path, result) + [""] * (
            len(PLANT_COLUMNS) - len(COLUMNS))
    return csv_row(path, result) + [
        str(len(result.photographs)), str(result.agree),
        SEPARATOR.join(file.name for file in result.differing),
        SEPARATOR.join(file.name for file in result.without_vote)]


def json_object(path: Path, result: Result | UserError) -> dict:
    """Return the JSON object for an image or a plant."""
    if isinstance(result, UserError):
        return {"file": str(path), "error": str(result)}
    prediction = result.prediction
    return {"file": str(path), "class": prediction.class_name,
            "confidence": round(prediction.confidence, 6),
            "known": prediction.known,
            "familiarity": round(familiarity(prediction.ood_score), 3),
            "probabilities": {
                name: round(float(share), 6) for name, share in
                zip(prediction.class_names, prediction.probabilities)},
            "hints": [asdict(hint) for hint in result.hints]}


def plant_object(path: Path, result: PredictedPlant | UserError) -> dict:
    """Return the JSON object for a plant or unreadable image."""
    if isinstance(result, UserError):
        return json_object(path, result)
    return json_object(path, result) | {
        "photographs": len(result.photographs), "agree": result.agree,
        "differing": [str(file) for file in result.differing],
        "without_vote": [str(file) for file in result.without_vote]}


@contextmanager
def open_csv(target: Path, per_folder: bool = False) -> Iterator[Callable]:
    """Give a function that writes the row of (path, result or error).

    target: a file, or "-" for stdout.  per_folder: results are of plants.
    """
    columns, row = ((PLANT_COLUMNS, plant_row) if per_folder
                    else (COLUMNS, csv_row))
    with open_output(target) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        yield lambda path, result: writer.writerow(
            map(csv_value, row(path, result)))


@contextmanager
def open_json(target: Path, classifier: Classifier, per_folder: bool = False
              ) -> Iterator[Callable]:
    """Give a function that writes the object of (path, result or error).

    target: a file, or "-" for stdout.  per_folder: results are of plants.
    The whole output is one JSON object: the classifier, the versions, and
    the list of images or plants, one on each line.
    """
    key, to_object = (("plants", plant_object) if per_folder
                      else ("images", json_object))
    description = classifier.description
    head = {"learnings": {
        "sha256": classifier.checksum, "size": description.size,
        "temperature": description.temperature,
        "familiarity_threshold": familiarity(description.ood_threshold),
        "class_names": list(classifier.class_names),
        "archive": classifier.archive},
        "versions": {"python": platform.python_version()} | {
            name: version(name) for name in PACKAGES}}
    with open_output(target) as stream:
        stream.write(f'{json.dumps(head)[:-1]}, "{key}": [')
        separator = "\n"

        def write(path: Path, result: Result | UserError) -> None:
            nonlocal separator
            stream.write(separator + json.dumps(to_object(path, result)))
            separator = ",\n"

        yield write
        stream.write("\n]}\n")
