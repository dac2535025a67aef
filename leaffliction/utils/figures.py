"""Figures: open a window or save a file, and names that can be drawn."""

import logging
import os
import sys
import unicodedata
from contextlib import suppress
from functools import cache
from pathlib import Path

from leaffliction.utils.console import print_note, printable
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write
from leaffliction.utils.marks import (last_bytes, mark, marked_source,
                                      source_key)
from leaffliction.utils.overwrite import refuse_folder
from leaffliction.utils.storage import is_local

# Figures that have no --save name of their own land here.
FIGURES = Path("figures")
# The backends of matplotlib that draw into files; all others open windows.
FILE_BACKENDS = frozenset(("agg", "cairo", "pdf", "pgf", "ps", "svg",
                           "template"))
# Those that draw into a page of a notebook, and need its kernel.
NOTEBOOK_BACKENDS = ("inline", "nbagg", "ipympl", "widget", "notebook",
                     "backend_nbagg")
# Kinds of file in which matplotlib always saves figures.
COMMON_KINDS = (".png", ".jpg", ".jpeg", ".pdf", ".svg")
# Files in which there is no room for a mark.
UNMARKED = ("raw", "rgba", "pgf", "svgz")
# Tried in this order for what matplotlib's own font lacks.
FONTS = ("Noto Sans CJK JP", "WenQuanYi Zen Hei", "Hiragino Sans",
         "Microsoft YaHei", "Noto Emoji", "Segoe UI Emoji", "Symbola",
         "Arial Unicode MS")


def shortened(name: str, longest: int) -> str:
    """Return a name of at most so many characters."""
    return name if len(name) <= longest else name[:longest - 1] + "…"


def drawable(text: object) -> str:
    """Return legible text, in which $...$ is no formula to matplotlib."""
    return legible(text).replace("$", r"\$")


def legible(text: object) -> str:
    """Return printable text that the fonts of figures have.

    What none of them can draw is named: "<red apple>".
    """
    return "".join(character if has_glyph(character) else
                   f"<{_name(character)}>" for character in printable(text))


def _name(character: str) -> str:
    """Return the name of a character, or its number if it has no other."""
    name = unicodedata.name(character, f"{ord(character):x}").lower()
    return name.removeprefix("cjk unified ideograph-")


@cache
def has_glyph(character: str) -> bool:
    """Tell whether one of the fonts that figures use has a character."""
    if character.isascii():
        return True
    from matplotlib import font_manager, rcParams
    return any(
        font_manager.get_font(font_manager.findfont(family)).get_char_index(
            ord(character)) for family in rcParams["font.family"])


def hush_matplotlib() -> str:
    """Import matplotlib, silent and whatever the environment says.

    Returns the backend that MPLBACKEND or a matplotlibrc names: inherited
    from a notebook or a desktop, it need not be one that can start here.
    "" where matplotlib chooses itself.
    Raises UserError where a matplotlibrc can't be read.
    """
    # It tells where its cache is when there is no home.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # An unknown name would stop the import itself.
    wanted = os.environ.pop("MPLBACKEND", "")
    try:
        import matplotlib
    except ValueError as error:
        raise UserError(f"matplotlib cannot start ({error})") from None
    finally:
        if wanted:
            os.environ["MPLBACKEND"] = wanted
    # Not by rcParams["backend"], which would choose one now.
    chosen = dict.get(matplotlib.rcParams, "backend")
    return wanted or (chosen if isinstance(chosen, str) else "")


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    return "ipykernel" in sys.modules


def open_pyplot(no_display: bool, save: Path | None = None):
    """Return matplotlib.pyplot, able to open windows only if wanted.

    save: where the figure goes, if the user has said so.
    Without a screen, or where the backend that MPLBACKEND names can't start,
    figures are drawn into files, which `show_or_save` then notices.  A note
    says why, unless the user has asked for files.
    """
    wanted = hush_matplotlib()
    import matplotlib
    from matplotlib import font_manager, pyplot
    if no_display or wanted.lower() in FILE_BACKENDS:
        matplotlib.use("Agg")
    else:
        try:
            _open_window(wanted)
        except Exception as error:
            # Each toolkit has errors of its own.
            matplotlib.use("Agg")
            if wanted and save is None:
                reason = str(error).strip().splitlines() or [repr(error)]
                print_note(f"no window: the backend {wanted} of matplotlib "
                           f"cannot start here ({reason[0]}); figures are "
                           "saved")
    # A figure for each of many plants is meant so.
    pyplot.rcParams["figure.max_open_warning"] = 0
    # Names of folders may hold any script, and emoji.
    installed = set(font_manager.get_font_names())
    pyplot.rcParams["font.family"] = [
        "DejaVu Sans", *(font for font in FONTS if font in installed)]
    return pyplot


def _open_window(wanted: str) -> None:
    """Start a backend of this name; any error where it can't.

    wanted: "" for one that matplotlib chooses, which may draw into files.
    """
    import matplotlib
    from matplotlib import pyplot
    if not in_notebook() and any(
            name in wanted.lower() for name in NOTEBOOK_BACKENDS):
        raise RuntimeError("it belongs to a notebook's kernel")
    if wanted:
        _switch_backend(wanted)
    if matplotlib.get_backend().lower() not in FILE_BACKENDS:
        # A toolkit may be there that finds no screen: it says so here.
        pyplot.close(pyplot.figure(figsize=(1, 1)))


def _switch_backend(name: str) -> None:
    """Start a backend of this name; any error where it can't."""
    import matplotlib
    from matplotlib import pyplot

    # That of notebooks looks, when it is imported, whether it is chosen: else
    # it shows nothing, neither now nor in the cells that follow.
    matplotlib.rcParams["backend"] = name
    pyplot.switch_backend(name)


def show_or_save(figures: dict[str, object], save: Path | None,
                 source: Path | str, quiet: bool = False) -> None:
    """Show the figures in windows, or save them and print their paths.

    figures: matplotlib figures by the name that each gets as a file below
    FIGURES.  save: the file for the figure instead (for several, the first
    part of their names); with it, they are saved even if there is a screen.
    source: what they show; below FIGURES they replace what shows the same,
    and nothing else.  quiet: stdout has other content.
    """
    import matplotlib
    from matplotlib import pyplot
    windows = matplotlib.get_backend().lower() not in FILE_BACKENDS
    try:
        if save is not None or not windows:
            for name, figure in figures.items():
                if save is None:
                    save_figure(figure, path := _free_name(name, source),
                                source)
                else:
                    path = figure_path(save, name, len(figures))
                    save_figure(figure, path)
                print(f"figure: {printable(path)}",
                      file=sys.stderr if quiet else sys.stdout)
        if windows:
            pyplot.show()
    finally:
        pyplot.close("all")
        if in_notebook():
            # The next cells draw where they did before.
            with suppress(ImportError, ValueError):
                _switch_backend(os.environ.get("MPLBACKEND", "inline"))


def figure_path(save: Path, name: str, count: int) -> Path:
    """Return where one of so many figures goes, by what --save says."""
    # Not save.with_name: "." has none.
    return (save if count == 1 else save.parent
            / f"{save.stem}_{name}{save.suffix}")


def _free_name(name: str, source: Path | str) -> Path:
    """Return a file for a figure: that of the same source, or a new one."""
    number, path = 1, FIGURES / f"{name}.png"
    while os.path.lexists(path) and (
            marked_source(last_bytes(path)) != _key(source)):
        number += 1
        path = FIGURES / f"{name}-{number}.png"
    return path


def _key(source: Path | str) -> str:
    return source_key(source if is_local(source) else str(source))


def check_kind(path: Path | None) -> None:
    """Raise UserError where a figure can't be saved under a name's ending.

    None is no name.  Called before the work of which the figure is the end.
    """
    if path is None or path.suffix.lower() in COMMON_KINDS:
        return      # An answer need not wait until matplotlib is loaded.
    hush_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase
    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in kinds:
        raise UserError(f"{path}: a figure is saved as one of "
                        + ", ".join(f".{name}" for name in sorted(kinds)))


def save_figure(figure, path: Path, source: Path | str = "") -> None:
    """Save a matplotlib figure, marked as drawn by these programs.

    source: what it shows, where others of this name may show other things;
    without it, the bytes do not depend on where that lies.

    Raises UserError for an unknown kind of file, and where it can't be
    written.
    """
    check_kind(path)
    kind = path.suffix.lower().lstrip(".")
    refuse_folder(path)
    with atomic_write(path) as partial:
        figure.savefig(partial, format=kind)
        if kind not in UNMARKED:
            mark(partial, source if is_local(source) else str(source))
