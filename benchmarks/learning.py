"""Where does the speed of training come from?

    python -m benchmarks.learning

Prints images a second through the frozen layers, run in several ways, and
milliseconds for a step of fine-tuning on 32 images, each variant in a new
process: medians of ROUNDS, at 160 pixels.  Weights and images are random,
since the speed does not depend on their values.
"""

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from leaffliction.model.runtime import Network
from leaffliction.training.backbone import build_backbone
from leaffliction.training.keras import import_keras
from leaffliction.training.litert import to_litert
from leaffliction.training.loop import compile_model
from leaffliction.training.network import (build_classifier, build_head,
                                           fast_precision, fold_batch_norm)
from leaffliction.utils import cli
from leaffliction.utils.parallel import reuse_freed_memory

SPLIT_LAYER, SIZE, BATCH, CLASSES = "block_12_add", 160, 32, 8
IMAGES = 256      # in a round of the frozen layers
STEPS = 10        # in a round of fine-tuning
ROUNDS = 5


@dataclass(frozen=True)
class Variant:
    """A way to fine-tune.

    precision: Keras's dtype policy of the top.
    folded: BatchNorm folded into the convolutions.
    reuse: freed memory is reused for the next allocation.
    depthwise: depthwise convolutions in that precision, too.
    """

    name: str
    precision: str
    folded: bool
    reuse: bool
    depthwise: bool = False


VARIANTS = (
    Variant("32 bits", "float32", False, False),
    Variant("32 bits, memory reused", "float32", False, True),
    Variant("the same, BatchNorm folded", "float32", True, True),
    Variant("the same, all in bfloat16", "mixed_bfloat16", True, True, True),
    Variant("the same, depthwise in 32 bits (ours)", "mixed_bfloat16", True,
            True))


def median_seconds(work: Callable, items: int, rounds: int) -> float:
    """Return the seconds that work takes for an item, the median of rounds.

    items: how many work processes in a call.
    """
    work()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) / items


class BatchNetwork:
    """The frozen layers in LiteRT, on several images at once.

    Network runs one image after the other.  These layers, all convolutions,
    also run on a batch.
    """

    def __init__(self, model: bytes, batch_size: int, threads: int) -> None:
        self._interpreter = Interpreter(model_content=model,
                                        num_threads=threads)
        image, = self._interpreter.get_input_details()
        self._input = image["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._interpreter.resize_tensor_input(
            self._input, (batch_size, *image["shape"][1:]))
        self._interpreter.allocate_tensors()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the features, (N, h, w, C), of images (N, H, W, 3)."""
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


def frozen_rates() -> dict[str, float]:
    """Return images a second through the frozen layers, by way of running."""
    keras = import_keras()
    backbone = build_backbone(SIZE, None)
    model = to_litert(keras.Model(
        backbone.input, backbone.get_layer(SPLIT_LAYER).output))
    images = np.random.default_rng(42).uniform(
        -1, 1, (IMAGES, SIZE, SIZE, 3)).astype(np.float32)

    def batches(network, size, part=images):
        for start in range(0, len(part), size):
            network(part[start:start + size])

    rates = {}
    for size in (32, 8, 1):
        network = BatchNetwork(model, size, threads=2)
        rates[f"2 threads on {size} image{'s' * (size > 1)} at once"] = 1 / (
            median_seconds(lambda: batches(network, size), IMAGES, ROUNDS))
    networks = [Network(model, threads=1) for _ in range(2)]
    halves = np.split(images, 2)
    with ThreadPoolExecutor(2) as pool:
        rates["1 thread on each of 2 images"] = 1 / median_seconds(
            lambda: list(pool.map(
                lambda half: batches(half[0], 1, half[1]),
                zip(networks, halves))), IMAGES, ROUNDS)
    return rates


def step_seconds(variant: Variant, rounds: int) -> float:
    """Return the seconds of a step of fine-tuning, the median of rounds."""
    if variant.reuse:
        reuse_freed_memory()
    keras = import_keras()
    backbone = build_backbone(SIZE, None)
    if variant.folded and not variant.depthwise:
        top = fold_batch_norm(backbone, SPLIT_LAYER, variant.precision)
    else:
        source = (
            fold_batch_norm(backbone, SPLIT_LAYER) if variant.folded else
            keras.Model(backbone.get_layer(SPLIT_LAYER).output,
                        backbone.output))
        top = keras.models.clone_model(
            source, clone_function=lambda layer: type(layer).from_config(
                {**layer.get_config(), "dtype": variant.precision,
                 "trainable": not isinstance(
                     layer, keras.layers.BatchNormalization)}))
    model = build_classifier(top, build_head(CLASSES))
    compile_model(model, keras.optimizers.AdamW(1e-4))
    rng = np.random.default_rng(42)
    features = rng.normal(size=(BATCH, *top.input_shape[1:])).astype(
        np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[rng.integers(
        CLASSES, size=BATCH)]

    def steps():
        for _ in range(STEPS):
            model.train_on_batch(features, targets)

    return median_seconds(steps, STEPS, rounds)


def main() -> int:
    """Measure and print."""
    print(f"frozen layers, {SIZE} pixels")
    for name, rate in frozen_rates().items():
        print(f"  {name:<42} {rate:6.0f} images/s", flush=True)
    print(f"a step of fine-tuning, {BATCH} images")
    for variant in VARIANTS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds = pool.apply(step_seconds, (variant, ROUNDS))
        print(f"  {variant.name:<42} {1000 * seconds:6.1f} ms", flush=True)
    print(f"precision that suits this processor: {fast_precision()}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
