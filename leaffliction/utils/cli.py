"""What the five programs have in common on the command line.

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

from leaffliction import __version__
from leaffliction.utils.console import print_error
from leaffliction.utils.cores import usable_cores
from leaffliction.utils.errors import UserError, missing_library

DONE, FAILED, INTERRUPTED = 0, 1, 130
# Sides in pixels that a network takes: below, nothing is left at the top of
# MobileNetV2; beyond, there is no memory for a batch.
MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 1024
# More processes than any computer has cores; each takes memory.
MAX_JOBS = 256


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Names the defaults, but not that a flag is off by default."""

    def _get_help_string(self, action: argparse.Action) -> str:
        if action.default in (None, False):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """ArgumentParser whose complaints look like all other errors."""

    def __init__(self, description: str) -> None:
        super().__init__(
            description=description, allow_abbrev=False,
            formatter_class=_HelpFormatter)
        self.add_argument(
            "--version", action="version",
            version=f"%(prog)s {__version__}")

    def error(self, message: str) -> None:
        """Print usage and one ``error:`` line, and exit with status 2."""
        self.print_usage(sys.stderr)
        print_error(message)
        self.exit(2)

    def add_display(self) -> None:
        """Add --no-display, which every program that draws has."""
        self.add_argument(
            "--no-display", action="store_true",
            help="open no window; save the figure and print its path "
                 "(chosen by itself where there is no screen)")

    def add_jobs(self) -> None:
        """Add --jobs and --cluster: every program has parallel work."""
        self.add_argument(
            "--jobs", type=job_count, default=min(MAX_JOBS, usable_cores()),
            metavar="N", help="number of processes (or threads); by itself "
            "as many as processors may be used, in a container too")
        self.add_argument(
            "--cluster", type=cluster_address, metavar="ADDRESS",
            help="let the workers of a Dask cluster do the work on many "
                 "images; of its scheduler, as tcp://host:8786")

    def add_seed(self) -> None:
        """Add --seed, which every program that draws lots has."""
        self.add_argument(
            "--seed", type=non_negative_int, default=42, metavar="N",
            help="the same seed gives the same result")


def positive_int(text: str) -> int:
    """Return text as an integer of at least 1, for argparse."""
    return _bounded_int(text, 1)


def job_count(text: str) -> int:
    """Return text as a number of processes, at most MAX_JOBS, for argparse."""
    count = positive_int(text)
    if count > MAX_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MAX_JOBS}")
    return count


def cluster_address(text: str) -> str:
    """Return text as the address of a Dask scheduler, for argparse."""
    if not re.fullmatch(r"[a-z]+://[^/:]+:[0-9]+|[a-z]+://\[[^]]+\]:[0-9]+",
                        text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not like tcp://host:8786")
    return text


def non_negative_int(text: str) -> int:
    """Return text as an integer of at least 0, for argparse."""
    return _bounded_int(text, 0)


def _bounded_int(text: str, lowest: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = lowest - 1
    if number < lowest:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of at least {lowest}")
    return number


def fraction(text: str) -> float:
    """Return text as a number above 0 and below 1, for argparse."""
    return _bounded_float(text, lambda number: 0 < number < 1,
                          "above 0 and below 1")


def ratio(text: str) -> float:
    """Return text as a number from 0 to 10, for argparse."""
    return _bounded_float(text, lambda number: 0 <= number <= 10,
                          "from 0 to 10")


def _bounded_float(text: str, is_within: Callable, bounds: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not is_within(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number {bounds}")
    return number


def image_size(text: str) -> int:
    """Return text as a side in pixels that a network takes, for argparse."""
    size = positive_int(text)
    if not MIN_IMAGE_SIZE <= size <= MAX_IMAGE_SIZE:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not between {MIN_IMAGE_SIZE} and {MAX_IMAGE_SIZE} "
            "pixels")
    return size


def run(main: Callable[[], int]) -> int:
    """Return main's exit status, whatever happens inside it.

    The last clause is deliberately broad: a fault of ours must reach a user
    as one line as well.  LEAF_DEBUG=1 shows the traceback to us.
    """
    try:
        # A program may be started with its streams closed (`>&-`).
        sys.stdout = sys.stdout or open(os.devnull, "w")
        sys.stderr = sys.stderr or open(os.devnull, "w")
        for stream in (sys.stdout, sys.stderr):
            # A terminal in the C locale can't print an accent: escape it.
            # (A notebook's stream is of another kind, and can.)
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        status = main()
        sys.stdout.flush()
        return status
    except UserError as error:
        print_error(error)
    except KeyboardInterrupt:
        print_error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        pass        # The reader (`| head`) has left.
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print_error(f"{place}{error.strerror or error}")
    except MemoryError:
        print_error("out of memory")
    except ModuleNotFoundError as error:
        print_error(missing_library(error))
    except Exception as error:
        if _is_interrupt(error):
            print_error("interrupted")
            return INTERRUPTED
        if os.environ.get("LEAF_DEBUG"):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        print_error(f"internal fault, please report it: {error!r} "
                    f"({Path(place.filename).name}:{place.lineno})")
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            # Nobody reads, or the disk is full.  Python tries again at
            # exit, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _is_interrupt(error: BaseException | None) -> bool:
    """Tell whether an error was Ctrl-C before a library made it another."""
    return error is not None and (
        isinstance(error, KeyboardInterrupt)
        or _is_interrupt(error.__cause__ or error.__context__))
