"""Export: the trained network as LiteRT, calibrated, with an OOD detector."""

from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from leaffliction.model.bundle import Description
from leaffliction.model.calibration import fit_temperature
from leaffliction.model.classifier import Classifier, tta_views
from leaffliction.model.metrics import log_loss, softmax
from leaffliction.model.ood import (OODDetector, cross_fitted_scores,
                                    fit_ood_detector, ood_threshold)
from leaffliction.model.runtime import Network
from leaffliction.training.backbone import FrozenBackbone
from leaffliction.training.backgrounds import Backgrounds
from leaffliction.training.config import TrainConfig
from leaffliction.training.features import (load_images, network_outputs,
                                            predict_batches)
from leaffliction.training.field_images import FieldImage
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert
from leaffliction.training.metadata import add_metadata
from leaffliction.training.network import fold_batch_norm
from leaffliction.training.split import TRAINING, Parts
from leaffliction.training.training_set import CalibrationSet
from leaffliction.utils.console import print_note
from leaffliction.utils.images import preprocess
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
    floats.  float_model: in 32-bit floats, if that was asked for.
    figures: how the network does on the early-stopping set, as it was
    trained and as it was exported.
    """

    description: Description
    model: bytes
    float_model: bytes | None
    ood_detector: OODDetector
    figures: dict

    def classifier(self) -> Classifier:
        """Return what Classifier.load will return for the archive."""
        return Classifier(self.description, self.model, self.ood_detector)


@dataclass(frozen=True)
class Calibration:
    """How a network does on the early-stopping set.

    temperature: fitted on its logits.  errors: wrong images.
    log_loss: at this temperature.
    """

    temperature: float
    errors: int
    log_loss: float


@dataclass(frozen=True)
class CalibratedForm:
    """The network in one numeric form, and its results on N images.

    form: "int8" or "float32".  model: LiteRT.  logits: (N, classes).
    features: of the OOD detector, (N, F).
    """

    form: str
    model: bytes
    logits: np.ndarray
    features: np.ndarray
    results: Calibration


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
    # Named, because Keras numbers what has no name, and the archive contains
    # the names: otherwise they would depend on what was built before.
    last, *features = keras.Model(exact.input, [
        exact.output, *(exact.get_layer(name).output for name in above)],
        name="top")(model.get_layer(split_layer).output)
    feature_of = dict(zip(above, features))
    dense = head.layers[-1]
    to_maps = keras.layers.Conv2D(dense.units, 1, name="class_maps")
    maps = to_maps(last)
    kernel, bias = dense.get_weights()
    to_maps.set_weights([kernel[np.newaxis, np.newaxis], bias])

    def pool(output, name):
        return keras.layers.GlobalAveragePooling2D(name=f"mean_{name}")(output)

    return keras.Model(model.input, [
        head(pool(last, "top")), maps, *(
            pool(feature_of.get(name, model.get_layer(name).output), name)
            for name in OOD_LAYERS)], name="network")


def export(inference_model, logits: np.ndarray, parts: Parts,
           calibration: CalibrationSet, config: TrainConfig,
           workers: Workers) -> Exported:
    """Convert a network to LiteRT, calibrate it, and fit its OOD detector.

    inference_model: Keras's, of build_inference_model.
    logits: of the early-stopping set as the trained network computes them,
    (N, classes), with which those of the 8-bit network are compared.
    Raises UserError for an image that cannot be read.
    """
    rng = np.random.default_rng(config.seed)
    size, images = config.size, calibration.images
    as_trained = measure(logits, calibration)
    examples = load_images(parts.training.sample(RANGE_IMAGES, rng).paths(),
                           size, workers, "Ranges")
    chosen = convert(inference_model, as_trained, examples, calibration,
                     workers)
    detector, threshold = fit_detector(chosen, parts, config, rng, workers)
    # Networks are overconfident on OOD images, so any temperature that lowers
    # the loss is taken for them, significant or not (min_gain 0).  The
    # calibration error on orchard photographs falls from 0.17 to 0.07.
    temperature = chosen.results.temperature
    minimum = max(temperature, fit_temperature(
        chosen.logits, images.labels, calibration.leaves, min_gain=0))
    description = Description(
        images.class_names, size, temperature, threshold,
        fit_ood_temperature(chosen.model, calibration, minimum, size,
                            workers))
    describe = partial(add_metadata, class_names=images.class_names,
                       temperature=temperature)
    float_model = None
    if config.float_model:
        float_model = describe(chosen.model if chosen.form == "float32"
                               else to_litert(inference_model))
    return Exported(
        description, describe(chosen.model), float_model, detector,
        {"form": chosen.form, "images": len(images.files),
         "as_trained": asdict(as_trained),
         chosen.form: asdict(chosen.results)})


def convert(inference_model, as_trained: Calibration, examples: np.ndarray,
            calibration: CalibrationSet, workers: Workers) -> CalibratedForm:
    """Return the network in 8-bit integers, or in floats if need be.

    as_trained: how the network does before.
    examples: float32 (N, size, size, 3), see to_litert.
    """
    size, images = examples.shape[1], len(calibration.images.files)
    int8 = to_litert(inference_model, examples)
    if can_run(int8, examples[:1]):
        form = calibrate("int8", int8, calibration, size, workers)
        if is_as_good(form.results, as_trained, images):
            return form
    print_note("8-bit integers are too coarse for this network: it stays in "
               "32-bit floats, half as fast")
    return calibrate("float32", to_litert(inference_model), calibration, size,
                     workers)


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


def calibrate(form: str, model: bytes, calibration: CalibrationSet,
              size: int, workers: Workers) -> CalibratedForm:
    """Run one form of the network on the early-stopping set."""
    logits, _, *features = network_outputs(
        model, calibration.images.paths(), size, workers,
        f"Calibration {form}")
    return CalibratedForm(form, model, logits, np.hstack(features),
                          measure(logits, calibration))


def measure(logits: np.ndarray, calibration: CalibrationSet) -> Calibration:
    """Fit the temperature to the logits (N, classes) of all N images."""
    targets = calibration.images.labels
    temperature = fit_temperature(logits, targets, calibration.leaves)
    return Calibration(
        temperature, int((logits.argmax(axis=1) != targets).sum()),
        log_loss(targets, softmax(logits / temperature)))


def is_as_good(int8: Calibration, as_trained: Calibration, images: int
               ) -> bool:
    """Return whether the 8-bit network does as well as the trained one.

    images: number of images in the early-stopping set.
    """
    return (int8.log_loss <= as_trained.log_loss + MAX_LOG_LOSS_INCREASE
            and int8.errors <= as_trained.errors
            + max(2, MAX_ERROR_INCREASE * images))


def fit_detector(chosen: CalibratedForm, parts: Parts, config: TrainConfig,
                 rng: np.random.Generator, workers: Workers
                 ) -> tuple[OODDetector, float]:
    """Return the OOD detector, fitted to the training set, and its threshold.

    Fitted on a random sample with at least one image of each class, since an
    archive that describes fewer classes than it names cannot be loaded.
    The threshold is that of the scores of all images that a detector has not
    seen: those of the sample, by cross-fitting, and the early-stopping set.
    """
    training = parts.training
    _, first_of_class = np.unique(training.labels, return_index=True)
    rows = np.union1d(
        rng.permutation(len(training.files))[:DETECTOR_IMAGES],
        first_of_class)
    sample = training.subset(rows)
    _, _, *outputs = network_outputs(
        chosen.model, sample.paths(), config.size, workers, "OOD detector")
    features = np.hstack(outputs)
    detector = fit_ood_detector(features, sample.labels)
    return detector, ood_threshold(np.concatenate([
        cross_fitted_scores(features, sample.labels,
                            parts.leaves_of(TRAINING)[rows]),
        detector.scores(chosen.features)]))


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
