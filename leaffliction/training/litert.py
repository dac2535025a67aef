"""Conversion of Keras models to LiteRT."""

import warnings

import numpy as np

from leaffliction.utils.console import suppress_native_stderr


def to_litert(model, examples: np.ndarray | None = None) -> bytes:
    """Return a Keras model as the content of a LiteRT file, for one image.

    All dimensions are fixed, the batch too, (1, size, size, 3): LiteRT.js
    refuses a file with an open one.
    examples: float32 (N, size, size, 3).  With them the file computes in
    8-bit integers, scaled to the ranges that the examples produce (Jacob et
    al. 2018); without them, in 32-bit floats.  Inputs and outputs are floats
    in both forms.

    Apart from the batch, gives the same file as
    `model.export(format="litert")` in a sixth of the time: without an object
    that holds the variables, the converter makes them constants itself and
    writes no SavedModel (benchmarks/export.py).
    """
    with suppress_native_stderr():
        import tensorflow as tf
        shape = (1, *model.input_shape[1:])
        function = tf.function(
            lambda images: model(images, training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32)])
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()], function)
        if examples is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [image[np.newaxis]] for image in examples)
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        with warnings.catch_warnings():
            # It asks for statistics; the converter takes them from examples.
            warnings.filterwarnings("ignore", "Statistics for quantized")
            return converter.convert()
