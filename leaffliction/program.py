"""How each of the five programs starts and ends.

A program imports this module before any other.  While its other imports run,
Ctrl-C ends it silently; a missing library, an old Python and Windows end it
with one ``error:`` line instead of a traceback.
"""

# An old Python must be able to run this file, to say that it is too old.
from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from leaffliction.scale.dask import DaskWorkers
    from leaffliction.utils.parallel import Workers

PROGRAMS = ("Distribution", "Augmentation", "Transformation", "train",
            "predict")
OLDEST_PYTHON = (3, 11)


def start(main: Callable[[], int]) -> NoReturn:
    """Run main and exit with its status.

    During main, Ctrl-C raises KeyboardInterrupt, so that partial files are
    removed.
    """
    from leaffliction.utils.cli import run

    def run_main() -> int:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            return main()
        finally:
            # A second Ctrl-C would stop the removal, with a traceback.
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    sys.exit(run(run_main))


def make_workers(jobs: int, cluster: str | None) -> Workers | DaskWorkers:
    """Return the workers that process many images.

    jobs: number of processes or threads on this computer.
    cluster: address of a Dask scheduler; its workers are used instead.
    """
    if cluster:
        from leaffliction.scale.dask import DaskWorkers
        return DaskWorkers(jobs, cluster)
    from leaffliction.utils.parallel import Workers
    return Workers(jobs)


def unsupported_system() -> str | None:
    """Return why the programs cannot run on this system, if they cannot."""
    if os.name == "nt":     # It has neither fcntl nor pthread_sigmask.
        return ("Windows is not supported; run the programs in WSL "
                "(https://learn.microsoft.com/windows/wsl)")
    if sys.version_info < OLDEST_PYTHON:
        oldest, found = (".".join(map(str, version[:2]))
                         for version in (OLDEST_PYTHON, sys.version_info))
        return (f"Python {oldest} or newer is needed, and {sys.executable} "
                f"is Python {found}; run `make demo` once and start the "
                "programs with .venv/bin/python")
    return None


def _prepare_imports() -> None:
    """Make the imports of a program end without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    problem = unsupported_system()
    if problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(1)
    sys.excepthook = _report_import_error


def _report_import_error(kind: type[BaseException], error: BaseException,
                         trace: TracebackType | None) -> None:
    """Print an exception; for sys.excepthook.  The exit status is 1."""
    if isinstance(error, ImportError):
        from leaffliction.utils.errors import explain_import_error
        print(f"error: {explain_import_error(error)}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _is_program(main_file: str | None) -> bool:
    """Return whether the file of ``__main__`` is one of the programs."""
    return main_file is not None and Path(main_file).stem in PROGRAMS


if _is_program(getattr(sys.modules["__main__"], "__file__", None)):
    _prepare_imports()
