"""A Dask scheduler and two workers: processes of their own, on loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# Three workers may die of a chunk, or of an image.
ALLOWED = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2"}


class Cluster:
    """Processes that are started as docs/scale.md says, and stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, []

    def start_all(self, workers: int) -> None:
        """Start the scheduler and so many workers, and wait for them."""
        file = self.folder / "scheduler.json"
        self.start("scheduler", "--scheduler-file", file, "--port", "0")
        self.wait_for(file.exists)
        self.address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            self.start("worker", self.address, "--nthreads", "1",
                       "--preload", HERE / "preload.py",
                       "--local-directory", self.folder)
        self.wait_for(lambda: len(self.pids()) == workers)

    def start(self, *arguments) -> None:
        """Start one of Dask's programs, with a log of its own."""
        command = [sys.executable, "-m", "dask", *map(str, arguments),
                   "--host", "127.0.0.1", "--dashboard-address",
                   "127.0.0.1:0"]
        with open(self.folder / f"{len(self.processes)}.log", "w") as log:
            self.processes.append(subprocess.Popen(
                command, cwd=HERE.parent.parent, stdout=log, stderr=log,
                start_new_session=True, env=os.environ | ALLOWED))

    def wait_for(self, condition):
        """Return what a condition gives, once it gives something."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.05)
        logs = "\n".join(log.read_text() for log in self.folder.glob("*.log"))
        raise TimeoutError(logs)

    def pids(self) -> list[int]:
        """Return the processes in which the work is done."""
        from distributed import Client
        with Client(self.address, set_as_default=False) as client:
            return list(client.run(os.getpid).values())

    def stop(self) -> None:
        """Stop them all, and what they have started."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture(scope="package")
def cluster(tmp_path_factory):
    """Return a running Cluster of two workers."""
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        running.start_all(2)
        yield running
    finally:
        running.stop()
