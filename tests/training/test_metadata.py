"""leaffliction/training/metadata.py: what other programs read in a network."""

import io
import zipfile

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.schema_py_generated import Model
from flatbuffers.number_types import Float32Flags, Uint8Flags, Uint32Flags
from tiny import make_model

from leaffliction.model.runtime import Network
from leaffliction.training.metadata import add_metadata
from leaffliction.utils.images import preprocess

NAMES = ("Apple_scab", "Grape_Esca", "É 漢")


class Table:
    """A reader of FlatBuffers without a schema: fields by their slots."""

    def __init__(self, content, position):
        self.table = flatbuffers.table.Table(content, position)

    def _offset(self, slot):
        offset = self.table.Offset(4 + 2 * slot)
        return offset and self.table.Pos + offset

    def number(self, slot, flags):
        """Return a number, or None."""
        offset = self._offset(slot)
        return self.table.Get(flags, offset) if offset else None

    def text(self, slot):
        """Return a string."""
        return self.table.String(self._offset(slot)).decode()

    def table_of(self, slot):
        """Return a table."""
        return Table(self.table.Bytes,
                     self.table.Indirect(self._offset(slot)))

    def floats(self, slot):
        """Return a vector of floats."""
        return self.table.GetVectorAsNumpy(
            Float32Flags, self._offset(slot) - self.table.Pos).tolist()

    def tables(self, slot):
        """Return a vector of tables; empty where it is left out."""
        offset = self._offset(slot)
        if not offset:
            return []
        start = self.table.Vector(offset - self.table.Pos)
        return [Table(self.table.Bytes, self.table.Indirect(start + 4 * row))
                for row in range(self.table.VectorLen(
                    offset - self.table.Pos))]


def read_graph(content):
    """Return the SubGraphMetadata in a .tflite file."""
    model = Model.GetRootAsModel(content, 0)
    found, = (entry for entry in map(model.Metadata,
                                     range(model.MetadataLength()))
              if entry.Name() == b"TFLITE_METADATA")
    metadata = model.Buffers(found.Buffer()).DataAsNumpy().tobytes()
    assert metadata[4:8] == b"M001"
    root = Table(metadata, int.from_bytes(metadata[:4], "little"))
    assert root.text(7) == "1.0.0" and "leaf" in root.text(1)
    graph, = root.tables(3)
    return graph


@pytest.fixture(scope="module", params=["in order", "reversed"])
def model(request):
    """Return a network; LiteRT may list its outputs in any order."""
    from tensorflow.lite.tools import flatbuffer_utils
    model = flatbuffer_utils.read_model_from_bytearray(
        bytearray(make_model()))
    if request.param == "reversed":
        model.subgraphs[0].outputs = model.subgraphs[0].outputs[::-1]
    return flatbuffer_utils.convert_object_to_bytearray(model)


@pytest.fixture(scope="module")
def described(model):
    return add_metadata(model, NAMES, 1.25)


def test_the_network_computes_the_same_and_its_bytes_too(model, described):
    images = np.random.default_rng(1).uniform(
        -1, 1, (3, 8, 8, 3)).astype(np.float32)
    for expected, found in zip(Network(model)(images),
                               Network(described)(images), strict=True):
        assert np.array_equal(expected, found)
    assert add_metadata(model, NAMES, 1.25) == described
    assert len(described) < len(model) + 4000


def test_the_image_is_described_as_preprocess_makes_it(described):
    image, = read_graph(described).tables(2)
    assert image.text(0) == "image"
    assert image.table_of(3).number(0, Uint8Flags) == 2     # an image
    properties = image.table_of(3).table_of(1)
    assert properties.number(0, Uint8Flags) == 1            # RGB
    assert [properties.table_of(1).number(slot, Uint32Flags)
            for slot in (0, 1)] == [8, 8]
    unit, = image.tables(4)
    assert unit.number(0, Uint8Flags) == 1      # NormalizationOptions
    mean, std = (unit.table_of(1).floats(slot) for slot in (0, 1))
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    assert preprocess(pixels, 8) == pytest.approx(
        (pixels - np.array(mean)) / std, abs=1e-6)
    highest, lowest = (image.table_of(5).floats(slot) for slot in (0, 1))
    assert (lowest, highest) == ([-1], [1])


def test_each_output_is_described_in_the_order_of_the_file(described):
    shapes = {"logits": [1, 3], "class_maps": [1, 2, 2, 3],
              "features_1": [1, 1], "features_2": [1, 2]}
    outputs = read_graph(described).tables(3)
    assert [shapes[output.text(0)] for output in outputs] == [
        output["shape"].tolist() for output in Interpreter(
            model_content=described).get_output_details()]
    by_name = {output.text(0): output for output in outputs}
    assert set(by_name) == set(shapes)
    assert "softmax(logits / 1.25)" in by_name["logits"].text(1)
    assert all(output.table_of(3).number(0, Uint8Flags) == 1
               for output in outputs)
    # Only the logits have labels: a reader takes such an output for classes.
    labels, = by_name.pop("logits").tables(6)
    assert labels.text(0) == "labels.txt"
    assert labels.number(2, Uint8Flags) == 2        # of the tensor's last axis
    assert not any(output.tables(6) for output in by_name.values())


@pytest.mark.parametrize("names, text", [
    (NAMES, "Apple_scab\nGrape_Esca\nÉ 漢"),
    (("a\nb", "caf\udce9"), "a\\nb\ncaf\\udce9")])
def test_the_labels_have_a_line_for_each_class(model, names, text):
    content = add_metadata(model, names, 1.0)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt").decode() == text
