"""One function over many images: in this process, several, or a cluster's."""

import ctypes
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.context import SpawnContext

import cv2

from leaffliction.utils.cores import usable_cores
from leaffliction.utils.errors import UserError
from leaffliction.utils.interrupts import defer_interrupts

# OpenCV counts the processors of version 1 of control groups alone.
cv2.setNumThreads(min(cv2.getNumThreads(), usable_cores()))

# Fewer items are done before a second process has started.
MIN_ITEMS_PER_PROCESS = 64
# Unless they are large: a dozen photographs of 12 megapixels.
MIN_BYTES_PER_PROCESS = 2**25
# Items handed over at once: enough to hide the hand-over (0.1 ms), few
# enough that the processes end together; to a thread it costs less.
CHUNK_SIZE, THREAD_CHUNK_SIZE = 16, 4
# Chunks under way for each worker: so none waits for the next.
CHUNKS_PER_WORKER = 4
# Times that a process may die of an item; and items in a row of which they
# do, from which on it is not the items.
MAX_DEATHS_PER_ITEM, MAX_DEATHS_IN_A_ROW = 3, 10
# Numbers of glibc's mallopt, and its largest threshold (bytes).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGEST = 2**25
# OpenBLAS looks at it when it is loaded.
BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def reuse_freed_memory() -> None:
    """Let this process keep the memory of an image for the next one.

    glibc gives blocks of 128 KB back to the system at once and takes them
    again page by page: at 256x256 pixels that is 0.15 ms an array, as long
    as it takes to flip it five times.  Other systems' allocators keep it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, 8 * LARGEST)
        # The threads share one arena: their own ones are given back.
        mallopt(M_ARENA_MAX, 1)


def _start_worker() -> None:
    """Prepare a worker: one thread each, and an end with the parent's."""
    cv2.setNumThreads(1)
    reuse_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Stop when the parent was killed: nobody else would tell a worker."""
    multiprocessing.parent_process().join()
    os._exit(1)


def map_chunk(function: Callable, items: Sequence) -> list:
    """Return function's result, or its UserError, for each item."""
    results = []
    for item in items:
        try:
            results.append(function(item))
        except UserError as error:
            results.append(error)
    return results


class WorkersDied(UserError):
    """An item on which one worker process after another has died."""


@dataclass(frozen=True)
class Workers:
    """The processes and threads of this computer that work on many images.

    jobs: how many at once.  scale.dask.DaskWorkers has the same method.
    """

    jobs: int

    def map(self, function: Callable, items: Sequence,
            in_threads: bool = False, name_of: Callable = str) -> Iterator:
        """Yield function(item), or the UserError it raised, in order.

        function: at the top level of a module, or a functools.partial of
        such a function: it is pickled by name, together with its arguments,
        for every chunk of items that goes to another process.
        in_threads: use threads instead of processes; for functions that
        release Python's lock (as networks do) and are large to pickle.
        name_of: returns an item's name for WorkersDied, which takes the
        place of a result where worker processes die of an item.
        Only a few chunks of items for each worker are in progress at a time,
        so memory use is constant.  Exceptions other than UserError are
        raised as soon as their item is due.
        """
        if in_threads:
            return _map_threads(function, items, self.jobs)
        if multiprocessing.current_process().daemon:
            # A process of a multiprocessing.Pool may not start others.
            return _map_here(function, items, self.jobs)
        jobs = self._worthwhile(items, name_of)
        if jobs > 1:
            return stop_on_repeated_deaths(
                _map_processes(function, items, jobs, name_of))
        return _map_here(function, items, self.jobs)

    def _worthwhile(self, items: Sequence, name_of: Callable) -> int:
        """Return how many processes are worth starting for the items."""
        jobs = len(items) // MIN_ITEMS_PER_PROCESS
        if len(items) < self.jobs * MIN_ITEMS_PER_PROCESS:
            size = sum(map(_size_of, map(name_of, items)))
            jobs = max(jobs, size // MIN_BYTES_PER_PROCESS)
        return min(self.jobs, len(items), jobs)


def _size_of(name: object) -> int:
    """Return a file's size in bytes, 0 for what is no file here."""
    try:
        return os.stat(name).st_size
    except (OSError, TypeError, ValueError):
        return 0


def stop_on_repeated_deaths(results: Iterator) -> Iterator:
    """Yield the results; UserError where it is not the items that kill."""
    dead = 0
    for result in results:
        dead = dead + 1 if isinstance(result, WorkersDied) else 0
        if dead == MAX_DEATHS_IN_A_ROW:
            raise UserError(f"{result}, and so with {MAX_DEATHS_IN_A_ROW - 1} before "
                            "it: is there too little memory?")
        yield result


def raise_errors(results: Iterable) -> Iterator:
    """Yield the results, and raise the first UserError among them."""
    for result in results:
        if isinstance(result, UserError):
            raise result
        yield result


def chunks_of(items: Sequence, size: int) -> Iterator[Sequence]:
    """Yield the items in order, so many at a time."""
    return (items[start:start + size]
            for start in range(0, len(items), size))


@contextmanager
def _opencv_threads(count: int) -> Iterator[None]:
    """Let OpenCV divide a call among at most so many threads."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(min(count, before))
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _map_here(function: Callable, items: Sequence, jobs: int) -> Iterator:
    reuse_freed_memory()
    with _opencv_threads(jobs):
        for chunk in chunks_of(items, CHUNK_SIZE):
            yield from map_chunk(function, chunk)


def _map_processes(function: Callable, items: Sequence, jobs: int,
                   name_of: Callable) -> Iterator:
    done = 0
    # Few items are many for each process only one by one.
    size = min(CHUNK_SIZE, max(1, len(items) // (CHUNKS_PER_WORKER * jobs)))
    while done < len(items):
        try:
            for results in _from_pool(
                    function, chunks_of(items[done:], size), jobs):
                yield from results
                done += len(results)
        except BrokenProcessPool:
            # On which item that was under way is not known.
            part = items[done:done + CHUNKS_PER_WORKER * jobs * size]
            yield from _one_by_one(function, part, name_of)
            done += len(part)


def _one_by_one(function: Callable, items: Sequence, name_of: Callable
                ) -> Iterator:
    """Do items one at a time, in a process that may die of each MAX_DEATHS_PER_ITEM times.
    """
    done = deaths = 0
    while done < len(items):
        try:
            for results in _from_pool(function, chunks_of(items[done:], 1),
                                      1):
                yield from results
                done, deaths = done + 1, 0
        except BrokenProcessPool:
            deaths += 1
            if deaths == MAX_DEATHS_PER_ITEM:
                yield WorkersDied(f"{name_of(items[done])}: worker processes "
                                  f"die of it, {MAX_DEATHS_PER_ITEM} did")
                done, deaths = done + 1, 0


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Let processes that are started now have one thread for NumPy's BLAS.

    OpenBLAS starts one for each core when it is loaded: 64 processes on 64
    cores would have 4,096, which is more than some containers allow.
    """
    if BLAS_THREADS in os.environ:
        yield
        return
    os.environ[BLAS_THREADS] = "1"
    try:
        yield
    finally:
        del os.environ[BLAS_THREADS]


class _Spawning(SpawnContext):
    """Starts each process anew, and remembers it.

    To end a pool's processes, and not others that a program which uses this
    package has started.  (Python 3.14 has terminate_workers.)
    """

    def __init__(self) -> None:
        super().__init__()
        self._started = []

    def Process(self, *arguments, **named) -> multiprocessing.Process:
        """Return a process that may be started, as any context does."""
        process = super().Process(*arguments, **named)
        self._started.append(process)
        return process

    def terminate(self) -> None:
        """Stop all that were started."""
        for process in self._started:
            if process.pid is not None:
                process.terminate()


def _from_pool(function: Callable, chunks: Iterator, jobs: int) -> Iterator:
    """Yield the results of one chunk after another, from processes.

    Raises BrokenProcessPool where one of them is killed.
    """
    # A forked copy of a process that has threads (TensorFlow's, OpenCV's)
    # may hang, so each worker starts anew.
    context = _Spawning()
    pool = ProcessPoolExecutor(jobs, context, _start_worker)

    def submit(chunk: Sequence) -> Future:
        with defer_interrupts(), _one_blas_thread():
            return pool.submit(map_chunk, function, chunk)

    try:
        yield from _in_order(submit, chunks, CHUNKS_PER_WORKER * jobs)
    except BaseException:
        # Nobody waits any more for what they are doing.
        context.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _map_threads(function: Callable, items: Sequence, threads: int
                 ) -> Iterator:
    reuse_freed_memory()
    # Few items, which may be large, one by one: an interrupt waits for what
    # is under way.
    size = min(THREAD_CHUNK_SIZE, max(1, len(items) // (CHUNKS_PER_WORKER * threads)))
    # One for each of ours: together they are as many as was asked for.
    with _opencv_threads(1):
        for results in prefetch(partial(map_chunk, function),
                                chunks_of(items, size), threads):
            yield from results


def prefetch(function: Callable, items: Iterable, threads: int = 1
             ) -> Iterator:
    """Yield function(item) in order; threads are a few items ahead."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield from _in_order(partial(pool.submit, function), iter(items),
                             CHUNKS_PER_WORKER * threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(submit: Callable[..., Future], items: Iterator, ahead: int
              ) -> Iterator:
    """Yield the results of futures, of which so many are under way."""
    waiting = deque(map(submit, islice(items, ahead)))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(map(submit, islice(items, 1)))
