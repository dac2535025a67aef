"""Errors that the user can solve."""

import sys


class UserError(Exception):
    """A problem that the user can solve; its text is the ``error:`` line."""


def missing_library(error: ModuleNotFoundError) -> str:
    """Return the error line for a Python package that is not installed."""
    package = (error.name or "?").split(".")[0]
    return (f"the Python package {package} is not installed for "
            f"{sys.executable}; run `make demo` once and start the programs "
            "with .venv/bin/python, or install requirements.txt")
