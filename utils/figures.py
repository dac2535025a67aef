"""Figures: open a window or save a file, and names that can be drawn."""

import logging
import unicodedata
from functools import cache
from pathlib import Path

from utils.cli import UserError, printable
from utils.files import refuse_folder, whole_file

# Figures that have no --save name of their own land here.
FIGURES = Path("figures")
# The backends of matplotlib that draw into files; all others open windows.
FILE_BACKENDS = frozenset(("agg", "cairo", "pdf", "pgf", "ps", "svg",
                           "template"))
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


def hush_matplotlib() -> None:
    """Let matplotlib not tell where its cache is when there is no home."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def open_pyplot(no_display: bool):
    """Return matplotlib.pyplot, able to open windows only if wanted.

    Without a screen (or without a window toolkit) matplotlib itself falls
    back to drawing into files, which `show_or_save` then notices.
    """
    hush_matplotlib()
    try:
        import matplotlib
    except ValueError as error:
        # A wrong MPLBACKEND or matplotlibrc is the user's to mend.
        raise UserError(f"matplotlib cannot start ({error})") from None
    if no_display:
        matplotlib.use("Agg")
    from matplotlib import font_manager, pyplot
    # A figure for each of many plants is meant so.
    pyplot.rcParams["figure.max_open_warning"] = 0
    # Names of folders may hold any script, and emoji.
    installed = set(font_manager.get_font_names())
    pyplot.rcParams["font.family"] = [
        "DejaVu Sans", *(font for font in FONTS if font in installed)]
    return pyplot


def show_or_save(figures: dict[str, object], save: Path | None) -> None:
    """Show the figures in windows, or save them and print their paths.

    figures: matplotlib figures by the name that each gets as a file below
    FIGURES.  save: the file for the figure instead (for several, the first
    part of their names); with it, they are saved even if there is a screen.
    """
    import matplotlib
    from matplotlib import pyplot
    windows = matplotlib.get_backend().lower() not in FILE_BACKENDS
    try:
        if save is not None or not windows:
            for name, figure in figures.items():
                path = FIGURES / f"{name}.png"
                if save is not None:
                    path = (save if len(figures) == 1 else save.parent /
                            f"{save.stem}_{name}{save.suffix}")
                save_figure(figure, path)
                print(f"figure: {printable(path)}")
        if windows:
            pyplot.show()
    finally:
        pyplot.close("all")


def save_figure(figure, path: Path) -> None:
    """Save a matplotlib figure; UserError for an unknown kind of file."""
    kinds = figure.canvas.get_supported_filetypes()
    kind = path.suffix.lower().lstrip(".")
    if kind not in kinds:
        raise UserError(f"{path}: a figure is saved as one of "
                        + ", ".join(f".{name}" for name in sorted(kinds)))
    refuse_folder(path)
    with whole_file(path) as partial:
        figure.savefig(partial, format=kind)
