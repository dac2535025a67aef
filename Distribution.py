"""Step 1: look at the classes - how many images has each one?

    python Distribution.py images
    python Distribution.py images/Apple --save apple.png --csv apple.csv
    python Distribution.py images --quick

A network learns mostly what it sees most, so the first question to a data
set is whether its classes are of one size.  For every plant one figure shows
a pie and a bar chart in the same colours, titled and labelled from the names
of the folders.  A table goes to stdout: the same numbers, what cannot be
read, sizes and kinds of pixels, and which images repeat.
"""

from leaffliction import program  # before all that takes time to load

import math
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leaffliction.utils import cli
from leaffliction.utils.console import printable
from leaffliction.utils.errors import UserError
from leaffliction.utils.figures import (check_kind, drawable, figure_path,
                                        legible, open_pyplot, show_or_save)
from leaffliction.utils.files import write_error
from leaffliction.utils.overwrite import check_outputs
from leaffliction.utils.storage import path_of
from leaffliction.utils.tables import (CSV_HELP, is_stdout, text_table,
                                       write_csv)

if TYPE_CHECKING:
    from leaffliction.distribution.duplicates import ClassFacts, Repeat
    from leaffliction.utils.labels import Dataset
    from leaffliction.utils.parallel import Workers

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
# Share of a plant from which on a slice has room for its numbers.
ROOMY = 0.04
# Sizes (and modes) of a class, groups of images that repeat, and files of
# each of them, that are printed; --csv writes all.
KINDS, LINES, MEMBERS = 2, 20, 6
# Letters of a plant that go into a file's name, which ends at 255 bytes.
FILE_NAME = 50

# Columns of the table of images that repeat.
REPEATS = ("group", "kind", "class", "file", "sha256")

# The number of images of each class, by plant.
Counts = dict[str, dict[str, int]]


def by_plant(dataset: "Dataset", counts: Sequence[int]) -> Counts:
    """Return {plant: {class name: count}} in natural order.

    counts: of each class.  "Apple" and "apple" are one plant, under the
    spelling met first.
    """
    from leaffliction.utils.images import natural_key
    spellings: dict[str, str] = {}
    plants: Counts = {}
    for class_name, plant, count in zip(dataset.class_names, dataset.plants,
                                        counts):
        plant = spellings.setdefault(plant.casefold(), plant)
        plants.setdefault(plant, {})[class_name] = count
    return {plant: plants[plant] for plant in sorted(plants, key=natural_key)}


def shares(classes: dict[str, int]) -> list[float]:
    """Return each class's share (0..1) of the images of its plant."""
    total = sum(classes.values()) or 1
    return [count / total for count in classes.values()]


def imbalance(classes: dict[str, int]) -> float:
    """Return how many times the largest class outnumbers the smallest."""
    return ratio(max(classes.values()), min(classes.values()))


def ratio(largest: int, count: int) -> float:
    """Return how many times the largest class outnumbers this one."""
    return largest / count if count else math.inf


def rows_of(counts: Counts, facts: "dict[str, ClassFacts] | None"
            ) -> tuple[list[str], list[list]]:
    """Return the columns' names, and the values of each class.

    facts: by class name; None if the images were only counted.
    """
    names = ["plant", "class", "count", "share", "imbalance"]
    if facts is not None:
        names += ["unreadable", "identical", "near_identical",
                  "other_classes", "sizes", "modes"]
    rows = []
    for plant, classes in counts.items():
        largest = max(classes.values())
        for (name, count), share in zip(classes.items(), shares(classes)):
            row = [plant, name, count, share, ratio(largest, count)]
            if facts is not None:
                own = facts[name]
                row += [own.unreadable, own.identical, own.near_identical,
                        own.elsewhere, own.sizes, own.modes]
            rows.append(row)
    return names, rows


def table(names: list[str], rows: list[list]) -> str:
    """Return rows as lines of text, numbers to the right."""
    texts = [[name.replace("_", " ") for name in names]]
    texts += [[_text(name, value) for name, value in zip(names, row)]
              for row in rows]
    return text_table(texts, [isinstance(value, (str, Counter))
                              for value in rows[0]])


def _text(name: str, value: object) -> str:
    """Return a value as it stands in the table."""
    if isinstance(value, Counter):
        texts = [text if len(value) == 1 else f"{text} ({count:,})"
                 for text, count in value.most_common(KINDS)]
        if len(value) > KINDS:
            texts.append(f"{len(value) - KINDS} more")
        return ", ".join(texts) or "-"
    if isinstance(value, float):
        return f"{value:.1%}" if name == "share" else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else printable(value)


def summary(counts: Counts) -> str:
    """Return a line on each plant, and one on all of several."""
    everything = {f"{plant}/{name}": count
                  for plant, classes in counts.items()
                  for name, count in classes.items()}
    lines = []
    for plant, classes in (*counts.items(), *(
            [("all", everything)] if len(counts) > 1 else [])):
        number = len(classes)
        lines.append(
            f"{printable(plant)}: {sum(classes.values()):,} images in "
            f"{number} class{'' if number == 1 else 'es'}, "
            f"imbalance {imbalance(classes):.2f} (largest / smallest)")
    return "\n".join(lines)


def repeat_lines(repeats: "list[Repeat]") -> list[str]:
    """Return a line on each repeat: "a = b" identical, "a ~ b" nearly."""
    lines = []
    for repeat in repeats[:LINES]:
        files = [printable(file) for file in repeat.files]
        text = files[0]
        for place, file in enumerate(files[1:MEMBERS], 1):
            same = repeat.digests[place] == repeat.digests[place - 1]
            text += f" {'=' if same else '~'} {file}"
        if len(files) > MEMBERS:
            text += f" and {len(files) - MEMBERS} more"
        where = ("in several classes" if repeat.crosses_classes()
                 else "in one class")
        lines.append(f"{repeat.kind()}, {where}: {text}")
    if len(repeats) > LINES:
        lines.append(f"and {len(repeats) - LINES} more groups of images that "
                     "repeat (--csv writes all)")
    return lines


def repeats_path(path: Path) -> Path:
    """Return where what repeats is written, beside the table.

    Raises UserError where a file of the user's is there.
    """
    path = path.with_stem(f"{path.stem}_repeats")
    if path.is_file():
        with path.open("rb") as stream:
            if ",".join(REPEATS).encode() not in stream.readline():
                raise UserError(
                    f"{path}: is not a table that this program wrote, and "
                    "--csv would write over it; choose another name")
    return path


def write_tables(path: Path, names: list[str], rows: list[list],
                 repeats: "list[Repeat]") -> None:
    """Write the table, and beside it what repeats, if anything does.

    path: "-" for stdout, which has room for the table alone.
    What an earlier run has found to repeat goes first: a run that is stopped
    leaves no table beside the repeats of another.
    """
    if is_stdout(path):
        repeats = []
    else:
        beside = repeats_path(path)
        try:
            beside.unlink(missing_ok=True)
        except NotADirectoryError:
            pass        # Writing the table will say so.
        except OSError as error:
            raise write_error(beside, error) from None
    write_csv(path, names, [[
        f"{value:.6f}" if isinstance(value, float) else
        ";".join(f"{text}:{count}" for text, count in value.most_common())
        if isinstance(value, Counter) else value for value in row]
        for row in rows])
    if not is_stdout(path):
        print(f"written: {printable(path)}")
    if repeats:
        write_csv(beside, REPEATS, (
            (number, repeat.kind(), *member)
            for number, repeat in enumerate(repeats, 1) for member in zip(
                repeat.class_names, repeat.files, repeat.digests)))
        print(f"written: {printable(beside)}")


def style(place: int) -> dict[str, str]:
    """Return matplotlib's face colour and hatch of the class at a place."""
    rounds, colour = divmod(place, len(PALETTE))
    return {"facecolor": PALETTE[colour], "edgecolor": "white",
            "hatch": PATTERNS[rounds % len(PATTERNS)]}


def shortened(name: str) -> str:
    """Return a name for a figure, its middle left out if it is very long."""
    name = legible(name)
    if len(name) > LONGEST:
        half = LONGEST // 2
        name = f"{name[:half]}…{name[1 - half:]}"
    return drawable(name)


def wrapped(name: str) -> str:
    """Return a name broken into lines, after its spaces and underscores."""
    lines = textwrap.wrap(re.sub(r"(?<=_)(?!_)", " ", legible(name)),
                          WRAPPED, max_lines=3, placeholder="…")
    return "\n".join(drawable(line.replace("_ ", "_")) for line in lines)


def draw_plant(pyplot, plant: str, classes: dict[str, int]):
    """Return a figure with the pie and the bars of one plant's classes.

    Few classes have their names beside the slices; many are numbered there,
    and the bars tell which number is whose.
    """
    names = [shortened(name) for name in classes]
    beside = [wrapped(name) for name in classes]
    inside = [f"{count:,}\n{share:.1%}" if share >= ROOMY else ""
              for count, share in zip(classes.values(), shares(classes))]
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


def check_names(options, dataset: "Dataset") -> None:
    """Raise UserError where what is to be written would be in the way."""
    outputs = [options.csv, options.save]
    check_outputs(outputs, ())      # Else "." would be given a stem.
    check_kind(options.save)
    if options.save is not None:
        names = {figure_name(plant): None for plant in dataset.plants}
        outputs += [path for name in names for path in [figure_path(
            options.save, name, len(names))] if path != options.save]
    if options.csv is not None and not is_stdout(options.csv):
        outputs.append(repeats_path(options.csv))
    check_outputs(outputs, dataset.paths())


def figure_name(plant: str) -> str:
    """Return the name of a plant's figure as a file."""
    return re.sub(r"[^\w-]", "_", f"distribution_{plant}"[:FILE_NAME])


def draw(pyplot, counts: Counts) -> dict[str, object]:
    """Return a figure for each plant, by the name for its file."""
    figures: dict[str, object] = {}
    for plant, classes in counts.items():
        classes = {name: count for name, count in classes.items() if count}
        if not classes:
            continue  # none of them could be read
        name = figure_name(plant)
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
        "directory", type=path_of, metavar="DIRECTORY",
        help="a folder with a folder of images for each class, in one layer "
             "or below a folder for each plant")
    parser.add_argument(
        "--save", type=path_of, metavar="FIGURE",
        help="save the figure here; for several plants, their names are added")
    parser.add_argument(
        "--csv", type=path_of, metavar="FILE|-",
        help="write the table here, and beside it, in ..._repeats.csv, the "
             "images that repeat (-: the table alone, to stdout); "
             + CSV_HELP)
    parser.add_argument(
        "--quick", action="store_true",
        help="count the files only; do not read them")
    parser.add_jobs()
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Count, print, and show; return the exit status."""
    options = build_parser().parse_args(argv)
    from leaffliction.utils.class_folders import read_dataset
    from leaffliction.utils.folders import empty_folders
    dataset = read_dataset(options.directory)
    check_names(options, dataset)
    facts, repeats, numbers = None, [], dataset.counts().tolist()
    if not options.quick:
        facts, repeats = analyse(
            dataset, program.make_workers(options.jobs, options.cluster))
        numbers = [own.count for own in facts.values()]
    counts = by_plant(dataset, numbers)
    names, rows = rows_of(counts, facts)
    quiet = options.csv is not None and is_stdout(options.csv)
    if not quiet:
        print(table(names, rows))
        print(summary(counts))
        for folder in empty_folders(dataset.root, dataset.files):
            print(f"no image in: {printable(folder)}")
        for line in repeat_lines(repeats):
            print(line)
    if options.csv is not None:
        write_tables(options.csv, names, rows, repeats)
    sys.stdout.flush()
    if options.save is not None or not quiet:
        pyplot = open_pyplot(options.no_display, options.save)
        show_or_save(draw(pyplot, counts), options.save, options.directory,
                     quiet)
    return cli.DONE if sum(numbers) == len(dataset.files) else cli.FAILED


def analyse(dataset: "Dataset", workers: "Workers"
            ) -> "tuple[dict[str, ClassFacts], list[Repeat]]":
    """Return the facts on each class, and the images that repeat.

    What can't be read is printed; UserError if that is all of it.
    """
    from leaffliction.distribution.duplicates import class_facts, find_repeats
    from leaffliction.distribution.inspection import inspect_dataset
    results, good = inspect_dataset(dataset, workers)
    repeats = find_repeats(dataset.subset(good),
                           [results[index] for index in good])
    return class_facts(dataset, results, repeats), repeats


if __name__ == "__main__":
    program.start(main)
