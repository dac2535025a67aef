"""Training in a given time: what --budget spends it on.

More pixels come first, then more epochs.  The size has to be chosen before
anything is computed, by an estimate.  The number of epochs is chosen just
before fine-tuning, when the time left and the time of a step are known.
"""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from leaffliction.training.backbone import build_backbone
from leaffliction.training.config import EPOCHS, MAX_EPOCHS
from leaffliction.training.report import Clock
from leaffliction.utils.console import print_note

SIZES = (96, 128, 160, 192, 224)    # that may be chosen, in pixels
PROBE_SIZE, PROBE_IMAGES = 160, 16
# The seconds of a run: OVERHEAD, half of it after fine-tuning, and for each
# image PER_IMAGE, whatever its size.  Then, in units of the probe
# (seconds_of_probe), for each image of PROBE_SIZE pixels: FEATURES before
# fine-tuning, STEP in each of its epochs, and EXPORT after it.  Fitted to runs
# of 96, 160 and 224 pixels that took 54, 78 and 113 s.
OVERHEAD, PER_IMAGE = 15.0, 0.0024
FEATURES, STEP, EXPORT = 0.45, 0.47, 0.31


def seconds_of_probe() -> float:
    """Return the seconds in which the backbone computes one image.

    Of PROBE_SIZE pixels, with random weights, as the speed of this computer.
    """
    backbone = build_backbone(PROBE_SIZE, None)
    images = np.zeros((PROBE_IMAGES, PROBE_SIZE, PROBE_SIZE, 3), np.float32)
    backbone.predict_on_batch(images)    # builds the graph
    rounds = []
    for _ in range(3):
        start = time.perf_counter()
        backbone.predict_on_batch(images)
        rounds.append(time.perf_counter() - start)
    return min(rounds) / PROBE_IMAGES


def expected_seconds(images: int, size: int, epochs: int, probe: float
                     ) -> float:
    """Return how long a run will take after reading, about.

    images: number of images to train on.  size: their side, in pixels.
    probe: seconds_of_probe.
    """
    return OVERHEAD + images * (PER_IMAGE + probe * (size / PROBE_SIZE) ** 2
                                * (FEATURES + epochs * STEP + EXPORT))


def seconds_after(images: int, size: int, probe: float) -> float:
    """Return how long a run will take after fine-tuning, about."""
    return OVERHEAD / 2 + images * EXPORT * probe * (size / PROBE_SIZE) ** 2


@dataclass(frozen=True)
class Budget:
    """The time that a run may take.

    minutes: of the whole run.  clock: of the run.
    """

    minutes: float
    clock: Clock

    @cached_property
    def probe(self) -> float:
        """How fast this computer is: seconds_of_probe."""
        return seconds_of_probe()

    def seconds_left(self) -> float:
        """Return the seconds that are left."""
        return 60 * self.minutes - self.clock.elapsed()

    def choose_size(self, images: int) -> int:
        """Return the largest size with which EPOCHS epochs are affordable.

        images: number of images to train on.  If no size is affordable, the
        smallest one.
        """
        size = max((size for size in SIZES if expected_seconds(
            images, size, EPOCHS, self.probe) <= self.seconds_left()),
            default=min(SIZES))
        print_note(f"budget of {self.minutes:g} minutes: images of {size} "
                   "pixels")
        return size

    def choose_epochs(self, images: int, size: int, per_epoch: float) -> int:
        """Return how many epochs of fine-tuning are affordable.

        At least 1 and at most MAX_EPOCHS.  per_epoch: seconds of each.
        """
        rest = seconds_after(images, size, self.probe)
        epochs = int(np.clip((self.seconds_left() - rest) / per_epoch,
                             1, MAX_EPOCHS))
        expected = self.clock.elapsed() + epochs * per_epoch + rest
        print_note(f"budget of {self.minutes:g} minutes: epochs of "
                   f"fine-tuning: {epochs}; the run is expected to take "
                   f"{expected / 60:.1f} minutes")
        return epochs
