"""Errors that the user can solve."""

import sys


class UserError(Exception):
    """A problem that the user can solve; its text is the ``error:`` line."""


def explain_import_error(error: ImportError) -> str:
    """Return the error line for a Python package that cannot be imported."""
    package = (error.name or "?").split(".")[0]
    if not isinstance(error, ModuleNotFoundError):
        # Often a library of the system: OpenCV needs libGL.so.1.
        return f"the Python package {package} cannot be loaded: {error}"
    return (f"the Python package {package} is not installed for "
            f"{sys.executable}; run `make demo` once and start the programs "
            "with .venv/bin/python, or install requirements.txt")
