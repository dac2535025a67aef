"""Export: the trained network as LiteRT, calibrated, with an OOD detector."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from leaffliction.model.bundle import Description
from leaffliction.model.calibration import fit_temperature
from leaffliction.model.classifier import Classifier, tta_views
from leaffliction.model.metrics import log_loss, softmax
from leaffliction.model.ood import OODDetector, fit_ood_detector, ood_threshold
from leaffliction.model.runtime import Network
from leaffliction.training.backbone import FrozenBackbone
from leaffliction.training.backgrounds import Backgrounds
from leaffliction.training.features import (load_images, network_outputs,
                                            predict_batches)
from leaffliction.training.field_images import FieldImage
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert
from leaffliction.training.network import fold_batch_norm
from leaffliction.training.training_set import CalibrationSet
from leaffliction.utils.console import print_note
from leaffliction.utils.images import preprocess
from leaffliction.utils.labels import Dataset
from leaffliction.utils.parallel import Workers

RANGE_IMAGES = 100       # whose activations set the ranges of 8-bit integers
# Images to fit the OOD detector on.  2,000 of them instead of 4,000 reject a
# twentieth fewer OOD images.
DETECTOR_IMAGES = 5000
# The layers whose features tell whether an image is in distribution.  Those
# of other layers, and the energy score, reject fewer OOD images
# (docs/explanation/training.md).
OOD_LAYERS = ("block_9_add", "block_14_add")
# How much higher the log loss and the share of errors of the 8-bit network
# may be.  They differ by this much by chance on 500 images; a network that 8
# bits are too coarse for differs by more.
MAX_LOG_LOSS_INCREASE, MAX_ERROR_INCREASE = 0.1, 0.02


@dataclass(frozen=True)
class Exported:
    """What the archive contains of a network.

    description: with the calibration, and as yet without details.
    model: LiteRT, in 8-bit integers or, if these are too coarse, in 32-bit
    floats.  float_model: the same network in 32-bit floats.
    figures: how both forms do on the early-stopping set.
    """

    description: Description
    model: bytes
    float_model: bytes
    ood_detector: OODDetector
    figures: dict

    def classifier(self) -> Classifier:
        """Return what Classifier.load will return for the archive."""
        return Classifier(self.description, self.model, self.ood_detector)


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


def build_inference_model(backbone: FrozenBackbone, top, head):
    """Build the inference model: images to (logits, class maps, features).

    top: the trained copy above the split layer (fold_batch_norm).
    head: pooled features to logits.
    Outputs: logits (N, classes); class maps (N, h, w, classes), whose mean
    over all positions is the logits, so that they show where the image looks
    like a class (Zhou et al. 2016); and for the OOD detector the mean over
    all positions of each of OOD_LAYERS, (N, channels).
    """
    keras = import_keras()
    model, split_layer = backbone.model, backbone.split_layer
    # In float32, whatever the precision of training.
    exact = fold_batch_norm(model, split_layer)
    exact.set_weights(top.get_weights())
    names = [layer.name for layer in model.layers]
    below = names[:names.index(split_layer) + 1]
    above = [name for name in OOD_LAYERS if name not in below]
    last, *features = keras.Model(exact.input, [
        exact.output, *(exact.get_layer(name).output for name in above)])(
            model.get_layer(split_layer).output)
    feature_of = dict(zip(above, features))
    dense = head.layers[-1]
    to_maps = keras.layers.Conv2D(dense.units, 1)
    maps = to_maps(last)
    kernel, bias = dense.get_weights()
    to_maps.set_weights([kernel[np.newaxis, np.newaxis], bias])
    pool = keras.layers.GlobalAveragePooling2D
    return keras.Model(model.input, [
        head(pool()(last)), maps, *(
            pool()(feature_of.get(name, model.get_layer(name).output))
            for name in OOD_LAYERS)])


def export(inference_model, training: Dataset, calibration: CalibrationSet,
           size: int, seed: int, workers: Workers) -> Exported:
    """Convert a network to LiteRT, calibrate it, and fit its OOD detector.

    inference_model: Keras's, of build_inference_model.
    training: the photographs that it was trained on, without copies.
    size: side of its input, in pixels.
    Raises UserError for an image that cannot be read.
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
    description = Description(
        calibration.images.class_names, size, chosen.temperature,
        ood_threshold(detector.scores(chosen.features)),
        fit_ood_temperature(chosen.model, calibration, minimum, size,
                            workers))
    return Exported(
        description, chosen.model, forms["float32"].model, detector,
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
    """Return the OOD detector, fitted to the images of the training set.

    Fitted on a random sample with at least one image of each class, since an
    archive that describes fewer classes than it names cannot be loaded.
    """
    _, first_of_class = np.unique(training.labels, return_index=True)
    sampled = rng.permutation(len(training.files))[:DETECTOR_IMAGES]
    sample = training.subset(np.union1d(sampled, first_of_class))
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
