"""What the network is worth: the one look at the validation part."""

from copy import copy
from dataclasses import replace

import numpy as np

from leaffliction.model.classifier import Classifier
from leaffliction.model.metrics import Evaluation, calibration_error, evaluate
from leaffliction.utils.errors import UserError
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers, raise_errors
from leaffliction.utils.progress import progress

GAP_IMAGES = 200         # learned from, to see how much better they are known


def evaluate_classifier(learnings: Classifier, training: Dataset, validation: Dataset,
                        seed: int, workers: Workers) -> tuple[Evaluation, dict, np.ndarray]:
    """Look at the validation part, for the first and only time.

    As predict.py will.  Returns the evaluation, the figures beyond it, and
    the probabilities, (N, classes).
    Raises UserError where the network says one class of everything.
    """
    sample = training.sample(GAP_IMAGES, np.random.default_rng(seed))
    known = probabilities_of(learnings, sample, workers, "Learned from")
    check_not_collapsed(known, learnings.class_names)
    probabilities = uncalibrated = probabilities_of(
        learnings, validation, workers, "Validation")
    as_learned = copy(learnings)
    as_learned.description = replace(learnings.description, temperature=1.0,
                                     strange_temperature=1.0)
    if as_learned.description != learnings.description:
        # Predicted again: which image is looked at how often stays, but the
        # mean of several looks cannot be undone.
        uncalibrated = probabilities_of(as_learned, validation, workers,
                                        "Uncalibrated")
    evaluation = evaluate(validation.labels, probabilities,
                          learnings.class_names)
    training_accuracy = float((known.argmax(axis=1) == sample.labels).mean())
    return evaluation, {
        "calibration_error_uncalibrated": calibration_error(
            uncalibrated.max(axis=1),
            uncalibrated.argmax(axis=1) == validation.labels),
        "training_accuracy": training_accuracy,
        "training_accuracy_images": len(sample.files),
        "gap": training_accuracy - evaluation.accuracy,
        "above_90_percent_on_at_least_100_images": (
            evaluation.accuracy > 0.9 and len(validation.files) >= 100)
    }, probabilities


def probabilities_of(learnings: Classifier, part: Dataset, workers: Workers,
                     title: str) -> np.ndarray:
    """Return the probabilities of each image of a part, (N, classes)."""
    return np.stack([found.probabilities for found in progress(
        raise_errors(
    workers.map(
        learnings.predict_file,
        part.paths(),
         in_threads=True)),
        len(part.files), title)])


def check_not_collapsed(
    logits: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Raise UserError where a network says the same of all it has learned.

    logits: of images that it has learned from, (N, classes).
    """
    given = set(logits.argmax(axis=1).tolist())
    if len(given) < 2:
        raise UserError(
            f"the network collapsed: it says {class_names[given.pop()]} of "
            "everything; try a lower --learning-rate, more images, or "
            "--weights imagenet")


def evaluation_table(figures: dict) -> str:
    """Return the figures beyond the evaluation, as text."""
    return "\n".join((
        f"calibration error {figures['calibration_error_uncalibrated']:.4f} "
        "before temperature scaling",
        f"accuracy {figures['training_accuracy']:.2%} on "
        f"{figures['training_accuracy_images']} images learned from (gap "
        f"{figures['gap']:+.2%})",
        "above 90 % on at least 100 validation images: " + (
            "yes" if figures["above_90_percent_on_at_least_100_images"]
            else "no")))
