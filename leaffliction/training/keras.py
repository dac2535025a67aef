"""Keras on TensorFlow, imported when training needs it and not before."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from leaffliction.utils.console import suppress_native_stderr
from leaffliction.utils.cores import usable_cores
from leaffliction.utils.interrupts import defer_interrupts


def import_keras():
    """Import Keras with TensorFlow as its backend, and return the module.

    The import takes 3 to 5 s.  TensorFlow's messages at start are suppressed.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    limit_threads(usable_cores())
    with defer_interrupts(), suppress_native_stderr():
        import keras
    return keras


@contextmanager
def importing_keras() -> Iterator[None]:
    """Import Keras in another thread while the block runs.

    At the end of the block, the import is complete or has failed; after a
    failure, import_keras raises the error.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(import_keras)
        yield


def limit_threads(count: int) -> None:
    """Let TensorFlow compute in `count` threads, unless this is set already.

    TensorFlow's default is one thread for each core that the process may
    run on, whatever CPU quota its container has.  TensorFlow reads the
    setting when it is first used.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(count))
