"""A Dask scheduler and its workers on this computer, for benchmarks and tests.

Each is a process of its own, as on a cluster, so that the memory of each can
be measured.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A task fails for good when it has killed three workers.
ALLOWED_FAILURES = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2"}
TIMEOUT = 60             # seconds to wait for the scheduler or the workers


class LocalCluster:
    """Dask's processes, whose files and logs are in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes, self.address = folder, [], ""

    def start(self, workers: int, *options: object) -> None:
        """Start a scheduler and `workers` workers, and wait for them.

        options: of `dask worker`.  Raises TimeoutError with their logs.
        """
        file = self.folder / "scheduler.json"
        self._start("scheduler", "--scheduler-file", file, "--port", "0")
        # The scheduler creates the file before it writes it.
        self.wait_for(lambda: file.exists() and file.stat().st_size)
        self.address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            self._start("worker", self.address, "--nthreads", "1",
                        "--local-directory", self.folder, *options)
        self.wait_for(lambda: len(self.pids()) == workers)

    def _start(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "dask", *map(str, arguments),
                   "--host", "127.0.0.1", "--dashboard-address",
                   "127.0.0.1:0"]
        with open(self.folder / f"{len(self.processes)}.log", "w") as log:
            self.processes.append(subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log,
                start_new_session=True, env=os.environ | ALLOWED_FAILURES))

    def wait_for(self, condition: Callable):
        """Wait until condition() is true, and return its value.

        Raises TimeoutError after TIMEOUT.
        """
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.05)
        raise TimeoutError("\n".join(
            log.read_text() for log in self.folder.glob("*.log")))

    def pids(self) -> list[int]:
        """Return the process ids of the workers."""
        from distributed import Client
        with Client(self.address, set_as_default=False) as client:
            return list(client.run(os.getpid).values())

    def stop(self) -> None:
        """Stop all processes and their children."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def local_cluster(workers: int, *options: object) -> Iterator[LocalCluster]:
    """Yield a running cluster, and stop it when the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = LocalCluster(Path(folder))
        try:
            cluster.start(workers, *options)
            yield cluster
        finally:
            cluster.stop()
