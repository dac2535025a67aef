"""utils/figures.py: windows or files, and what fonts can draw."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from utils import figures as figures_of
from utils.cli import UserError
from utils.figures import drawable, has_glyph, open_pyplot, show_or_save

ROOT = Path(__file__).resolve().parent.parent


def test_drawable_escapes_formulas():
    assert drawable("$x$\n") == r"\$x\$\n"


def test_what_no_font_has_is_named(monkeypatch):
    monkeypatch.setattr(figures_of, "FONTS", ())
    open_pyplot(True)
    has_glyph.cache_clear()
    assert drawable("A_\N{RED APPLE}é漢") == "A_<red apple>é<6f22>"


@pytest.fixture
def figures(tmp_path, monkeypatch):
    """Return two empty figures; files land in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    pyplot = open_pyplot(no_display=True)
    yield {"one": pyplot.figure(), "two": pyplot.figure()}
    assert not pyplot.get_fignums(), "figures are left open"


@pytest.mark.parametrize("save, names", [
    (None, ["figures/one.png", "figures/two.png"]),
    ("new/x.pdf", ["new/x_one.pdf", "new/x_two.pdf"])])
def test_show_or_save_writes_and_prints(figures, save, names, capsys):
    show_or_save(figures, save and Path(save))
    assert capsys.readouterr().out.splitlines() == [
        f"figure: {name}" for name in names]
    assert all(Path(name).stat().st_size for name in names)


def test_a_single_figure_has_exactly_the_name_asked_for(figures, capsys):
    show_or_save({"one": figures["one"]}, Path("x.PNG"))
    assert capsys.readouterr().out == "figure: x.PNG\n"
    assert Path("x.PNG").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("save", ["", ".", "/", "x", "x.docx"])
def test_an_unknown_kind_of_figure_is_answered_with_the_kinds(figures, save):
    with pytest.raises(UserError, match=r"saved as one of .*\.png"):
        show_or_save(figures, Path(save))
    assert not list(Path().iterdir())


@pytest.mark.parametrize("backend, shown, saved", [
    ("TkAgg", 1, 0), ("agg", 0, 2), ("svg", 0, 2)])
def test_figures_are_shown_or_saved_never_neither(
        figures, backend, shown, saved, monkeypatch):
    import matplotlib
    from matplotlib import pyplot
    calls = []
    monkeypatch.setattr(matplotlib, "get_backend", lambda: backend)
    monkeypatch.setattr(pyplot, "show", lambda: calls.append("show"))
    show_or_save(figures, None)
    assert len(calls) == shown
    assert len(list(Path().glob("figures/*.png"))) == saved


def test_an_unknown_backend_is_the_users_to_mend():
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n"
         "from utils import cli\nfrom utils.figures import open_pyplot\n"
         "sys.exit(cli.run(lambda: open_pyplot(False)))"],
        cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"MPLBACKEND": "nonsense"})
    assert done.returncode == 1
    assert done.stderr.startswith("error: matplotlib cannot start (")
    assert done.stderr.count("\n") == 1
