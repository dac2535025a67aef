"""One function over many images, in several local processes or threads."""

import ctypes
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (Future, ProcessPoolExecutor,
                                ThreadPoolExecutor)
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import cv2

from utils.cli import UserError, without_interrupts

# Fewer items are done before a second process has started.
ITEMS_WORTH_A_PROCESS = 64
# Items handed over at once: enough to hide the hand-over (0.1 ms), few
# enough that the processes end together.
CHUNK = 16
# Numbers of glibc's mallopt, and its largest threshold (bytes).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGEST = 2**25


def keep_memory() -> None:
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
    keep_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Stop when the parent was killed: nobody else would tell a worker."""
    multiprocessing.parent_process().join()
    os._exit(1)


def do_chunk(function: Callable, items: Sequence) -> list:
    """Return function's result, or its UserError, for each item."""
    results = []
    for item in items:
        try:
            results.append(function(item))
        except UserError as error:
            results.append(error)
    return results


def map_items(function: Callable, items: Sequence, jobs: int) -> Iterator:
    """Yield function(item), or the UserError it raised, in the items' order.

    function: of a module's top level (it travels to the processes by name).
    jobs: number of processes; 1, or few items, stay in this process.
    At most a few chunks a process are under way, so memory is constant.
    """
    jobs = min(jobs, len(items) // ITEMS_WORTH_A_PROCESS)
    chunks = (items[start:start + CHUNK]
              for start in range(0, len(items), CHUNK))
    if jobs <= 1:
        keep_memory()
        for chunk in chunks:
            yield from do_chunk(function, chunk)
        return
    # A forked copy of a process that has threads (TensorFlow's, OpenCV's)
    # may hang, so each worker starts anew.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _start_worker)

    def submit(count: int) -> list[Future]:
        with without_interrupts():
            return [pool.submit(do_chunk, function, chunk)
                    for chunk in islice(chunks, count)]

    try:
        waiting = submit(4 * jobs)
        while waiting:
            yield from waiting.pop(0).result()
            waiting += submit(1)
    except BrokenProcessPool:
        raise UserError("a worker process was stopped from outside "
                        "(out of memory?)") from None
    except BaseException:
        # Nobody waits any more for what they are doing.
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def map_threads(function: Callable, items: Sequence, threads: int
                ) -> Iterator:
    """Yield function(item) in the items' order, each from a thread.

    For work that lets go of Python's lock: decoding, networks.
    A few items a thread are under way, so memory is constant.  The first
    exception of an item is raised in its place.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        rest = iter(items)
        waiting = deque(pool.submit(function, item)
                        for item in islice(rest, 4 * threads))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, item)
                           for item in islice(rest, 1))
    finally:
        pool.shutdown(cancel_futures=True)
