"""Rules that hold for the whole repository."""

import ast

from paths import ROOT

# Calls, modules and arguments that could execute a file's content, or write
# an archive's members wherever their names lead.
FORBIDDEN = {
    "eval", "exec", "pickle", "marshal", "shelve", "dill", "joblib",
    "system", "popen", "extractall", "extract", "load_model",
    ("shell", True), ("allow_pickle", True), ("safe_mode", False)}


def test_subject_2_no_file_configures_flake8():
    # `make test` runs flake8 itself, before the tests.
    for name in ("setup.cfg", "tox.ini", ".flake8"):
        assert not (ROOT / name).exists()
    assert "-m flake8\n" in (ROOT / "Makefile").read_text()


def test_no_function_is_longer_than_50_lines():
    for file in (*ROOT.glob("*.py"), *ROOT.glob("leaffliction/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = node.end_lineno - node.lineno + 1
                assert length <= 50, f"{file.name}: {node.name}: {length}"


def names_in(tree):
    """Return what a syntax tree imports and calls, and constant arguments.

    Imports and calls are names; arguments are pairs (name, constant).
    """
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.name for alias in node.names}
            names.add(getattr(node, "module", None))
        if isinstance(node, ast.Call):
            names.add(getattr(node.func, "id", None))
            names.add(getattr(node.func, "attr", None))
            names |= {(keyword.arg, keyword.value.value)
                      for keyword in node.keywords
                      if isinstance(keyword.value, ast.Constant)}
    return names


def test_no_program_executes_what_it_reads():
    names = set()
    for file in (*ROOT.glob("*.py"), *ROOT.glob("leaffliction/**/*.py")):
        # dask.py unpickles only what the program itself has sent.
        if file.name != "dask.py":
            names |= names_in(ast.parse(file.read_text()))
    # The test does see imports, calls and arguments.
    assert {"subprocess", "load", ("allow_pickle", False)} <= names
    assert not names & FORBIDDEN
