"""Answers for programs: rows of CSV and JSON, written as they come."""

import csv
import json
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.utils.errors import UserError
from leaffliction.utils.tables import cell, open_target

CSV = ("file", "class", "confidence", "known", "error")
PACKAGES = ("numpy", "opencv-python", "pillow", "ai-edge-litert")


def csv_row(path: Path, result: Prediction | UserError) -> list[str]:
    """Return the row file,class,confidence,known,error of an image."""
    if isinstance(result, UserError):
        return [str(path), "", "", "", str(result)]
    return [str(path), result.class_name, f"{result.confidence:.6f}",
            "yes" if result.known else "no", ""]


def json_row(path: Path, result: Prediction | UserError) -> dict:
    """Return what JSON holds of an image."""
    if isinstance(result, UserError):
        return {"file": str(path), "error": str(result)}
    return {"file": str(path), "class": result.class_name,
            "confidence": round(result.confidence, 6),
            "known": result.known,
            "familiarity": round(result.familiarity, 3),
            "probabilities": {
                name: round(float(share), 6) for name, share in
                zip(result.class_names, result.probabilities)}}


@contextmanager
def open_csv(target: str) -> Iterator[Callable]:
    """Give a function that writes the row of (path, result)."""
    with open_target(target) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(CSV)
        yield lambda path, result: writer.writerow(
            map(cell, csv_row(path, result)))


@contextmanager
def open_json(target: str, learnings: Classifier) -> Iterator[Callable]:
    """Give a function that writes the object of (path, result).

    All of it is one JSON object: what has answered, and a list of images.
    """
    head = {"learnings": {
        "sha256": learnings.checksum, "size": learnings.description.size,
        "temperature": learnings.description.temperature,
        "familiarity_threshold": learnings.description.threshold,
        "class_names": list(learnings.class_names)},
        "versions": {"python": platform.python_version()} | {
            name: version(name) for name in PACKAGES}}
    with open_target(target) as stream:
        stream.write(json.dumps(head)[:-1] + ', "images": [')
        separator = "\n"

        def write(path: Path, result: Prediction | UserError) -> None:
            nonlocal separator
            stream.write(separator + json.dumps(json_row(path, result)))
            separator = ",\n"

        yield write
        stream.write("\n]}\n")
