"""Judge a released model by every kind of photograph that there is.

All predictions are those of predict.py: the same reading of files, the same
test-time augmentation, the same threshold.  evaluate_release returns a dict
with the keys

    classes     names of the learned classes, in the classifier's order
    photographs {domain: {part: N}}, of the split
    learned     {kind of LEARNED: n, right, known, right_of_known, sure,
                right_of_sure, predicted, calibration_error,
                calibration_error_of_known, classes, unlearned}; classes
                are figures of each class that there is, unlearned those
                of classes that were not learned
    foreign     {kind of FOREIGN: n, known, sure, groups}
    laid        as learned, without calibration, and right_plant,
                known_wrong_plant
    diseases    n, known, sure, predicted, predicted_of_known
    absent      {kind: why it was not judged}
    unreadable  number of files that could not be read

n is a number of photographs, predicted {most probable class: N}.  Each
share is a dict of share(): right, known (not refused) and sure (known,
and SURE_ENOUGH) are shares of n, right_of_known of the known.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.model.metrics import calibration_error, wilson_interval
from leaffliction.prediction.batch import predict_files
from leaffliction.release.photographs import (CROPS, DISEASES, EVERYDAY,
                                              FIELD, LABORATORY, ORCHARD,
                                              STRANGERS, WEB, Photographs,
                                              count_parts, read_photographs,
                                              read_split)
from leaffliction.utils.class_names import class_key, plant_of_class
from leaffliction.utils.console import print_error
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import Workers
from leaffliction.utils.progress import progress

# Kinds whose photographs show learned classes, and kinds that show none.
LEARNED = (LABORATORY, ORCHARD, FIELD, WEB)
FOREIGN = (STRANGERS, EVERYDAY, CROPS)
# Grape leaves of the laboratory laid on orchard photographs.  All real
# photographs with foliage behind the leaf are of apple, so these show whether
# foliage has become a sign of apple.
LAID, LAID_IMAGES, LAID_SEED = "laid", 300, 42
GRAPE = "grape"
# Readers are told not to rely on a prediction of less confidence.
SURE_ENOUGH = 0.7
# (leaf's path, ground's path, seed) -> RGB uint8 (H, W, 3).
LayLeaf = Callable[[Path, Path, int], np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """What the classifier says of N photographs.

    truth: for each its true class as the classifier spells it, or the group
    of the photograph where that class was not learned.
    """

    truth: tuple[str, ...]
    predictions: tuple[Prediction, ...]

    def subset(self, chosen: Sequence[bool]) -> "Outcome":
        """Return the outcome for the photographs that are chosen, (N,)."""
        return Outcome(*(tuple(item for item, is_chosen
                               in zip(items, chosen) if is_chosen)
                         for items in (self.truth, self.predictions)))

    @property
    def known(self) -> np.ndarray:
        """Which photographs are not refused, bool (N,)."""
        return np.array([prediction.known for prediction
                         in self.predictions], bool)

    @property
    def sure(self) -> np.ndarray:
        """Which photographs are known and SURE_ENOUGH, bool (N,)."""
        return self.known & (self.confidences >= SURE_ENOUGH)

    @property
    def right(self) -> np.ndarray:
        """Which photographs get their true class, refused or not, (N,)."""
        return np.array([prediction.class_name == name for prediction, name
                         in zip(self.predictions, self.truth)], bool)

    @property
    def confidences(self) -> np.ndarray:
        """The probability of each predicted class, float (N,)."""
        return np.array([prediction.confidence for prediction
                         in self.predictions], float)

    def predicted(self) -> dict[str, int]:
        """Return how often each class is predicted, the most frequent first.
        """
        return dict(Counter(prediction.class_name for prediction
                            in self.predictions).most_common())


def evaluate_release(classifier: Classifier, data: Path, split: Path,
                     workers: Workers, lay_leaf: LayLeaf | None = None,
                     web: Outcome | None = None) -> dict:
    """Return every figure about a classifier, as plain values for JSON.

    data: a folder with the subfolders of photographs.FOLDERS, or some of
    them.  split: the CSV of photographs.read_split.  lay_leaf: lays a leaf on
    a ground; without it that kind is absent.  web: what networks say of the
    photographs from the web that left them out, for a model that has learned
    from these.  The keys of the result are in the docstring of this module.
    The figures depend on the arguments but not on the number of workers.
    Prints an error line for each file that can't be read.  Raises UserError
    where split or data can't be read, or data has nothing to judge by.
    """
    rows = read_split(split)
    found, absent = read_photographs(data, rows)
    outcomes = {kind: _predict(classifier, photographs, workers, kind)
                for kind, photographs in found.items()}
    unreadable = sum(
        len(found[kind].paths) - len(outcome.predictions)
        for kind, outcome in outcomes.items())
    if web is not None:
        outcomes[WEB] = web
        absent.pop(WEB, None)
    figures = {
        "classes": list(classifier.class_names),
        "photographs": count_parts(rows),
        "learned": {kind: _learned_figures(outcomes[kind], classifier)
                    for kind in LEARNED if kind in outcomes},
        "foreign": {kind: _foreign_figures(outcomes[kind])
                    for kind in FOREIGN if kind in outcomes}}
    if DISEASES in outcomes:
        figures[DISEASES] = _disease_figures(outcomes[DISEASES])
    laid = pair_laid(found)
    if lay_leaf is None:
        absent[LAID] = "no function that lays leaves on grounds"
    elif not laid:
        absent[LAID] = "no grape leaves, or no orchard photographs"
    else:
        outcome, failed = _predict_laid(classifier, laid, workers, lay_leaf)
        figures[LAID] = _laid_figures(outcome)
        unreadable += failed
    return figures | {"absent": absent, "unreadable": unreadable}


def share(count: int, of: int) -> dict:
    """Return a share with its 95 % Wilson interval, as values for JSON.

    {"count": ..., "of": ..., "share": 0..1, "interval_95": [low, high]};
    the last two are None where `of` is 0.
    """
    return {"count": int(count), "of": int(of),
            "share": count / of if of else None,
            "interval_95": (list(wilson_interval(int(count), int(of)))
                            if of else None)}


def pair_laid(found: dict[str, Photographs]
              ) -> list[tuple[str, Path, Path, int]]:
    """Return LAID_IMAGES times (class, leaf, ground, seed), or none.

    Every leaf and every ground is used equally often, or once more.
    """
    if LABORATORY not in found or ORCHARD not in found:
        return []
    laboratory, grounds = found[LABORATORY], found[ORCHARD].paths
    leaves = [(path, name) for path, name in zip(
        laboratory.paths, laboratory.groups) if plant_of_class(name) == GRAPE]
    if not leaves:
        return []
    rng = np.random.default_rng(LAID_SEED)
    order = rng.permutation(len(leaves))
    ground_order = rng.permutation(len(grounds))
    pairs = []
    for number in range(LAID_IMAGES):
        path, name = leaves[order[number % len(order)]]
        ground = grounds[ground_order[number % len(ground_order)]]
        pairs.append((name, path, ground, number))
    return pairs


# Predictions.

def _predict(classifier: Classifier, photographs: Photographs,
             workers: Workers, title: str) -> Outcome:
    """Return the outcome for the photographs of one kind."""
    results = predict_files(classifier, photographs.paths, workers)
    spelt = {class_key(name): name for name in classifier.class_names}
    truth = [spelt.get(class_key(group), group)
             for group in photographs.groups]
    shown = progress(results, len(photographs.paths), title)
    return _without_errors(truth, (
        result if isinstance(result, UserError) else result.prediction
        for result in shown))


def _predict_laid(classifier: Classifier, pairs: list, workers: Workers,
                  lay_leaf: LayLeaf) -> tuple[Outcome, int]:
    """Return the outcome for laid leaves, and how many could not be laid."""
    results = workers.map(
        partial(predict_laid, classifier=classifier, lay_leaf=lay_leaf),
        pairs, in_threads=True, name_of=lambda pair: str(pair[1]))
    spelt = {class_key(name): name for name in classifier.class_names}
    truth = [spelt.get(class_key(pair[0]), pair[0]) for pair in pairs]
    outcome = _without_errors(truth, progress(results, len(pairs), LAID))
    return outcome, len(pairs) - len(outcome.predictions)


def predict_laid(pair: tuple[str, Path, Path, int], classifier: Classifier,
                 lay_leaf: LayLeaf) -> Prediction:
    """Return the prediction for one pair of pair_laid."""
    _, leaf, ground, seed = pair
    return classifier.predict_image(lay_leaf(leaf, ground, seed))


def _without_errors(truth: Sequence[str],
                    results: Iterable[Prediction | UserError]) -> Outcome:
    """Return the outcome for what could be read; print the errors."""
    names, predictions = [], []
    for name, result in zip(truth, results):
        if isinstance(result, UserError):
            print_error(result)
        else:
            names.append(name)
            predictions.append(result)
    return Outcome(tuple(names), tuple(predictions))


# Figures.

def _learned_figures(outcome: Outcome, classifier: Classifier) -> dict:
    """Return the figures of a kind whose photographs show learned classes."""
    is_learned = [name in classifier.class_names for name in outcome.truth]
    learned = outcome.subset(is_learned)
    others = outcome.subset(np.logical_not(is_learned))
    known = learned.subset(learned.known)
    return _right_and_known(learned) | {
        "calibration_error": _calibration_error(learned),
        "calibration_error_of_known": _calibration_error(known),
        "classes": _by_group(learned, classifier.class_names,
                             _right_and_known),
        "unlearned": _by_group(others, sorted(set(others.truth)),
                               _known_and_predicted)}


def _foreign_figures(outcome: Outcome) -> dict:
    """Return the figures of a kind that shows no learned class."""
    groups = sorted(set(outcome.truth) - {""})
    return _known(outcome) | {"groups": _by_group(outcome, groups, _known)}


def _laid_figures(outcome: Outcome) -> dict:
    """Return the figures of leaves of one plant on grounds of another."""
    count = len(outcome.truth)
    right_plant = np.array([
        plant_of_class(prediction.class_name) == plant_of_class(name)
        for prediction, name in zip(outcome.predictions, outcome.truth)],
        bool)
    return _right_and_known(outcome) | {
        "right_plant": share(right_plant.sum(), count),
        "known_wrong_plant": share((outcome.known & ~right_plant).sum(),
                                   count),
        "classes": _by_group(outcome, sorted(set(outcome.truth)),
                             _right_and_known)}


def _disease_figures(outcome: Outcome) -> dict:
    """Return the figures of leaves with several diseases at once."""
    return _known_and_predicted(outcome) | {
        "predicted_of_known": outcome.subset(outcome.known).predicted()}


def _by_group(outcome: Outcome, groups: Iterable[str],
              figures_of: Callable[[Outcome], dict]) -> dict[str, dict]:
    """Return the figures of each group that has photographs."""
    return {group: figures_of(outcome.subset(
        [name == group for name in outcome.truth]))
        for group in groups if group in outcome.truth}


def _right_and_known(outcome: Outcome) -> dict:
    """Return n, right, known, sure, right of these, and predicted."""
    known, sure, right = outcome.known, outcome.sure, outcome.right
    return _known_and_predicted(outcome) | {
        "right": share(right.sum(), len(right)),
        "right_of_known": share((right & known).sum(), known.sum()),
        "right_of_sure": share((right & sure).sum(), sure.sum())}


def _known_and_predicted(outcome: Outcome) -> dict:
    """Return n, known, sure, and how often each class is predicted."""
    return _known(outcome) | {"predicted": outcome.predicted()}


def _known(outcome: Outcome) -> dict:
    """Return n, known and sure."""
    known, sure = outcome.known, outcome.sure
    return {"n": len(known), "known": share(known.sum(), len(known)),
            "sure": share(sure.sum(), len(known))}


def _calibration_error(outcome: Outcome) -> float | None:
    """Return the expected calibration error, 0..1; None of no photograph."""
    if not outcome.predictions:
        return None
    return calibration_error(outcome.confidences, outcome.right)
