"""The command line that the five programs share.

Results go to stdout, all else to stderr.  Exit status: 0 done, 1 one
``error: ...`` line for each problem, 2 wrong usage, 130 interrupted.
"""

import argparse
import io
import math
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from leaffliction import __version__
from leaffliction.utils.console import print_error
from leaffliction.utils.cores import usable_cores
from leaffliction.utils.errors import UserError, explain_import_error

# Exit statuses; argparse has 2 for wrong usage.
DONE, FAILED, INTERRUPTED = 0, 1, 130
# Side of a network's input, in pixels.  MobileNetV2 divides it by 32; beyond
# 1024, a batch does not fit into memory.
MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 1024
# Each process takes memory, and hardly any computer has more cores.
MAX_JOBS = 256
MAX_PORT = 65535


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, except None and those of flags."""

    def _get_help_string(self, action: argparse.Action) -> str:
        if action.default in (None, False):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """ArgumentParser with the options and the error line of all programs."""

    def __init__(self, description: str) -> None:
        super().__init__(
            description=description, allow_abbrev=False,
            formatter_class=_HelpFormatter)
        self.add_argument(
            "--version", action="version",
            version=f"%(prog)s {__version__}")

    def error(self, message: str) -> NoReturn:
        """Print the usage and one ``error:`` line, and exit with status 2."""
        self.print_usage(sys.stderr)
        print_error(message)
        self.exit(2)

    def add_display(self) -> None:
        """Add --no-display, for programs that show figures."""
        self.add_argument(
            "--no-display", action="store_true",
            help="open no window; save the figure and print its path (this "
                 "is the default where there is no screen)")

    def add_jobs(self) -> None:
        """Add --jobs and --cluster, for programs with parallel work."""
        self.add_argument(
            "--jobs", type=job_count, default=min(MAX_JOBS, usable_cores()),
            metavar="N", help="number of processes or threads; without it, "
            "one for each processor core that the program may use")
        self.add_argument(
            "--cluster", type=cluster_address, metavar="ADDRESS",
            help="process the images on a Dask cluster; ADDRESS is that of "
                 "its scheduler, such as tcp://host:8786")

    def add_seed(self) -> None:
        """Add --seed, for programs with random numbers."""
        self.add_argument(
            "--seed", type=non_negative_int, default=42, metavar="N",
            help="seed of the random numbers; the same seed gives the same "
                 "result")


# Types of arguments: each converts the text of an argument, or raises
# ArgumentTypeError with a message for the user.

def positive_int(text: str) -> int:
    """Return text as an integer of at least 1."""
    return _bounded_int(text, 1)


def non_negative_int(text: str) -> int:
    """Return text as an integer of at least 0."""
    return _bounded_int(text, 0)


def job_count(text: str) -> int:
    """Return text as a number of processes, from 1 to MAX_JOBS."""
    count = positive_int(text)
    if count > MAX_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MAX_JOBS}")
    return count


def port(text: str) -> int:
    """Return text as the number of a TCP port; 0 is any that is free."""
    number = non_negative_int(text)
    if number > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MAX_PORT}")
    return number


def image_size(text: str) -> int:
    """Return text as the side of a network's input, in pixels."""
    size = positive_int(text)
    if not MIN_IMAGE_SIZE <= size <= MAX_IMAGE_SIZE:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not between {MIN_IMAGE_SIZE} and {MAX_IMAGE_SIZE} "
            "pixels")
    return size


def fraction(text: str) -> float:
    """Return text as a number between 0 and 1, both excluded."""
    return _bounded_float(text, lambda number: 0 < number < 1,
                          "above 0 and below 1")


def ratio(text: str) -> float:
    """Return text as a number from 0 to 10."""
    return _bounded_float(text, lambda number: 0 <= number <= 10,
                          "from 0 to 10")


def minutes(text: str) -> float:
    """Return text as a number of minutes, above 0 and up to a week."""
    return _bounded_float(text, lambda number: 0 < number <= 10080,
                          "above 0 and up to 10080")


def cluster_address(text: str) -> str:
    """Return text if it is the address of a Dask scheduler."""
    if not re.fullmatch(r"[a-z]+://[^/:]+:[0-9]+|[a-z]+://\[[^]]+\]:[0-9]+",
                        text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not like tcp://host:8786")
    return text


def _bounded_int(text: str, lowest: int) -> int:
    """Return text as an integer of at least `lowest`."""
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if number < lowest:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of at least {lowest}")
    return number


def _bounded_float(text: str, is_within: Callable[[float], bool],
                   bounds: str) -> float:
    """Return text as a number for which is_within; bounds: in words."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not is_within(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number {bounds}")
    return number


# Exit statuses and error lines.

def run(main: Callable[[], int]) -> int:
    """Run main and return its exit status; print each error as one line.

    This holds for bugs as well.  With LEAF_DEBUG=1 in the environment, the
    exception of a bug is raised, with its traceback.
    """
    try:
        _prepare_streams()
        status = main()
        sys.stdout.flush()
        return status
    except UserError as error:
        print_error(error)
    except BrokenPipeError:
        pass        # The reader of a pipe (`| head`) has ended.
    except OSError as error:
        file = f"{error.filename}: " if error.filename else ""
        print_error(f"{file}{error.strerror or error}")
    except MemoryError:
        print_error("out of memory")
    except ModuleNotFoundError as error:
        print_error(explain_import_error(error))
    except (KeyboardInterrupt, Exception) as error:
        if _is_interrupt(error):
            print_error("interrupted")
            return INTERRUPTED
        if os.environ.get("LEAF_DEBUG"):
            raise
        origin = traceback.extract_tb(error.__traceback__)[-1]
        print_error(f"internal error, please report it: {error!r} "
                    f"({Path(origin.filename).name}:{origin.lineno})")
    finally:
        _flush_stdout()
    return FAILED


def _prepare_streams() -> None:
    """Make sure that stdout and stderr accept any text."""
    # The shell may have closed them (`>&-`).
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    for stream in (sys.stdout, sys.stderr):
        # In the C locale an accent raises UnicodeEncodeError: escape it.
        # The streams of a notebook are of another class, and take any text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush_stdout() -> None:
    """Flush stdout; discard the rest if that fails.

    It fails if a pipe's reader has ended or the disk is full.  Python
    would flush again at exit, and print a traceback.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_interrupt(error: BaseException | None) -> bool:
    """Return whether an error is, or was caused by, a KeyboardInterrupt.

    A library that is interrupted may raise another exception from it.
    """
    return error is not None and (
        isinstance(error, KeyboardInterrupt)
        or _is_interrupt(error.__cause__ or error.__context__))
