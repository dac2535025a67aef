"""From a trained network to the archive's content: 8 bits, and what is known.

Two rules tell which images are like the learned ones.  Photographs of a
laboratory resemble each other, so those that differ from the learned leaves
are other crops: train.py's own detector finds them.  Outdoors it would find
other grounds; there the network's energy decides, which it has learned to
keep high for other plants (OutdoorsRule).
"""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.model.bundle import Description
from leaffliction.model.metrics import log_sum_exp
from leaffliction.model.ood import (OODDetector, OutdoorsRule,
                                    cross_fitted_scores, fit_ood_detector,
                                    ood_threshold)
from leaffliction.release.recipe import Prepared
from leaffliction.release.dataset import is_indoors
from leaffliction.training.export import (RANGE_IMAGES, CalibratedForm,
                                          Exported, build_inference_model,
                                          convert, measure)
from leaffliction.training.features import load_images, network_outputs
from leaffliction.training.loop import Fitted
from leaffliction.training.metadata import add_metadata
from leaffliction.training.split import EARLY_STOPPING, TRAINING
from leaffliction.training.training_set import CalibrationSet
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers

# Of new leaves in the laboratory, the share that is to count as known.  With
# 0.99, 10 of 150 leaves of other crops are taken for known instead of 7.
KNOWN_LEAVES = 0.985
# Of other plants outdoors, the share that may count as known.
KNOWN_STRANGERS = 0.04
# Photographs of each kind to fit the detector and the gate on.
DETECTOR_IMAGES = 2500
GATE_STRENGTH = 0.1      # inverse of the penalty of the logistic regression


def finish(prepared: Prepared, fitted: Fitted, workers: Workers) -> Exported:
    """Return what the archive holds of a network.

    Raises UserError for an image that cannot be read.
    """
    sources, config = prepared.sources, prepared.config
    rng = np.random.default_rng(config.seed)
    calibration = calibration_set(prepared)
    as_trained = measure(fitted.logits, calibration)
    # Ranges from every kind of photograph, or outdoors they are too narrow.
    training = sources.parts.training.sample(RANGE_IMAGES, rng).paths()
    outdoors = rng.permutation(sources.strangers_in(TRAINING))[:RANGE_IMAGES]
    examples = load_images([*training, *outdoors], config.size, workers,
                           "Ranges")
    chosen = convert(build_inference_model(
        prepared.backbone, fitted.top, fitted.head), as_trained, examples,
        calibration, workers)
    detector, threshold = fit_detector(chosen, prepared, rng, workers)
    temperature = chosen.results.temperature
    description = Description(sources.class_names, config.size, temperature,
                              threshold, temperature)
    return Exported(
        description, add_metadata(
            chosen.model, class_names=sources.class_names,
            temperature=temperature), None, detector,
        {"form": chosen.form, "images": len(calibration.images.files),
         "as_trained": asdict(as_trained),
         chosen.form: asdict(chosen.results)})


def calibration_set(prepared: Prepared) -> CalibrationSet:
    """Return the early-stopping set, without synthetic field images."""
    parts = prepared.sources.parts
    return CalibrationSet(parts.early_stopping,
                          parts.leaves_of(EARLY_STOPPING), (),
                          np.empty(0, int), prepared.backgrounds)


def fit_detector(chosen: CalibratedForm, prepared: Prepared,
                 rng: np.random.Generator, workers: Workers
                 ) -> tuple[OODDetector, float]:
    """Return the OOD detector with its rule for outdoors, and its threshold.

    Fitted to the laboratory's leaves; the threshold is as in train.py.
    """
    sources, size = prepared.sources, prepared.config.size
    run = partial(features_and_logits, chosen.model, size=size,
                  workers=workers)
    training, stopping = sources.parts.training, sources.parts.early_stopping
    indoors = sample_rows(training, True, rng)
    features, _ = run(training.subset(indoors).paths())
    labels = training.labels[indoors]
    detector = fit_ood_detector(features, labels)
    threshold = ood_threshold(np.concatenate([
        cross_fitted_scores(features, labels, sources.parts.leaves_of(
            TRAINING)[indoors]),
        detector.scores(chosen.features[is_indoors(stopping)])]), KNOWN_LEAVES)
    outdoors, _ = run([
        *training.subset(sample_rows(training, False, rng)).paths(),
        *sources.strangers_in(TRAINING)])
    gate = fit_gate(features, outdoors)
    rule = OutdoorsRule(gate, 0.0)
    strangers, logits = run(sources.strangers_in(EARLY_STOPPING))
    # Of the energy the negative, which is high where the network is sure.
    certainties = log_sum_exp(logits)[rule.applies(strangers)]
    least = float(np.quantile(certainties, 1 - KNOWN_STRANGERS))
    return replace(detector, outdoors=OutdoorsRule(
        gate, threshold + least)), threshold


def sample_rows(dataset: Dataset, indoors: bool, rng: np.random.Generator
                ) -> np.ndarray:
    """Return the rows of a random sample from the laboratory, or outdoors."""
    rows = np.flatnonzero(is_indoors(dataset) == indoors)
    return np.sort(rng.permutation(rows)[:DETECTOR_IMAGES])


def features_and_logits(model: bytes, paths: list[Path], size: int,
                        workers: Workers) -> tuple[np.ndarray, np.ndarray]:
    """Return the detector's features (N, F) and the logits (N, classes)."""
    logits, _, *features = network_outputs(model, paths, size, workers,
                                           "OOD detector")
    return np.hstack(features), logits


def fit_gate(indoors: np.ndarray, outdoors: np.ndarray) -> np.ndarray:
    """Return the gate of an OutdoorsRule, float32 (F + 1,).

    indoors, outdoors: features of photographs, (N, F) and (M, F).
    """
    from sklearn.linear_model import LogisticRegression
    features = np.vstack([indoors, outdoors]).astype(np.float64)
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=GATE_STRENGTH, class_weight="balanced",
                               max_iter=1000)
    model.fit((features - mean) / deviation,
              np.repeat([0, 1], [len(indoors), len(outdoors)]))
    weights = model.coef_[0] / deviation
    return np.append(weights, model.intercept_[0] - weights @ mean).astype(
        np.float32)
