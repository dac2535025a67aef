"""Step 3: look at one leaf - what can be separated and measured?

    python Transformation.py "images/Apple_scab/image (1).JPG"
    python Transformation.py leaf.jpg --save views.png --json leaf.json
    python Transformation.py -src images -dst views
    python Transformation.py -src images -dst views -mask --csv leaves.csv

Eight views of a leaf, most of them made with PlantCV (Gehan et al. 2017,
doi:10.7717/peerj.4088); see leaffliction/transformation/views.py.  For one
image they are shown on a page; for a folder they are written as
DST/class/name_View.ext.  `-h` says what each view shows and why that helps.
"""

from leaffliction import program  # first: it handles Ctrl-C during imports

import json
import sys
import textwrap
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

from leaffliction.transformation.analysis import ImageAnalysis, analyse_image
from leaffliction.transformation.batch import (Transformed, output_names,
                                               transform_file)
from leaffliction.transformation.measurements import NO_LEAF, UNITS, measure
from leaffliction.transformation.views import VIEWS
from leaffliction.utils import cli
from leaffliction.utils.console import print_error, printable
from leaffliction.utils.errors import UserError
from leaffliction.utils.figures import (check_figure_format, open_pyplot,
                                        renderable, show_or_save)
from leaffliction.utils.folders import find_images
from leaffliction.utils.images import read_image
from leaffliction.utils.files import lock_output_tree
from leaffliction.utils.overwrite import check_outputs
from leaffliction.utils.parallel import Workers
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import is_inside, path_of, resolved
from leaffliction.utils.tables import (CSV_HELP, is_stdout, open_output,
                                       write_csv)

VIEW_SIZE = (3.2, 3.5)  # inches of a view on the page, with its title
COLUMNS = 5             # views in a row
MAX_VIEW_SIDE = 1024    # pixels of a view on the page
TITLE_WIDTH = 30        # characters of the page's title above each view


# One image: a page of views, and the measurements as JSON.

def show_image(path: Path, views: list[str], save: Path | None,
               json_file: Path | None, no_display: bool) -> None:
    """Show or save a page of views of one image; write its measurements."""
    if path.is_dir():
        raise UserError(f"{path}: a folder, not an image; for all the "
                        f"images in it give -src {path} -dst DIR")
    check_figure_format(save)
    check_outputs([save, json_file], [path])
    image = analyse_image(read_image(path))
    measurements = measure(image)
    if json_file:
        write_json(json_file, path, measurements)
    sys.stdout.flush()
    quiet = json_file is not None and is_stdout(json_file)
    if quiet and save is None:
        return      # stdout holds JSON for a program: nobody sees a page.
    figure = draw_page(open_pyplot(no_display, save), image, views,
                       f"{path.name}: {describe(measurements)}")
    show_or_save({f"transformation_{path.stem}": figure}, save, path, quiet)


def write_json(json_file: Path, path: Path, measurements: list[dict]) -> None:
    """Write the measurements of one image's leaves, the largest first."""
    largest = max(measurements, key=itemgetter("area"), default=NO_LEAF)
    leaves = [{"leaf": number, "measurements": values}
              for number, values in enumerate(measurements, 1)]
    with open_output(json_file) as stream:
        stream.write(json.dumps(
            {"file": str(path), "measurements": largest, "units": UNITS,
             "leaves": leaves}, indent=2) + "\n")


def draw_page(pyplot, image: ImageAnalysis, views: list[str], title: str):
    """Return a figure of the views of one image, COLUMNS in a row."""
    columns = min(COLUMNS, len(views))
    rows = -(-len(views) // columns)
    width, height = VIEW_SIZE
    figure = pyplot.figure(figsize=(width * columns, height * rows),
                           layout="constrained")
    # Non-breaking spaces keep a leaf's number and its percentage on one line.
    figure.suptitle(textwrap.fill(
        renderable(title).replace(": ", ":\u00a0").replace(" %", "\u00a0%"),
        TITLE_WIDTH * columns))
    grid = figure.add_gridspec(rows, columns)
    for index, view in enumerate(VIEWS[name] for name in views):
        row, column = divmod(index, columns)
        # A chart is wider than a photograph: it fills the rest of its row.
        axes = figure.add_subplot(grid[row, column:] if view.is_chart
                                  else grid[row, column])
        picture = view.draw(image)
        # matplotlib takes a second for 12 megapixels, more than a page shows.
        step = -(-max(picture.shape) // MAX_VIEW_SIDE)
        axes.imshow(picture[::step, ::step])
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(not view.is_chart)
        axes.set_title(view.title)
    return figure


def describe(measurements: list[dict]) -> str:
    """Return the number of leaves and their lesions in words."""
    if not measurements:
        return "no leaf found"
    if len(measurements) == 1:
        return ("leaf of {area:,.0f} square pixels, lesions on "
                "{lesion_share:.1f} % of it in {spot_count} spots".format(
                    **measurements[0]))
    shares = [f"{number}: {values['lesion_share']:.1f} %"
              for number, values in enumerate(measurements, 1)]
    return f"{len(measurements)} leaves, lesions on {', '.join(shares)}"


# Many images: the views as files, and the measurements as CSV.

@dataclass(frozen=True)
class Batch:
    """The images to transform.

    target: the folder of the views.
    files: the images, relative to the source folder.
    pairs: for each image its path, and that of its views without
    `_View.ext`.
    """

    target: Path
    files: list[Path]
    pairs: list[tuple[Path, Path]]


def plan_batch(source: Path, target: Path) -> Batch:
    """Return the images below a folder, or one image, and where views go.

    Raises UserError if there is none, or the views would go among them.
    """
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
    return Batch(target, files, [
        (source / file, target / name)
        for file, name in zip(files, output_names(files))])


def transform_batch(batch: Batch, views: list[str], csv_file: Path | None,
                    workers: Workers, force: bool) -> int:
    """Write the views of all images, and the CSV file; return exit status."""
    check_outputs([csv_file], [path for path, _ in batch.pairs])
    rows, done, without_leaf = [], 0, 0
    transform = partial(transform_file, views=views,
                        measured=csv_file is not None, force=force)
    with lock_output_tree(batch.target):
        results = workers.map(transform, batch.pairs,
                              name_of=lambda pair: pair[0])
        for file, result in zip(batch.files, progress(
                results, len(batch.files), "Transforming")):
            if isinstance(result, UserError):
                print_error(result)
                continue
            done += 1
            without_leaf += result.leaf_count == 0
            if csv_file:
                rows += csv_rows(file, result)
    if csv_file:
        names = ["file", *UNITS, "leaf"]
        write_csv(csv_file, names, [[row[name] for name in names]
                                    for row in rows])
    failures = len(batch.files) - done
    print(f"{done} images: {done * len(views)} views written to "
          f"{printable(batch.target)}"
          + (f"; {without_leaf} of {done} images: no leaf found"
             if without_leaf else "")
          + (f"; {failures} images failed" if failures else ""),
          file=sys.stderr if csv_file and is_stdout(csv_file) else sys.stdout)
    return cli.FAILED if failures else cli.DONE


def csv_rows(file: Path, result: Transformed) -> list[dict]:
    """Return a row for each leaf of an image, or one without a number."""
    if not result.measurements:
        return [{"file": file.as_posix(), "leaf": None} | NO_LEAF]
    return [{"file": file.as_posix(), "leaf": number} | values
            for number, values in enumerate(result.measurements, 1)]


# The command line.

def build_parser() -> cli.Parser:
    """Return the parser of the command lines above."""
    parser = cli.Parser("Show, save and measure views of leaves.")
    add = parser.add_argument
    add("image", nargs="?", metavar="IMAGE",
        help="show the views of this image on a page")
    add("--save", type=path_of, metavar="FIGURE",
        help="with IMAGE: save the page of views as this file (.png, .pdf, "
             ".svg, ...)")
    add("--json", type=path_of, metavar="FILE|-",
        help="with IMAGE: write the measurements and their units to this "
             "file (-: to stdout). If there are several leaves, "
             "`measurements` has the largest and `leaves` has each of them")
    add("-src", type=path_of, metavar="DIR",
        help="transform all images in this folder and below it (or this one "
             "image)")
    add("-dst", type=path_of, metavar="DIR",
        help="with -src: write the views into this folder, as "
             "DIR/class/name_View.ext")
    add("--force", action="store_true",
        help="with -src: write all views again, also those that are up to "
             "date")
    add("--csv", type=path_of, metavar="FILE|-",
        help="with -src: write the measurements to this file (-: to stdout), "
             "in the units of --json: a row for each leaf, and one for an "
             "image without a leaf; " + CSV_HELP)
    views = parser.add_argument_group(
        "views", "Each flag chooses a view; without any, all views are made. "
        "Each leaf is found and measured on its own. If there are several, "
        "each has a number, row by row from left to right. Leaves that touch "
        "or overlap count as one.")
    for name, view in VIEWS.items():
        views.add_argument(
            f"-{name.lower()}", dest="views", action="append_const",
            const=name, help=f"{view.title}. {view.shows} {view.reason}")
    parser.add_jobs()
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Show the views of one image, or write those of many."""
    parser = build_parser()
    options = parser.parse_args(argv)
    for_one = options.image or options.save or options.json
    for_many = options.src or options.dst or options.csv or options.force
    if for_one and for_many or not (
            options.image or options.src and options.dst):
        parser.error("give IMAGE [--save, --json], or -src and -dst [--csv, "
                     "--force]")
    if sys.flags.optimize > 1:
        raise UserError("PlantCV's libraries need their docstrings: do "
                        "without python -OO (PYTHONOPTIMIZE=2)")
    views = [name for name in VIEWS if name in (options.views or VIEWS)]
    if options.image:
        show_image(path_of(options.image), views, options.save, options.json,
                   options.no_display)
        return cli.DONE
    workers = program.make_workers(options.jobs, options.cluster)
    return transform_batch(plan_batch(options.src, options.dst), views,
                           options.csv, workers, options.force)


if __name__ == "__main__":
    program.start(main)
