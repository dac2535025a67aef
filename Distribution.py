"""Step 1: look at the classes. How many images does each one have?

    python Distribution.py images
    python Distribution.py images/Apple --save apple.png --csv apple.csv
    python Distribution.py images --quick

A network learns best what it sees most, so the first question about a data
set is whether its classes have the same size.  The program draws one figure
for each plant: a pie chart and a bar chart in the same colours, with titles
and labels from the names of the folders.  It prints a table with the same
numbers, unreadable files, image sizes and modes, and lists the images that
repeat (identical or nearly so, also rotated or mirrored).
"""

from leaffliction import program  # first: it handles Ctrl-C during imports

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from leaffliction.distribution.charts import draw_charts, figure_name
from leaffliction.distribution.class_facts import (ClassFacts, by_plant,
                                                   collect_facts)
from leaffliction.distribution.report import (class_table, format_table,
                                              repeat_lines, repeats_path,
                                              summary, write_tables)
from leaffliction.utils import cli
from leaffliction.utils.console import printable
from leaffliction.utils.figures import (check_figure_format, figure_path,
                                        open_pyplot, show_or_save)
from leaffliction.utils.overwrite import check_outputs
from leaffliction.utils.storage import path_of
from leaffliction.utils.tables import CSV_HELP, is_stdout

if TYPE_CHECKING:
    from leaffliction.distribution.duplicates import Repeat
    from leaffliction.utils.labels import Dataset
    from leaffliction.utils.parallel import Workers


def check_output_files(dataset: "Dataset", csv: Path | None,
                       save: Path | None) -> None:
    """Raise UserError if an output can't be written, before any work is done.

    csv, save: the files of --csv and --save.
    """
    outputs = [csv, save]
    # First the files as given: below, "." would get a stem and seem valid.
    check_outputs(outputs, ())
    check_figure_format(save)
    if save is not None:
        names = dict.fromkeys(map(figure_name, dataset.plants))
        figures = [figure_path(save, name, len(names)) for name in names]
        outputs += [path for path in figures if path != save]
    if csv is not None and not is_stdout(csv):
        outputs.append(repeats_path(csv))
    check_outputs(outputs, dataset.paths())


def analyse(dataset: "Dataset", workers: "Workers"
            ) -> "tuple[dict[str, ClassFacts], list[Repeat]]":
    """Read all images; return the facts of each class, and the repeats.

    Prints the error of each unreadable image; raises UserError if none is
    readable.
    """
    from leaffliction.distribution.duplicates import find_repeats
    from leaffliction.distribution.inspection import inspect_dataset
    results, readable = inspect_dataset(dataset, workers)
    repeats = find_repeats(dataset.subset(readable),
                           [results[index] for index in readable])
    return collect_facts(dataset, results, repeats), repeats


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(
        "Count the images of each class in a folder, and show a pie chart and "
        "a bar chart for each plant.")
    parser.add_argument(
        "directory", type=path_of, metavar="DIRECTORY",
        help="folder with a folder of images for each class; the class "
             "folders may be inside a folder for each plant")
    parser.add_argument(
        "--save", type=path_of, metavar="FIGURE",
        help="save the figure to this file; for several plants, the name of "
             "each plant is added to the file name")
    parser.add_argument(
        "--csv", type=path_of, metavar="FILE|-",
        help="write the table to this file, and the images that repeat to "
             "..._repeats.csv beside it (-: only the table, to stdout); "
             + CSV_HELP)
    parser.add_argument(
        "--quick", action="store_true",
        help="count the files without reading them; finds no unreadable "
             "files and no repeats")
    parser.add_jobs()
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = build_parser().parse_args(argv)
    # Imported here because they import numpy and OpenCV: -h must not wait.
    from leaffliction.utils.class_folders import read_dataset
    from leaffliction.utils.folders import empty_folders
    dataset = read_dataset(options.directory)
    check_output_files(dataset, options.csv, options.save)
    facts, repeats, sizes = None, [], dataset.counts().tolist()
    if not options.quick:
        facts, repeats = analyse(
            dataset, program.make_workers(options.jobs, options.cluster))
        sizes = [of_class.count for of_class in facts.values()]
    counts = by_plant(dataset, sizes)
    table = class_table(counts, facts)
    # With --csv -, stdout carries the CSV and nothing else.
    quiet = options.csv is not None and is_stdout(options.csv)
    if not quiet:
        print(format_table(table))
        print(summary(counts))
        for folder in empty_folders(dataset.root, dataset.files):
            print(f"no photographs in: {printable(folder)}")
        for line in repeat_lines(repeats):
            print(line)
    if options.csv is not None:
        for path in write_tables(options.csv, table, repeats):
            print(f"written: {printable(path)}")
    sys.stdout.flush()
    if options.save is not None or not quiet:
        pyplot = open_pyplot(options.no_display, options.save)
        show_or_save(draw_charts(pyplot, counts), options.save,
                     options.directory, quiet)
    return cli.DONE if sum(sizes) == len(dataset.files) else cli.FAILED


if __name__ == "__main__":
    program.start(main)
