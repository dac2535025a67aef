"""TFLite metadata: what a .tflite file tells tools about its tensors.

MediaPipe and Android Studio read it: the labels, how the pixels are
normalised, and what each output is.  It is a FlatBuffer of the schema
metadata_schema.fbs, in one of the model's buffers, and a zip with labels.txt
after the model.

Two packages write it, and neither can be installed beside TensorFlow and
PlantCV: tflite-support (of 2023) wants protobuf 3, and mediapipe's
opencv-contrib-python overwrites opencv-python.  The part of the schema that
is needed here is short: the tables below, with fields in the schema's order.
"""

import io
import zipfile
from collections.abc import Sequence

import numpy as np

from leaffliction.model.bundle import LABELS, NO_DATE
from leaffliction.utils.console import printable

METADATA = "TFLITE_METADATA"    # name of the model's buffer
IDENTIFIER = b"M001"
MIN_PARSER_VERSION = "1.0.0"    # no field below came later
# Members of the schema's enumerations and unions.
RGB = np.uint8(1)
FEATURE_PROPERTIES, IMAGE_PROPERTIES = np.uint8(1), np.uint8(2)
NORMALIZATION_OPTIONS = np.uint8(1)
TENSOR_AXIS_LABELS = np.uint8(2)


def add_metadata(model: bytes, class_names: Sequence[str],
                 temperature: float) -> bytes:
    """Return a .tflite file with metadata, the same for the same arguments.

    model: in LiteRT, from an image to logits, class maps and features (see
    export.py).  temperature: divides the logits, see Description.
    """
    from tensorflow.lite.python.schema_py_generated import BufferT, MetadataT
    from tensorflow.lite.tools.flatbuffer_utils import (
        convert_object_to_bytearray, read_model_from_bytearray)
    parsed = read_model_from_bytearray(bytearray(model))
    graph = parsed.subgraphs[0]
    side = int(graph.tensors[graph.inputs[0]].shape[1])
    # The outputs lie in any order, and their names sort like the Keras
    # model's outputs.
    names = [graph.tensors[index].name for index in graph.outputs]
    described = dict(zip(sorted(names), output_tables(
        temperature, len(names) - 2), strict=True))
    table = model_table(input_table(side),
                        [described[name] for name in names])
    entry, buffer = MetadataT(), BufferT()
    entry.name, entry.buffer = METADATA, len(parsed.buffers)
    buffer.data = np.frombuffer(to_flatbuffer(table), np.uint8)
    parsed.metadata.append(entry)
    parsed.buffers.append(buffer)
    stream = io.BytesIO(convert_object_to_bytearray(parsed))
    with zipfile.ZipFile(stream, "a") as archive:
        # A name of a folder may hold what ends a line, or is no UTF-8.
        archive.writestr(zipfile.ZipInfo(LABELS, NO_DATE),
                         "\n".join(map(printable, class_names)))
    return stream.getvalue()


# The tables: tuples of fields, None where a field is left out.

def model_table(image: tuple, outputs: list[tuple]) -> tuple:
    """Return a ModelMetadata of the tables of its tensors."""
    graph = (None, None, [image], outputs)
    return ("Leaf diseases", "Names the disease of a plant from a photograph "
            "of a leaf.", None, [graph], None, None, None, MIN_PARSER_VERSION)


def input_table(side: int) -> tuple:
    """Return the TensorMetadata of the image, `side` pixels wide and high."""
    size = (np.uint32(side), np.uint32(side))
    # As preprocess does: (pixel - 127.5) / 127.5 is in -1..1.
    normalization = (NORMALIZATION_OPTIONS, ([127.5], [127.5]))
    return ("image", "The whole photograph, upright, scaled to this size by "
            "averaging; RGB, -1 to 1.", None,
            (IMAGE_PROPERTIES, (RGB, size)), [normalization],
            ([1.0], [-1.0]))


def output_tables(temperature: float, features: int) -> list[tuple]:
    """Return the TensorMetadata of the outputs, in the Keras model's order.

    features: how many outputs the OOD detector reads, after the other two.
    """
    feature = (FEATURE_PROPERTIES, ())
    labels = (LABELS, "The class names, in the order of the logits.",
              TENSOR_AXIS_LABELS)
    return [
        ("logits", "Not probabilities: these are softmax(logits / "
         f"{temperature:.6g}).", None, feature, None, None, [labels]),
        ("class_maps", "The logits at each position of the image; their mean "
         "is the logits.", None, feature),
        *((f"features_{number}", "For the out-of-distribution score.", None,
           feature) for number in range(1, features + 1))]


def to_flatbuffer(table: tuple) -> bytes:
    """Return a table, with the tables in it, as a FlatBuffer."""
    import flatbuffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, table), IDENTIFIER)
    return bytes(builder.Output())


def _write(builder, value: str | list | tuple) -> int:
    """Write a string, a vector or a table; return its offset.

    A list of floats is a vector of float32, any other list one of offsets.
    """
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, list):
        if isinstance(value[0], float):
            return builder.CreateNumpyVector(np.array(value, np.float32))
        offsets = [_write(builder, item) for item in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    # What a table refers to is written before it.
    fields = [field if field is None or isinstance(field, np.generic)
              else _write(builder, field) for field in value]
    builder.StartObject(len(fields))
    for slot, field in enumerate(fields):
        if isinstance(field, np.uint8):
            builder.PrependUint8Slot(slot, int(field), 0)
        elif isinstance(field, np.uint32):
            builder.PrependUint32Slot(slot, int(field), 0)
        elif field is not None:
            builder.PrependUOffsetTRelativeSlot(slot, field, 0)
    return builder.EndObject()
