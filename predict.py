"""Step 5: name the disease of a leaf.

    python predict.py leaf.jpg
    python predict.py orchard/ --csv predictions.csv
    python predict.py leaf.jpg --json -
    python predict.py trees/ --per-folder --report report.html
    python predict.py images --evaluate
    python predict.py leaf.jpg --learnings apple-grape
    python predict.py --web

Prints the most probable classes of each image and shows a figure: the leaf,
the leaf on white with its lesions outlined, the regions that speak for the
predicted class, and the probabilities.  It needs an archive, and does not
import TensorFlow.  The archive is learnings.zip in the current folder, which
train.py writes, or where there is none the released model apple-grape;
--learnings names another file or released model.  --web opens a page in the
browser instead, for photographs that are dropped there.
"""

from leaffliction import program  # first: it handles Ctrl-C during imports

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NoReturn

from leaffliction.model.bundle import ARCHIVE
from leaffliction.model.classifier import Classifier
from leaffliction.model.released import DEFAULT, choose_archive
from leaffliction.model.signatures import SIGNATURE
from leaffliction.prediction.batch import (PredictedFile, ensure_pixels,
                                           list_images, predict_files)
from leaffliction.prediction.outputs import MAX_ROWS, Outputs, open_writers
from leaffliction.prediction.plants import combine_folders, group_by_folder
from leaffliction.prediction.text import (describe, describe_choice,
                                          describe_expected, describe_hints,
                                          describe_plant,
                                          describe_plant_hints, summarize)
from leaffliction.prediction.writers import Result
from leaffliction.utils import cli
from leaffliction.utils.console import print_error, print_note, printable
from leaffliction.utils.errors import UserError
from leaffliction.utils.figures import (check_figure_format, open_pyplot,
                                        show_or_save)
from leaffliction.utils.overwrite import check_outputs
from leaffliction.utils.parallel import Workers
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import absolute_name, path_of
from leaffliction.utils.tables import CSV_HELP, is_stdout
from leaffliction.web.listening import LOCALHOST, PORT, Listening


def load_classifier(archive: Path, verify: bool, announce: bool) -> Classifier:
    """Return the classifier; announce: say which one it is, in a note."""
    classifier = Classifier.load(archive, verify)
    if announce:
        print_note(describe_choice(archive, classifier.class_names))
    return classifier


@dataclass
class Handled:
    """What has become of the results of a run.

    shown: the first MAX_ROWS predictions.  predicted, unknown, failed: number
    of predictions, of those out of distribution, and of unreadable images.
    """

    shown: list[Result] = field(default_factory=list)
    predicted: int = 0
    unknown: int = 0
    failed: int = 0


def handle_results(results: Iterable[tuple[Path, Result | UserError]],
                   classifier: Classifier, outputs: Outputs,
                   in_words: Callable[[Result], tuple[str, list[str]]]
                   ) -> Handled:
    """Write and print each (path, prediction or error); count them.

    in_words: returns the text of a prediction, and its hints.
    """
    handled = Handled()
    with open_writers(classifier, outputs) as write:
        for path, result in results:
            write(path, result)
            if isinstance(result, UserError):
                print_error(result)
                handled.failed += 1
                continue
            handled.predicted += 1
            handled.unknown += not result.prediction.known
            if len(handled.shown) < MAX_ROWS:
                handled.shown.append(result)
            if not outputs.quiet:
                print_prediction(path, *in_words(result))
    return handled


def predict_images(classifier: Classifier, paths: list[Path],
                   workers: Workers, outputs: Outputs) -> int:
    """Print, write and show the predictions; return the exit status."""
    wants_figure = outputs.wants_figure(len(paths))
    results = progress(
        predict_files(classifier, paths, workers,
                      MAX_ROWS if wants_figure else 0, with_hints=True,
                      for_report=bool(outputs.report)),
        len(paths), "Predicting")
    handled = handle_results(
        zip(paths, results), classifier, outputs, lambda result: (
            describe(result.prediction, outputs.top),
            describe_hints(result.hints)))
    if len(paths) > 1:
        print_note(summarize(len(paths), handled.unknown, handled.failed))
    if handled.unknown:
        print_note(describe_expected(classifier.class_names))
    if handled.shown and wants_figure:
        if len(paths) > MAX_ROWS:
            print_note(f"the figure shows the first {MAX_ROWS} images")
        sys.stdout.flush()      # The text need not wait for the figure.
        show_predictions([ensure_pixels(result, classifier)
                          for result in handled.shown], outputs)
    return cli.FAILED if handled.failed else cli.DONE


def predict_folders(classifier: Classifier, paths: list[Path],
                    workers: Workers, outputs: Outputs) -> int:
    """Print and write a prediction per plant; return the exit status."""
    folders = group_by_folder(paths)
    images = list(chain.from_iterable(folders.values()))
    results = progress(
        predict_files(classifier, images, workers, with_hints=True,
                      for_report=bool(outputs.report)),
        len(images), "Predicting")
    handled = handle_results(
        combine_folders(folders, results), classifier, outputs,
        lambda plant: (describe_plant(plant, outputs.top),
                       describe_plant_hints(plant)))
    print_note(summarize(len(images), handled.unknown, handled.failed,
                         handled.predicted))
    if handled.unknown:
        print_note(describe_expected(classifier.class_names))
    return cli.FAILED if handled.failed else cli.DONE


def print_prediction(path: Path, text: str, hints: list[str]) -> None:
    """Print a line for an image or a plant, and an indented one per hint."""
    print("\n    ".join([f"{printable(path)}: {text}", *hints]))


def show_predictions(results: list[PredictedFile], outputs: Outputs) -> None:
    """Show the figure of a few predictions in a window, or save it."""
    from leaffliction.prediction.figure import draw_predictions
    pyplot = open_pyplot(outputs.no_display, outputs.figure)
    figure = draw_predictions(pyplot, results)
    # A saved figure replaces an earlier one of exactly these images.
    paths = [result.path for result in results]
    source = "\n".join(map(absolute_name, paths))
    show_or_save({f"prediction_{paths[0].stem}": figure}, outputs.figure,
                 source, outputs.quiet)


def evaluate_folder(classifier: Classifier, folder: Path, workers: Workers,
                    save: Path | None, no_display: bool) -> int:
    """Compare predictions with the folders' names; return the exit status.

    Prints the metrics, and shows the confusion matrix or saves it as `save`.
    """
    from leaffliction.model.metrics import confusion_figure, evaluate
    from leaffliction.prediction.evaluation import (
        predict_dataset, refused_text, unlearned_table)
    from leaffliction.utils.class_folders import read_dataset
    dataset = read_dataset(folder)
    check_figure_format(save)
    check_outputs([save], dataset.paths())
    predictions = predict_dataset(classifier, dataset, workers)
    if predictions.unlearned.any():
        print("classes that were not learned, counted separately:")
        print(unlearned_table(dataset, predictions.unlearned), flush=True)
    count = len(dataset.files)
    if predictions.failed == count:
        raise UserError(f"{folder}: none of its {count} images can be read")
    if predictions.failed:
        print_note(summarize(count, 0, predictions.failed))
    if not len(predictions.labels):
        raise UserError(f"{folder}: no image of a class that was learned ("
                        + ", ".join(classifier.class_names) + ")")
    evaluation = evaluate(predictions.labels, predictions.probabilities,
                          classifier.class_names)
    print(evaluation.table())
    print(refused_text(predictions), flush=True)
    pyplot = open_pyplot(no_display, save)
    show_or_save({"evaluation": confusion_figure(pyplot, evaluation)},
                 save, folder)
    return cli.FAILED if predictions.failed else cli.DONE


def serve_page(archives: list[Path], verify: bool, listening: Listening,
               jobs: int, no_display: bool) -> NoReturn:
    """Serve the page with these archives in its menu, until Ctrl-C."""
    from leaffliction.web.server import serve
    serve([Classifier.load(archive, verify) for archive in archives],
          listening, jobs, open_browser=not no_display)


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser("Name the disease of leaves.")
    add = parser.add_argument
    add("paths", type=path_of, nargs="*", metavar="IMAGE|DIRECTORY",
        help="photographs of leaves, or folders of them")
    add("--learnings", type=path_of, metavar="ZIP|NAME", action="append",
        help="the archive that train.py wrote, or the name of a released "
             f"model; without it, {ARCHIVE} in the current folder, or where "
             f"there is none the released model {DEFAULT}; with --web it may "
             "be given several times")
    add("--verify", action="store_true",
        help="compare the whole archive with signature.txt beside it; the "
             "checksums of what is read are always verified")
    add("--top", type=cli.positive_int, default=3, metavar="N",
        help="number of classes to print for each image, the most probable "
             "first")
    add("--csv", type=path_of, metavar="FILE|-",
        help="write a table with a row for each image to this file (-: to "
             "stdout), " + CSV_HELP)
    add("--json", type=path_of, metavar="FILE|-",
        help="write all probabilities, the versions of the libraries and the "
             "checksum of the archive to this file (-: to stdout)")
    add("--report", type=path_of, metavar="HTML",
        help="write a report to this HTML file: thumbnails, predictions and "
             "lesions, the least certain first, and what the diseases are; "
             "in French where LANG asks for it")
    add("--per-folder", action="store_true",
        help="predict plants instead of images: the photographs that lie in "
             "one folder are of one plant, and have one prediction")
    add("--evaluate", action="store_true",
        help="compare the predictions with the names of the folders that the "
             "images are in, and print accuracy and other metrics")
    add("--save", type=path_of, metavar="FIGURE",
        help="save the figure as this file (.png, .pdf, .svg, ...)")
    add("--web", action="store_true",
        help="open a page in the browser, where photographs are dropped and "
             "predictions corrected; with --no-display only print its address")
    add("--host", metavar="ADDRESS",
        help="address of this computer at which --web answers; 0.0.0.0 lets "
             "in a phone that scans the page's QR code; without it, "
             f"{LOCALHOST}")
    add("--port", type=cli.port, metavar="N",
        help=f"port at which --web answers; without it, {PORT}")
    parser.add_jobs()
    parser.add_display()
    return parser


def check_usage(parser: cli.Parser, options: Namespace) -> None:
    """Exit with status 2 where options do not go together."""
    if options.web:
        if (options.paths or options.csv or options.json or options.report
                or options.evaluate or options.per_folder or options.save
                or options.cluster
                or options.top != parser.get_default("top")):
            parser.error("--web takes photographs in the page: neither "
                         "images nor --top, --csv, --json, --report, "
                         "--evaluate, --per-folder, --save or --cluster")
        return
    if not options.paths:
        parser.error("give an image or a folder, or --web")
    if len(options.learnings or ()) > 1:
        parser.error("several --learnings need --web")
    if options.host or options.port is not None:
        parser.error("--host and --port need --web")
    if options.evaluate and (
            len(options.paths) != 1 or options.csv or options.json
            or options.report or options.per_folder):
        parser.error("--evaluate takes one folder, and none of --csv, --json, "
                     "--report and --per-folder")
    if options.per_folder and options.save:
        parser.error("--per-folder draws no figure: leave out --save")
    if is_stdout(options.csv) and is_stdout(options.json):
        parser.error("only one of --csv and --json can go to stdout")
    if options.report and is_stdout(options.report):
        parser.error("--report takes the name of a file")


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    check_usage(parser, options)
    archive, *others = map(choose_archive, options.learnings or [None])
    if options.web:
        serve_page(
            [archive, *others], options.verify,
            Listening(options.host or LOCALHOST,
                      PORT if options.port is None else options.port),
            options.jobs, options.no_display)
    workers = program.make_workers(options.jobs, options.cluster)
    # Whoever names an archive knows which one it is.
    load = partial(load_classifier, archive, options.verify,
                   not options.learnings)
    if options.evaluate:
        return evaluate_folder(load(), options.paths[0], workers,
                               options.save, options.no_display)
    paths = list_images(options.paths)
    check_figure_format(options.save)
    # archive is a zip, or a folder that holds one.
    check_outputs([options.csv, options.json, options.report, options.save],
                  [archive, archive.parent / SIGNATURE,
                   archive / ARCHIVE, archive / SIGNATURE, *paths])
    predict = predict_folders if options.per_folder else predict_images
    return predict(
        load(), paths, workers,
        Outputs(options.csv, options.json, options.report, options.save,
                options.no_display, options.top, options.per_folder))


if __name__ == "__main__":
    program.start(main)
