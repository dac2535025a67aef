"""Errors that a user can solve."""

import sys


class UserError(Exception):
    """A problem that the user can solve; its text is the error line."""


def missing_library(error: ModuleNotFoundError) -> str:
    """Return what the user can do about a library that is not installed."""
    return (f"the Python package {(error.name or '?').split('.')[0]} is not "
            f"installed for {sys.executable}; run `make demo` once and start "
            "the programs with .venv/bin/python, or install "
            "requirements.txt")
