"""Compare predictions with the names of the folders that the images are in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaffliction.model.classifier import Classifier
from leaffliction.prediction.batch import predict_files
from leaffliction.utils.class_names import class_key
from leaffliction.utils.console import print_error, printable
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import resolved
from leaffliction.utils.tables import text_table


@dataclass(frozen=True)
class FolderPredictions:
    """The predictions for a folder of classes, and the true classes.

    labels: int (N,), true classes, as indices into the classifier's names.
    probabilities: float (N, classes).  known: bool (N,).
    These describe the N readable images of classes that were learned.
    unlearned: int (classes of the folder, 2), for each class that was not
    learned: the number of readable images, and of refused ones among them.
    failed: number of images that could not be read.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    known: np.ndarray
    unlearned: np.ndarray
    failed: int


def match_classes(dataset: Dataset, class_names: Sequence[str]
                  ) -> list[int | None]:
    """Return for each class of a dataset its index in class_names, or None.

    Names are compared without regard to case and separators.
    """
    index = {class_key(name): number
             for number, name in enumerate(class_names)}
    # A folder "healthy" below "Pawpaw", a plant that utils/class_names.py
    # does not know, is the class "Pawpaw_healthy" if training was given the
    # folder above.
    plant = resolved(dataset.root).name
    return [index.get(class_key(name),
                      index.get(class_key(f"{plant}_{name}")))
            for name in dataset.class_names]


def predict_dataset(classifier: Classifier, dataset: Dataset,
                    workers: Workers) -> FolderPredictions:
    """Predict every image of a dataset, with a progress bar.

    Prints an error line for each image that can't be read.
    """
    truth = match_classes(dataset, classifier.class_names)
    labels, probabilities, known, failed = [], [], [], 0
    unlearned = np.zeros((len(truth), 2), int)
    results = progress(
        predict_files(classifier, dataset.paths(), workers),
        len(dataset.files), "Evaluating")
    for label, result in zip(dataset.labels, results):
        if isinstance(result, UserError):
            print_error(result)
            failed += 1
            continue
        prediction = result.prediction
        if truth[label] is None:
            unlearned[label] += (1, not prediction.known)
        else:
            labels.append(truth[label])
            probabilities.append(prediction.probabilities)
            known.append(prediction.known)
    return FolderPredictions(
        np.array(labels, int), np.array(probabilities), np.array(known, bool),
        unlearned, failed)


def unlearned_table(dataset: Dataset, unlearned: np.ndarray) -> str:
    """Return a row for each class that was not learned: images, refused."""
    return text_table([("class", "images", "refused", "")] + [
        (printable(name), str(images), str(refused),
         f"{refused / images:.1%}")
        for name, (images, refused) in zip(dataset.class_names, unlearned)
        if images], (True, False, False, False))


def refused_text(predictions: FolderPredictions) -> str:
    """Return how many images are refused, and the accuracy on the others."""
    known = predictions.known
    text = f"refused {np.mean(~known):.2%} of the images"
    if known.any():
        right = (predictions.probabilities[known].argmax(axis=1)
                 == predictions.labels[known])
        text += f"; of the others {right.mean():.2%} are right"
    return text
