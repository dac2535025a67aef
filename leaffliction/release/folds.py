"""Networks that leave out some photographs, to judge what they answer.

The photographs from the web are learned from; so what the model answers for
others like them is judged by networks that leave out one fold in turn.  What
it answers for a disease that it has not learned, by networks that leave out
one disease in turn.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from leaffliction.model.classifier import Classifier, Prediction
from leaffliction.prediction.batch import predict_files
from leaffliction.release.dataset import FOLDS
from leaffliction.release.evaluation import SURE_ENOUGH
from leaffliction.release.finish import finish
from leaffliction.release.plan import is_healthy
from leaffliction.release.recipe import Prepared, fit_network
from leaffliction.training.examples import Examples
from leaffliction.training.split import LEFT_OUT, SETS, Parts
from leaffliction.utils.parallel import Workers, raise_errors
from leaffliction.utils.progress import progress

# Images that the network sees which leaves a disease out.
BRIEF_IMAGES = 20_000


def judge_web(prepared: Prepared, images: int, workers: Workers
              ) -> list[Prediction]:
    """Return a prediction for each photograph from the web.

    Each by a network that was trained without its fold, in the order of
    Sources.web.
    """
    paths, folds = prepared.sources.web.paths(), prepared.sources.folds()
    predictions: list = [None] * len(paths)
    for fold in range(FOLDS):
        fitted = fit_network(prepared, images, prepared.pool.folds == fold)
        classifier = finish(prepared, fitted, workers).classifier()
        rows = np.flatnonzero(folds == fold)
        for row, prediction in zip(rows, predict(
                classifier, [paths[row] for row in rows], workers,
                f"Web, fold {fold + 1}")):
            predictions[row] = prediction
    return predictions


def judge_unlearned(prepared: Prepared, workers: Workers
                    ) -> dict[str, tuple[int, int]]:
    """Return for each disease what a network answers that has not learned it.

    The number of its photographs that are refused or get a confidence below
    SURE_ENOUGH, and the number of photographs: of the validation part.
    """
    validation = prepared.sources.parts.validation
    answers = {}
    for label, name in enumerate(prepared.sources.class_names):
        if is_healthy(name):
            continue
        without = drop_class(prepared, label)
        fitted = fit_network(without, BRIEF_IMAGES,
                             prepared.pool.labels == label)
        classifier = finish(without, fitted, workers).classifier()
        paths = validation.subset(
            np.flatnonzero(validation.labels == label)).paths()
        careful = sum(
            not prediction.known or prediction.confidence < SURE_ENOUGH
            for prediction in predict(classifier, paths, workers, name))
        answers[name] = careful, len(paths)
    return answers


def drop_class(prepared: Prepared, label: int) -> Prepared:
    """Return the photographs without those of a class in any part."""
    sources, stopping = prepared.sources, prepared.early_stopping
    leaves = sources.parts.leaves
    names = np.where(leaves.dataset.labels == label, LEFT_OUT,
                     sources.parts.names)
    parts = Parts(leaves, names, *(leaves.dataset.subset(
        np.flatnonzero(names == name)) for name in SETS))
    rows = np.flatnonzero(stopping.targets != label)
    return replace(prepared, sources=replace(sources, parts=parts),
                   early_stopping=Examples(stopping.features[rows],
                                           stopping.targets[rows]))


def predict(classifier: Classifier, paths: list[Path], workers: Workers,
            title: str) -> list[Prediction]:
    """Return the prediction for each file, as predict.py's.

    Raises UserError for a file that cannot be read.
    """
    results = raise_errors(predict_files(classifier, paths, workers))
    return [result.prediction
            for result in progress(results, len(paths), title)]
