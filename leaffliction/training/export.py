"""From what was learned to what answers: small, calibrated, and modest."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from leaffliction.model.classifier import tta_views
from leaffliction.model.metrics import fit_temperature, log_loss, softmax
from leaffliction.model.ood import OODDetector, fit_ood_detector, ood_threshold
from leaffliction.model.runtime import Network
from leaffliction.training.backbone import to_litert
from leaffliction.training.features import all_outputs, answers, load_images
from leaffliction.training.field_images import Backgrounds, FieldImage
from leaffliction.utils.console import print_note
from leaffliction.utils.images import preprocess
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers

RANGE_IMAGES = 100       # that show the ranges of the 8-bit integers
# That show what the images learned from are like: with 2,000 instead of
# 4,000 a twentieth less of what is strange is rejected.
OOD_IMAGES = 5000
# By so much the log loss and the share of errors may rise before 8 bits are
# given up.  They are this much apart by chance on 500 images; a network that
# does not bear 8 bits is further off.
MOST_LOSS, MOST_ERRORS = 0.1, 0.02


@dataclass(frozen=True)
class Exported:
    """What answers.

    model: LiteRT, in 8-bit integers unless these were too coarse; as_float:
    the same in 32-bit floats.  threshold: of the familiarity.
    strange_temperature: of what is not familiar.  figures: of both forms on
    the stopping part.
    """

    model: bytes
    as_float: bytes
    temperature: float
    familiarity: OODDetector
    threshold: float
    strange_temperature: float
    figures: dict


def export(network, training: Dataset, stopping: Dataset,
           leaves: Sequence, strange: tuple, size: int, seed: int,
           workers: Workers) -> Exported:
    """Make a network (build_inference_model) what answers.

    training: originals of what it has learned from.  stopping: images that
    it has not, by which it is calibrated; leaves: that of each of them.
    strange: field views of these images, their labels, and their backgrounds.
    """
    rng = np.random.default_rng(seed)
    examples = load_images(training.sample(RANGE_IMAGES, rng).paths(), size,
                           workers, "Ranges")
    forms = {"float32": to_litert(network)}
    in_8_bits = to_litert(network, examples)
    if can_run(in_8_bits, examples[:1]):
        forms["int8"] = in_8_bits
    outputs, figures = {}, {}
    for name, model in forms.items():
        outputs[name] = all_outputs(model, stopping.paths(), size, workers,
                                    f"Calibration {name}")
        logits = outputs[name][0]
        temperature = fit_temperature(logits, stopping.labels, leaves)
        figures[name] = {
            "temperature": temperature,
            "errors": int((logits.argmax(axis=1) != stopping.labels).sum()),
            "log_loss": log_loss(stopping.labels,
                                 softmax(logits / temperature))}
    form = "int8" if "int8" in figures and is_as_good(
        figures["int8"], figures["float32"], len(stopping.files)
        ) else "float32"
    if form == "float32":
        print_note("8-bit integers are too coarse for this network: it "
                   "stays in 32-bit floats, half as fast")
    _, first_of_class = np.unique(training.labels, return_index=True)
    sample = training.subset(np.union1d(
        rng.permutation(len(training.files))[:OOD_IMAGES],
        first_of_class))
    _, _, *features = all_outputs(forms[form], sample.paths(), size, workers,
                                  "Familiarity")
    familiarity = fit_ood_detector(np.hstack(features), sample.labels)
    _, _, *features = outputs[form]
    threshold = ood_threshold(familiarity.scores(np.hstack(features)))
    temperature = figures[form]["temperature"]
    # Beyond what it has learned a network is surer than it may be: there a
    # temperature need not be proven.  In the orchard the calibration error
    # is 0.07 with it, and 0.17 without.
    likely = fit_temperature(outputs[form][0], stopping.labels, leaves,
                             least_gain=0)
    leaf_of = dict(zip(stopping.paths(), leaves))
    strange_temperature = fit_strange(
        forms[form], *strange, [leaf_of[view.path] for view in strange[0]],
        max(temperature, likely), size, workers)
    return Exported(forms[form], forms["float32"], temperature, familiarity,
                    threshold, strange_temperature,
                    {"form": form, "images": len(stopping.files), **figures})


def can_run(model: bytes, images: np.ndarray) -> bool:
    """Tell whether LiteRT runs a model on images (N, size, size, 3).

    It refuses 8-bit integers whose ranges lie too far apart, as in a network
    whose learning rate was too high.
    """
    try:
        Network(model)(images)
    except (RuntimeError, ValueError):
        return False
    return True


def fit_strange(model: bytes, views: list[FieldImage], targets: np.ndarray,
                backgrounds: Backgrounds, leaves: Sequence, temperature: float,
                size: int, workers: Workers) -> float:
    """Return the temperature of what is not known, for four looks at it.

    Fitted on field views of leaves not learned from, leaves: that of each
    view; 1 where no other one serves leaves held out.  But never below
    `temperature`, that of what is known: nothing strange is surer.
    """
    load = partial(load_looks, size=size, backgrounds=backgrounds)
    logits = np.stack([found for found, *_ in answers(
        model, views, load, workers, "Calibration strange")])
    return max(temperature, fit_temperature(logits, targets, leaves))


def load_looks(view: FieldImage, size: int,
               backgrounds: Backgrounds) -> np.ndarray:
    """Return the four looks at a view, preprocessed: (4, size, size, 3)."""
    return np.stack([preprocess(look, size)
                     for look in tta_views(view.draw(backgrounds))])


def is_as_good(small: dict, exact: dict, images: int) -> bool:
    """Tell whether a network in 8 bits does as well as in 32."""
    return (small["log_loss"] <= exact["log_loss"] + MOST_LOSS
            and small["errors"] <= exact["errors"]
            + max(2, MOST_ERRORS * images))
