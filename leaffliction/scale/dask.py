"""Call one function for each of many items, on the workers of a Dask cluster.

The workers run this same code on the same disk (docs/how-to/cluster.md), so
results, errors and their order are those of utils.parallel.  The scheduler
needs none of this code: it passes pickled data on without opening it.
"""

import hashlib
import itertools
import logging
import math
import operator
import os
import pickle
import platform
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path

import cv2

from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import (CHUNKS_PER_WORKER, WorkersDied,
                                         map_chunk, reuse_freed_memory,
                                         stop_on_repeated_deaths)

# A task is a chunk of items.  It costs the scheduler some milliseconds, so it
# should take two seconds; but it has no more items than this, and each thread
# of the workers gets some tasks, so that none is idle for long at the end.
SECONDS_PER_TASK, MAX_CHUNK_SIZE, MIN_TASKS_PER_THREAD = 2.0, 500, 8
# Items of the first tasks, while the time that one takes is unknown.
FIRST_CHUNK_SIZE = 16
# Tasks of a run, however long an item takes: a scheduler keeps thousands of
# them in memory, not millions.
MAX_TASKS = 50_000
# Seconds until a scheduler must have replied, and until a cluster without
# workers must have one.
CONNECT_TIMEOUT, NO_WORKER_TIMEOUT = 10, 300
# Seconds without a result after which a run checks that there are workers.
CHECK_WORKERS_AFTER = 5
# Seconds after which the threads of the workers are counted again.
THREAD_COUNT_AGE = 1
# Seconds that a stopped run waits for the tasks that workers have begun.
STOP_TIMEOUT = 30
# Packages that must have the same version everywhere for the same results.
PACKAGES = ("numpy", "opencv-python", "pillow", "ai-edge-litert", "plantcv",
            "distributed")
SOURCE_FOLDER = Path(__file__).resolve().parents[1]


def _source_digest() -> str:
    """Return 8 hexadecimal digits that identify this package's code."""
    digest = hashlib.sha256()
    for file in sorted(SOURCE_FOLDER.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


# Computed now, since the files may change after they were loaded.
SOURCE_DIGEST = _source_digest()


@cache
def environment_versions() -> dict[str, str]:
    """Return {name: version} of all that results depend on, except images."""
    return {"code": SOURCE_DIGEST, "Python": platform.python_version()} | {
        name: version(name) for name in PACKAGES}


class _WorkingDirectory:
    """The working directory of this process, shared by its threads.

    Relative paths must mean what they mean to the client.  A process has one
    working directory, so chunks of clients in different ones take turns.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._folder, self._users = "", 0

    @contextmanager
    def in_folder(self, folder: str) -> Iterator[None]:
        """Work in a folder until this block ends.

        Raises UserError if the folder is missing on this computer.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: not self._users or self._folder == folder)
            try:
                os.chdir(folder)
            except OSError as error:
                raise UserError(
                    f"the worker {platform.node()} has no folder {folder} "
                    f"({error.strerror}): start this program in a folder "
                    "that the workers have as well") from None
            self._folder = folder
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()


WORKING_DIRECTORY = _WorkingDirectory()


@cache
def _prepare_worker() -> None:
    """Prepare this process for images, once."""
    cv2.setNumThreads(1)
    reuse_freed_memory()


@dataclass(frozen=True)
class RemoteFunction:
    """A function to call for each item, which travels to each worker once.

    pickled: the function; a worker unpickles it only after it has compared
    the versions, since other code may have no such function.
    folder: the working directory of the client.
    versions: the environment_versions of the client.
    """

    pickled: bytes
    folder: str
    versions: dict[str, str]

    def __reduce__(self) -> tuple:
        # The cached function does not travel.
        return RemoteFunction, (self.pickled, self.folder, self.versions)

    @cached_property
    def function(self) -> Callable:
        """The function itself."""
        return pickle.loads(self.pickled)

    def __call__(self, chunk: bytes) -> tuple[list, float]:
        """Return map_chunk's results for a chunk, and the seconds it took.

        chunk: the items, pickled, so that the scheduler does not open them.
        Raises UserError if results could differ from the client's.
        """
        for name, found in environment_versions().items():
            if found != self.versions.get(name):
                raise UserError(
                    f"the worker {platform.node()} has another {name} than "
                    f"this program ({found}, not {self.versions.get(name)}): "
                    "start it in the same folder and environment, and "
                    "restart it after each change")
        _prepare_worker()
        with WORKING_DIRECTORY.in_folder(self.folder):
            start = time.monotonic()
            results = map_chunk(self.function, pickle.loads(chunk))
            return results, time.monotonic() - start


@contextmanager
def dask_client(address: str) -> Iterator:
    """Yield a distributed.Client of the scheduler at an address.

    Raises UserError if no scheduler replies, if it ends, or if a worker lacks
    a module.  The log of Dask is silenced: these errors contain what users
    need of it.
    """
    from distributed import Client
    from distributed.comm import CommClosedError
    for name in ("distributed", "distributed.client", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT,
                        set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"--cluster {address}: no Dask scheduler answers "
                        f"({error})") from None
    try:
        with client.as_current(), warnings.catch_warnings():
            # A network is larger than what Dask expects a task to carry.
            warnings.filterwarnings("ignore", "Sending large graph")
            yield client
    except (CancelledError, CommClosedError, RuntimeError) as error:
        # A client that has lost its scheduler raises the RuntimeError
        # "ConnectionPool is closed"; any other is a bug.
        if (type(error) is RuntimeError
                and "ConnectionPool" not in str(error)):
            raise
        raise UserError(f"--cluster {address}: lost the connection to the "
                        "scheduler") from None
    except ModuleNotFoundError as error:
        raise UserError(
            f"--cluster {address}: a worker does not find {error.name}: "
            "start it in the folder of this program, in its environment"
            ) from None
    finally:
        client.close()


@dataclass(frozen=True)
class DaskWorkers:
    """The workers of a Dask cluster, used like utils.parallel.Workers.

    jobs: number of threads on this computer, for work that stays here.
    cluster: address of the scheduler, such as tcp://host:8786.
    """

    jobs: int
    cluster: str

    def map(self, function: Callable, items: Sequence,
            in_threads: bool = False, name_of: Callable = str) -> Iterator:
        """Yield what Workers.map yields, computed by the cluster's workers.

        function: is sent to each worker once.
        in_threads: has no effect; how many threads a worker has is decided
        when it is started.

        If a worker dies, another one repeats its tasks.  If this happens to
        a task more often than Dask's setting allowed-failures, its items are
        repeated one at a time with nothing else in progress: so only an item
        at which that many workers die becomes an error.
        """
        if not items:
            return iter(())
        return stop_on_repeated_deaths(self._map(function, items, name_of))

    def _map(self, function: Callable, items: Sequence, name_of: Callable
             ) -> Iterator:
        """Map the items; stop the tasks if the caller stops."""
        with dask_client(self.cluster) as client:
            run = _Run(client, function, len(items), name_of)
            try:
                yield from run.results(items)
            finally:
                run.stop()


class _Run:
    """One call of DaskWorkers.map: its tasks, and how fast they are done.

    client: a distributed.Client.  count: the number of all items.
    """

    def __init__(self, client, function: Callable, count: int,
                 name_of: Callable) -> None:
        self.client, self.count, self.name_of = client, count, name_of
        self.name = uuid.uuid4().hex
        self.task_numbers = itertools.count()
        # The function is the result of a task: workers fetch it from each
        # other, and where it is lost, the scheduler has it computed again.
        self.function = client.submit(
            pickle.loads, pickle.dumps(RemoteFunction(
                pickle.dumps(function), os.getcwd(),
                environment_versions())),
            key=f"job-{self.name}", pure=False)
        # (chunk, future) of the tasks in progress, in the order of the items.
        self.in_progress = deque()
        self.threads, self.threads_counted_at = 0, -math.inf
        self.seconds_per_item = SECONDS_PER_TASK / FIRST_CHUNK_SIZE

    def results(self, items: Sequence) -> Iterator:
        """Yield the results of the items in order."""
        start = 0
        while start < len(items) or self.in_progress:
            while start < len(items) and (
                    len(self.in_progress)
                    < CHUNKS_PER_WORKER * self.worker_threads()):
                chunk = items[start:start + self.chunk_size()]
                self.in_progress.append((chunk, self.submit(chunk)))
                start += len(chunk)
            yield from self.next_results()

    def next_results(self) -> list:
        """Return the results of the first chunk in progress."""
        from distributed import KilledWorker
        chunk, future = self.in_progress[0]
        try:
            results, seconds = self.result_of(future)
            self.seconds_per_item = max(1e-6, seconds / len(chunk))
        except KilledWorker:
            # A deadly item also kills the tasks that share its worker.  With
            # nothing else in progress, the item alone is to blame.
            self.wait_for([future for _, future in self.in_progress])
            results = [self.result_alone(item) for item in chunk]
        self.in_progress.popleft()
        return results

    def result_alone(self, item) -> object:
        """Return the result of one item; WorkersDied if workers die at it."""
        from distributed import KilledWorker
        try:
            (result,), _ = self.result_of(self.submit([item]))
            return result
        except KilledWorker as error:
            return WorkersDied(
                f"{self.name_of(item)}: {error.allowed_failures + 1} workers "
                "died while they processed it")

    def submit(self, chunk: Sequence):
        """Return the future of a chunk's results."""
        return self.client.submit(
            operator.call, self.function, pickle.dumps(list(chunk)),
            key=(f"chunk-{self.name}", next(self.task_numbers)), pure=False)

    def result_of(self, future) -> tuple[list, float]:
        """Return the result of a future; see RemoteFunction.__call__."""
        self.wait_for([future])
        return future.result()

    def wait_for(self, futures: list) -> None:
        """Wait until futures are done; UserError if no worker comes."""
        from distributed import wait
        while True:
            try:
                wait(futures, timeout=CHECK_WORKERS_AFTER)
                return
            except TimeoutError:
                self.wait_for_worker()

    def wait_for_worker(self) -> None:
        """Wait until there is a worker; UserError if none comes."""
        if self.client.nthreads():
            return
        print_note("the cluster has no worker: waiting for one")
        try:
            self.client.wait_for_workers(1, timeout=NO_WORKER_TIMEOUT)
        except TimeoutError:
            raise UserError("the cluster has had no worker for "
                            f"{NO_WORKER_TIMEOUT // 60} minutes") from None

    def worker_threads(self) -> int:
        """Return the number of threads of all workers, at least 1."""
        if time.monotonic() - self.threads_counted_at > THREAD_COUNT_AGE:
            self.threads = sum(self.client.nthreads().values())
            self.threads_counted_at = time.monotonic()
        return max(1, self.threads)

    def chunk_size(self) -> int:
        """Return the number of items for the next task."""
        return max(1, self.count // MAX_TASKS, min(
            MAX_CHUNK_SIZE, int(SECONDS_PER_TASK / self.seconds_per_item),
            self.count // (MIN_TASKS_PER_THREAD * self.worker_threads())))

    def stop(self) -> None:
        """Cancel the tasks that no worker has begun; wait for the others.

        So no file is written after the program has ended.
        """
        from distributed import wait
        if not self.in_progress:
            return
        try:
            begun = set(itertools.chain(*self.client.processing().values()))
        except OSError:
            # The scheduler has ended: see dask_client.
            raise CancelledError from None
        futures = [future for _, future in self.in_progress]
        self.client.cancel([future for future in futures
                            if future.key not in begun])
        with suppress(TimeoutError):
            wait([future for future in futures if future.key in begun],
                 timeout=STOP_TIMEOUT)
