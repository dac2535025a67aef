"""leaffliction/scale/dask.py: the same results as on one computer.

Also where a worker is killed, and one error line where the cluster fails.
"""

import math
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections import deque

import numpy as np
import pytest
from counted import Counted
from distributed import KilledWorker
from object_store import contents
from slow import slow
from tiny import SMALL

import Augmentation
import Distribution
import predict
import train
import Transformation
from benchmarks.local_cluster import local_cluster
from leaffliction.model.bundle import MODEL
from leaffliction.scale import dask
from leaffliction.scale.dask import DaskWorkers
from leaffliction.training.features import network_outputs
from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image
from leaffliction.utils.parallel import CHUNKS_PER_WORKER, Workers
from samples.drawing import draw_leaf

pytestmark = pytest.mark.xdist_group("cluster")


def run(program, *arguments):
    """Return the exit status of a program that opens no window."""
    return cli.run(lambda: program.main([*map(str, arguments),
                                         "--no-display"]))


@pytest.fixture
def leaves(tmp_path, monkeypatch):
    """Return a folder of drawn leaves, one of which cannot be read."""
    monkeypatch.chdir(tmp_path)
    for name, count in (("Apple_scab", 14), ("Grape_Esca", 9)):
        for number in range(count):
            write_image(tmp_path / "leaves" / name / f"{number}.jpg",
                        draw_leaf(name, np.random.default_rng(number), 64))
    (tmp_path / "leaves/Apple_scab/7.jpg").write_bytes(b"no image")
    return tmp_path / "leaves"


@pytest.fixture
def both(cluster, capfd, tmp_path):
    """Return a function that runs a program here and on the cluster.

    The program writes into the folder "out".  For both runs the function
    returns status, stdout, stderr and the contents of that folder.
    """
    def run_both(program, *arguments):
        found = []
        for options in ([], ["--cluster", cluster.address]):
            out = tmp_path / "out"
            out.mkdir()
            status = run(program, *arguments, *options)
            printed = capfd.readouterr()
            found.append((status, printed.out, printed.err, contents(out)))
            out.rename(tmp_path / f"out{len(found)}")
        return found
    return run_both


def test_distribution_is_the_same(both, leaves):
    here, there = both(Distribution, "leaves", "--csv", "out/a.csv",
                       "--save", "out/figure.png")
    assert here[2] == there[2]
    assert here == there
    assert here[0] == 1 and "7.jpg: not a readable image" in here[2]
    assert "a.csv" in here[3]


def test_augmentation_is_the_same(both, leaves):
    here, there = both(Augmentation, "leaves", "--output-dir", "out/tree")
    assert here == there
    assert here[0] == 1 and "7.jpg: not a readable image" in here[2]
    assert len(here[3]) == 2 * 13 + 1


def test_transformation_is_the_same(both, leaves):
    here, there = both(Transformation, "-src", "leaves", "-dst", "out/views",
                       "-mask", "-analyze", "--csv", "out/a.csv")
    assert here == there
    assert here[0] == 1 and "7.jpg: not a readable image" in here[2]
    assert len(here[3]) == 2 * 22 + 1


def test_predictions_are_the_same(both, leaves, learned):
    here, there = both(
        predict, "leaves", "--learnings", learned / "learnings.zip", "--csv",
        "out/a.csv", "--json", "out/a.json")
    assert here == there
    assert here[0] == 1 and "7.jpg: not a readable image" in here[2]
    assert len(here[3]) == 2 and here[1].count("leaves/") == 22


def test_features_are_the_same(cluster, learned):
    with zipfile.ZipFile(learned / "learnings.zip") as archive:
        model = archive.read(MODEL)
    paths = sorted((learned / "images").rglob("*.JPG"))
    here, there = (
        network_outputs(model, paths, 64, workers, "Features")
        for workers in (Workers(1), DaskWorkers(1, cluster.address)))
    assert all(map(np.array_equal, here, there)) and len(here[0]) == 15


@slow
@pytest.mark.usefixtures("quick_training")
def test_training_is_the_same(cluster, learned, tmp_path):
    assert run(train, learned / "images", "--groups", learned / "leaves.csv",
               "--output", tmp_path / "learnings.zip", *SMALL, "--cluster",
               cluster.address) == 0
    for name in ("learnings.zip", "signature.txt", "report/split.csv"):
        assert ((tmp_path / name).read_bytes()
                == (learned / name).read_bytes()), name


@slow
def test_a_worker_killed_during_the_run_changes_nothing(
        cluster, leaves, tmp_path, capfd):
    for name, count in (("Apple_scab", 150), ("Grape_Esca", 90)):
        for number in range(count):
            write_image(leaves / name / f"slow{number}.png",
                        draw_leaf(name, np.random.default_rng(number), 16))
    (leaves / "Apple_scab/7.jpg").unlink()
    assert run(Augmentation, leaves, "--output-dir", "here") == 0
    printed = capfd.readouterr()
    killed = []

    def kill():
        cluster.wait_for(lambda: sum(
            1 for _ in (tmp_path / "there").rglob("*.png")) > 40)
        killed.append(cluster.pids()[0])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert run(Augmentation, leaves, "--output-dir", "there", "--cluster",
               cluster.address) == 0
    killer.join()
    assert capfd.readouterr() == (printed.out.replace("here", "there"), "")
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    cluster.wait_for(lambda: len(cluster.pids()) == 2)
    assert killed[0] not in cluster.pids()


@slow
def test_an_image_at_which_workers_die_is_one_error(
        cluster, leaves, tmp_path, capfd, monkeypatch):
    # On a busy machine both workers may be starting anew for 5 s.
    monkeypatch.setattr(dask, "CHECK_WORKERS_AFTER", 60)
    before = run(Augmentation, leaves, "--output-dir", "here", "--target", 5)
    poison = leaves / "Apple_scab/poison.jpg"
    poison.write_bytes((leaves / "Apple_scab/8.jpg").read_bytes() + b" ")
    capfd.readouterr()
    assert before == run(
        Augmentation, leaves, "--output-dir", "there", "--target", 50,
        "--cluster", cluster.address) == 1
    printed = capfd.readouterr()
    errors = sorted(printed.err.splitlines())
    assert len(errors) == 2
    assert errors[0].startswith(f"error: {leaves}/Apple_scab/7.jpg: not a re")
    assert errors[1] == (f"error: {poison}: 3 workers died while they "
                         "processed it")
    assert "Apple_scab: 15 -> 50" in printed.out
    assert not list((tmp_path / "there").rglob(".partial*"))
    assert not list((tmp_path / "there").rglob("poison*"))


@slow
def test_ctrl_c_waits_for_the_tasks_in_progress(cluster, leaves, tmp_path):
    for number in range(400):
        write_image(leaves / "Apple_scab" / f"slow{number}.png",
                    draw_leaf("Apple_scab", np.random.default_rng(number),
                              16))
    program = subprocess.Popen(
        [sys.executable, Augmentation.__file__, leaves, "--output-dir",
         "there", "--cluster", cluster.address], stderr=subprocess.PIPE,
        text=True)
    there = tmp_path / "there"
    cluster.wait_for(lambda: program.poll() is not None or sum(
        1 for _ in there.rglob("*.png")) > 40)
    program.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, errors = program.communicate()
    assert (program.returncode, errors) == (130, "error: interrupted\n")
    assert time.monotonic() - start < 8
    before = contents(there)
    time.sleep(0.5)
    assert contents(there) == before and len(before) < 400
    assert not [name for name in before if ".partial" in name]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "no://127.0.0.1:9"])
def test_no_scheduler_is_one_error(address, leaves, capfd, monkeypatch):
    monkeypatch.setattr(dask, "CONNECT_TIMEOUT", 1)
    assert run(Distribution, leaves, "--cluster", address) == 1
    error, = capfd.readouterr().err.splitlines()
    assert error.startswith(
        f"error: --cluster {address}: no Dask scheduler answers")


def test_a_worker_with_other_versions_is_one_error(
        cluster, leaves, capfd, monkeypatch):
    versions = dask.environment_versions() | {"numpy": "1.0"}
    monkeypatch.setattr(dask, "environment_versions", lambda: versions)
    assert run(Distribution, leaves, "--cluster", cluster.address) == 1
    error, = capfd.readouterr().err.splitlines()
    assert "has another numpy than this program" in error


def test_a_working_directory_that_workers_lack_is_one_error(
        cluster, leaves, capfd, monkeypatch):
    monkeypatch.setattr(os, "getcwd", lambda: "/no/such/folder")
    assert run(Distribution, leaves, "--cluster", cluster.address) == 1
    error, = capfd.readouterr().err.splitlines()
    assert "has no folder /no/such/folder" in error


def test_the_function_travels_to_each_worker_once(cluster, tmp_path,
                                                  monkeypatch):
    in_progress, submit = [], dask._Run.submit

    def counting_submit(run, chunk):
        in_progress.append(len(run.in_progress))
        return submit(run, chunk)

    monkeypatch.setattr(dask._Run, "submit", counting_submit)
    results = DaskWorkers(1, cluster.address).map(Counted(tmp_path),
                                                  range(1000))
    assert list(results) == [number ** 2 for number in range(1000)]
    workers = [file.name.split()[0] for file in tmp_path.iterdir()]
    # Dask may drop the function from an idle worker, and send it again.
    assert 1 <= len(set(workers)) <= 2 and len(workers) < len(in_progress) / 4
    # The cluster has two workers with one thread each.
    assert len(in_progress) > 16
    assert max(in_progress) < 2 * CHUNKS_PER_WORKER


@pytest.mark.parametrize("count, threads, seconds, size", [
    (50_000, 2, 0.001, 500), (50_000, 2, 0.1, 20), (50_000, 200, 0.001, 31),
    (10**6, 200, 0.001, 500), (10**7, 200, 10, 200), (100, 2, 0.001, 6),
    (3, 2, 10, 1)])
def test_a_scheduler_gets_thousands_of_tasks_not_millions(
        count, threads, seconds, size):
    run = dask._Run.__new__(dask._Run)
    run.count, run.threads = count, threads
    run.seconds_per_item, run.threads_counted_at = seconds, math.inf
    assert run.chunk_size() == size
    assert count / size <= 50_000


def test_items_are_repeated_alone_with_nothing_else_in_progress(monkeypatch):
    calls = []

    def killed(run, future):
        raise KilledWorker("chunk", None, 2)

    monkeypatch.setattr(dask._Run, "result_of", killed)
    monkeypatch.setattr(dask._Run, "wait_for", lambda run, futures:
                        calls.append(futures))
    monkeypatch.setattr(dask._Run, "result_alone", lambda run, item:
                        calls.append(item) or -item)
    run = dask._Run.__new__(dask._Run)
    run.in_progress = deque([([1, 2], "first"), ([3], "second")])
    assert run.next_results() == [-1, -2]
    assert calls[1:] == [1, 2] and "second" in calls[0]
    assert list(run.in_progress) == [([3], "second")]


def test_an_unexpected_error_of_a_worker_is_raised_here(cluster):
    with pytest.raises(TypeError):
        list(DaskWorkers(1, cluster.address).map(len, [1, 2, 3]))


def test_without_items_no_cluster_is_needed():
    assert list(DaskWorkers(1, "tcp://127.0.0.1:9").map(len, [])) == []


@pytest.fixture
def no_workers(monkeypatch):
    """Return a LocalCluster without workers; set short timeouts."""
    monkeypatch.setattr(dask, "CONNECT_TIMEOUT", 1)
    monkeypatch.setattr(dask, "CHECK_WORKERS_AFTER", 0.2)
    with local_cluster(0) as running:
        yield running


def test_a_cluster_that_gets_no_worker_is_one_error(no_workers, leaves, capfd,
                                                    monkeypatch):
    monkeypatch.setattr(dask, "NO_WORKER_TIMEOUT", 1)
    assert run(Distribution, leaves, "--cluster", no_workers.address) == 1
    note, error = capfd.readouterr().err.splitlines()
    assert note == "the cluster has no worker: waiting for one"
    assert error.startswith("error: the cluster has had no worker for ")


def test_a_scheduler_that_dies_is_one_error(no_workers, leaves, capfd,
                                            monkeypatch):
    killer = threading.Timer(0.2, no_workers.stop)
    wait_for = dask._Run.wait_for

    def wait_while_it_dies(run, futures):
        monkeypatch.setattr(dask._Run, "wait_for", wait_for)
        killer.start()
        wait_for(run, futures)

    monkeypatch.setattr(dask._Run, "wait_for", wait_while_it_dies)
    assert run(Distribution, leaves, "--cluster", no_workers.address) == 1
    killer.join()
    *_, error = capfd.readouterr().err.splitlines()
    assert error == (f"error: --cluster {no_workers.address}: lost the "
                     "connection to the scheduler")


@pytest.mark.parametrize("message, raised", [
    ("ConnectionPool is closed", UserError), ("a bug", RuntimeError)])
def test_only_the_runtime_error_of_a_lost_scheduler_is_a_user_error(
        cluster, message, raised):
    with pytest.raises(raised), dask.dask_client(cluster.address):
        raise RuntimeError(message)
