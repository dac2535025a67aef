"""The backbone: MobileNetV2 without its classifier, split in two.

The blocks up to the split layer stay frozen; those above it are fine-tuned.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaffliction.training.archived_weights import load_archived_weights
from leaffliction.training.config import TrainConfig
from leaffliction.training.features import load_images
from leaffliction.training.keras import import_keras
from leaffliction.training.pretrained import find_weights
from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import file_digest
from leaffliction.utils.parallel import Workers
from leaffliction.utils.storage import read_ends

# The last layer of each block of MobileNetV2, from input to output.
BLOCK_ENDS = ("expanded_conv_project_BN",
              "block_1_project_BN", "block_2_add",
              "block_3_project_BN", "block_4_add", "block_5_add",
              "block_6_project_BN", "block_7_add", "block_8_add",
              "block_9_add", "block_10_project_BN", "block_11_add",
              "block_12_add", "block_13_project_BN", "block_14_add",
              "block_15_add", "block_16_project_BN", "out_relu")
# The block above each of BLOCK_ENDS but the last, by Keras's names.
BLOCKS = (*(f"block_{number}" for number in range(1, 17)), "Conv_1")
ZIP_HEAD = b"PK"         # first bytes of a zip
STATISTICS_IMAGES = 128  # from which random weights take BatchNorm's means


@dataclass(frozen=True)
class FrozenBackbone:
    """MobileNetV2, none of whose weights is trainable, and where it is split.

    model: float32 (N, size, size, 3) in -1..1 to (N, h, w, 1280).
    size: side of its input, pixels.
    split_layer: name of the last layer that stays frozen.
    unfrozen_layers: number of layers above it.
    weights: where the weights come from, as text for people.
    weights_sha256: of their file; None for random weights.
    """

    model: object
    size: int
    split_layer: str
    unfrozen_layers: int
    weights: str
    weights_sha256: str | None

    def lower(self):
        """Return the Keras model of the layers that stay frozen."""
        return import_keras().Model(
            self.model.input, self.model.get_layer(self.split_layer).output)


def load_backbone(config: TrainConfig, images: list[Path], scratch: Path,
                  workers: Workers) -> FrozenBackbone:
    """Build the backbone with the weights that config names, and split it.

    images: the training set, from which random weights take statistics.
    scratch: folder for downloaded weights if no cache can be written.
    Resets Keras's global state and seeds its random numbers.
    Raises UserError if there are no such weights or not so many layers.
    """
    file, weights = find_weights(config.weights, scratch)
    keras = import_keras()
    # Keras numbers the layers of a process, and the archive contains their
    # names: without this, a second run in one process gives other bytes.
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.seed)
    model = build_backbone(config.size, file)
    if file is None:
        sample = np.random.default_rng(config.seed).permutation(len(images))
        measure_statistics(model, load_images(
            [images[index] for index in sample[:STATISTICS_IMAGES]],
            config.size, workers, "Statistics"))
    split_layer, unfrozen = find_split_layer(model, config.unfreeze)
    print_note(
        f"weights: {weights}; fine-tuning unfreezes the top {unfrozen} "
        f"layers, above {split_layer}" + (
            "" if config.unfreeze in (unfrozen, *BLOCKS) else
            f" ({config.unfreeze} rounded to the edge of a block)"))
    return FrozenBackbone(model, config.size, split_layer, unfrozen, weights,
                          file and file_digest(file))


def build_backbone(size: int, weights: Path | None):
    """Return MobileNetV2 1.0 without its top (Sandler et al. 2018), frozen.

    It maps float32 (N, size, size, 3) in -1..1 to (N, h, w, 1280).
    weights: HDF5 file with Keras's layer names, or an archive of train.py,
    whose size does not matter; None: random weights.
    Raises UserError if the file does not hold weights of MobileNetV2.
    """
    keras = import_keras()
    backbone = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), include_top=False, weights=None)
    if weights is not None and is_zip(weights):
        load_archived_weights(backbone, weights)
    elif weights is not None:
        load_hdf5_weights(backbone, weights)
    backbone.trainable = False
    return backbone


def is_zip(path: Path) -> bool:
    """Return whether a file is a zip, by its name or its first bytes."""
    head, _ = read_ends(path, len(ZIP_HEAD), 0)
    return head == ZIP_HEAD or path.suffix.lower() == ".zip"


def load_hdf5_weights(backbone, path: Path) -> None:
    """Give the backbone the weights of an HDF5 file with its layers' names.

    Raises UserError if the file does not hold weights of MobileNetV2.
    """
    marker = backbone.get_layer("block_16_project")
    before = marker.get_weights()[0].copy()
    try:
        backbone.load_weights(path, by_name=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: holds no weights of MobileNetV2 "
                        f"({error})") from None
    if (marker.get_weights()[0] == before).all():
        # by_name skips layers that the file lacks without an error.
        raise UserError(f"{path}: holds no layer of MobileNetV2")


def find_split_layer(backbone, unfreeze: int | str) -> tuple[str, int]:
    """Return the name of the last frozen layer, and the layers above it.

    unfreeze: the number of layers to unfreeze, or the name of the lowest
    block to unfreeze (one of BLOCKS).  A number is rounded to the nearest
    end of a block: inside a block there are two parallel paths, so that the
    network cannot be split at one layer.
    Raises UserError if the backbone has fewer layers.
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


def measure_statistics(backbone, images: np.ndarray) -> None:
    """Set the statistics of each BatchNorm to those of images, (N, H, W, 3).

    Random weights come with a mean of 0 and a variance of 1, which do not
    fit them: the signal would fade from block to block.
    """
    keras = import_keras()
    norms = [layer for layer in backbone.layers
             if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    backbone.trainable = True
    for norm in norms:
        norm.momentum = 0.0
    backbone(images, training=True)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    backbone.trainable = False
