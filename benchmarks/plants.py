"""What are several photographs of a plant worth?

    python -m benchmarks.plants field
    python -m benchmarks.plants orchard --split models/apple-grape-split.csv
    python -m benchmarks.plants field learnings.zip apple-grape

The first argument is a folder of class folders with photographs; archives or
names of released models follow.  --split: photographs that this CSV does not
have in its validation part were learned from, and are left out.

Groups of 1, 2, 4 and 6 photographs of one class are sampled, and each group
is predicted as a plant.  It is not one: the photographs of a class show
different plants, so their errors have less in common than those of one
plant's, and real plants gain less.

Prints for each size of group the accuracy, the mean confidence, and the
calibration error: of the rule in use, and of three others.  "mean": of the
calibrated logits, as if further photographs told nothing new.  "sum": as if
each told as much as the first.  "all vote": also photographs that are out of
distribution.  Then the share of groups that is known, and the accuracy of
these.  For classes that were not learned there is only the share known.
docs/explanation/field.md has the results.
"""

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.field import predict_part, without_training_images
from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.model.metrics import (MIN_PROBABILITY, calibration_error,
                                        softmax)
from leaffliction.model.released import DEFAULT
from leaffliction.prediction.evaluation import match_classes
from leaffliction.prediction.plants import (combine, has_vote,
                                            independent_photographs)
from leaffliction.utils import cli
from leaffliction.utils.class_folders import read_dataset
from leaffliction.utils.console import printable
from leaffliction.utils.tables import text_table

SIZES = (1, 2, 4, 6)
GROUPS = 1000       # of each class and size
SEED = 42
HEADER = ("photographs", "groups", "right", "confidence", "error", "mean",
          "sum", "all vote: right", "error", "known", "right of known")


def sample_groups(labels: np.ndarray, size: int, rng: np.random.Generator
                  ) -> np.ndarray:
    """Return groups of photographs of one class, int (N, size).

    labels: (M,), the class of each photograph.  Groups of one are all the
    photographs, once each; a class with fewer than `size` has no group.
    """
    if size == 1:
        return np.arange(len(labels))[:, np.newaxis]
    groups = [rng.choice(members, size, replace=False)
              for label in np.unique(labels)
              for members in [np.flatnonzero(labels == label)]
              if len(members) >= size for _ in range(GROUPS)]
    return np.array(groups, int).reshape(-1, size)


def row(groups: list[list[Prediction]], truth: np.ndarray) -> tuple[str, ...]:
    """Return the figures of one size of groups, as HEADER names them.

    truth: (N,), the index of each group's class.
    """
    size = len(groups[0])
    everyone = [[replace(one, known=True) for one in group]
                for group in groups]
    plants, all_vote = ([combine(group) for group in some]
                        for some in (groups, everyone))
    known = np.array([plant.known for plant in plants])
    probabilities, of_all = (
        np.array([plant.probabilities for plant in some])
        for some in (plants, all_vote))
    right, all_right = (some.argmax(axis=1) == truth
                        for some in (probabilities, of_all))
    votes = np.array([[sum(has_vote(one, plant.known) for one in group)]
                      for group, plant in zip(groups, plants)])
    mean_logits = (np.log(np.maximum(MIN_PROBABILITY, probabilities))
                   / independent_photographs(votes))
    return (str(size), str(len(groups)), f"{right.mean():.1%}",
            f"{probabilities.max(axis=1).mean():.3f}",
            *(f"{calibration_error(one.max(axis=1), right):.3f}" for one in (
                probabilities, softmax(mean_logits),
                softmax(votes * mean_logits))),
            f"{all_right.mean():.1%}",
            f"{calibration_error(of_all.max(axis=1), all_right):.3f}",
            f"{known.mean():.1%}",
            f"{right[known].mean():.1%}" if known.any() else "none")


def known_row(groups: list[list[Prediction]]) -> tuple[str, ...]:
    """Return size and number of groups, and the share of them known."""
    known = np.mean([combine(group).known for group in groups])
    return str(len(groups[0])), str(len(groups)), f"{known:.1%}"


def print_archive(archive: str, folder: Path, split: Path | None) -> None:
    """Print the figures of an archive."""
    classifier = Classifier.load(archive)
    part = read_dataset(folder)
    if split is not None:
        with open(split, newline="") as lines:
            part = without_training_images(part, list(csv.DictReader(lines)))
    print(f"{printable(archive)}: {len(part.files)} photographs")
    class_of = match_classes(part, classifier.class_names)
    predictions = predict_part(classifier, part)
    rng = np.random.default_rng(SEED)
    learned, unlearned = [HEADER], [("class", "photographs", "groups",
                                     "known")]
    for size in SIZES:
        indices = sample_groups(part.labels, size, rng)
        labels = part.labels[indices[:, 0]]
        groups = [[predictions[index] for index in group]
                  for group in indices]
        truth = [class_of[label] for label in labels]
        chosen = [index for index, label in enumerate(truth)
                  if label is not None]
        if chosen:
            learned.append(row([groups[index] for index in chosen],
                               np.array([truth[index] for index in chosen])))
        for label in sorted(set(labels) - set(labels[chosen])):
            unlearned.append((printable(part.class_names[label]), *known_row(
                [group for group, other in zip(groups, labels)
                 if other == label])))
    if len(learned) > 1:
        print(text_table(learned, (False,) * len(HEADER)))
    if len(unlearned) > 1:
        print("classes that were not learned:")
        print(text_table(unlearned, (True, False, False, False)))
    print(flush=True)


def main() -> int:
    """Print the figures of every archive; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path,
                        help="class folders with photographs")
    parser.add_argument("archives", nargs="*", default=[DEFAULT],
                        help="archives, or names of released models")
    parser.add_argument("--split", type=Path,
                        help="CSV of what was learned from")
    options = parser.parse_args()
    for archive in options.archives:
        print_archive(archive, options.folder, options.split)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
