"""Predictions as CSV and JSON, each written as soon as it is made."""

import csv
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from leaffliction.model.bundle import familiarity
from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.prediction.hints import Hint
from leaffliction.utils.errors import UserError
from leaffliction.utils.tables import csv_value, open_output

# Other programs read these; new columns come after them.
COLUMNS = ("file", "class", "confidence", "known", "error", "hints")
# The libraries that a prediction depends on.
PACKAGES = ("numpy", "opencv-python", "pillow", "ai-edge-litert")


def csv_row(path: Path, result: Prediction | UserError,
            hints: Sequence[Hint] = ()) -> list[str]:
    """Return the values of COLUMNS for an image."""
    if isinstance(result, UserError):
        return [str(path), "", "", "", str(result), ""]
    return [str(path), result.class_name, f"{result.confidence:.6f}",
            "yes" if result.known else "no", "",
            " ".join(hint.code for hint in hints)]


def json_object(path: Path, result: Prediction | UserError,
                hints: Sequence[Hint] = ()) -> dict:
    """Return the JSON object for an image."""
    if isinstance(result, UserError):
        return {"file": str(path), "error": str(result)}
    return {"file": str(path), "class": result.class_name,
            "confidence": round(result.confidence, 6),
            "known": result.known,
            "familiarity": round(familiarity(result.ood_score), 3),
            "probabilities": {
                name: round(float(share), 6) for name, share in
                zip(result.class_names, result.probabilities)},
            "hints": [asdict(hint) for hint in hints]}


@contextmanager
def open_csv(target: Path) -> Iterator[Callable]:
    """Give a function that writes the row of an image.

    It takes the path, the prediction or error, and the hints.
    target: a file, or "-" for stdout.
    """
    with open_output(target) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        yield lambda path, result, hints=(): writer.writerow(
            map(csv_value, csv_row(path, result, hints)))


@contextmanager
def open_json(target: Path, classifier: Classifier) -> Iterator[Callable]:
    """Give a function that writes the object of an image.

    It takes the path, the prediction or error, and the hints.
    target: a file, or "-" for stdout.  The whole output is one JSON object:
    the classifier, the versions, and the list of images, one on each line.
    """
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
        stream.write(json.dumps(head)[:-1] + ', "images": [')
        separator = "\n"

        def write(path: Path, result: Prediction | UserError,
                  hints: Sequence[Hint] = ()) -> None:
            nonlocal separator
            stream.write(separator
                         + json.dumps(json_object(path, result, hints)))
            separator = ",\n"

        yield write
        stream.write("\n]}\n")
