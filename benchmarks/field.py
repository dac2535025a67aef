"""How accurate is a classifier on photographs from the field?

    python -m benchmarks.field DIRECTORY ... --leaves leaves --field field
    python -m benchmarks.field before after --leaves leaves --field field \\
        --figure class_maps.png

DIRECTORY: a folder with learnings.zip and report/, as train.py writes them.
--leaves: the laboratory images on which train.py was run; only the images of
the validation set are evaluated.
--field: a folder of class folders with other photographs; those on which a
classifier was trained are left out for this classifier.

Prints for each classifier:

- accuracy by class, in the laboratory and in the field, calibration error,
  and share of images that are `known`;
- the same for each half of the field (every second photograph): the first
  half is for choosing between variants, the other one for reporting;
- accuracy on the images of highest confidence, and of lowest OOD score;
- accuracy on images cropped before they are predicted;
- the shortcut audit of its report.

--figure draws photographs and the class map of each classifier on them.
docs/explanation/field.md has the results.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from leaffliction.model.classifier import Classifier, Prediction, centre_crop
from leaffliction.model.metrics import calibration_error, wilson_interval
from leaffliction.prediction.leaf_views import overlay_class_map
from leaffliction.transformation.mask import leaf_mask
from leaffliction.utils import cli
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.console import printable
from leaffliction.utils.figures import open_pyplot
from leaffliction.utils.images import read_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers, raise_errors

# Shares of the images, the most certain first.
COVERAGES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
CROPS = {"middle 80 %": lambda rgb_img: centre_crop(rgb_img, 0.8),
         "middle 60 %": lambda rgb_img: centre_crop(rgb_img, 0.6),
         "the leaf": lambda rgb_img: crop_leaf(rgb_img)}
SHOWN_PER_CLASS = 3      # photographs in the figure
JOBS = 2


def crop_leaf(rgb_img: np.ndarray) -> np.ndarray:
    """Return a square around the leaf, or the whole image without a leaf."""
    mask = leaf_mask(rgb_img)
    if not mask.any():
        return rgb_img
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    half = 0.55 * max(np.ptp(rows), np.ptp(columns))
    y, x = rows[[0, -1]].mean(), columns[[0, -1]].mean()
    return rgb_img[max(0, int(y - half)):int(y + half) + 1,
                   max(0, int(x - half)):int(x + half) + 1]


def predict_part(classifier: Classifier, part: Dataset,
                 crop: Callable = lambda rgb_img: rgb_img
                 ) -> list[Prediction]:
    """Return the predictions for all images of a part, cropped first."""
    def predict(path: Path) -> Prediction:
        return classifier.predict_image(crop(read_image(path)))

    return list(raise_errors(Workers(JOBS).map(
        predict, part.paths(), in_threads=True)))


def are_right(part: Dataset, predictions: list[Prediction]) -> np.ndarray:
    """Return which predictions name the true class, bool (N,)."""
    return np.array([prediction.class_name == part.class_names[label]
                     for prediction, label in zip(predictions, part.labels)])


def format_accuracy(right: np.ndarray) -> str:
    """Return an accuracy with its counts and 95 % interval, as text."""
    if not len(right):
        return "none"
    low, high = wilson_interval(int(right.sum()), len(right))
    return (f"{right.mean():.1%} ({right.sum()} of {len(right)}; "
            f"{low:.1%} to {high:.1%})")


def print_accuracy(title: str, part: Dataset, predictions: list[Prediction]
                   ) -> None:
    """Print accuracy by class, calibration error and the share `known`."""
    right = are_right(part, predictions)
    known = np.array([prediction.known for prediction in predictions])
    confidence = np.array([prediction.confidence
                           for prediction in predictions])
    print(f"  {title}: {format_accuracy(right)}")
    for label, name in enumerate(part.class_names):
        of_class = right[part.labels == label]
        if len(of_class):
            print(f"    {name:<20} {of_class.mean():6.1%} of {len(of_class)}")
    print(f"    confidence {confidence.mean():.2f}, calibration error "
          f"{calibration_error(confidence, right):.3f}; known "
          f"{known.mean():.1%}, of them right {format_accuracy(right[known])}")


def print_coverage(part: Dataset, predictions: list[Prediction]) -> None:
    """Print the accuracy on the most certain images, for each of COVERAGES.

    Certain are images of high confidence, or else of low OOD score.
    """
    right = are_right(part, predictions)
    ranks = {
        "confidence": [-prediction.confidence for prediction in predictions],
        "OOD score": [prediction.ood_score for prediction in predictions]}
    for name, rank in ranks.items():
        order = np.argsort(rank, kind="stable")
        print(f"    most certain by {name}: " + ", ".join(
            f"{coverage:.0%} "
            f"{right[order[:max(1, round(coverage * len(order)))]].mean():.1%}"
            for coverage in COVERAGES))


def path_suffixes(file: str) -> list[Path]:
    """Return a path, and the path without its first 1, 2, ... folders.

    When train.py reads several folders, split.csv names files relative to
    their common folder.  One of the suffixes is relative to the folder that
    the benchmark is given.
    """
    parts = Path(file).parts
    return [Path(*parts[start:]) for start in range(len(parts))]


def validation_part(leaves: Path, rows: list[dict], class_names: tuple
                    ) -> Dataset:
    """Return the validation images of a split that are in a folder.

    rows: of split.csv.
    """
    images = [(suffix, class_names.index(row["class"])) for row in rows
              if row["part"] == "validation"
              for suffix in path_suffixes(row["file"])
              if (leaves / suffix).is_file()]
    return Dataset(leaves, tuple(file for file, _ in images),
                   np.array([label for _, label in images], int),
                   class_names, class_names)


def without_training_images(part: Dataset, rows: list[dict]) -> Dataset:
    """Return the images on which a classifier was not trained.

    rows: of its split.csv; images of its validation set stay.
    """
    trained_on = {suffix for row in rows if row["part"] != "validation"
                  for suffix in path_suffixes(row["file"])}
    return part.subset([index for index, file in enumerate(part.files)
                        if file not in trained_on])


def halves(part: Dataset) -> tuple[Dataset, Dataset]:
    """Return two parts: every first and every second image of each class."""
    rank = np.concatenate([np.arange(count) for count in part.counts()])
    return (part.subset(np.flatnonzero(rank % 2 == 0)),
            part.subset(np.flatnonzero(rank % 2 == 1)))


def print_classifier(folder: Path, leaves: Path, field: Dataset) -> None:
    """Print all figures of the classifier in a folder."""
    classifier = Classifier.load(folder / "learnings.zip")
    with open(folder / "report" / "split.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    laboratory = validation_part(leaves, rows, classifier.class_names)
    print(printable(folder))
    if laboratory.files:
        print_accuracy("laboratory, validation", laboratory,
                       predict_part(classifier, laboratory))
    others = without_training_images(field, rows)
    predictions = predict_part(classifier, others)
    print_accuracy("field", others, predictions)
    print_coverage(others, predictions)
    by_file = dict(zip(others.files, predictions))
    parts = {title: without_training_images(half, rows) for title, half in
             zip(("first half", "other half"), halves(field))}
    parts = {title: half for title, half in parts.items() if half.files}
    for title, half in parts.items():
        of_half = [by_file[file] for file in half.files]
        print_accuracy(f"field, {title}", half, of_half)
        print_coverage(half, of_half)
    print_crops(classifier, parts)
    print_audit(folder / "report" / "report.json")


def print_crops(classifier: Classifier, parts: dict[str, Dataset]) -> None:
    """Print the accuracy on cropped images; parts: title to images."""
    for name, crop in CROPS.items():
        accuracies = {
            title: are_right(part, predict_part(classifier, part, crop)).mean()
            for title, part in parts.items()}
        print(f"    cropped to {name}: " + ", ".join(
            f"{title} {accuracy:.1%}"
            for title, accuracy in accuracies.items()))


def print_audit(report: Path) -> None:
    """Print the shortcut audit of a report.json."""
    audit = json.loads(report.read_text())["audit"]
    print("  audit: " + ", ".join(
        f"{name.replace('_', ' ')} {audit[name]['accuracy']:.1%}"
        for name in ("whole_image", "leaf_alone", "background_alone",
                     "most_frequent_class")))


def class_map_figure(pyplot, classifiers: dict[str, Classifier],
                     field: Dataset):
    """Return a figure: photographs, and each classifier's class map on them.

    classifiers: title of the column to classifier.
    """
    rows = [index for label in range(len(field.class_names)) for index in
            np.flatnonzero(field.labels == label)[1::2][:SHOWN_PER_CLASS]]
    figure, axes = pyplot.subplots(
        len(rows), 1 + len(classifiers), squeeze=False, layout="constrained",
        figsize=(3.2 * (1 + len(classifiers)), 3.4 * len(rows)),
        facecolor="white")
    for line, index in zip(axes, rows):
        rgb_img = read_image(field.root / field.files[index])
        truth = field.class_names[field.labels[index]]
        line[0].imshow(rgb_img)
        line[0].set_title(truth, fontsize=11)
        for ax, (name, classifier) in zip(line[1:], classifiers.items()):
            prediction = classifier.predict_image(rgb_img)
            ax.imshow(overlay_class_map(rgb_img, prediction))
            ax.set_title(f"{name}: {prediction.class_name} "
                         f"{prediction.confidence:.0%}", fontsize=10,
                         color="darkgreen" if prediction.class_name == truth
                         else "firebrick")
        for ax in line:
            ax.axis("off")
    return figure


def main() -> int:
    """Print the figures of every classifier; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directories", type=Path, nargs="+",
                        help="folder with learnings.zip and report/")
    parser.add_argument("--leaves", type=Path, required=True,
                        help="the images on which train.py was run")
    parser.add_argument("--field", type=Path, required=True,
                        help="class folders with other photographs")
    parser.add_argument("--figure", type=Path,
                        help="where to draw class maps")
    options = parser.parse_args()
    field = read_dataset(options.field)
    for folder in options.directories:
        print_classifier(folder, options.leaves, field)
    if options.figure:
        figure = class_map_figure(open_pyplot(True), {
            folder.name: Classifier.load(folder / "learnings.zip")
            for folder in options.directories}, field)
        figure.savefig(options.figure, dpi=60)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
