"""leaffliction/utils/figures.py: windows or files, and missing glyphs."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from paths import ROOT
from PIL import Image

from leaffliction.model.classifier import Classifier
from leaffliction.utils import cli
from leaffliction.utils import figures as figures_module
from leaffliction.utils.errors import UserError
from leaffliction.utils.figures import (has_glyph, hide_axes, open_pyplot,
                                        renderable, show_or_save)
from leaffliction.utils.marks import (DRAWING, last_bytes, marked_kind,
                                      marked_source, source_key)


def test_renderable_escapes_formulas():
    assert renderable("$x$\n") == r"\$x\$\n"


def test_missing_glyphs_are_replaced_by_their_names(monkeypatch):
    monkeypatch.setattr(figures_module, "FALLBACK_FONTS", ())
    open_pyplot(True)
    has_glyph.cache_clear()
    assert renderable("A_\N{RED APPLE}é漢") == "A_<red apple>é<6f22>"


@pytest.fixture
def figures(tmp_path, monkeypatch):
    """Return two empty figures; the current folder is the test's."""
    monkeypatch.chdir(tmp_path)
    pyplot = open_pyplot(no_display=True)
    yield {"one": pyplot.figure(), "two": pyplot.figure()}
    assert not pyplot.get_fignums(), "figures must be closed"


@pytest.mark.parametrize("save, names", [
    (None, ["figures/one.png", "figures/two.png"]),
    ("new/x.pdf", ["new/x_one.pdf", "new/x_two.pdf"])])
def test_show_or_save_writes_and_prints_paths(figures, save, names, capsys):
    show_or_save(figures, save and Path(save), "leaf")
    assert capsys.readouterr().out.splitlines() == [
        f"figure: {name}" for name in names]
    assert all(Path(name).stat().st_size for name in names)


def test_single_figure_gets_exactly_the_name_of_save(figures, capsys):
    show_or_save({"one": figures["one"]}, Path("x.PNG"), "leaf")
    assert capsys.readouterr().out == "figure: x.PNG\n"
    assert Path("x.PNG").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("save", ["", ".", "/", "x", "x.docx"])
def test_the_error_for_an_unknown_format_lists_the_known_ones(figures, save):
    with pytest.raises(UserError, match=r"saved as one of .*\.png"):
        show_or_save(figures, Path(save), "leaf")
    assert not list(Path().iterdir())


@pytest.mark.parametrize("backend, shown, saved", [
    ("TkAgg", 1, 0), ("agg", 0, 2), ("svg", 0, 2)])
def test_backend_decides_whether_figures_are_shown_or_saved(
        figures, backend, shown, saved, monkeypatch):
    import matplotlib
    from matplotlib import pyplot
    calls = []
    monkeypatch.setattr(matplotlib, "get_backend", lambda: backend)
    monkeypatch.setattr(pyplot, "show", lambda: calls.append("show"))
    show_or_save(figures, None, "leaf")
    assert len(calls) == shown
    assert len(list(Path().glob("figures/*.png"))) == saved


# Backends that the environment names.

DRAW = """
import sys
from leaffliction.utils import cli
from leaffliction.utils.figures import open_pyplot, show_or_save
def main():
    pyplot = open_pyplot(sys.argv[1] == "hidden")
    show_or_save({"one": pyplot.figure()}, None, "leaf")
    return 0
sys.exit(cli.run(main))
"""


def draw(folder, *arguments, **environment):
    """Draw a figure in another process, with these environment variables."""
    return subprocess.run(
        [sys.executable, "-c", DRAW, *arguments], cwd=folder,
        capture_output=True, text=True, timeout=60, env=os.environ | {
            "PYTHONPATH": f"{ROOT}:{os.environ['PYTHONPATH']}"} | environment)


# Those of notebooks, two without toolkit or screen, and invalid names.
UNUSABLE = ["module://matplotlib_inline.backend_inline", "nbAgg",
            "module://ipympl.backend_nbagg", "QtAgg", "TkAgg", "nonsense",
            "module://"]


@pytest.mark.parametrize("backend", UNUSABLE)
def test_unusable_backend_saves_the_figure_with_a_note(
        tmp_path, monkeypatch, capsys, backend):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", backend)
    show_or_save({"one": open_pyplot(False).figure()}, None, "leaf")
    printed = capsys.readouterr()
    assert printed.out == "figure: figures/one.png\n"
    assert printed.err.startswith(f"no window: the backend {backend} ")
    assert printed.err.count("\n") == 1
    assert Path("figures/one.png").is_file()
    # An option of the command line needs no note.
    for no_display, save in ((True, None), (False, Path("x.svg"))):
        show_or_save({"one": open_pyplot(no_display, save).figure()}, save,
                     "leaf")
        printed = capsys.readouterr()
        path = save or Path("figures/one.png")
        assert (printed.out, printed.err) == (f"figure: {path}\n", "")
    assert os.environ["MPLBACKEND"] == backend, "must be unchanged"


@pytest.mark.parametrize("where", ["MPLBACKEND", "matplotlibrc"])
def test_unknown_backend_does_not_stop_the_import(tmp_path, where):
    environment = {"MPLBACKEND": "", "DISPLAY": ":987"}
    if where == "MPLBACKEND":
        environment["MPLBACKEND"] = "nonsense"
    else:
        (tmp_path / "matplotlibrc").write_text("backend: nonsense\n")
    done = draw(tmp_path, "shown", **environment)
    assert (done.returncode, done.stdout) == (0, "figure: figures/one.png\n")
    assert "Traceback" not in done.stderr
    done = draw(tmp_path, "hidden", **environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_toolkit_without_a_screen_falls_back_to_files(monkeypatch, tmp_path):
    import matplotlib
    from matplotlib import pyplot

    def fail(**_):
        raise RuntimeError("couldn't connect to display\nmore")

    switch = pyplot.switch_backend
    monkeypatch.setenv("MPLBACKEND", "TkAgg")
    monkeypatch.setattr(pyplot, "switch_backend", lambda name: (
        None if name == "TkAgg" else switch(name)))
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "tkagg")
    monkeypatch.setattr(pyplot, "figure", fail)
    open_pyplot(False)
    monkeypatch.undo()
    assert matplotlib.get_backend().lower() == "agg"


def test_in_a_notebook_the_inline_backend_draws(monkeypatch, tmp_path):
    import types

    import matplotlib
    from matplotlib import pyplot

    # Like matplotlib-inline, it checks on import whether rcParams names it.
    (tmp_path / "a_notebook_inline.py").write_text(
        "import matplotlib\nfrom matplotlib.backends.backend_agg import *\n"
        "shown = [dict.get(matplotlib.rcParams, 'backend')]\n"
        "def show(*_, **__): shown.append(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("kernel"))
    monkeypatch.setenv("MPLBACKEND", "module://a_notebook_inline")
    try:
        for no_display in (True, False):
            figure = open_pyplot(no_display).figure()
            if not no_display:
                show_or_save({"one": figure}, None, "leaf")
                # Later cells still draw into the page.
                assert "inline" in matplotlib.get_backend()
        page = sys.modules["a_notebook_inline"]
        assert page.shown == ["module://a_notebook_inline", 1]
    finally:
        sys.modules.pop("a_notebook_inline", None)
        monkeypatch.undo()
        pyplot.close("all")
        matplotlib.use("Agg")


# Existing files.

def test_a_figure_of_another_source_is_not_overwritten(figures):
    one, two = Path("Apple/image (1).JPG"), Path("Grape/image (1).JPG")
    files = [Path(f"figures/one{ending}.png") for ending in ("", "-2", "-3")]
    for source, count in ((one, 1), (two, 2), (one, 2), (two, 2), ("x", 3)):
        show_or_save({"one": figures["one"]}, None, source)
        assert sorted(Path("figures").iterdir()) == sorted(files[:count])
    assert [marked_source(last_bytes(file)) for file in files] == [
        source_key(source) for source in (one, two, "x")]
    # A figure without mark is the user's.
    files[0].write_bytes(files[0].read_bytes() + b"user")
    show_or_save({"one": figures["one"]}, None, one)
    assert Path("figures/one-4.png").is_file()
    assert files[0].read_bytes().endswith(b"user")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [
    "png", "jpg", "jpeg", "tif", "tiff", "webp", "gif", "avif", "svg", "pdf",
    "ps", "eps"])
def test_figures_of_every_format_are_marked_and_readable(figures, kind):
    path = Path(f"x.{kind}")
    figures["one"].set_size_inches(2, 1)
    for _ in range(2):
        show_or_save({"one": figures["one"]}, path, Path("leaf.png"))
    assert marked_kind(last_bytes(path)) == DRAWING
    if kind == "svg":
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    elif kind not in ("pdf", "ps", "eps"):
        with Image.open(path) as image:
            image.load()
            assert image.size == (200, 100)
        if kind not in ("gif", "avif"):     # OpenCV cannot read these.
            assert cv2.imread(str(path)).shape == (100, 200, 3)


@pytest.mark.parametrize("content", [
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"%PDF-1.4\n", b"<svg/>",
    b"<?xml version='1.0'?>\n<!-- a plan -->\n<svg xmlns='x'/>"])
def test_image_of_the_user_is_not_overwritten(figures, content):
    Path("x.png").write_bytes(content)
    with pytest.raises(UserError, match="x.png: is an image that these"):
        show_or_save({"one": figures["one"]}, Path("x.png"), "leaf")
    assert Path("x.png").read_bytes() == content
    assert not list(Path().glob(".partial*"))


@pytest.mark.parametrize("program, arguments", [
    ("Distribution", ["images"]),
    ("Transformation", ["images/Apple_scab/image (1).JPG"]),
    ("predict", ["images", "--learnings", "my/learnings.zip"]),
    ("predict", ["images", "--learnings", "my/learnings.zip", "--evaluate"])])
def test_unknown_format_is_refused_before_the_work(
        program, arguments, monkeypatch, tmp_path, capsys):
    import importlib
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "images" / "Apple_scab" / "image (1).JPG"
    file.parent.mkdir(parents=True)
    file.write_text("reading this file would raise another error")
    monkeypatch.setattr(Classifier, "load", lambda *_: None)
    main = importlib.import_module(program).main
    assert cli.run(lambda: main([*arguments, "--save", "a.zip"])) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: a.zip: a figure is saved as one of .")
    assert error.count("\n") == 1


def test_hidden_axes_leave_the_pixels_as_matplotlib_would():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def pixels(hide):
        figure = Figure((2, 1), layout="constrained")
        ax = figure.subplots()
        ax.imshow(np.eye(9))
        ax.set_title("leaf.jpg")
        hide(ax)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())

    hidden = pixels(hide_axes)
    assert np.array_equal(hidden, pixels(lambda ax: ax.axis("off")))
    assert not np.array_equal(hidden, pixels(lambda ax: None))
