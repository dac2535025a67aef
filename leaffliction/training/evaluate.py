"""Evaluation on the validation set, which happens once, after training."""

from copy import copy
from dataclasses import replace

import numpy as np

from leaffliction.model.classifier import Classifier
from leaffliction.model.metrics import Evaluation, calibration_error, evaluate
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers, raise_errors
from leaffliction.utils.progress import progress

# Training images that are predicted, to measure how much higher the accuracy
# is on them than on the validation set.
GAP_IMAGES = 200
# What the exercise asks for: an accuracy above it, on that many images.
REQUIRED_ACCURACY, REQUIRED_IMAGES = 0.9, 100


def evaluate_classifier(classifier: Classifier, training: Dataset,
                        validation: Dataset, seed: int, workers: Workers
                        ) -> tuple[Evaluation, dict, np.ndarray]:
    """Evaluate a classifier on the validation set, as predict.py would.

    training: the training set, of which GAP_IMAGES are sampled.
    Returns the evaluation, further figures for report.json, and the
    probabilities of the validation images, float (N, classes).
    Raises UserError if the network predicts one class for all sampled
    training images, or an image cannot be read.
    """
    sample = training.sample(GAP_IMAGES, np.random.default_rng(seed))
    of_training = predict_probabilities(classifier, sample, workers,
                                        "Training images")
    check_not_collapsed(of_training, classifier.class_names)
    probabilities = predict_probabilities(classifier, validation, workers,
                                          "Validation")
    evaluation = evaluate(validation.labels, probabilities,
                          classifier.class_names)
    training_accuracy = float(
        (of_training.argmax(axis=1) == sample.labels).mean())
    return evaluation, {
        "calibration_error_uncalibrated": uncalibrated_error(
            classifier, validation, probabilities, workers),
        "training_accuracy": training_accuracy,
        "training_accuracy_images": len(sample.files),
        "gap": training_accuracy - evaluation.accuracy,
        "above_90_percent_on_at_least_100_images": (
            evaluation.accuracy > REQUIRED_ACCURACY
            and len(validation.files) >= REQUIRED_IMAGES)
    }, probabilities


def uncalibrated_error(classifier: Classifier, validation: Dataset,
                       probabilities: np.ndarray, workers: Workers) -> float:
    """Return the calibration error without temperature scaling.

    probabilities: those with it, (N, classes); they are the result if both
    temperatures are 1.  Otherwise the images are predicted again: where
    probabilities are means over test-time augmentations, no temperature can
    be taken out of them.
    """
    uncalibrated = copy(classifier)
    uncalibrated.description = replace(
        classifier.description, temperature=1.0, ood_temperature=1.0)
    if uncalibrated.description != classifier.description:
        probabilities = predict_probabilities(uncalibrated, validation,
                                              workers, "Uncalibrated")
    return calibration_error(
        probabilities.max(axis=1),
        probabilities.argmax(axis=1) == validation.labels)


def predict_probabilities(classifier: Classifier, part: Dataset,
                          workers: Workers, title: str) -> np.ndarray:
    """Return the probabilities of each image of a part, (N, classes).

    title: of the progress bar.
    """
    predictions = raise_errors(workers.map(
        classifier.predict_file, part.paths(), in_threads=True))
    return np.stack([prediction.probabilities for prediction in
                     progress(predictions, len(part.files), title)])


def check_not_collapsed(scores: np.ndarray, class_names: tuple[str, ...]
                        ) -> None:
    """Raise UserError if the network predicts one class for all images.

    scores: logits or probabilities of training images, (N, classes).
    """
    predicted = set(scores.argmax(axis=1).tolist())
    if len(predicted) < 2:
        raise UserError(
            "the network collapsed: it predicts "
            f"{class_names[predicted.pop()]} for every image; try a lower "
            "--learning-rate, more images, or --weights imagenet")


def evaluation_table(figures: dict) -> str:
    """Return the further figures of evaluate_classifier, as text."""
    return "\n".join((
        f"calibration error {figures['calibration_error_uncalibrated']:.4f} "
        "before temperature scaling",
        f"accuracy {figures['training_accuracy']:.2%} on "
        f"{figures['training_accuracy_images']} training images (gap "
        f"{figures['gap']:+.2%})",
        "above 90 % on at least 100 validation images: " + (
            "yes" if figures["above_90_percent_on_at_least_100_images"]
            else "no")))
