"""The state of a fine-tuning job: the chief writes it, the workers read it.

A folder, on a disk that all machines share, with the features and targets,
the weights to start from, and all else that must be equal on each machine.
"""

import json
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from leaffliction.scale.strategy import broadcast, lost_machine_as_error
from leaffliction.training import loop
from leaffliction.training.backbone import build_backbone
from leaffliction.training.config import FineTuningPlan
from leaffliction.training.examples import (EXAMPLE_SETS, Examples,
                                            features_file)
from leaffliction.training.network import (build_classifier, build_head,
                                           fold_batch_norm)
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import fsync
from leaffliction.utils.interrupts import exit_on_interrupt

STATE, WEIGHTS = "job.json", "weights.npz"


@dataclass(frozen=True)
class JobState:
    """All that determines the result of fine-tuning, except arrays.

    size: side of the input images, in pixels.  split_layer: name of the last
    frozen layer.  precision: Keras's dtype policy of the layers above it.
    classes: their number.  random_state: of NumPy's bit generator.
    """

    size: int
    split_layer: str
    precision: str
    classes: int
    plan: FineTuningPlan
    random_state: dict


def lead_fine_tuning(network, examples: tuple[Examples, Examples],
                     state: JobState, strategy, folder: Path
                     ) -> tuple[dict, bool]:
    """Fine-tune on the chief, with the workers' help: see loop.fine_tune.

    network: features at the split layer to logits.
    examples: of EXAMPLE_SETS.  folder: holds their features already.
    Returns Keras's history, and whether Ctrl-C was pressed.
    """
    write_job(folder, state, network, examples)
    broadcast(strategy, folder.name)
    return _fine_tune(network, examples, state, strategy)


def help_fine_tuning(output_folder: Path, strategy) -> bool:
    """Fine-tune on a worker; return whether Ctrl-C was pressed.

    output_folder: of the archive, in which the chief makes the job's folder.
    Ctrl-C ends the process while it waits for the chief to write the job.
    """
    with exit_on_interrupt():
        name = broadcast(strategy)
    _, interrupted = join_fine_tuning(output_folder / name, strategy)
    return interrupted


def write_job(folder: Path, state: JobState, network,
              examples: tuple[Examples, Examples]) -> None:
    """Write what the workers need, besides the features.

    All of it is on the disk when this returns: a worker on another machine
    cannot see what is only in this machine's memory.
    """
    for name, part in zip(EXAMPLE_SETS, examples):
        if isinstance(part.features, np.memmap):
            part.features.flush()
        np.save(_targets_file(folder, name), part.targets)
    np.savez(folder / WEIGHTS, *network.get_weights())
    (folder / STATE).write_text(json.dumps(asdict(state)))
    for name in EXAMPLE_SETS:
        fsync(features_file(folder, name))
        fsync(_targets_file(folder, name))
    fsync(folder / WEIGHTS)
    fsync(folder / STATE)
    with suppress(OSError):     # Some file systems cannot fsync a folder.
        fsync(folder)


def _targets_file(folder: Path, name: str) -> Path:
    return folder / f"{name}_targets.npy"


def join_fine_tuning(folder: Path, strategy) -> tuple[object, bool]:
    """Fine-tune from a job's folder; return the network.

    Also returns whether Ctrl-C was pressed.  Raises UserError if the folder
    cannot be read, and the errors of loop.fine_tune.
    """
    try:
        fields = json.loads((folder / STATE).read_text())
        state = JobState(**fields | {"plan": FineTuningPlan(**fields["plan"])})
        examples = tuple(Examples(
            np.load(features_file(folder, name), "r", allow_pickle=False),
            np.load(_targets_file(folder, name), allow_pickle=False))
            for name in EXAMPLE_SETS)
        with np.load(folder / WEIGHTS, allow_pickle=False) as stored:
            weights = list(stored.values())
    except (OSError, ValueError, TypeError, KeyError,
            zipfile.BadZipFile) as error:
        raise UserError(f"{folder}: the chief's files cannot be read on this "
                        "machine; all machines must share the disk that "
                        f"--output is on ({error})") from None
    top = fold_batch_norm(build_backbone(state.size, None),
                          state.split_layer, state.precision)
    network = build_classifier(top, build_head(state.classes))
    network.set_weights(weights)
    _, interrupted = _fine_tune(network, examples, state, strategy)
    return network, interrupted


def _fine_tune(network, examples: tuple[Examples, Examples], state: JobState,
               strategy) -> tuple[dict, bool]:
    """Fine-tune on one of the machines, from the same state on each."""
    rng = np.random.default_rng()
    rng.bit_generator.state = state.random_state
    with lost_machine_as_error():
        return loop.fine_tune(network, *examples, state.plan, rng, strategy)
