"""leaffliction/utils/errors.py: what to do about a missing library."""

import sys

import pytest

from leaffliction.utils.errors import explain_import_error


@pytest.mark.parametrize("name, package", [
    ("numpy", "numpy"), ("numpy.linalg", "numpy"), (None, "?")])
def test_a_missing_package_is_named_with_the_python_that_lacks_it(
        name, package):
    assert explain_import_error(ModuleNotFoundError(name=name)) == (
        f"the Python package {package} is not installed for "
        f"{sys.executable}; run `make demo` once and start the programs with "
        ".venv/bin/python, or install requirements.txt")


def test_a_package_that_cannot_be_loaded_is_named_with_the_reason():
    assert explain_import_error(ImportError("no libGL.so.1", name="cv2")) == (
        "the Python package cv2 cannot be loaded: no libGL.so.1")
