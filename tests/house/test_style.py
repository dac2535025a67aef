"""The whole repository keeps the norm."""

import ast
import subprocess
import sys

from paths import ROOT


def test_subject_2_flake8_without_configuration_is_silent():
    done = subprocess.run([sys.executable, "-m", "flake8"], cwd=ROOT,
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_subject_2_nothing_configures_flake8():
    for name in ("setup.cfg", "tox.ini", ".flake8"):
        assert not (ROOT / name).exists()


def programs_and_package():
    """Return the files that users run."""
    return [*ROOT.glob("*.py"), *ROOT.glob("leaffliction/**/*.py")]


def test_nothing_that_is_read_is_run():
    names = set()
    for file in programs_and_package():
        if file.name == "dask.py":
            continue    # It opens what the program itself has sent.
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names |= {alias.name for alias in node.names}
                names.add(getattr(node, "module", None))
            if isinstance(node, ast.Call):
                names.add(getattr(node.func, "id", None))
                names.add(getattr(node.func, "attr", None))
                for keyword in node.keywords:
                    if isinstance(keyword.value, ast.Constant):
                        names.add((keyword.arg, keyword.value.value))
    assert {"subprocess", "load", ("allow_pickle", False)} <= names
    assert not names & {
        "eval", "exec", "pickle", "marshal", "shelve", "dill",
        "joblib", "system", "popen", "extractall", "extract", "load_model",
        ("shell", True), ("allow_pickle", True), ("safe_mode", False)}
