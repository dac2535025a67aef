"""Where does the speed of learning come from?

    python -m benchmarks.learning

Prints images a second of the frozen part in several ways of running it, and
milliseconds a step of 32 images of the part that is fine-tuned, each variant
in a process of its own.  Medians of ROUNDS; random weights and images, since
the speed does not depend on what they are.
"""

import multiprocessing
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from leaffliction.model.runtime import Network
from leaffliction.training import backbone as backbones
from leaffliction.training import loop
from leaffliction.utils import cli
from leaffliction.utils.parallel import reuse_freed_memory

CUT, SIZE, BATCH, CLASSES = "block_12_add", 160, 32, 8
IMAGES = 256      # a round of the frozen part
STEPS = 10        # a round of the top
ROUNDS = 5


def rounds(work, amount: int) -> float:
    """Return the median of seconds that one of `amount` takes."""
    work()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) / amount


def frozen_rates() -> dict[str, float]:
    """Return images a second of the frozen part, by how it is run."""
    keras = backbones.import_keras()
    backbone = backbones.build_backbone(SIZE, None)
    model = backbones.to_litert(keras.Model(
        backbone.input, backbone.get_layer(CUT).output))
    images = np.random.default_rng(42).uniform(
        -1, 1, (IMAGES, SIZE, SIZE, 3)).astype(np.float32)

    def batches(network, size, part=images):
        for start in range(0, len(part), size):
            network(part[start:start + size])

    rates = {}
    for size in (32, 8, 1):
        network = Network(model, threads=2)
        rates[f"2 threads on {size} image{'s' * (size > 1)} at once"] = 1 / (
            rounds(lambda: batches(network, size), IMAGES))
    networks = [Network(model, threads=1) for _ in range(2)]
    halves = np.split(images, 2)
    with ThreadPoolExecutor(2) as pool:
        rates["1 thread on each of 2 images"] = 1 / rounds(
            lambda: list(pool.map(
                lambda half: batches(half[0], 1, half[1]),
                zip(networks, halves))), IMAGES)
    return rates


def step_seconds(precision: str, folded: bool, keep: bool,
                 depthwise: bool = False) -> float:
    """Return the seconds of a step of fine-tuning.

    folded: BatchNorm in the convolutions.  keep: memory kept.  depthwise:
    these, too, in that precision.
    """
    if keep:
        reuse_freed_memory()
    keras = backbones.import_keras()
    backbone = backbones.build_backbone(SIZE, None)
    if folded and not depthwise:
        top = backbones.fold_batch_norm(backbone, CUT, precision)
    else:
        source = backbones.fold_batch_norm(backbone, CUT) if folded else keras.Model(
            backbone.get_layer(CUT).output, backbone.output)
        top = keras.models.clone_model(
            source, clone_function=lambda layer: type(layer).from_config(
                {**layer.get_config(), "dtype": precision,
                 "trainable": not isinstance(
                     layer, keras.layers.BatchNormalization)}))
    model = loop.build_classifier(top, loop.build_head(CLASSES))
    loop.compile_model(model, keras.optimizers.AdamW(1e-4))
    rng = np.random.default_rng(42)
    features = rng.normal(size=(BATCH, *top.input_shape[1:])).astype(
        np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[rng.integers(
        CLASSES, size=BATCH)]

    def steps():
        for _ in range(STEPS):
            model.train_on_batch(features, targets)

    return rounds(steps, STEPS)


def main() -> int:
    """Measure and print."""
    print(f"frozen part, {SIZE} pixels")
    for name, rate in frozen_rates().items():
        print(f"  {name:<42} {rate:6.0f} images/s", flush=True)
    print(f"a step of fine-tuning, {BATCH} images")
    for name, *variant in (
            ("32 bits", "float32", False, False),
            ("32 bits, memory kept", "float32", False, True),
            ("the same, BatchNorm folded", "float32", True, True),
            ("the same, all in bfloat16", "mixed_bfloat16", True, True,
             True),
            ("the same, depthwise in 32 bits (ours)", "mixed_bfloat16", True,
             True)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds = pool.apply(step_seconds, variant)
        print(f"  {name:<42} {1000 * seconds:6.1f} ms", flush=True)
    print(f"precision of this processor: {backbones.fast_precision()}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
