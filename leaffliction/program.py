"""What each of the five programs does first and last.

A program imports this module before any other: from then on Ctrl-C and a
missing library end it with a single ``error:`` line, not with a traceback,
while its other imports are still running.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("Distribution", "Augmentation", "Transformation", "train",
            "predict")


def _is_running() -> bool:
    """Tell whether one of the programs runs, rather than is imported."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    return file is not None and Path(file).stem in PROGRAMS


def _report_missing_library(kind, error, trace) -> None:
    """Replace sys.excepthook while the libraries load.

    Python ends with exit status 1 after this.
    """
    from leaffliction.utils.errors import missing_library
    if issubclass(kind, ModuleNotFoundError):
        print(f"error: {missing_library(error)}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def start(main: Callable[[], int]) -> None:
    """Run a program and end the process with main's exit status.

    Until here Ctrl-C has ended the process at once; now it raises
    KeyboardInterrupt, so that the program can remove what it was writing.
    """
    from leaffliction.utils.cli import run

    def once() -> int:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            return main()
        finally:
            # A second Ctrl-C would interrupt the removal with a traceback.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(run(once))


def make_workers(jobs: int, cluster: str | None):
    """Return the workers that process many images.

    jobs: number of processes (or threads) on this computer.
    cluster: address of a Dask scheduler, whose workers are used instead.
    """
    if cluster:
        from leaffliction.scale.dask import DaskWorkers
        return DaskWorkers(jobs, cluster)
    from leaffliction.utils.parallel import Workers
    return Workers(jobs)


if _is_running():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.name == "nt":
        print("error: Windows itself is not supported; run the programs in "
              "WSL (https://learn.microsoft.com/windows/wsl)",
              file=sys.stderr)
        sys.exit(1)
    sys.excepthook = _report_missing_library
