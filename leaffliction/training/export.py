"""Export: the trained network as LiteRT, calibrated, with an OOD detector."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from leaffliction.model.calibration import fit_temperature
from leaffliction.model.classifier import tta_views
from leaffliction.model.metrics import log_loss, softmax
from leaffliction.model.ood import OODDetector, fit_ood_detector, ood_threshold
from leaffliction.model.runtime import Network
from leaffliction.training.backgrounds import Backgrounds
from leaffliction.training.features import (load_images, network_outputs,
                                            predict_batches)
from leaffliction.training.field_images import FieldImage
from leaffliction.training.litert import to_litert
from leaffliction.utils.console import print_note
from leaffliction.utils.images import preprocess
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers

RANGE_IMAGES = 100       # whose activations set the ranges of 8-bit integers
# Images to fit the OOD detector on.  2,000 of them instead of 4,000 reject a
# twentieth fewer OOD images.
OOD_IMAGES = 5000
# How much higher the log loss and the share of errors of the 8-bit network
# may be.  They differ by this much by chance on 500 images; a network that 8
# bits are too coarse for differs by more.
MAX_LOG_LOSS_INCREASE, MAX_ERROR_INCREASE = 0.1, 0.02


@dataclass(frozen=True)
class CalibrationSet:
    """Images that the network has not learned from, to calibrate it with.

    images: the early-stopping set, N images.  leaves: the leaf that each of
    them shows, (N,).
    field_images: synthetic field images of these leaves, which stand for OOD
    images.  targets: the class of each of them, int.  backgrounds: theirs.
    """

    images: Dataset
    leaves: Sequence
    field_images: Sequence[FieldImage]
    targets: np.ndarray
    backgrounds: Backgrounds


@dataclass(frozen=True)
class Exported:
    """What the archive contains of the network, besides its description.

    model: LiteRT, in 8-bit integers or, where these are too coarse, in 32-bit
    floats.  float_model: the same in 32-bit floats.
    temperature, ood_temperature: divisors of the logits of in-distribution
    and of OOD images.  threshold: OOD score above which an image is OOD.
    figures: how both forms do on the early-stopping set.
    """

    model: bytes
    float_model: bytes
    temperature: float
    ood_detector: OODDetector
    threshold: float
    ood_temperature: float
    figures: dict


@dataclass(frozen=True)
class CalibratedForm:
    """The network in one numeric form, and its results on N images.

    model: LiteRT.  logits: (N, classes).  features: of the OOD detector,
    (N, F).  temperature: fitted on these logits.  errors: wrong images.
    """

    model: bytes
    logits: np.ndarray
    features: np.ndarray
    temperature: float
    errors: int
    log_loss: float

    def figures(self) -> dict:
        """Return the figures for the report."""
        return {"temperature": self.temperature, "errors": self.errors,
                "log_loss": self.log_loss}


def export(inference_model, training: Dataset, calibration: CalibrationSet,
           size: int, seed: int, workers: Workers) -> Exported:
    """Convert a network (build_inference_model) to LiteRT and calibrate it.

    training: the originals that it has learned from.
    """
    rng = np.random.default_rng(seed)
    forms = convert(inference_model, load_images(
        training.sample(RANGE_IMAGES, rng).paths(), size, workers, "Ranges"))
    forms = {name: calibrate(model, calibration, size, workers, name)
             for name, model in forms.items()}
    form = choose_form(forms, len(calibration.images.files))
    chosen = forms[form]
    detector = fit_detector(chosen.model, training, size, rng, workers)
    # Networks are overconfident on OOD images, so any temperature that lowers
    # the loss is taken for them, significant or not (min_gain 0).  The
    # calibration error on orchard photographs falls from 0.17 to 0.07.
    minimum = max(chosen.temperature, fit_temperature(
        chosen.logits, calibration.images.labels, calibration.leaves,
        min_gain=0))
    return Exported(
        chosen.model, forms["float32"].model, chosen.temperature, detector,
        ood_threshold(detector.scores(chosen.features)),
        fit_ood_temperature(chosen.model, calibration, minimum, size,
                            workers),
        {"form": form, "images": len(calibration.images.files),
         **{name: each.figures() for name, each in forms.items()}})


def convert(inference_model, examples: np.ndarray) -> dict[str, bytes]:
    """Return the network as LiteRT: in "float32" and, if it runs, in "int8".

    examples: float32 (N, size, size, 3), see to_litert.
    """
    forms = {"float32": to_litert(inference_model)}
    int8 = to_litert(inference_model, examples)
    if can_run(int8, examples[:1]):
        forms["int8"] = int8
    return forms


def can_run(model: bytes, images: np.ndarray) -> bool:
    """Return whether LiteRT runs a model on images (N, size, size, 3).

    It refuses 8-bit integers whose ranges are too far apart, as those of a
    network whose learning rate was too high.
    """
    try:
        Network(model)(images)
    except (RuntimeError, ValueError):
        return False
    return True


def calibrate(model: bytes, calibration: CalibrationSet, size: int,
              workers: Workers, name: str) -> CalibratedForm:
    """Run one form of the network on the early-stopping set."""
    images = calibration.images
    logits, _, *features = network_outputs(
        model, images.paths(), size, workers, f"Calibration {name}")
    temperature = fit_temperature(logits, images.labels, calibration.leaves)
    return CalibratedForm(
        model, logits, np.hstack(features), temperature,
        int((logits.argmax(axis=1) != images.labels).sum()),
        log_loss(images.labels, softmax(logits / temperature)))


def choose_form(forms: dict[str, CalibratedForm], images: int) -> str:
    """Return "int8" unless it is too coarse for this network.

    images: number of images in the early-stopping set.
    """
    if "int8" in forms and is_as_good(forms["int8"], forms["float32"],
                                      images):
        return "int8"
    print_note("8-bit integers are too coarse for this network: it stays in "
               "32-bit floats, half as fast")
    return "float32"


def is_as_good(int8: CalibratedForm, exact: CalibratedForm, images: int
               ) -> bool:
    """Return whether the 8-bit network does as well as the exact one."""
    return (int8.log_loss <= exact.log_loss + MAX_LOG_LOSS_INCREASE
            and int8.errors <= exact.errors
            + max(2, MAX_ERROR_INCREASE * images))


def fit_detector(model: bytes, training: Dataset, size: int,
                 rng: np.random.Generator, workers: Workers) -> OODDetector:
    """Return the OOD detector of the images that were learned from.

    Fitted on a random sample with at least one image of each class, since an
    archive that describes fewer classes than it names cannot be loaded.
    """
    _, first_of_class = np.unique(training.labels, return_index=True)
    sample = training.subset(np.union1d(
        rng.permutation(len(training.files))[:OOD_IMAGES], first_of_class))
    _, _, *features = network_outputs(
        model, sample.paths(), size, workers, "OOD detector")
    return fit_ood_detector(np.hstack(features), sample.labels)


def fit_ood_temperature(model: bytes, calibration: CalibrationSet,
                        minimum: float, size: int, workers: Workers) -> float:
    """Return the temperature of OOD images under test-time augmentation.

    Fitted on the synthetic field images; 1 if no other temperature is better
    on held-out leaves.  Never below minimum, the temperature of
    in-distribution images: no OOD image gets a surer prediction.
    """
    leaf_of = dict(zip(calibration.images.paths(), calibration.leaves))
    load = partial(load_tta_views, size=size,
                   backgrounds=calibration.backgrounds)
    logits = np.stack([outputs[0] for outputs in predict_batches(
        model, calibration.field_images, load, workers, "Calibration OOD")])
    return max(minimum, fit_temperature(
        logits, calibration.targets,
        [leaf_of[image.path] for image in calibration.field_images]))


def load_tta_views(image: FieldImage, size: int, backgrounds: Backgrounds
                   ) -> np.ndarray:
    """Return the four TTA views of a field image, (4, size, size, 3)."""
    return np.stack([preprocess(view, size)
                     for view in tta_views(image.render(backgrounds))])
