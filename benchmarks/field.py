"""How right is a network outside the laboratory, and does it know?

    python -m benchmarks.field DIRECTORY ... --leaves leaves --field field
    python -m benchmarks.field before after --leaves leaves --field field \\
        --figure looked_at.png

DIRECTORY: of a learnings.zip, with report/ as train.py leaves it.
leaves: the folder that it learned from, whose validation part is looked at.
field: a folder of class folders with photographs of another kind; those that
a network has learned from are left out for it.

Prints for each: accuracy by class in the laboratory and in the field, each
half of the field for itself (every second photograph: one half is there to
choose by, the other to report), calibration, what `known` keeps, accuracy
over the share kept, accuracy by what is cropped first, and the shortcut
audit.  --figure draws photographs with what each network looked at.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from leaffliction.model.classifier import Classifier, Prediction, middle
from leaffliction.model.metrics import calibration_error, wilson_interval
from leaffliction.prediction.figure import looked_at
from leaffliction.transformation.mask import find_leaf
from leaffliction.utils import cli
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.console import printable
from leaffliction.utils.figures import open_pyplot
from leaffliction.utils.images import read_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers, raise_errors

SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)      # kept, the surest first
CROPS = {"middle 80 %": lambda rgb_img: middle(rgb_img, 0.8),
         "middle 60 %": lambda rgb_img: middle(rgb_img, 0.6),
         "leaf found": lambda rgb_img: crop_leaf(rgb_img)}
SHOWN = 3                # photographs of each class in the figure
JOBS = 2


def crop_leaf(rgb_img: np.ndarray) -> np.ndarray:
    """Return the square round the leaf, or the image where none is found."""
    mask, _ = find_leaf(rgb_img)
    if not mask.any():
        return rgb_img
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    half = 0.55 * max(np.ptp(rows), np.ptp(columns))
    y, x = rows[[0, -1]].mean(), columns[[0, -1]].mean()
    return rgb_img[max(0, int(y - half)):int(y + half) + 1,
                   max(0, int(x - half)):int(x + half) + 1]


def answers(learnings: Classifier, part: Dataset,
            crop: Callable = lambda rgb_img: rgb_img) -> list[Prediction]:
    """Return what the network says of each image, cropped first."""
    return list(raise_errors(Workers(JOBS).map(lambda path: learnings.predict_image(
        crop(read_image(path))), part.paths(), in_threads=True)))


def right_answers(part: Dataset, found: list[Prediction]) -> np.ndarray:
    """Return which answers are right, among all classes: bool (N,)."""
    return np.array([prediction.class_name == part.class_names[label]
                     for prediction, label in zip(found, part.labels)])


def share(right: np.ndarray) -> str:
    """Return a share with its count and 95 % interval, as text."""
    if not len(right):
        return "none"
    low, high = wilson_interval(int(right.sum()), len(right))
    return (f"{right.mean():.1%} ({right.sum()} of {len(right)}; "
            f"{low:.1%} to {high:.1%})")


def print_part(title: str, part: Dataset, found: list[Prediction]) -> None:
    """Print accuracy by class, calibration and what `known` keeps."""
    right = right_answers(part, found)
    known = np.array([prediction.known for prediction in found])
    sure = np.array([prediction.confidence for prediction in found])
    print(f"  {title}: {share(right)}")
    for label, name in enumerate(part.class_names):
        own = part.labels == label
        if own.any():
            print(f"    {name:<20} {right[own].mean():6.1%} of {own.sum()}")
    print(f"    confidence {sure.mean():.2f}, calibration error "
          f"{calibration_error(sure, right):.3f}; known "
          f"{known.mean():.1%}, of them right {share(right[known])}")


def print_kept(part: Dataset, found: list[Prediction]) -> None:
    """Print the accuracy over the share kept, by two ways to keep."""
    right = right_answers(part, found)
    for name in ("confidence", "familiarity"):
        order = np.argsort([-getattr(prediction, name)
                            for prediction in found], kind="stable")
        print(f"    kept by {name}: " + ", ".join(
            f"{kept:.0%} "
            f"{right[order[:max(1, round(kept * len(order)))]].mean():.1%}"
            for kept in SHARES))


def tails(file: str) -> list[Path]:
    """Return a path, and what is left of it without its first folders.

    Of several folders learned from, a split names files relative to what
    these have in common; one of the tails is relative to the folder itself.
    """
    parts = Path(file).parts
    return [Path(*parts[start:]) for start in range(len(parts))]


def validation_part(leaves: Path, rows: list[dict], names: tuple) -> Dataset:
    """Return the images of the validation part that are in a folder."""
    found = [(tail, names.index(row["class"])) for row in rows
             if row["part"] == "validation" for tail in tails(row["file"])
             if (leaves / tail).is_file()]
    return Dataset(leaves, tuple(file for file, _ in found),
                   np.array([label for _, label in found], int), names, names)


def not_learned(part: Dataset, rows: list[dict]) -> Dataset:
    """Return the images that the split names in no part learned from."""
    learned = {tail for row in rows if row["part"] != "validation"
               for tail in tails(row["file"])}
    return part.subset([index for index, file in enumerate(part.files)
                        if file not in learned])


def halves(part: Dataset) -> tuple[Dataset, Dataset]:
    """Return every first and every second image of each class."""
    place = np.concatenate([np.arange(count) for count in part.counts()])
    return (part.subset(np.flatnonzero(place % 2 == 0)),
            part.subset(np.flatnonzero(place % 2 == 1)))


def print_network(folder: Path, leaves: Path, field: Dataset) -> None:
    """Print all figures of the learnings in a folder."""
    learnings = Classifier.load(folder / "learnings.zip")
    with open(folder / "report" / "split.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    laboratory = validation_part(leaves, rows, learnings.class_names)
    print(printable(folder))
    if laboratory.files:
        print_part("laboratory, validation", laboratory,
                   answers(learnings, laboratory))
    others = not_learned(field, rows)
    found = answers(learnings, others)
    print_part("field", others, found)
    print_kept(others, found)
    by_file = dict(zip(others.files, found))
    sides = {title: not_learned(half, rows) for title, half in
             zip(("first half", "other half"), halves(field))}
    sides = {title: half for title, half in sides.items() if half.files}
    for title, half in sides.items():
        kept = [by_file[file] for file in half.files]
        print_part(f"field, {title}", half, kept)
        print_kept(half, kept)
    for name, crop in CROPS.items():
        print(f"    cropped to {name}: " + ", ".join(
            f"{title} "
            f"{right_answers(half, answers(learnings, half, crop)).mean():.1%}"
            for title, half in sides.items()))
    audit = json.loads((folder / "report" / "report.json").read_text()
                       )["audit"]
    print("  audit: " + ", ".join(
        f"{name.replace('_', ' ')} {audit[name]['accuracy']:.1%}"
        for name in ("whole_image", "leaf_alone", "ground_alone",
                     "most_frequent_class")))


def draw(pyplot, networks: dict[str, Classifier], field: Dataset):
    """Return a figure: photographs, and what each network looked at."""
    rows = [index for label in range(len(field.class_names)) for index in
            np.flatnonzero(field.labels == label)[1::2][:SHOWN]]
    figure, axes = pyplot.subplots(
        len(rows), 1 + len(networks), squeeze=False, layout="constrained",
        figsize=(3.2 * (1 + len(networks)), 3.4 * len(rows)),
        facecolor="white")
    for line, index in zip(axes, rows):
        rgb_img = read_image(field.root / field.files[index])
        truth = field.class_names[field.labels[index]]
        line[0].imshow(rgb_img)
        line[0].set_title(truth, fontsize=11)
        for ax, (name, learnings) in zip(line[1:], networks.items()):
            found = learnings.predict_image(rgb_img)
            ax.imshow(looked_at(rgb_img, found))
            ax.set_title(f"{name}: {found.class_name} "
                         f"{found.confidence:.0%}", fontsize=10,
                         color="darkgreen" if found.class_name == truth
                         else "firebrick")
        for ax in line:
            ax.axis("off")
    return figure


def main() -> int:
    """Print everything for every network."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directories", type=Path, nargs="+")
    parser.add_argument("--leaves", type=Path, required=True)
    parser.add_argument("--field", type=Path, required=True)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    field = read_dataset(options.field)
    for folder in options.directories:
        print_network(folder, options.leaves, field)
    if options.figure:
        pyplot = open_pyplot(True)
        figure = draw(pyplot, {
            folder.name: Classifier.load(folder / "learnings.zip")
            for folder in options.directories}, field)
        figure.savefig(options.figure, dpi=60)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
