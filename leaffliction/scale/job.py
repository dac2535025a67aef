"""What the chief leaves in a folder for the workers to fine-tune from.

The features and their targets, the weights to start with, and all else that
must be the same on each machine.  They find it on a disk that all share.
"""

import json
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from leaffliction.training import backbone, loop
from leaffliction.training.loop import Examples, Plan
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import fsync

FACTS, WEIGHTS = "handover.json", "weights.npz"
PARTS = ("Training", "Stopping")


def features_file(folder: Path, part: str) -> Path:
    """Return where the frozen features of one of PARTS are."""
    return folder / f"{part}.npy"


def _targets_file(folder: Path, part: str) -> Path:
    return folder / f"{part}_targets.npy"


@dataclass(frozen=True)
class JobState:
    """All that fine-tuning follows from, but arrays.

    size: pixels.  cut: the last frozen layer.  precision: Keras's name of
    it.  classes: how many.  plan: as recipe.Plan.  random: the state of
    numpy's bit generator.  keep_partial: as of recipe.fine_tune.
    """

    size: int
    cut: str
    precision: str
    classes: int
    plan: dict
    random: dict
    keep_partial: bool


def write_job(folder: Path, facts: JobState, classifier,
              parts: tuple[Examples, Examples]) -> None:
    """Write what the workers need; the features are there already.

    All of it is on the disk when this returns: a worker on another machine
    sees no page that is still in this one's memory.
    """
    for name, examples in zip(PARTS, parts):
        if isinstance(examples.features, np.memmap):
            examples.features.flush()
        np.save(_targets_file(folder, name), examples.targets)
    np.savez(folder / WEIGHTS, *classifier.get_weights())
    (folder / FACTS).write_text(json.dumps(asdict(facts)))
    for name in PARTS:
        fsync(features_file(folder, name))
        fsync(_targets_file(folder, name))
    fsync(folder / WEIGHTS)
    fsync(folder / FACTS)
    with suppress(OSError):     # Some disks know no folder that is synced.
        fsync(folder)


def join_fine_tuning(folder: Path, strategy) -> tuple[object, bool]:
    """Fine-tune on a worker; return the classifier, and if interrupted.

    Raises UserError where the folder is not here, or as recipe.fine_tune.
    """
    try:
        facts = JobState(**json.loads((folder / FACTS).read_text()))
        parts = [Examples(
            np.load(features_file(folder, name), "r", allow_pickle=False),
            np.load(_targets_file(folder, name), allow_pickle=False))
            for name in PARTS]
        with np.load(folder / WEIGHTS, allow_pickle=False) as stored:
            weights = list(stored.values())
    except (OSError, ValueError, TypeError, KeyError,
            zipfile.BadZipFile) as error:
        raise UserError(f"{folder}: what the chief has left cannot be read "
                        "here; all machines must share the disk that "
                        f"--output is on ({error})") from None
    top = backbone.fold_batch_norm(backbone.build_backbone(facts.size, None),
                                   facts.cut, facts.precision)
    classifier = loop.build_classifier(top, loop.build_head(facts.classes))
    classifier.set_weights(weights)
    rng = np.random.default_rng()
    rng.bit_generator.state = facts.random
    _, interrupted = loop.fine_tune(
        classifier, *parts, Plan(**facts.plan), rng, facts.keep_partial,
        strategy)
    return classifier, interrupted
