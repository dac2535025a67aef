"""leaffliction/scale/strategy.py: several machines train as one does."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from slow import slow
from tiny import SMALL

import train
from leaffliction.model.classifier import Classifier
from leaffliction.scale import job
from leaffliction.training.backbone import build_backbone, measure_statistics
from leaffliction.training.config import FineTuningPlan
from leaffliction.training.examples import (EXAMPLE_SETS, Examples,
                                            features_file)
from leaffliction.training.keras import import_keras
from leaffliction.training.network import (build_classifier, build_head,
                                           fold_batch_norm)
from leaffliction.utils.images import read_image

SPLIT_LAYER = "block_16_project_BN"
REPLICA = Path(__file__).resolve().with_name("replica.py")
# Of a weight, relative to the largest change of any weight: sums in another
# order are rounded otherwise.
TOLERANCE = 1e-3


def tf_configs(count):
    """Return TF_CONFIG of each machine, all on free ports of this one."""
    with ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(
            ("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]
    workers = [f"127.0.0.1:{port}" for port in ports]
    return [json.dumps({"cluster": {"worker": workers},
                        "task": {"type": "worker", "index": index}})
            for index in range(count)]


def run_together(*commands):
    """Run pairs of arguments and TF_CONFIG at once; return the results."""
    started = [subprocess.Popen(
        [sys.executable, *map(str, arguments)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"TF_CONFIG": config, "PYTHONPATH": os.pathsep.join(
            (str(ROOT), os.environ["PYTHONPATH"]))})
        for arguments, config in commands]
    try:
        outputs = [process.communicate(timeout=90) for process in started]
    finally:
        for process in started:
            process.kill()
    return [subprocess.CompletedProcess(process.args, process.returncode,
                                        *output)
            for process, output in zip(started, outputs)]


def read_weights(path):
    with np.load(path) as stored:
        return list(stored.values())


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return a job's folder, the weights to start from, and the results.

    The results are those of one machine.  The last batch has one image, so
    that there are fewer images than replicas.
    """
    folder = tmp_path_factory.mktemp("job")
    import_keras().utils.set_random_seed(42)
    backbone = build_backbone(32, None)
    measure_statistics(backbone, np.random.default_rng(1).uniform(
        -1, 1, (32, 32, 32, 3)).astype(np.float32))
    top = fold_batch_norm(backbone, SPLIT_LAYER)
    network = build_classifier(top, build_head(3))
    examples = []
    for name, count in zip(EXAMPLE_SETS, (49, 20)):
        features = np.random.default_rng(count).normal(
            0, 1, (count, *top.input_shape[1:])).astype(np.float16)
        np.save(features_file(folder, name), features)
        examples.append(Examples(features, np.arange(count) % 3))
    job.write_job(folder, job.JobState(
        32, SPLIT_LAYER, "float32", 3, FineTuningPlan(1e-3, 3, 16, 3),
        np.random.default_rng(1).bit_generator.state), network,
        tuple(examples))
    alone, _ = job.join_fine_tuning(folder, None)
    return folder, network.get_weights(), alone.get_weights()


def check_same(prepared, weights):
    """Check that weights are those of one machine, except for rounding."""
    _, before, alone = prepared
    change = max(np.abs(a - b).max() for a, b in zip(alone, before))
    gap = max(np.abs(a - b).max() for a, b in zip(alone, weights))
    print(f"largest change {change:.3g}, gap {gap:.3g}")
    assert change > 1e-3
    assert gap < TOLERANCE * change


@pytest.fixture(scope="module")
def ended(prepared, tmp_path_factory):
    """Return a folder of weights, and how three processes ended.

    Two machines, which train twice and of which the worker is killed in the
    second training, and one machine with two devices.
    """
    folder = tmp_path_factory.mktemp("ended")
    names = ("chief.npz", "worker.npz", "mirrored.npz")
    return folder, run_together(*(
        ((REPLICA, prepared[0], folder / name, how), config)
        for name, how, config in zip(
            names, ("again", "dies", "mirrored"), [*tf_configs(2), ""])))


def test_two_machines_end_with_the_same_bytes_and_as_one_does(
        prepared, ended):
    folder, _ = ended
    chief, worker = map(read_weights, (folder / "chief.npz",
                                       folder / "worker.npz"))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(chief, worker))
    check_same(prepared, chief)


def test_two_devices_of_a_machine_train_as_one_does(prepared, ended):
    folder, (*_, mirrored) = ended
    assert mirrored.returncode == 0, mirrored
    check_same(prepared, read_weights(folder / "mirrored.npz"))


def test_the_chief_ends_with_an_error_if_a_worker_is_killed(ended):
    _, (chief, worker, _) = ended
    assert worker.returncode == -9
    assert chief.returncode == 1, chief
    assert chief.stderr.count("error:") == 1
    assert "error: another machine has ended" in chief.stderr
    assert "Traceback" not in chief.stderr


@slow    # 16 s; the training itself is checked above
def test_the_chief_writes_and_a_worker_helps(learned, tmp_path):
    folder = tmp_path / "out"
    arguments = (ROOT / "tests" / "quick_training.py", learned / "images",
                 "--groups", learned / "leaves.csv", "--output",
                 folder / "learnings.zip", *SMALL)
    chief, worker = run_together(*(
        (arguments, config) for config in tf_configs(2)))
    assert (chief.returncode, worker.returncode) == (0, 0), (chief, worker)
    assert worker.stdout == (
        "worker 1: joined; waiting for the chief\n"
        "worker 1: done; the chief writes the archive\n")
    assert {path.name for path in folder.iterdir()} == {
        "learnings.zip", "signature.txt", "report"}
    images = [read_image(path) for path in (learned / "images").rglob("*.JPG")]
    several, alone = (
        [prediction.class_name for prediction in Classifier.load(
            archive / "learnings.zip").predict(images)]
        for archive in (folder, learned))
    assert several == alone


@slow
def test_a_worker_ends_with_an_error_if_the_chief_gives_up(tmp_path):
    chief, worker = run_together(*(
        ((train.__file__, tmp_path / "missing", "--output",
          tmp_path / "out" / "learnings.zip"), config)
        for config in tf_configs(2)))
    assert chief.returncode == worker.returncode == 1
    assert "missing: no such folder" in chief.stderr
    assert "error: another machine has ended" in worker.stderr
    assert chief.stderr.count("error:") == worker.stderr.count("error:") == 1
    assert not list(tmp_path.iterdir())
