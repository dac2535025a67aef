"""Draw the classes of a plant: a pie chart and a bar chart in one figure."""

import re
import textwrap

from leaffliction.distribution.class_facts import Counts, shares
from leaffliction.utils.figures import renderable, replace_missing_glyphs

# Okabe and Ito (2008): colours that colour-blind people distinguish.  Grey
# replaces their black, on which a percentage would be illegible.
PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442",
           "#0072B2", "#D55E00", "#CC79A7", "#999999")
# From the ninth class on the colours repeat, each time with another pattern.
PATTERNS = ("", "///", "...", "xxx", "---")
# Inches.  Each class is a row.  At MAX_HEIGHT (6,000 pixels; a PNG's limit is
# 65,536) the figure stops growing, and the rows become narrower instead.
ROW_HEIGHT, MARGINS, MIN_HEIGHT, MAX_HEIGHT = 0.24, 1.5, 5.0, 60.0
# Inches, without the class names: pie and bars.
WIDTH = 10.0
# Characters of a class name on one line beside a slice, and in all beside a
# bar.  The longest name in PlantVillage has 50; the printed table has every
# name in full.
MAX_LINE, MAX_NAME = 20, 60
# Points.
FONT_SIZE, TITLE_SIZE = 9.0, 14.0
# Smallest share of a slice that has space for its numbers.
MIN_LABELLED_SHARE = 0.04
# Characters of a figure's file name; a file system allows 255 bytes.
MAX_FILE_NAME = 50


def draw_charts(pyplot, counts: Counts) -> dict[str, object]:
    """Return the figure of each plant, by the name for its file.

    Classes without images are left out, and so are plants without any.
    """
    figures: dict[str, object] = {}
    for plant, classes in counts.items():
        classes = {name: count for name, count in classes.items() if count}
        if not classes:
            continue
        name = figure_name(plant)
        while name in figures:      # "a b" and "a/b" both become "a_b".
            name += "_"
        figures[name] = draw_plant(pyplot, plant, classes)
    return figures


def figure_name(plant: str) -> str:
    """Return the file name, without a suffix, of a plant's figure."""
    return re.sub(r"[^\w-]", "_", f"distribution_{plant}"[:MAX_FILE_NAME])


def draw_plant(pyplot, plant: str, classes: dict[str, int]):
    """Return a figure with the pie and the bars of one plant's classes.

    Up to eight classes have their names and numbers at the slices.  More
    classes are numbered there, and the bars show the number beside the name.
    """
    bar_labels = [shorten(name) for name in classes]
    outer_labels = [wrap(name) for name in classes]
    inner_labels = [
        f"{count:,}\n{share:.1%}" if share >= MIN_LABELLED_SHARE else ""
        for count, share in zip(classes.values(), shares(classes))]
    if len(classes) > len(PALETTE):
        outer_labels = [str(index + 1) for index in range(len(classes))]
        inner_labels = [""] * len(classes)
        bar_labels = [f"{name}  {number}"
                      for name, number in zip(bar_labels, outer_labels)]
    wanted_height = MARGINS + ROW_HEIGHT * len(classes)
    height = min(max(wanted_height, MIN_HEIGHT), MAX_HEIGHT)
    figure, (left, right) = pyplot.subplots(1, 2, layout="constrained",
                                            width_ratios=(5, 4))
    title = figure.suptitle(f"{shorten(plant.lower())} class distribution",
                            fontsize=TITLE_SIZE)
    slices, outer_texts = draw_pie(left, list(classes.values()), outer_labels)
    inner_texts = [
        left.annotate(label, _label_position(piece), ha="center", va="center",
                      fontsize=FONT_SIZE)
        for label, piece in zip(inner_labels, slices)]
    draw_bars(right, classes, bar_labels,
              FONT_SIZE * min(1, height / wanted_height))
    width = WIDTH + max(map(_width_in_inches, right.get_yticklabels()))
    figure.set_size_inches(max(width, _width_in_inches(title) + 1), height)
    hide_overlapping(figure, inner_texts + outer_texts,
                     2 * list(classes.values()))
    return figure


def draw_pie(axes, numbers: list[int], labels: list[str]) -> tuple:
    """Draw the pie, clockwise from the top; return its slices and labels."""
    slices, texts = axes.pie(numbers, labels=labels, startangle=90,
                             counterclock=False, labeldistance=1.06,
                             textprops={"fontsize": FONT_SIZE})
    for index, (piece, text) in enumerate(zip(slices, texts)):
        piece.set(**style_of(index), linewidth=0.5)
        # A label of several lines must grow away from the pie.
        y = text.get_position()[1]
        text.set_va("bottom" if y > 0.7 else "top" if y < -0.7 else "center")
    return slices, texts


def draw_bars(axes, classes: dict[str, int], names: list[str],
              font_size: float) -> None:
    """Draw the bars, from the top down, with names, counts and shares."""
    bars = axes.barh(range(len(classes)), list(classes.values()))
    for index, bar in enumerate(bars):
        # No outline: it would cover a very short bar.
        bar.set(**style_of(index), linewidth=0)
    axes.bar_label(bars, [f"{count:,}  ({share:.1%})" for count, share in
                          zip(classes.values(), shares(classes))],
                   padding=3, fontsize=font_size)
    axes.set_yticks(range(len(names)), names, fontsize=font_size)
    axes.set_ylim(len(names) - 0.4, -0.6)
    # Space for the numbers to the right of the longest bar.
    axes.margins(x=0.25)
    axes.set_xlabel("images")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)


def style_of(index: int) -> dict[str, str]:
    """Return matplotlib's colours and hatch for the class at an index."""
    repetition, colour = divmod(index, len(PALETTE))
    return {"facecolor": PALETTE[colour], "edgecolor": "white",
            "hatch": PATTERNS[repetition % len(PATTERNS)]}


def shorten(name: str) -> str:
    """Return a name for a figure, without its middle if it is very long."""
    name = replace_missing_glyphs(name)
    if len(name) > MAX_NAME:
        half = MAX_NAME // 2
        name = f"{name[:half]}…{name[1 - half:]}"
    return renderable(name)


def wrap(name: str) -> str:
    """Return a name in up to three lines, broken after spaces and "_"."""
    words = re.sub(r"(?<=_)(?!_)", " ", replace_missing_glyphs(name))
    lines = textwrap.wrap(words, MAX_LINE, max_lines=3, placeholder="…")
    return "\n".join(renderable(line.replace("_ ", "_")) for line in lines)


def hide_overlapping(figure, texts: list, weights: list[int]) -> None:
    """Hide each text that overlaps a visible one of larger weight."""
    figure.draw_without_rendering()
    visible = []
    for index in sorted(range(len(texts)), key=lambda index: -weights[index]):
        box = texts[index].get_window_extent()
        if box.count_overlaps(visible):
            texts[index].set_visible(False)
        else:
            visible.append(box)


def _width_in_inches(text) -> float:
    """Return the width of a matplotlib text."""
    return text.get_window_extent().width / text.get_figure().dpi


def _label_position(piece) -> tuple[float, float]:
    """Return the point inside a slice of the pie where its numbers go."""
    import numpy as np
    angle = np.deg2rad((piece.theta1 + piece.theta2) / 2)
    return 0.7 * np.cos(angle), 0.7 * np.sin(angle)
