"""leaffliction/training/replicas.py, machines.py, handover.py: several learn as one does."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from paths import ROOT
from tiny import SMALL

import train
from leaffliction.model.classifier import Classifier
from leaffliction.scale import job, tf_config
from leaffliction.training import backbone as backbones
from leaffliction.training import loop, replicas
from leaffliction.training.loop import Examples, Plan
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import read_image

CUT = "block_16_project_BN"
REPLICA = Path(__file__).resolve().with_name("replica.py")
# Of a weight, in parts of the largest change of any: sums in another order.
TOLERANCE = 1e-3


def tf_configs(count):
    """Return TF_CONFIG of so many machines, on free ports of this one."""
    with ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(
            ("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]
    workers = [f"127.0.0.1:{port}" for port in ports]
    return [json.dumps({"cluster": {"worker": workers},
                        "task": {"type": "worker", "index": index}})
            for index in range(count)]


def finish(*commands):
    """Run commands (arguments, TF_CONFIG) together; return how each ended."""
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
def handed(tmp_path_factory):
    """Return a folder that a chief has left, and what one machine makes.

    Its last batch has one image: less than there are replicas.
    """
    folder = tmp_path_factory.mktemp("handed")
    keras = backbones.import_keras()
    keras.utils.set_random_seed(42)
    backbone = backbones.build_backbone(32, None)
    backbones.measure_statistics(backbone, np.random.default_rng(1).uniform(
        -1, 1, (32, 32, 32, 3)).astype(np.float32))
    top = backbones.fold_batch_norm(backbone, CUT)
    classifier = loop.build_classifier(top, loop.build_head(3))
    parts = []
    for part, count in zip(job.PARTS, (49, 20)):
        features = np.random.default_rng(count).normal(
            0, 1, (count, *top.input_shape[1:])).astype(np.float16)
        np.save(job.features_file(folder, part), features)
        parts.append(Examples(features, np.arange(count) % 3))
    job.write_job(folder, job.JobState(
        32, CUT, "float32", 3, asdict(Plan(1e-3, 3, 16, 3)),
        np.random.default_rng(1).bit_generator.state, False),
        classifier, tuple(parts))
    alone, _ = job.join_fine_tuning(folder, None)
    return folder, classifier.get_weights(), alone.get_weights()


def check_same(handed, weights):
    """Check that weights are what one machine makes, but for rounding."""
    _, before, alone = handed
    change = max(np.abs(a - b).max() for a, b in zip(alone, before))
    gap = max(np.abs(a - b).max() for a, b in zip(alone, weights))
    print(f"largest change {change:.3g}, gap {gap:.3g}")
    assert change > 1e-3
    assert gap < TOLERANCE * change


@pytest.fixture(scope="module")
def ended(handed, tmp_path_factory):
    """Return how two machines and one with two devices ended, and where.

    The machines learn a second time, in which the worker is killed.
    """
    place = tmp_path_factory.mktemp("ended")
    names = ("chief.npz", "worker.npz", "mirrored.npz")
    return place, finish(*(
        ((REPLICA, handed[0], place / name, how), config)
        for name, how, config in zip(
            names, ("again", "dies", "mirrored"), [*tf_configs(2), ""])))


def test_two_machines_end_with_the_same_bytes_and_as_one_does(handed, ended):
    place, _ = ended
    chief, worker = map(read_weights, (place / "chief.npz",
                                       place / "worker.npz"))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(chief, worker))
    check_same(handed, chief)


def test_two_devices_of_a_machine_learn_as_one_does(handed, ended):
    place, (*_, mirrored) = ended
    assert mirrored.returncode == 0, mirrored
    check_same(handed, read_weights(place / "mirrored.npz"))


def test_when_a_worker_is_killed_the_chief_ends_with_an_error(ended):
    _, (chief, worker, _) = ended
    assert worker.returncode == -9
    assert chief.returncode == 1, chief
    assert chief.stderr.count("error:") == 1
    assert "error: another machine has ended" in chief.stderr
    assert "Traceback" not in chief.stderr


def test_the_chief_writes_and_a_worker_helps(learned, tmp_path):
    place = tmp_path / "out"
    arguments = (train.__file__, learned / "images", "--groups",
                 learned / "leaves.csv", "--output", place / "learnings.zip",
                 *SMALL)
    chief, worker = finish(*((arguments, config) for config in tf_configs(2)))
    assert (chief.returncode, worker.returncode) == (0, 0), (chief, worker)
    assert worker.stdout == (
        "worker 1: joined, and waits for the chief\n"
        "worker 1: done; the chief writes what was learned\n")
    assert {path.name for path in place.iterdir()} == {
        "learnings.zip", "signature.txt", "report"}
    images = [read_image(path) for path in (learned / "images").rglob("*.JPG")]
    several, alone = (
        [answer.class_name for answer in Classifier.load(
            folder / "learnings.zip").predict(images)]
        for folder in (place, learned))
    assert several == alone


def test_a_worker_whose_chief_gives_up_ends_with_an_error(tmp_path):
    chief, worker = finish(*(
        ((train.__file__, tmp_path / "missing", "--output",
          tmp_path / "out" / "learnings.zip"), config)
        for config in tf_configs(2)))
    assert chief.returncode == worker.returncode == 1
    assert "missing: no such folder" in chief.stderr
    assert "error: another machine has ended" in worker.stderr
    assert chief.stderr.count("error:") == worker.stderr.count("error:") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows, replicas_", [(32, 2), (33, 2), (1, 2),
                                             (7, 3), (2, 5)])
def test_each_row_is_of_one_replica(rows, replicas_):
    parts = replicas.share_rows(rows, replicas_)
    assert len(parts) == replicas_
    assert np.concatenate([np.arange(rows)[part] for part in parts]
                          ).tolist() == list(range(rows))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1


TWO = {"worker": ["a:1", "b:2"]}
WITH_CHIEF = {"chief": ["c:1"], "worker": ["a:1", "b:2"]}


@pytest.mark.parametrize("config, chief", [
    ({"cluster": TWO, "task": {"type": "worker", "index": 0}}, True),
    ({"cluster": TWO, "task": {"type": "worker", "index": 1}}, False),
    ({"cluster": WITH_CHIEF, "task": {"type": "chief", "index": 0}}, True),
    ({"cluster": WITH_CHIEF, "task": {"type": "worker", "index": 0}}, False)])
def test_the_chief_is_the_one_that_tensorflow_says(
        monkeypatch, config, chief):
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert tf_config.read_task().is_chief is chief


@pytest.mark.parametrize("text", [
    None, "", " ", "{}", '{"cluster": {}}',
    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}'
])
def test_a_machine_may_be_alone(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    assert tf_config.read_task() is None


@pytest.mark.parametrize("config, message", [
    ("{", "no JSON"), ("[" * 10**5, "no JSON"), ("[1]", "no JSON object"),
    ({"cluster": TWO}, "task.type is None"),
    ({"cluster": TWO, "task": []}, "task.type is None"),
    ({"cluster": TWO, "task": {"type": [], "index": 0}}, "task.type"),
    ({"cluster": TWO, "task": {"type": "chief", "index": 0}}, "task.type"),
    ({"cluster": TWO, "task": {"type": "worker"}}, "task.index is None"),
    ({"cluster": TWO, "task": {"type": "worker", "index": 2}}, "0 to 1"),
    ({"cluster": TWO, "task": {"type": "worker", "index": -1}}, "0 to 1"),
    ({"cluster": TWO, "task": {"type": "worker", "index": True}}, "0 to 1"),
    ({"cluster": TWO | {"ps": ["c:1"]}}, "chief and worker"),
    ({"cluster": TWO | {"evaluator": ["c:1"]}}, "chief and worker"),
    ({"cluster": ["a:1"]}, "chief and worker"),
    ({"cluster": {"worker": "a:1"}}, "list of"),
    ({"cluster": {"worker": []}}, "list of"),
    ({"cluster": {"worker": ["a", "b:2"]}}, "list of"),
    ({"cluster": {"worker": ["a:0", "b:65536"]}}, "list of"),
    ({"cluster": {"worker": [1, 2]}}, "list of"),
    ({"cluster": {"worker": ["a:1", "a:1"]}}, "same address"),
    ({"cluster": {"chief": ["a:1", "b:1"]}}, "one chief")])
def test_a_wrong_tf_config_is_one_error(monkeypatch, config, message):
    monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str)
                       else json.dumps(config))
    with pytest.raises(UserError, match=message):
        tf_config.read_task()


def test_a_wrong_tf_config_is_found_before_anything_is_done(tmp_path):
    done, = finish(((train.__file__, tmp_path), '{"cluster": 1}'))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: TF_CONFIG")
    assert done.stderr.count("\n") == 1


def test_what_the_chief_has_left_must_be_there(tmp_path):
    with pytest.raises(UserError, match="share the disk"):
        job.join_fine_tuning(tmp_path / ".learning-12345678", None)


def test_what_another_machine_reads_is_on_the_disk_before_it_is_told(
        tmp_path, monkeypatch):
    done = []
    flush, sync = np.memmap.flush, job.fsync

    def noted(real, name_of):
        def step(argument):
            real(argument)
            done.append(name_of(argument))
        return step

    monkeypatch.setattr(np.memmap, "flush", noted(
        flush, lambda features: f"flushed {Path(features.filename).name}"))
    monkeypatch.setattr(job, "fsync", noted(
        sync, lambda path: path.relative_to(tmp_path).as_posix()))
    parts = []
    for part in job.PARTS:
        features = np.lib.format.open_memmap(
            job.features_file(tmp_path, part), "w+", np.float16, (2, 3))
        features[:] = 1
        parts.append(Examples(features, np.arange(2)))
    model = SimpleNamespace(get_weights=lambda: [np.ones(3)])
    job.write_job(tmp_path, job.JobState(
        8, "cut", "float32", 2, {}, {}, False), model, tuple(parts))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) == 6
    assert sorted(done[2:]) == [".", *files]
    # Before the files themselves; their names at the very end.
    assert done[:2] == [f"flushed {part}.npy" for part in job.PARTS]
    assert done[-1] == "."
