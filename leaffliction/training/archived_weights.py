"""The weights of a trained backbone, read from the network in an archive.

An archive holds no Keras model, but all that is needed is in its LiteRT
network: the constants of the convolutions, in 32-bit floats, or in 8-bit
integers with a scale for each channel (Jacob et al. 2018).  The converter has
folded each BatchNorm into the convolution before it.
"""

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np

from leaffliction.model.bundle import archive_errors, read_archive
from leaffliction.training.keras import import_keras
from leaffliction.utils.errors import UserError


def load_archived_weights(backbone, path: Path) -> None:
    """Give Keras's MobileNetV2 the weights of the network in an archive.

    backbone: without its top.  Its images may have another size than the
    archive's: the weights do not depend on it.
    Raises UserError where the archive is missing, damaged, of another
    format, or holds another network.
    """
    keras = import_keras()
    with archive_errors(path):
        convolutions = read_convolutions(read_archive(path).model)
    layers = [(layer, norm) for layer, norm in pairwise(backbone.layers)
              if isinstance(norm, keras.layers.BatchNormalization)]
    # Both are in the order of computation.  After the backbone's, the
    # network has one more convolution, which computes the class maps.
    shapes = [(layer.get_weights()[0].shape, norm.get_weights()[0].shape)
              for layer, norm in layers]
    if [(kernel.shape, bias.shape) for kernel, bias
            in convolutions[:len(shapes)]] != shapes:
        raise UserError(f"{path}: its network is not MobileNetV2, so that "
                        "--weights cannot start from it")
    for (layer, norm), (kernel, bias) in zip(layers, convolutions):
        layer.set_weights([kernel])
        # A factor of 1, as Keras adds epsilon to the variance, and the bias.
        one = np.ones_like(bias)
        norm.set_weights([one, bias, 0 * one, one - norm.epsilon])


def read_convolutions(model: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return kernel and bias of each convolution, in the order of computation.

    model: content of a .tflite file.
    Kernels are float32 in Keras's shapes: (h, w, inputs, outputs), and
    (h, w, channels, 1) of depthwise convolutions; biases are (outputs,).
    Raises ValueError where it is no LiteRT model, or keeps them in another
    way.
    """
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator
    from tensorflow.lite.tools.flatbuffer_utils import \
        read_model_from_bytearray
    kinds = (BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D)
    try:
        parsed = read_model_from_bytearray(bytearray(model))
        graph = parsed.subgraphs[0]
        constants = [
            [_read_constant(graph.tensors[index], parsed.buffers)
             for index in operator.inputs[1:]]
            for operator in graph.operators
            if parsed.operatorCodes[operator.opcodeIndex].builtinCode in kinds]
    except (struct.error, IndexError, AttributeError, TypeError):
        # The classes of the schema check no offset in the file.
        raise ValueError("no LiteRT model") from None
    # LiteRT has the outputs first, and (1, h, w, channels).
    return [(kernel.transpose(1, 2, 3, 0), bias) for kernel, bias in constants]


def _read_constant(tensor, buffers) -> np.ndarray:
    """Return the values of a tensor of the schema as float32."""
    from tensorflow.lite.python.schema_py_generated import TensorType
    dtypes = {TensorType.FLOAT32: np.float32, TensorType.INT8: np.int8,
              TensorType.INT32: np.int32}
    content = buffers[tensor.buffer].data
    if content is None or tensor.type not in dtypes:
        raise ValueError("its convolutions have no weights in 32-bit floats "
                         "or 8-bit integers")
    values = content.view(dtypes[tensor.type]).reshape(tensor.shape)
    if tensor.type == TensorType.FLOAT32:
        return values
    # A scale for each channel, along one axis; 0 always stands for 0.
    scale, along = tensor.quantization.scale, [1] * values.ndim
    along[tensor.quantization.quantizedDimension] = -1
    # In float64: a bias is a 32-bit integer, which float32 would round.
    return (values * scale.reshape(along).astype(np.float64)
            ).astype(np.float32)
