"""pyproject.toml, requirements.txt and the code agree with each other."""

import ast
import importlib
import re
import sys
import tomllib

import pytest
from paths import ROOT

import leaffliction
from leaffliction.program import PROGRAMS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
# Import names that differ from the names of their packages.
PACKAGES = {"cv2": "opencv-python", "PIL": "pillow", "sklearn":
            "scikit-learn", "upath": "universal_pathlib",
            "fsspec": "universal_pathlib", "ai_edge_litert": "ai-edge-litert"}
# Read where they are installed, and never required.
OPTIONAL = {"pillow_heif", "pillow_jxl"}


def test_requirements_are_those_of_the_package_and_its_extras():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = {line for line in lines if line and not line.startswith("#")}
    declared = set(PROJECT["project"]["dependencies"])
    assert required == declared.union(*EXTRAS.values())


def test_every_import_is_declared():
    declared = {re.split(r"[\[<>=]", line)[0] for line in (
        *PROJECT["project"]["dependencies"], *sum(EXTRAS.values(), []))}
    imported = set()
    for file in (*ROOT.glob("*.py"), *ROOT.glob("leaffliction/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module)
    names = {name.split(".")[0] for name in imported}
    names -= {*sys.stdlib_module_names, "leaffliction", *OPTIONAL}
    assert {PACKAGES.get(name, name) for name in names} == declared


def test_all_packages_are_installed_with_all_of_their_files():
    settings = PROJECT["tool"]["setuptools"]
    released = "leaffliction.models"
    found = {".".join(file.parent.relative_to(ROOT).parts)
             for file in ROOT.glob("leaffliction/**/__init__.py")}
    assert sorted(settings["packages"]) == sorted({*found, released})
    # utils/models_folder.py looks for it there.
    assert settings["package-dir"] == {released: "models"}
    assert {"*.zip", "*.txt", "*.md"} <= set(
        settings["package-data"][released])
    # Texts, styles, the page: all that is no Python.
    for file in ROOT.glob("leaffliction/**/*.*"):
        if file.suffix in (".py", ".pyc"):
            continue
        folder = next(folder for folder in file.parents
                      if (folder / "__init__.py").is_file())
        package = ".".join(folder.relative_to(ROOT).parts)
        assert any(file.relative_to(folder).match(pattern) for pattern in
                   settings["package-data"].get(package, ())), file


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_prints_its_version(name, capsys):
    module = importlib.import_module(name)
    with pytest.raises(SystemExit) as end:
        module.main(["--version"])
    assert end.value.code == 0
    assert leaffliction.__version__ in capsys.readouterr().out


def test_the_package_offers_what_it_lists_and_nothing_else():
    from leaffliction import Classifier, Prediction
    assert callable(Classifier.load) and Prediction.__name__ == "Prediction"
    with pytest.raises(AttributeError, match="Learnings"):
        leaffliction.Learnings
