"""The network that is trained: what is above the split layer.

    image -> frozen layers -> features -> top -> mean -> head -> logits

Training runs from the features on; the inference model (export.py), from
the image on.
"""

import re
from pathlib import Path

import numpy as np

from leaffliction.training.keras import import_keras

DROPOUT = 0.2            # of the pooled features, against overfitting
POOLED_FEATURES = 1280   # of MobileNetV2


def fold_batch_norm(backbone, split_layer: str, precision: str = "float32"):
    """Return a trainable copy of the backbone above the split layer.

    It maps float32 features (N, h, w, channels) to (N, h', w', 1280).
    A BatchNorm with fixed statistics is a factor and an offset for each
    channel; both are folded into the convolution before it.  The outputs
    stay the same, there is less to compute, and no statistics are left that
    a small batch could upset.
    precision: Keras's dtype policy ("float32", "mixed_bfloat16").
    """
    keras = import_keras()
    source = keras.Model(backbone.get_layer(split_layer).output,
                         backbone.output)

    def copy_layer(layer):
        if isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.Identity(name=layer.name)
        # In 16 bits the gradient of a depthwise convolution takes 7 times as
        # long as in 32 (TensorFlow 2.21), and there is little to gain by it.
        is_depthwise = "depthwise" in layer.name
        fields = {**layer.get_config(), "trainable": True,
                  "dtype": "float32" if is_depthwise else precision}
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
            scale, offset, mean, variance = norm.get_weights()
            factor = scale / np.sqrt(variance + norm.epsilon)
            kernel, = layer.get_weights()
            # Depthwise: (3, 3, channels, 1); else (1, 1, inputs, channels).
            is_depthwise = kernel.shape[-1] == 1
            top.get_layer(layer.name).set_weights([
                kernel * (factor[:, np.newaxis] if is_depthwise else factor),
                offset - mean * factor])
    return top


def fast_precision() -> str:
    """Return the dtype policy in which this processor trains the top fastest.

    "mixed_bfloat16" if it multiplies 16-bit floats natively, twice as many
    at once as 32-bit floats; else "float32".  Weights and their updates are
    kept in 32 bits in both.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return ("mixed_bfloat16" if re.search(r"\b(avx512|amx)_bf16\b", flags)
            else "float32")


def build_head(classes: int):
    """Return the new head: pooled features (N, 1280) to logits."""
    keras = import_keras()
    return keras.Sequential([
        keras.layers.Input((POOLED_FEATURES,)),
        keras.layers.Dropout(DROPOUT),
        keras.layers.Dense(classes)], name="head")


def build_classifier(top, head):
    """Return features at the split layer to logits: top, mean, head."""
    keras = import_keras()
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32")(top.output)
    return keras.Model(top.input, head(pooled))
