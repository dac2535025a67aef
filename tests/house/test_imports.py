"""Which package may import which, checked over the syntax trees."""

import ast
import sys

from paths import ROOT

PACKAGE = "leaffliction"
ROOMS = ("distribution", "augmentation", "transformation", "model",
         "prediction", "web", "training", "scale", "release")
# What each room may import beside itself and utils.  program.py is what the
# five programs share; leaffliction/__init__.py only offers Classifier.
ALLOWED = {
    "utils": (), "distribution": (), "augmentation": (),
    "transformation": (), "model": (),
    "prediction": ("model", "transformation"),
    "web": ("model", "transformation", "prediction"),
    "training": ("distribution", "augmentation", "transformation", "model"),
    "scale": ("distribution", "augmentation", "transformation", "model",
              "training"),
    "release": ("augmentation", "transformation", "model", "prediction",
                "training"),
    "program": ("scale",), "__init__": ("model",)}
PROGRAMS = {file.stem for file in ROOT.glob("*.py")}


def imports_of(file):
    """Yield the full name of each module or attribute that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules():
    """Return {dotted name: file} of all modules of the package."""
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file
            for file in ROOT.glob(f"{PACKAGE}/**/*.py")}


def test_each_room_imports_only_what_the_table_allows():
    for name, file in modules().items():
        room = name.split(".")[1]
        for imported in imports_of(file):
            top, *rest = imported.split(".")
            assert top not in PROGRAMS | {"samples", "tests", "benchmarks"}, (
                f"{name} imports {imported}")
            if top == PACKAGE and rest[0] in ROOMS:
                assert rest[0] in (room, *ALLOWED[room]), (
                    f"{name} imports {imported}")


def test_samples_import_only_utils():
    for file in ROOT.glob("samples/*.py"):
        for imported in imports_of(file):
            top, *rest = imported.split(".")
            assert top != PACKAGE or rest[0] == "utils", (
                f"{file.name} imports {imported}")


def test_there_are_no_cycles():
    known, state = modules(), {}

    def visit(name, path):
        if state.get(name) == "done":
            return
        assert state.get(name) != "open", " -> ".join([*path, name])
        state[name] = "open"
        for imported in imports_of(known[name]):
            while imported and imported not in known:
                imported = imported.rpartition(".")[0]
            if imported and imported != name:
                visit(imported, [*path, name])
        state[name] = "done"

    for name in known:
        visit(name, [])


def test_heavy_libraries_are_imported_inside_functions():
    heavy = {"tensorflow", "keras", "plantcv", "matplotlib", "sklearn",
             "scipy", "h5py", "distributed", "ai_edge_litert"}
    for name, file in modules().items():
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                tops = ({alias.name.split(".")[0] for alias in node.names}
                        if isinstance(node, ast.Import)
                        else {node.module.split(".")[0]})
                assert not tops & heavy, f"{name} imports {tops & heavy}"


def test_the_table_names_every_package():
    rooms = {path.parent.name for path in ROOT.glob(f"{PACKAGE}/*/*.py")}
    assert rooms <= {"utils", *ROOMS}
    assert "leaffliction" not in sys.stdlib_module_names
