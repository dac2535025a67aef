"""Step 3: look at one leaf - what can be seen, separated and measured?

    python Transformation.py "images/Apple_scab/image (1).JPG"
    python Transformation.py leaf.jpg --save views.png --json leaf.json
    python Transformation.py -src images -dst views
    python Transformation.py -src images -dst views -mask --csv leaves.csv

Seven views of a leaf, made with PlantCV (Gehan et al. 2017,
doi:10.7717/peerj.4088), and an eighth, its lesions: see leaffliction/transformation/views.py.  For
one image they are shown on a page; for a folder they are saved as
DST/class/name_View.ext.  `-h` says what each extracts and why that helps.
"""

from leaffliction import program  # before all that takes time to load

import argparse
import json
import sys
import textwrap
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np

from leaffliction.transformation.mask import find_leaves, number_leaves
from leaffliction.transformation.views import (HISTOGRAM, NO_LEAF, UNITS,
                                               VIEWS, measure_leaves,
                                               transform_file)
from leaffliction.utils import cli
from leaffliction.utils.console import print_error, printable
from leaffliction.utils.errors import UserError
from leaffliction.utils.figures import (check_kind, drawable, open_pyplot,
                                        show_or_save)
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import read_image
from leaffliction.utils.output_tree import lock_output_tree
from leaffliction.utils.overwrite import check_outputs
from leaffliction.utils.parallel import Workers
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import is_inside, path_of, resolved
from leaffliction.utils.tables import (CSV_HELP, is_stdout, open_target,
                                       write_csv)

# Inches of a view on the page, views in a row, and pixels of a view at most.
CELL, COLUMNS, PAGE_SIDE = (3.2, 3.5), 5, 1024
# Letters of the page's title above each view of a row.
TITLE_WIDTH = 30


def draw_page(pyplot, rgb_img: np.ndarray, labels: np.ndarray,
              views: list[str], title: str):
    """Return a figure of the views; the last one has the rest of its row."""
    columns = min(COLUMNS, len(views))
    rows = -(-len(views) // columns)
    figure = pyplot.figure(figsize=(CELL[0] * columns, CELL[1] * rows),
                           layout="constrained")
    # No line ends between a number and its share.
    figure.suptitle(textwrap.fill(
        drawable(title).replace(": ", ":\u00a0").replace(" %", "\u00a0%"),
        TITLE_WIDTH * columns))
    grid = figure.add_gridspec(rows, columns)
    for place, name in enumerate(views):
        row, column = divmod(place, columns)
        # A chart is wider than a leaf.
        axes = figure.add_subplot(grid[row, column:] if name == HISTOGRAM
                                  else grid[row, column])
        view = VIEWS[name][1](rgb_img, labels)
        # matplotlib takes a second for 12 megapixels that nobody sees here.
        step = -(-max(view.shape) // PAGE_SIDE)
        axes.imshow(view[::step, ::step])
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(name != HISTOGRAM)
        axes.set_title(VIEWS[name][0])
    return figure


def show_leaf(image: Path, views: list[str], save: Path | None,
              json_file: Path | None, no_display: bool) -> None:
    """Show or save a page of views of one image; write its measurements."""
    if image.is_dir():
        raise UserError(f"{image}: a folder, not an image; for all the "
                        f"images in it give -src {image} -dst DIR")
    check_kind(save)
    check_outputs([save, json_file], [image])
    quiet = json_file is not None and is_stdout(json_file)
    rgb_img = read_image(image)
    leaves = find_leaves(rgb_img)
    measured = measure_leaves(rgb_img, leaves)
    if json_file:
        largest = max(measured, key=itemgetter("area"), default=NO_LEAF)
        with open_target(json_file) as stream:
            stream.write(json.dumps({
                "file": str(image), "measurements": largest, "units": UNITS,
                "leaves": [{"leaf": number, "measurements": values}
                           for number, values in enumerate(measured, 1)]},
                indent=2) + "\n")
    sys.stdout.flush()
    if quiet and save is None:
        return      # What reads stdout has no eyes.
    figure = draw_page(open_pyplot(no_display, save), rgb_img,
                       number_leaves(leaves, rgb_img.shape[:2]), views,
                       f"{image.name}: {describe(measured)}")
    show_or_save({f"transformation_{image.stem}": figure}, save, image, quiet)


def describe(measured: list[dict]) -> str:
    """Return in words what was found; of several leaves the lesions."""
    if len(measured) == 1:
        return ("leaf of {area:,.0f} square pixels, lesions on "
                "{lesion_share:.1f} % of it in {spot_count} spots".format(
                    **measured[0]))
    shares = [f"{number}: {values['lesion_share']:.1f} %"
              for number, values in enumerate(measured, 1)]
    return (f"{len(measured)} leaves, lesions on {', '.join(shares)}"
            if measured else "no leaf found")


def output_names(files: list[Path]) -> list[Path]:
    """Return a name without ending for each file, all of them different.

    Files that differ in the ending or in capitals alone (not all file
    systems tell these apart) get numbers: `a.jpg` is `a`, `A.png` `A-2`.
    """
    own = {str(file.with_suffix("")).casefold() for file in files}
    taken, names = set(), []
    for file in files:
        name, number = file.with_suffix(""), 1
        # The first of a name has it; a number never makes another's name.
        while ((key := str(name).casefold()) in taken
               or number > 1 and key in own):
            number += 1
            name = file.with_name(f"{file.stem}-{number}")
        taken.add(key)
        names.append(name)
    return names


def transform_all(source: Path, target: Path, views: list[str],
                  csv_file: Path | None, workers: Workers, force: bool
                  ) -> int:
    """Write the views of all images below source; return the exit status."""
    if source.is_file():
        source, files = source.parent, [Path(source.name)]
    else:
        files, top = find_images(source), resolved(source)
        for folder in {target, *(target / file.parent for file in files)}:
            if is_inside(resolved(folder), top):
                raise UserError(f"-dst {target}: lies in -src {source}, "
                                "whose images it would add to; choose a "
                                "folder outside")
    if not files:
        raise UserError(f"{source}: no images in it or below it")
    pairs = [(source / file, target / name)
             for file, name in zip(files, output_names(files))]
    check_outputs([csv_file], [path for path, _ in pairs])
    rows, done, without = [], 0, 0
    with lock_output_tree(target):
        results = workers.map(partial(transform_file, views=views,
                                      measured=csv_file is not None, force=force), pairs, name_of=lambda pair: pair[0])
        for file, result in zip(files, progress(results, len(files),
                                                "Transforming")):
            if isinstance(result, UserError):
                print_error(result)
            else:
                done += 1
                without += result == []
                rows += [{"file": file.as_posix(),
                          "leaf": number if result else None} | values
                         for number, values in enumerate(result or [NO_LEAF],
                                                         1)]
    if csv_file:
        names = ["file", *UNITS, "leaf"]
        write_csv(csv_file, names, [[row[name] for name in names]
                                    for row in rows])
    failures = len(files) - done
    print(f"{done} images: {done * len(views)} views written to "
          f"{printable(target)}"
          + (f"; {without} of {done} images: no leaf found" if without
             else "")
          + (f"; {failures} images failed" if failures else ""),
          file=sys.stderr if csv_file and is_stdout(csv_file) else sys.stdout)
    return cli.FAILED if failures else cli.DONE


def build_parser() -> cli.Parser:
    """Return the parser of the command lines above."""
    parser = cli.Parser("Show, save and measure views of leaves.")
    # SUPPRESS keeps "(default: None)" out of -h.  With a type, argparse would
    # make a path of it where no IMAGE is given.
    option = partial(parser.add_argument, default=argparse.SUPPRESS)
    option("image", nargs="?", metavar="IMAGE",
           help="show the views of this image")
    force = partial(option, action="store_true")
    option = partial(option, type=path_of)
    option("--save", metavar="FIGURE", help="with IMAGE: save the page of "
           "views as this file (.png, .pdf, .svg, ...)")
    option("--json", metavar="FILE|-", help="with IMAGE: write the leaf's "
           "measurements and their units to this file (-: to stdout); of "
           "several leaves `measurements` has the largest, `leaves` each")
    option("-src", metavar="DIR", help="transform all images below this "
           "folder (or this one image)")
    option("-dst", metavar="DIR", help="with -src: write the views below "
           "this folder, as DIR/class/name_View.ext")
    force("--force", help="with -src: write views "
          "again that are there already")
    option("--csv", metavar="FILE|-", help="with -src: write the measurements "
           "to this file (-: to stdout), a row for each leaf, in the units of "
           "--json; an image without one has a row too; " + CSV_HELP)
    views = parser.add_argument_group(
        "views", "Each flag chooses a view; without any, all are made.  Each "
        "leaf is found and measured by itself, and has a number where there "
        "are several, in rows from left to right; leaves that touch or "
        "overlap count as one.")
    for name, (title, view) in VIEWS.items():
        views.add_argument(
            f"-{name.lower()}", dest="views", action="append_const",
            const=name, default=argparse.SUPPRESS,
            help=f"{title}. {' '.join((view.__doc__ or '').split())}")
    parser.add_jobs()
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Show one image's views, or write those of many."""
    parser = build_parser()
    given = vars(parser.parse_args(argv)).get
    one = [name for name in ("image", "save", "json") if given(name)]
    many = [name for name in ("src", "dst", "csv", "force") if given(name)]
    if one and many or not (given("image")
                            or given("src") and given("dst")):
        parser.error("give IMAGE [--save, --json], or -src and -dst [--csv, "
                     "--force]")
    if sys.flags.optimize > 1:
        raise UserError("PlantCV's libraries need their docstrings: do "
                        "without python -OO (PYTHONOPTIMIZE=2)")
    views = [name for name in VIEWS if name in given("views", VIEWS)]
    if many:
        return transform_all(given("src"), given("dst"), views, given("csv"),
                             program.make_workers(
    given("jobs"), given("cluster")),
                             bool(given("force")))
    show_leaf(path_of(given("image")), views, given("save"),
              given("json"), given("no_display"))
    return cli.DONE


if __name__ == "__main__":
    program.start(main)
