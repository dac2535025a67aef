"""MobileNetV2, cut in two, and made a LiteRT file.

Imports TensorFlow inside its functions; so do only machines.py and
replicas.py, which spread the learning over machines.
"""

import os
import re
import warnings
from pathlib import Path

import numpy as np

from leaffliction.utils.console import suppress_native_stderr
from leaffliction.utils.cores import usable_cores
from leaffliction.utils.errors import UserError
from leaffliction.utils.interrupts import defer_interrupts

# Layers in which a block of MobileNetV2 ends, from input to output.
BLOCK_ENDS = ("expanded_conv_project_BN",
              "block_1_project_BN", "block_2_add",
              "block_3_project_BN", "block_4_add", "block_5_add",
              "block_6_project_BN", "block_7_add", "block_8_add",
              "block_9_add", "block_10_project_BN", "block_11_add",
              "block_12_add", "block_13_project_BN", "block_14_add",
              "block_15_add", "block_16_project_BN", "out_relu")
# Whose features tell whether an image is like those learned from.  Other
# layers, and the energy, reject less of what is strange (docs/training.md).
OOD_LAYERS = ("block_9_add", "block_14_add")
# What lies above each of them but the last, by Keras's names.
BLOCKS = (*(f"block_{number}" for number in range(1, 17)), "Conv_1")


def import_keras():
    """Return keras on TensorFlow, started without a word."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    limit_threads(usable_cores())
    with defer_interrupts(), suppress_native_stderr():
        import keras  # imports TensorFlow, whose greeting goes unheard
    return keras


def limit_threads(count: int) -> None:
    """Let TensorFlow compute in so many threads, unless that is set already.

    By itself it takes as many as affinity leaves, whatever the quota of a
    container is.  It looks when it is used for the first time.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(count))


def build_backbone(size: int, weights: Path | None):
    """Return MobileNetV2 1.0 without its top (Sandler et al. 2018), frozen.

    Takes float32 (N, size, size, 3) in -1..1, gives (N, h, w, 1280).
    Raises UserError where the file of weights does not fit.
    """
    keras = import_keras()
    backbone = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), include_top=False, weights=None)
    if weights is not None:
        marker = backbone.get_layer("block_16_project")
        before = marker.get_weights()[0].copy()
        try:
            backbone.load_weights(weights, by_name=True)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{weights}: holds no weights of MobileNetV2 "
                            f"({error})") from None
        if (marker.get_weights()[0] == before).all():
            # by_name skips what it does not find without a word.
            raise UserError(f"{weights}: holds no layer of MobileNetV2")
    backbone.trainable = False
    return backbone


def find_split_layer(backbone, unfreeze: int | str) -> tuple[str, int]:
    """Return the last frozen layer, and the number of layers above it.

    unfreeze: as many layers, or the lowest unfrozen block, of BLOCKS.
    The cut must lie where a block ends, since inside one two paths cross
    it; the nearest such edge is taken.
    Raises UserError where there are not so many layers.
    """
    names = [layer.name for layer in backbone.layers]
    above = {name: len(names) - 1 - names.index(name) for name in BLOCK_ENDS}
    if isinstance(unfreeze, str):
        name = BLOCK_ENDS[BLOCKS.index(unfreeze)]
        return name, above[name]
    if unfreeze > len(names):
        raise UserError(
            f"{unfreeze} layers cannot be unfrozen: the backbone has "
            f"{len(names)}; --unfreeze takes 0 to {max(above.values())}, or "
            f"a block from {BLOCKS[0]} to {BLOCKS[-1]}")
    name = min(above, key=lambda end: abs(above[end] - unfreeze))
    return name, above[name]


def fold_batch_norm(backbone, cut: str, precision: str = "float32"):
    """Return a copy of what lies above a cut, all of which learns.

    Takes float32 features (N, h, w, channels), gives (N, h', w', 1280).
    A BatchNorm whose statistics stay as they are is a factor and a shift for
    each channel: both go into the convolution before it.  The answers are
    the same, there is less to compute, and nothing is left that the
    statistics of a small batch could upset.
    precision: Keras's name of it ("float32", "mixed_bfloat16").
    """
    keras = import_keras()
    source = keras.Model(backbone.get_layer(cut).output, backbone.output)

    def copy_layer(layer):
        if isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.Identity(name=layer.name)
        # In 16 bits a depthwise convolution's gradient takes 7 times as long
        # as in 32 (TensorFlow 2.21), and there is little to gain by it.
        depthwise = "depthwise" in layer.name
        fields = {**layer.get_config(), "trainable": True,
                  "dtype": "float32" if depthwise else precision}
        if "use_bias" in fields:
            fields["use_bias"] = True
        return type(layer).from_config(fields)

    def call_layer(layer, inputs, **_):
        return (inputs if isinstance(layer, keras.layers.Identity)
                else layer(inputs))

    top = keras.models.clone_model(source, clone_function=copy_layer,
                                   call_function=call_layer)
    for layer, norm in zip(source.layers, source.layers[1:]):
        if isinstance(norm, keras.layers.BatchNormalization):
            scale, shift, mean, variance = norm.get_weights()
            factor = scale / np.sqrt(variance + norm.epsilon)
            kernel, = layer.get_weights()
            # Depthwise: (3, 3, channels, 1); else (1, 1, inputs, channels).
            depthwise = kernel.shape[-1] == 1
            top.get_layer(layer.name).set_weights([
                kernel * (factor[:, np.newaxis] if depthwise else factor),
                shift - mean * factor])
    return top


def fast_precision() -> str:
    """Return Keras's name of the precision in which the top learns fastest.

    Weights and their changes are kept in 32 bits in any case; where the
    processor multiplies 16-bit floats by itself, twice as many are
    multiplied at once.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return ("mixed_bfloat16" if re.search(r"\b(avx512|amx)_bf16\b", flags)
            else "float32")


def measure_statistics(backbone, images) -> None:
    """Set all BatchNorm statistics to those of images, (N, H, W, 3).

    Random weights come with statistics of nothing: the signal would fade
    out on its way up.
    """
    keras = import_keras()
    norms = [layer for layer in backbone.layers
             if isinstance(layer, keras.layers.BatchNormalization)]
    kept = [norm.momentum for norm in norms]
    backbone.trainable = True
    for norm in norms:
        norm.momentum = 0.0
    backbone(images, training=True)
    for norm, momentum in zip(norms, kept):
        norm.momentum = momentum
    backbone.trainable = False


def build_inference_model(backbone, cut: str, top, head):
    """Return images to all that an answer is made of, ready for LiteRT.

    top: what has learned above the cut (fold_batch_norm).  head: pooled features
    to logits.  Outputs: logits (N, classes); class maps (N, h, w, classes),
    whose mean over all places the logits are, so that they show where a
    class was seen (Zhou et al. 2016); and the mean over all places of each
    of OOD_LAYERS, (N, channels).
    """
    keras = import_keras()
    names = [layer.name for layer in backbone.layers]
    below = names[:names.index(cut) + 1]
    above = [name for name in OOD_LAYERS if name not in below]
    at_cut = backbone.get_layer(cut).output
    last, *seen_above = keras.Model(top.input, [
        top.output, *(top.get_layer(name).output for name in above)])(at_cut)
    found = dict(zip(above, seen_above))
    dense = head.layers[-1]
    to_maps = keras.layers.Conv2D(dense.units, 1)
    maps = to_maps(last)
    kernel, bias = dense.get_weights()
    to_maps.set_weights([kernel[np.newaxis, np.newaxis], bias])
    pool = keras.layers.GlobalAveragePooling2D
    return keras.Model(backbone.input, [
        head(pool()(last)), maps, *(
            pool()(found.get(name, backbone.get_layer(name).output))
            for name in OOD_LAYERS)])


def to_litert(model, examples: np.ndarray | None = None) -> bytes:
    """Return a Keras model as a LiteRT file's content.

    In 32-bit floats; or, with examples (float32 (N, size, size, 3)), in
    8-bit integers inside, whose ranges are those that the examples show
    (Jacob et al. 2018).  Inputs and outputs are floats in any case.
    The same as `model.export(format="litert")` in a quarter of the time:
    with its variables made constants first, the model goes through no
    SavedModel that holds them (benchmarks/export.py).
    """
    with suppress_native_stderr():
        import tensorflow as tf
        from tensorflow.python.framework.convert_to_constants import \
            convert_variables_to_constants_v2
        shape = (None, *model.input_shape[1:])
        function = tf.function(
            lambda images: model(images, training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32)])
        constant = convert_variables_to_constants_v2(
            function.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_concrete_functions([constant])
        if examples is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [image[np.newaxis]] for image in examples)
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        with warnings.catch_warnings():
            # The statistics are what the examples are for.
            warnings.filterwarnings("ignore", "Statistics for quantized")
            return converter.convert()
