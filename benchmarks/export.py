"""How long does the conversion of a network to LiteRT take?

    python -m benchmarks.export

Converts MobileNetV2 for 224 pixels, with random weights, by
`model.export(format="litert")` and by `to_litert`, as train.py does.  Prints
the seconds of both, the median of ROUNDS, alternating, and the largest
difference between the outputs of both files.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from leaffliction.model.runtime import Network
from leaffliction.training.backbone import build_backbone
from leaffliction.training.litert import to_litert
from leaffliction.utils import cli

ROUNDS = 3


def export_keras(model) -> bytes:
    """Return the file that Keras's own export writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        model.export(path, format="litert", verbose=False)
        return path.read_bytes()


def main() -> int:
    """Measure and print."""
    model = build_backbone(224, None)
    images = np.random.default_rng(42).uniform(
        -1, 1, (1, 224, 224, 3)).astype(np.float32)
    seconds = {export_keras: [], to_litert: []}
    outputs = {}
    for _ in range(ROUNDS):
        for export, taken in seconds.items():
            start = time.perf_counter()
            content = export(model)
            taken.append(time.perf_counter() - start)
            outputs[export] = Network(content)(images)[0]
    for export, taken in seconds.items():
        print(f"{export.__name__:<13} {statistics.median(taken):5.1f} s")
    gap = np.abs(outputs[export_keras] - outputs[to_litert]).max()
    print(f"largest difference of the outputs {gap:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
