"""Figures of matplotlib: open a window or save a file; text that renders."""

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

# Where figures are saved unless --save names a file.
FIGURES = Path("figures")
# Backends of matplotlib that draw into files; all others open windows.
FILE_BACKENDS = frozenset(("agg", "cairo", "pdf", "pgf", "ps", "svg",
                           "template"))
# Backends that draw into the page of a notebook, and need its kernel.
NOTEBOOK_BACKENDS = ("inline", "nbagg", "ipympl", "widget", "notebook",
                     "backend_nbagg")
# Suffixes that every matplotlib can save.
COMMON_SUFFIXES = (".png", ".jpg", ".jpeg", ".pdf", ".svg")
# Formats that cannot hold a mark: bare pixels, TeX, compressed XML.
UNMARKED_FORMATS = ("raw", "rgba", "pgf", "svgz")
# Fonts for characters that matplotlib's DejaVu Sans lacks, in this order.
FALLBACK_FONTS = ("Noto Sans CJK JP", "WenQuanYi Zen Hei", "Hiragino Sans",
                  "Microsoft YaHei", "Noto Emoji", "Segoe UI Emoji",
                  "Symbola", "Arial Unicode MS")


def truncate(text: str, length: int) -> str:
    """Return text cut to at most this many characters, the last one "…"."""
    return text if len(text) <= length else text[:length - 1] + "…"


def renderable(text: object) -> str:
    """Return text that matplotlib renders as it is written.

    Missing glyphs are replaced, and a pair of $ starts no formula.
    """
    return replace_missing_glyphs(text).replace("$", r"\$")


def replace_missing_glyphs(text: object) -> str:
    """Return printable text; a character without glyph becomes its name.

    An apple that no font can draw is written "<red apple>".
    """
    return "".join(character if has_glyph(character) else
                   f"<{_name(character)}>" for character in printable(text))


def _name(character: str) -> str:
    """Return the Unicode name of a character, or its number in hex."""
    name = unicodedata.name(character, f"{ord(character):x}").lower()
    return name.removeprefix("cjk unified ideograph-")


@cache
def has_glyph(character: str) -> bool:
    """Return whether one of the figures' fonts can draw a character."""
    if character.isascii():
        return True
    from matplotlib import font_manager, rcParams
    return any(
        font_manager.get_font(font_manager.findfont(family)).get_char_index(
            ord(character)) for family in rcParams["font.family"])


def import_matplotlib() -> str:
    """Import matplotlib without its log, even if MPLBACKEND is invalid.

    Returns the backend that MPLBACKEND or a matplotlibrc names, "" if
    neither does.  A name inherited from a notebook or a desktop need not be
    one that can start here.
    Raises UserError if a matplotlibrc cannot be read.
    """
    # Without a home folder it would log where its cache is.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # The import itself fails for an unknown name.
    wanted = os.environ.pop("MPLBACKEND", "")
    try:
        import matplotlib
    except ValueError as error:
        raise UserError(f"matplotlib cannot start ({error})") from None
    finally:
        if wanted:
            os.environ["MPLBACKEND"] = wanted
    # rcParams["backend"] would choose a backend now; dict.get does not.
    chosen = dict.get(matplotlib.rcParams, "backend")
    return wanted or (chosen if isinstance(chosen, str) else "")


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    return "ipykernel" in sys.modules


def open_pyplot(no_display: bool, save: Path | None = None):
    """Return matplotlib.pyplot; it opens windows only if they are wanted.

    no_display: the option --no-display.  save: the file of --save.
    Without a screen, or if the backend that MPLBACKEND names cannot start,
    figures are drawn for files, and show_or_save saves them.  A note on
    stderr says why, unless the user asked for files.
    """
    wanted = import_matplotlib()
    import matplotlib
    from matplotlib import font_manager, pyplot
    if no_display or wanted.lower() in FILE_BACKENDS:
        matplotlib.use("Agg")
    else:
        try:
            _start_window_backend(wanted)
        except Exception as error:
            # Each toolkit raises exceptions of its own.
            matplotlib.use("Agg")
            if wanted and save is None:
                reason = str(error).strip().splitlines() or [repr(error)]
                print_note(f"no window: the backend {wanted} of matplotlib "
                           f"cannot start here ({reason[0]}); figures are "
                           "saved")
    # Distribution.py opens one figure per plant: many are no mistake.
    pyplot.rcParams["figure.max_open_warning"] = 0
    # The names of folders may contain any script, and emoji.
    installed = set(font_manager.get_font_names())
    pyplot.rcParams["font.family"] = [
        "DejaVu Sans",
        *(font for font in FALLBACK_FONTS if font in installed)]
    return pyplot


def _start_window_backend(wanted: str) -> None:
    """Start the backend of this name; raise any exception if it cannot start.

    wanted: "" leaves the choice to matplotlib, which may take one for files.
    """
    import matplotlib
    from matplotlib import pyplot
    if not in_notebook() and any(
            name in wanted.lower() for name in NOTEBOOK_BACKENDS):
        raise RuntimeError("it belongs to a notebook's kernel")
    if wanted:
        _switch_backend(wanted)
    if matplotlib.get_backend().lower() not in FILE_BACKENDS:
        # A toolkit may be installed but find no screen: this raises then.
        pyplot.close(pyplot.figure(figsize=(1, 1)))


def _switch_backend(name: str) -> None:
    """Start the backend of this name; raise any exception if it cannot."""
    import matplotlib
    from matplotlib import pyplot

    # When the inline backend of notebooks is imported, it checks whether
    # rcParams names it; if not, no later cell shows a figure either.
    matplotlib.rcParams["backend"] = name
    pyplot.switch_backend(name)


def show_or_save(figures: dict[str, object], save: Path | None,
                 source: Path | str, quiet: bool = False) -> None:
    """Show figures in windows, or save them and print their paths.

    figures: matplotlib figures by name; by default each is saved as
    FIGURES/name.png.  save: the file of --save, which is written even with
    a screen; for several figures its name is extended by theirs.
    source: what the figures show.  Below FIGURES a figure only replaces one
    of the same source.  quiet: print paths to stderr, since stdout carries
    results.
    """
    import matplotlib
    from matplotlib import pyplot
    has_windows = matplotlib.get_backend().lower() not in FILE_BACKENDS
    try:
        if save is not None or not has_windows:
            for name, figure in figures.items():
                if save is None:
                    save_figure(figure, path := _default_path(name, source),
                                source)
                else:
                    path = figure_path(save, name, len(figures))
                    save_figure(figure, path)
                print(f"figure: {printable(path)}",
                      file=sys.stderr if quiet else sys.stdout)
        if has_windows:
            pyplot.show()
    finally:
        pyplot.close("all")
        if in_notebook():
            # Later cells draw into the page, as before.
            with suppress(ImportError, ValueError):
                _switch_backend(os.environ.get("MPLBACKEND", "inline"))


def figure_path(save: Path, name: str, count: int) -> Path:
    """Return the file for one of `count` figures that --save asks for."""
    # save.with_name would raise ValueError for ".".
    return (save if count == 1 else save.parent
            / f"{save.stem}_{name}{save.suffix}")


def _default_path(name: str, source: Path | str) -> Path:
    """Return the file of an earlier figure of this source, or a free name."""
    number, path = 1, FIGURES / f"{name}.png"
    while os.path.lexists(path) and (
            marked_source(last_bytes(path)) != source_key(source)):
        number += 1
        path = FIGURES / f"{name}-{number}.png"
    return path


def check_figure_format(path: Path | None) -> None:
    """Raise UserError if a figure cannot be saved with this suffix.

    Called before the work whose result the figure shows.  None passes.
    """
    if path is None or path.suffix.lower() in COMMON_SUFFIXES:
        return      # Without the 0.5 s that importing matplotlib takes.
    import_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase
    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in formats:
        raise UserError(f"{path}: a figure is saved as one of "
                        + ", ".join(f".{name}" for name in sorted(formats)))


def hide_axes(ax) -> None:
    """Show what matplotlib's axes hold, and its title, but no axis.

    Each axis is hidden too: otherwise matplotlib finds out where its ticks
    would be, and a figure takes a quarter longer, or up to twice as long.
    """
    ax.axis("off")
    ax.xaxis.set_visible(False)
    ax.yaxis.set_visible(False)


def save_figure(figure, path: Path, source: Path | str = "") -> None:
    """Save a matplotlib figure, marked as drawn by these programs.

    source: what it shows, if other figures of this name may show something
    else.  Without it the bytes do not depend on where the source lies.
    Raises UserError for an unknown format, and if path cannot be written.
    """
    check_figure_format(path)
    name = path.suffix.lower().lstrip(".")
    refuse_folder(path)
    with atomic_write(path) as partial:
        figure.savefig(partial, format=name)
        if name not in UNMARKED_FORMATS:
            mark(partial, source)
