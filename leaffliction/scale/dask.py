"""One function over many images, by the workers of a Dask cluster.

The workers run this same code on the same disk (docs/scale.md).  What is
done there is done as here: same results, same errors, in the same order.
The scheduler needs none of our code: it hands on what it never opens.
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
from leaffliction.utils.parallel import (CHUNKS_PER_WORKER, WorkersDied, map_chunk,
                                         reuse_freed_memory, stop_on_repeated_deaths)

# Seconds of work in a task, which takes the scheduler some milliseconds; but
# no more than so many items, and for each thread of the workers so many
# tasks, so that none is idle for long at the end.
SECONDS, LARGEST, SHARES = 2.0, 500, 8
# Items of the first tasks, before it is known how long one takes; and tasks
# at most, however long that is: thousands, not millions.
FIRST, TASKS = 16, 50_000
# Seconds: until a scheduler must have answered; in which workers may come
# (again); until it is said that they are waited for; between two looks at
# who is there; and that a stop waits for what is under way.
CONNECTING, ABSENT, PATIENCE, LOOK, STOPPING = 10, 300, 5, 1, 30
# What must be the same everywhere for the same results.
PACKAGES = ("numpy", "opencv-python", "pillow", "ai-edge-litert", "plantcv",
            "distributed")


PACKAGE = Path(__file__).resolve().parents[1]


def _source_digest() -> str:
    """Return what tells this code from any other, in hex."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


# Of the code that was loaded, not of files that have changed since.
SOURCE = _source_digest()


@cache
def environment_versions() -> dict[str, str]:
    """Return what results depend on besides the images, by its name."""
    return {"code": SOURCE, "Python": platform.python_version()} | {
        name: version(name) for name in PACKAGES}


class _Place:
    """The folder in which this process works, for one client at a time.

    Relative paths mean what they mean to the client.  A process has but one
    folder, so chunks of clients in different ones wait for each other.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._folder, self._users = "", 0

    @contextmanager
    def at(self, folder: str) -> Iterator[None]:
        """Work in a folder until this block ends; UserError: there is none.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: not self._users or self._folder == folder)
            try:
                os.chdir(folder)
            except OSError as error:
                raise UserError(
                    f"the worker {platform.node()} has no folder {folder} "
                    f"({error.strerror}): start this program in one that the "
                    "workers have as well") from None
            self._folder = folder
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()


PLACE = _Place()


@cache
def prepare_worker() -> None:
    """Prepare this process, once, to work on images."""
    cv2.setNumThreads(1)
    reuse_freed_memory()


@dataclass(frozen=True)
class Job:
    """What is done to each chunk; it travels to each worker once.

    content: the function, pickled: it is opened when it is clear that the
    worker has the same code.  folder: in which the client works.  expected:
    its environment_versions.
    """

    content: bytes
    folder: str
    expected: dict[str, str]

    def __reduce__(self) -> tuple:
        # Without the function, which may have been opened.
        return Job, (self.content, self.folder, self.expected)

    @cached_property
    def function(self) -> Callable:
        """What is done to each item."""
        return pickle.loads(self.content)

    def __call__(self, chunk: bytes) -> tuple[list, float]:
        """Return map_chunk's results, and the seconds it took; on a worker.

        chunk: the items, pickled: so nobody on the way looks into them.
        Raises UserError where this worker would not do as the client.
        """
        for name, found in environment_versions().items():
            if found != self.expected.get(name):
                raise UserError(
                    f"the worker {platform.node()} has another {name} than "
                    f"this program ({found}, not {self.expected.get(name)}): "
                    "start it in the same folder and environment, and anew "
                    "after a change")
        prepare_worker()
        with PLACE.at(self.folder):
            start = time.monotonic()
            results = map_chunk(self.function, pickle.loads(chunk))
            return results, time.monotonic() - start


@contextmanager
def dask_client(address: str) -> Iterator:
    """Give a Dask client; UserError where no scheduler answers.

    What Dask warns of is said by our errors, or is none of the user's.
    """
    from distributed import Client
    from distributed.comm import CommClosedError
    for name in ("distributed", "distributed.client", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECTING, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"--cluster {address}: no Dask scheduler answers "
                        f"({error})") from None
    try:
        with client.as_current(), warnings.catch_warnings():
            # A network is larger than what a task usually carries.
            warnings.filterwarnings("ignore", "Sending large graph")
            yield client
    except (CancelledError, CommClosedError, RuntimeError) as error:
        # Asked once more after it has noticed, a client says "ConnectionPool
        # is closed".
        if (type(error) is RuntimeError
                and "ConnectionPool" not in str(error)):
            raise
        raise UserError(f"--cluster {address}: the scheduler is gone"
                        ) from None
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

    jobs: threads of this computer, for work that stays here.
    cluster: address of the scheduler, such as tcp://host:8786.
    """

    jobs: int
    cluster: str

    def map(self, function: Callable, items: Sequence,
            in_threads: bool = False, name_of: Callable = str) -> Iterator:
        """Yield what Workers.map yields, computed by the cluster's workers.

        function travels to each worker once.  in_threads changes nothing:
        the workers have the threads that they were started with.
        What a worker that died had in progress is done by another one.  If
        that happens to a chunk again and again (Dask's allowed-failures), its
        items are done one at a time, so that an error names only an item of
        which that many workers died with nothing else in progress.
        """
        if not items:
            return iter(())
        return stop_on_repeated_deaths(self._map(function, items, name_of))

    def _map(self, function: Callable, items: Sequence, name_of: Callable
             ) -> Iterator:
        with dask_client(self.cluster) as client:
            run = _Run(client, function, len(items), name_of)
            try:
                yield from run.results(items)
            finally:
                run.stop()


class _Run:
    """The work on many items that a program gives to a cluster."""

    def __init__(self, client, function: Callable, count: int,
                 name_of: Callable) -> None:
        self.client, self.count, self.name_of = client, count, name_of
        self.name = uuid.uuid4().hex
        self.numbers = itertools.count()
        # Made by a task: so a worker that comes later can have it made anew,
        # and the others fetch it from each other.
        self.job = client.submit(
            pickle.loads, pickle.dumps(Job(
                pickle.dumps(function), os.getcwd(), environment_versions())),
            key=f"job-{self.name}", pure=False)
        self.waiting = deque()      # (chunk, future), in order
        self.threads, self.looked = 0, -math.inf
        self.seconds = SECONDS / FIRST      # that an item takes

    def results(self, items: Sequence) -> Iterator:
        """Yield the results, in order; a few chunks are under way."""
        start = 0
        while start < len(items) or self.waiting:
            while start < len(items) and (
                    len(self.waiting) < CHUNKS_PER_WORKER * self.worker_threads()):
                chunk = items[start:start + self.chunk_size()]
                self.waiting.append((chunk, self.submit(chunk)))
                start += len(chunk)
            yield from self.next_results()

    def next_results(self) -> list:
        """Return the results of the first chunk that is under way."""
        from distributed import KilledWorker
        chunk, future = self.waiting[0]
        try:
            found, seconds = self.result_of(future)
            self.seconds = max(1e-6, seconds / len(chunk))
        except KilledWorker:
            # With nothing else under way, nothing else can be to blame.
            self.until_done([other for _, other in self.waiting])
            found = [self.alone(item) for item in chunk]
        self.waiting.popleft()
        return found

    def alone(self, item) -> object:
        """Return the result of an item, or the error that workers die."""
        from distributed import KilledWorker
        try:
            (result,), _ = self.result_of(self.submit([item]))
            return result
        except KilledWorker as error:
            return WorkersDied(f"{self.name_of(item)}: workers die of it, "
                               f"{error.allowed_failures + 1} did")

    def submit(self, chunk: Sequence):
        """Return the future of a chunk's results."""
        return self.client.submit(
            operator.call, self.job, pickle.dumps(list(chunk)),
            key=(f"chunk-{self.name}", next(self.numbers)), pure=False)

    def result_of(self, future) -> tuple[list, float]:
        """Return a future's result; UserError where no worker comes."""
        self.until_done([future])
        return future.result()

    def until_done(self, futures: list) -> None:
        """Wait for futures; UserError where no worker comes."""
        from distributed import wait
        while True:
            try:
                wait(futures, timeout=PATIENCE)
                return
            except TimeoutError:
                self.look_for_workers()

    def worker_threads(self) -> int:
        """Return the number of all workers' threads, at least 1."""
        if time.monotonic() - self.looked > LOOK:
            self.threads = sum(self.client.nthreads().values())
            self.looked = time.monotonic()
        return max(1, self.threads)

    def look_for_workers(self) -> None:
        """Wait for a worker where there is none; UserError: none came."""
        if self.client.nthreads():
            return
        print_note("the cluster has no worker: waiting for one")
        try:
            self.client.wait_for_workers(1, timeout=ABSENT)
        except TimeoutError:
            raise UserError("the cluster has had no worker for "
                            f"{ABSENT // 60} minutes") from None

    def chunk_size(self) -> int:
        """Return how many items the next task has."""
        return max(1, self.count // TASKS, min(
            LARGEST, int(SECONDS / self.seconds),
            self.count // (SHARES * self.worker_threads())))

    def stop(self) -> None:
        """Drop what no worker has begun, and wait for what one has.

        So nothing is written any more once the program has ended.
        """
        from distributed import wait
        if not self.waiting:
            return
        try:
            begun = set(itertools.chain(*self.client.processing().values()))
        except OSError:
            raise CancelledError from None      # Nobody answers any more.
        futures = [future for _, future in self.waiting]
        self.client.cancel([future for future in futures
                            if future.key not in begun])
        with suppress(TimeoutError):
            wait([future for future in futures if future.key in begun],
                 timeout=STOPPING)
