"""Step 1: look at the classes - how many images has each one?

    python Distribution.py images
    python Distribution.py images/Apple --save apple.png --csv apple.csv

A network learns mostly what it sees most, so the first question to a data
set is whether its classes are of one size.  For every plant one figure shows
a pie and a bar chart in the same colours, titled and labelled from the names
of the folders; a table of the same numbers goes to stdout.
"""

import csv
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from utils import cli

if TYPE_CHECKING:
    from utils.labels import Dataset

# Okabe and Ito (2008): colours that colour-blind people tell apart; grey
# for their black, on which a percentage could not be read.
PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442",
           "#0072B2", "#D55E00", "#CC79A7", "#999999")
# Beyond eight classes the colours come again, each time under a pattern.
PATTERNS = ("", "///", "...", "xxx", "---")
# Inches.  A row is a class; beyond MAX_HEIGHT (6,000 pixels, the file's
# limit is 65,536) the rows get narrower instead of the figure longer.
ROW, MARGINS, MIN_HEIGHT, MAX_HEIGHT = 0.24, 1.5, 5.0, 60.0
# Inches, beside the names of the classes: pie and bars.
WIDTH = 10.0
# Letters of a name on a line beside a slice, and at most beside a bar (the
# longest name in PlantVillage has 50); the table has all of them whole.
WRAPPED, LONGEST = 20, 60
# Points.
FONT_SIZE, TITLE_SIZE = 9.0, 14.0
# Share of a plant from which on a slice has room for its percentage.
ROOMY = 0.04
# Letters of a plant that go into a file's name, which ends at 255 bytes.
FILE_NAME = 50

# The number of images of each class, by plant.
Counts = dict[str, dict[str, int]]


def count_classes(dataset: "Dataset") -> Counts:
    """Return {plant: {class name: number of images}} in natural order.

    "Apple" and "apple" are one plant, under the spelling met first.
    """
    from utils.images import natural_key
    spellings: dict[str, str] = {}
    counts: Counts = {}
    for class_name, plant, count in zip(
            dataset.class_names, dataset.plants, dataset.counts().tolist()):
        plant = spellings.setdefault(plant.casefold(), plant)
        counts.setdefault(plant, {})[class_name] = count
    return {plant: counts[plant] for plant in sorted(counts, key=natural_key)}


def shares(classes: dict[str, int]) -> list[float]:
    """Return each class's share (0..1) of the images of its plant."""
    total = sum(classes.values())
    return [count / total for count in classes.values()]


def imbalance(classes: dict[str, int]) -> float:
    """Return how many times the largest class outnumbers the smallest."""
    return max(classes.values()) / min(classes.values())


def table(counts: Counts) -> str:
    """Return the counts as lines of text, and a line on each plant."""
    rows = [("plant", "class", "images", "share")]
    for plant, classes in counts.items():
        rows += [(cli.printable(plant), cli.printable(name), f"{count:,}",
                  f"{share:.1%}")
                 for (name, count), share in zip(classes.items(),
                                                 shares(classes))]
    first, second = (max(len(row[column]) for row in rows)
                     for column in (0, 1))
    lines = [f"{plant:{first}}  {name:{second}}  {count:>9}  {share:>6}"
             for plant, name, count, share in rows]
    for plant, classes in counts.items():
        number = len(classes)
        lines.append(
            f"{cli.printable(plant)}: {sum(classes.values()):,} images in "
            f"{number} class{'' if number == 1 else 'es'}, "
            f"imbalance {imbalance(classes):.2f} (largest / smallest)")
    return "\n".join(lines)


def write_csv(path: Path, counts: Counts) -> None:
    """Write plant,class,count,share; UserError where that is impossible."""
    from utils.images import whole_file
    # Bytes of a folder's name that are no UTF-8 are written as \udcXX.
    with whole_file(path) as partial, open(
            partial, "w", newline="", encoding="utf-8",
            errors="backslashreplace") as lines:
        rows = csv.writer(lines, lineterminator="\n")
        rows.writerow(("plant", "class", "count", "share"))
        for plant, classes in counts.items():
            for (name, count), share in zip(classes.items(),
                                            shares(classes)):
                rows.writerow((plant, name, count, f"{share:.6f}"))


def style(place: int) -> dict[str, str]:
    """Return matplotlib's face colour and hatch of the class at a place."""
    rounds, colour = divmod(place, len(PALETTE))
    return {"facecolor": PALETTE[colour], "edgecolor": "white",
            "hatch": PATTERNS[rounds % len(PATTERNS)]}


def shortened(name: str) -> str:
    """Return a name for a figure, its middle left out if it is very long."""
    name = cli.printable(name)
    if len(name) > LONGEST:
        half = LONGEST // 2
        name = f"{name[:half]}…{name[1 - half:]}"
    return cli.drawable(name)


def wrapped(name: str) -> str:
    """Return a name broken into lines, after its spaces and underscores."""
    lines = textwrap.wrap(re.sub(r"(?<=_)(?!_)", " ", cli.printable(name)),
                          WRAPPED, max_lines=3, placeholder="…")
    return "\n".join(cli.drawable(line.replace("_ ", "_")) for line in lines)


def draw_plant(pyplot, plant: str, classes: dict[str, int]):
    """Return a figure with the pie and the bars of one plant's classes.

    Few classes have their names beside the slices; many are numbered there,
    and the bars tell which number is whose.
    """
    names = [shortened(name) for name in classes]
    beside = [wrapped(name) for name in classes]
    inside = [f"{share:.1%}" if share >= ROOMY else ""
              for share in shares(classes)]
    if len(classes) > len(PALETTE):
        beside = [str(place + 1) for place in range(len(classes))]
        inside = [""] * len(classes)
        names = [f"{name}  {place}" for name, place in zip(names, beside)]
    rows = MARGINS + ROW * len(classes)
    height = min(max(rows, MIN_HEIGHT), MAX_HEIGHT)
    figure, (left, right) = pyplot.subplots(1, 2, layout="constrained",
                                            width_ratios=(5, 4))
    title = figure.suptitle(f"{shortened(plant.lower())} class distribution",
                            fontsize=TITLE_SIZE)
    slices, outer = draw_pie(left, list(classes.values()), beside)
    inner = [left.annotate(text, _middle(piece), ha="center", va="center",
                           fontsize=FONT_SIZE)
             for text, piece in zip(inside, slices)]
    draw_bars(right, classes, names, FONT_SIZE * min(1, height / rows))
    width = WIDTH + max(map(_inches, right.get_yticklabels()))
    figure.set_size_inches(max(width, _inches(title) + 1), height)
    hide_overlapping(figure, inner + outer, 2 * list(classes.values()))
    return figure


def draw_pie(axes, numbers: list[int], labels: list[str]) -> tuple:
    """Draw the pie, clockwise from the top; return its slices and labels."""
    slices, texts = axes.pie(numbers, labels=labels, startangle=90,
                             counterclock=False, labeldistance=1.06,
                             textprops={"fontsize": FONT_SIZE})
    for place, (piece, text) in enumerate(zip(slices, texts)):
        piece.set(**style(place), linewidth=0.5)
        # Several lines grow away from the pie, not into it.
        height = text.get_position()[1]
        text.set_va("bottom" if height > 0.7 else
                    "top" if height < -0.7 else "center")
    return slices, texts


def draw_bars(axes, classes: dict[str, int], names: list[str],
              size: float) -> None:
    """Draw the bars, from the top down, with names, counts and shares."""
    bars = axes.barh(range(len(classes)), list(classes.values()))
    for place, bar in enumerate(bars):
        # No line around it, which would cover a very short bar.
        bar.set(**style(place), linewidth=0)
    axes.bar_label(bars, [f"{count:,}  ({share:.1%})" for count, share in
                          zip(classes.values(), shares(classes))],
                   padding=3, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_ylim(len(names) - 0.4, -0.6)
    # Room for the numbers after the longest bar.
    axes.margins(x=0.25)
    axes.set_xlabel("images")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)


def _inches(text) -> float:
    """Return the width of a text of matplotlib's in inches."""
    return text.get_window_extent().width / text.get_figure().dpi


def _middle(piece) -> tuple[float, float]:
    """Return the point in a pie's slice where its text is put."""
    import numpy as np
    angle = np.deg2rad((piece.theta1 + piece.theta2) / 2)
    return 0.7 * np.cos(angle), 0.7 * np.sin(angle)


def hide_overlapping(figure, texts: list, weights: list[int]) -> None:
    """Hide every text that would lie over one of larger weight."""
    figure.draw_without_rendering()
    kept = []
    for place in sorted(range(len(texts)), key=lambda at: -weights[at]):
        box = texts[place].get_window_extent()
        if box.count_overlaps(kept):
            texts[place].set_visible(False)
        else:
            kept.append(box)


def draw(pyplot, counts: Counts) -> dict[str, object]:
    """Return a figure for each plant, by the name for its file."""
    figures: dict[str, object] = {}
    for plant, classes in counts.items():
        name = re.sub(r"[^\w-]", "_", f"distribution_{plant}"[:FILE_NAME])
        while name in figures:
            name += "_"
        figures[name] = draw_plant(pyplot, plant, classes)
    return figures


def build_parser() -> cli.Parser:
    """Return the command line of this program."""
    parser = cli.Parser(
        "Count the images of every class below a folder; show for each plant "
        "a pie chart and a bar chart.")
    parser.add_argument(
        "directory", type=Path, metavar="DIRECTORY",
        help="a folder with a folder of images for each class, in one layer "
             "or below a folder for each plant")
    parser.add_argument(
        "--save", type=Path, metavar="FIGURE",
        help="save the figure here; for several plants, their names are added")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE",
        help="write plant,class,count,share here")
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Count, print, and show; return the exit status."""
    options = build_parser().parse_args(argv)
    from utils.labels import read_dataset
    counts = count_classes(read_dataset(options.directory))
    if options.csv is not None:
        write_csv(options.csv, counts)
    print(table(counts), flush=True)
    pyplot = cli.open_pyplot(options.no_display)
    cli.show_or_save(draw(pyplot, counts), options.save)
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(main))
