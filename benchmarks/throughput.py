"""Throughput without the start of the processes, for several benchmarks."""

import time
from collections.abc import Iterator


def rate(counts: Iterator[int]) -> float:
    """Return images a second, measured from the first result on.

    counts: for each result, in the order of completion, its number of images.
    The first result is not counted: it includes the start of the processes.
    """
    next(counts)
    start = time.perf_counter()
    done = sum(counts)
    return done / (time.perf_counter() - start)
