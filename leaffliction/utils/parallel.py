"""Call one function for each of many items, in threads or processes.

Results come in the order of the items and do not depend on the number of
workers.  Only a few chunks of items are in progress at any time.
"""

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

# By itself, OpenCV respects only control groups of version 1.
cv2.setNumThreads(min(cv2.getNumThreads(), usable_cores()))

# With fewer items, one process is done before a second one has started.
MIN_ITEMS_PER_PROCESS = 64
# Fewer items are worth a second process if their files are large: 32 MiB are
# a dozen photographs of 12 megapixels.
MIN_BYTES_PER_PROCESS = 2**25
# Items that a process or a thread takes at once.  Passing a chunk to a
# process takes 0.1 ms, which 16 items hide; in larger chunks, some processes
# would be idle at the end.
CHUNK_SIZE, THREAD_CHUNK_SIZE = 16, 4
# Chunks in progress for each worker, so that none waits for its next one.
CHUNKS_PER_WORKER = 4
# A process may die by chance, when memory is short.  An item becomes an error
# after 3 deaths; a run ends after 10 such items in a row.
MAX_DEATHS_PER_ITEM, MAX_DEATHS_IN_A_ROW = 3, 10
# Parameters of glibc's mallopt, and the highest value of M_MMAP_THRESHOLD.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
MAX_MMAP_THRESHOLD = 2**25
# OpenBLAS reads this environment variable when it is loaded.
BLAS_THREADS = "OPENBLAS_NUM_THREADS"


class WorkersDied(UserError):
    """The result of an item at which worker processes die again and again."""


@dataclass(frozen=True)
class Workers:
    """Processes and threads of this computer.

    jobs: their number.  scale.dask.DaskWorkers has the same interface.
    """

    jobs: int

    def map(self, function: Callable, items: Sequence,
            in_threads: bool = False, name_of: Callable = str) -> Iterator:
        """Yield function(item), or the UserError it raised, for each item.

        function: from the top level of a module, or a functools.partial of
        such a function.  It is pickled with each chunk of items that goes to
        another process.
        in_threads: use threads, not processes: for functions that release
        Python's global lock (as networks do) and are expensive to pickle.
        name_of: returns the name of an item, for the text of a WorkersDied.
        If it is the path of a file, the size of the file counts when the
        number of processes is chosen.

        Where worker processes die repeatedly at an item, its result is a
        WorkersDied.  Exceptions other than UserError are raised in the order
        of the items.
        """
        if in_threads:
            return _map_in_threads(function, items, self.jobs)
        if multiprocessing.current_process().daemon:
            # A process of a multiprocessing.Pool must not start others.
            return _map_in_this_process(function, items, self.jobs)
        processes = self._process_count(items, name_of)
        if processes > 1:
            return stop_on_repeated_deaths(
                _map_in_processes(function, items, processes, name_of))
        return _map_in_this_process(function, items, self.jobs)

    def _process_count(self, items: Sequence, name_of: Callable) -> int:
        """Return the number of processes that are worth their start."""
        count = len(items) // MIN_ITEMS_PER_PROCESS
        if len(items) < self.jobs * MIN_ITEMS_PER_PROCESS:
            size = sum(map(_file_size, map(name_of, items)))
            count = max(count, size // MIN_BYTES_PER_PROCESS)
        return min(self.jobs, len(items), count)


def raise_errors(results: Iterable) -> Iterator:
    """Yield the results of Workers.map; raise the first UserError."""
    for result in results:
        if isinstance(result, UserError):
            raise result
        yield result


def prefetch(function: Callable, items: Iterable, threads: int = 1
             ) -> Iterator:
    """Yield function(item) in order, while threads compute the next ones."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield from _in_order(partial(pool.submit, function), iter(items),
                             CHUNKS_PER_WORKER * threads)
    finally:
        pool.shutdown(cancel_futures=True)


def reuse_freed_memory() -> None:
    """Keep the memory that one image frees in this process, for the next.

    glibc returns each freed block of 128 KiB or more to the system, and gets
    it back page by page.  For an image of 256x256 pixels that takes 0.15 ms
    an array, as long as five flips of the image.  The allocators of other
    systems keep it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MAX_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, 8 * MAX_MMAP_THRESHOLD)
        # One arena for all threads: further ones would return their memory.
        mallopt(M_ARENA_MAX, 1)


# Shared with scale.dask.

def map_chunk(function: Callable, items: Sequence) -> list:
    """Return function(item), or the UserError it raised, for each item."""
    results = []
    for item in items:
        try:
            results.append(function(item))
        except UserError as error:
            results.append(error)
    return results


def stop_on_repeated_deaths(results: Iterator) -> Iterator:
    """Yield the results; raise UserError after too many WorkersDied in a row.

    The cause is then no single item.
    """
    deaths = 0
    for result in results:
        deaths = deaths + 1 if isinstance(result, WorkersDied) else 0
        if deaths == MAX_DEATHS_IN_A_ROW:
            raise UserError(f"{result}, as with the {deaths - 1} items before "
                            "it: is there too little memory?")
        yield result


# In this process, with its threads.

def _map_in_this_process(function: Callable, items: Sequence, jobs: int
                         ) -> Iterator:
    """Map the items one by one; OpenCV may divide each over `jobs` threads."""
    reuse_freed_memory()
    with _opencv_threads(jobs):
        for chunk in _chunks(items, CHUNK_SIZE):
            yield from map_chunk(function, chunk)


def _map_in_threads(function: Callable, items: Sequence, threads: int
                    ) -> Iterator:
    """Map the items in this many threads."""
    reuse_freed_memory()
    # Ctrl-C waits for the chunks in progress: a few items, which may be
    # large, go one at a time.
    size = min(THREAD_CHUNK_SIZE,
               max(1, len(items) // (CHUNKS_PER_WORKER * threads)))
    # One thread of OpenCV for each of these: together as many as jobs.
    with _opencv_threads(1):
        for results in prefetch(partial(map_chunk, function),
                                _chunks(items, size), threads):
            yield from results


@contextmanager
def _opencv_threads(count: int) -> Iterator[None]:
    """Limit the threads into which OpenCV divides a call, in this block."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(min(count, before))
    try:
        yield
    finally:
        cv2.setNumThreads(before)


# In other processes.

def _map_in_processes(function: Callable, items: Sequence, processes: int,
                      name_of: Callable) -> Iterator:
    """Map the items in a pool of processes; find the items that kill them."""
    done = 0
    # A few items go in smaller chunks, so that each process gets some.
    size = min(CHUNK_SIZE,
               max(1, len(items) // (CHUNKS_PER_WORKER * processes)))
    while done < len(items):
        try:
            for results in _map_in_pool(
                    function, _chunks(items[done:], size), processes):
                yield from results
                done += len(results)
        except BrokenProcessPool:
            # One of the items in progress is to blame: find out which.
            suspects = items[done:done + CHUNKS_PER_WORKER * processes * size]
            yield from _map_one_by_one(function, suspects, name_of)
            done += len(suspects)


def _map_one_by_one(function: Callable, items: Sequence, name_of: Callable
                    ) -> Iterator:
    """Map the items in a pool of one process, which is restarted if it dies.

    The result of an item at which it dies MAX_DEATHS_PER_ITEM times is
    WorkersDied.
    """
    done = deaths = 0
    while done < len(items):
        try:
            for results in _map_in_pool(function, _chunks(items[done:], 1),
                                        1):
                yield from results
                done, deaths = done + 1, 0
        except BrokenProcessPool:
            deaths += 1
            if deaths == MAX_DEATHS_PER_ITEM:
                yield WorkersDied(f"{name_of(items[done])}: {deaths} worker "
                                  "processes died while they processed it")
                done, deaths = done + 1, 0


def _map_in_pool(function: Callable, chunks: Iterator, processes: int
                 ) -> Iterator[list]:
    """Yield the results of each chunk, computed by a pool of processes.

    Raises BrokenProcessPool if one of them dies.
    """
    # Spawned, not forked: a forked copy of a process with threads (those of
    # TensorFlow, of OpenCV) may hang.
    context = _RecordingContext()
    pool = ProcessPoolExecutor(processes, context, _initialize_process)

    def submit(chunk: Sequence) -> Future:
        with defer_interrupts(), _one_blas_thread():
            return pool.submit(map_chunk, function, chunk)

    try:
        yield from _in_order(submit, chunks, CHUNKS_PER_WORKER * processes)
    except BaseException:
        # Nobody needs the results of the chunks in progress any more.
        context.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class _RecordingContext(SpawnContext):
    """Spawns processes, and remembers them.

    So a pool can terminate its processes, and no others that the caller of
    this package has started.  Python 3.14 has terminate_workers for this.
    """

    def __init__(self) -> None:
        super().__init__()
        self._processes = []

    def Process(self, *args, **kwargs) -> multiprocessing.Process:
        """Return a new process; the name is that of every context."""
        process = super().Process(*args, **kwargs)
        self._processes.append(process)
        return process

    def terminate(self) -> None:
        """Terminate all processes that were started."""
        for process in self._processes:
            if process.pid is not None:
                process.terminate()


def _initialize_process() -> None:
    """Prepare a worker process: one thread of OpenCV, exit with the parent."""
    cv2.setNumThreads(1)
    reuse_freed_memory()
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit when the parent process has ended, even if it was killed."""
    multiprocessing.parent_process().join()
    os._exit(1)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Give processes that start in this block one thread of OpenBLAS.

    By itself it starts one for each core: 64 processes on 64 cores would
    have 4,096 threads, more than some containers allow.
    """
    if BLAS_THREADS in os.environ:
        yield
        return
    os.environ[BLAS_THREADS] = "1"
    try:
        yield
    finally:
        del os.environ[BLAS_THREADS]


# Chunks and futures.

def _chunks(items: Sequence, size: int) -> Iterator[Sequence]:
    """Return the items in order, in chunks of this size."""
    return (items[start:start + size]
            for start in range(0, len(items), size))


def _in_order(submit: Callable[..., Future], items: Iterator, limit: int
              ) -> Iterator:
    """Yield the result of submit(item) for each item.

    limit: the number of futures that are in progress at a time.
    """
    futures = deque(map(submit, islice(items, limit)))
    while futures:
        yield futures.popleft().result()
        futures.extend(map(submit, islice(items, 1)))


def _file_size(name: object) -> int:
    """Return the size of a file in bytes; 0 if the name is not a file's."""
    try:
        return os.stat(name).st_size
    except (OSError, TypeError, ValueError):
        return 0
