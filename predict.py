"""Step 5: name the disease of a leaf.

    python predict.py leaf.jpg
    python predict.py orchard/ --csv predictions.csv
    python predict.py leaf.jpg --json -
    python predict.py images --evaluate

Shows the leaf, the leaf cut out with its lesions outlined, where the network
saw the class, and how probable the classes are.  All that is needed is
learnings.zip; TensorFlow is not.
"""

from leaffliction import program  # before all that takes time to load

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from leaffliction.model.bundle import ARCHIVE
from leaffliction.model.classifier import (NOT_LIKE, UNKNOWN, Classifier,
                                           Prediction)
from leaffliction.model.signatures import SIGNATURE
from leaffliction.prediction.writers import open_csv, open_json
from leaffliction.utils import cli
from leaffliction.utils.console import print_error, print_note, printable
from leaffliction.utils.errors import UserError
from leaffliction.utils.figures import check_kind, open_pyplot, show_or_save
from leaffliction.utils.folders import find_images
from leaffliction.utils.overwrite import check_outputs
from leaffliction.utils.parallel import Workers
from leaffliction.utils.path_hints import expand
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import is_local, path_of, resolved
from leaffliction.utils.tables import CSV_HELP, is_stdout

LEARNINGS = Path("learnings.zip")
SHOWN = 8      # leaves on a figure, at most: more would be too small to see


def list_images(paths: list[Path]) -> list[Path]:
    """Return the images named, in the order given; folders are searched.

    Wildcards that the shell has left are expanded.
    Raises UserError for a folder without images, or where nothing matches.
    """
    images = []
    for path in (match for given in paths for match in expand(given)):
        if path.is_dir():
            found = find_images(path)
            if not found:
                raise UserError(f"{path}: no images in it or below it")
            images += [path / file for file in found]
        else:
            images.append(path)
    return images


def predict_files(learnings: Classifier, paths: Sequence[Path],
                  workers: Workers) -> Iterator[Prediction | UserError]:
    """Yield what each image shows, or why it can't be read, in order."""
    return workers.map(learnings.predict_file, paths, in_threads=True)


def describe(prediction: Prediction, count: int) -> str:
    """Return a prediction in words, with the `count` most probable classes."""
    (name, share), *others = prediction.top(count)
    text = f"{printable(name)} ({share:.1%})"
    if not prediction.known:
        text = f"{UNKNOWN}; nearest is {text}"
    if others:
        text += "; then " + ", ".join(
            f"{printable(other)} ({share:.1%})" for other, share in others)
    return text


def summary(count: int, refused: int, failed: int) -> str:
    """Return what to know of `count` images, in a line.

    refused: how many are not known.  failed: how many can't be read.
    """
    parts = [f"{number} {words}" for number, words in (
        (refused, NOT_LIKE), (failed, "could not be read")) if number]
    return f"{count} images: " + (
        ", ".join(parts) or "all like leaves it has learned")


def predict_images(learnings: Classifier, paths: list[Path], options) -> int:
    """Print, write and show what each image shows, as it comes."""
    shown, failed, refused = [], 0, 0
    quiet = is_stdout(options.csv) or is_stdout(options.json)
    with ExitStack() as stack:
        writers = []
        if options.csv:
            writers.append(stack.enter_context(
                open_csv(options.csv)))
        if options.json:
            writers.append(stack.enter_context(
                open_json(options.json, learnings)))
        for path, result in zip(paths, progress(
                predict_files(learnings, paths, options.workers), len(paths),
                "Predicting")):
            for write in writers:
                write(path, result)
            if isinstance(result, UserError):
                print_error(result)
                failed += 1
                continue
            refused += not result.known
            if len(shown) < SHOWN:
                shown.append((path, result))
            if not quiet:
                print(f"{printable(path)}: "
                      f"{describe(result, options.top)}")
    if len(paths) > 1:
        print_note(summary(len(paths), refused, failed))
    # A figure shows a few leaves; for a folder it must be asked for.
    if shown and (options.save or not quiet and len(paths) <= SHOWN):
        if len(paths) > SHOWN:
            print_note(f"the figure shows the first {SHOWN} images")
        show_predictions(shown, options, quiet)
    return cli.FAILED if failed else cli.DONE


def show_predictions(results: list[tuple[Path, Prediction]], options,
                     quiet: bool) -> None:
    """Show the figure of a few predictions in a window, or save it.

    quiet: stdout has other content.
    """
    from leaffliction.prediction.figure import draw_predictions
    sys.stdout.flush()      # The answer need not wait for its picture.
    pyplot = open_pyplot(options.no_display, options.save)
    figure = draw_predictions(pyplot, results)
    # A figure of several leaves shows these leaves together.
    shown = "\n".join(os.path.abspath(path) if is_local(path) else str(path)
                      for path, _ in results)
    show_or_save({f"prediction_{results[0][0].stem}": figure}, options.save,
                 shown, quiet)


def evaluate_folder(learnings: Classifier, folder: Path, options) -> int:
    """Compare predictions with the folders' names; return the status."""
    from leaffliction.model.metrics import confusion_figure, evaluate
    from leaffliction.utils.class_folders import read_dataset
    from leaffliction.utils.class_names import class_key
    from leaffliction.utils.tables import text_table
    dataset = read_dataset(folder)
    check_kind(options.save)
    check_outputs([options.save], dataset.paths())
    index = {class_key(name): place for place, name
             in enumerate(learnings.class_names)}
    # "healthy" in a folder "Pawpaw", a plant that class_names does not know,
    # was learned as "Pawpaw_healthy" from the folder above.
    truth = [index.get(class_key(name), index.get(class_key(
        f"{resolved(folder).name}_{name}"))) for name in dataset.class_names]
    labels, probabilities, known, failed = [], [], [], 0
    strange = np.zeros((len(truth), 2), int)     # images; refused of them
    results = predict_files(learnings, dataset.paths(), options.workers)
    for label, result in zip(dataset.labels, progress(
            results, len(dataset.files), "Evaluating")):
        if isinstance(result, UserError):
            print_error(result)
            failed += 1
        elif truth[label] is None:
            strange[label] += (1, not result.known)
        else:
            labels.append(truth[label])
            probabilities.append(result.probabilities)
            known.append(result.known)
    if strange.any():
        print("classes that were not learned, counted apart:")
        print(text_table([("class", "images", "refused", "")] + [
            (printable(name), str(images), str(refused),
             f"{refused / images:.1%}") for name, (images, refused) in
            zip(dataset.class_names, strange) if images],
            (True, False, False, False)), flush=True)
    if failed == len(dataset.files):
        raise UserError(f"{folder}: none of its {failed} images can be read")
    if failed:
        print_note(summary(len(dataset.files), 0, failed))
    if not labels:
        raise UserError(f"{folder}: no image of a class that was learned ("
                        + ", ".join(learnings.class_names) + ")")
    labels, probabilities, known = map(np.array, (
        labels, probabilities, known))
    evaluation = evaluate(labels, probabilities, learnings.class_names)
    print(evaluation.table())
    said = f"refused {np.mean(~known):.2%} of the images"
    if known.any():
        right = probabilities[known].argmax(axis=1) == labels[known]
        said += f"; of the others {right.mean():.2%} are right"
    print(said, flush=True)
    pyplot = open_pyplot(options.no_display, options.save)
    show_or_save({"evaluation": confusion_figure(pyplot, evaluation)},
                 options.save, folder)
    return cli.FAILED if failed else cli.DONE


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser("Name the disease of leaves.")
    add = parser.add_argument
    add("paths", type=path_of, nargs="+", metavar="IMAGE|DIRECTORY",
        help="what to look at")
    add("--learnings", type=path_of, default=LEARNINGS, metavar="ZIP",
        help="archive written by train.py")
    add("--no-verify", action="store_true",
        help="take the archive even if signature.txt beside it is not its")
    add("--top", type=cli.positive_int, default=3, metavar="N",
        help="classes to name for each image")
    add("--csv", metavar="FILE|-",
        help="write a row for each image (-: to stdout), " + CSV_HELP)
    add("--json", metavar="FILE|-",
        help="write all probabilities, versions and the checksum of the "
             "learnings (-: to stdout)")
    add("--evaluate", action="store_true",
        help="take folder names for truth and say how right the predictions "
             "are")
    add("--save", type=path_of, metavar="FIGURE",
        help="save the figure in this file")
    parser.add_jobs()
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    options.workers = program.make_workers(options.jobs, options.cluster)
    if options.evaluate and (len(options.paths) != 1 or options.csv
                             or options.json):
        parser.error("--evaluate takes one folder, and neither --csv nor "
                     "--json")
    if is_stdout(options.csv) and is_stdout(options.json):
        parser.error("only one of --csv and --json can go to stdout")
    if options.evaluate:
        return evaluate_folder(
            Classifier.load(options.learnings, not options.no_verify),
            options.paths[0], options)
    paths = list_images(options.paths)
    check_kind(options.save)
    check_outputs([options.csv, options.json, options.save],
                  [options.learnings, options.learnings / ARCHIVE,
                   options.learnings.parent / SIGNATURE, *paths])
    return predict_images(
        Classifier.load(options.learnings, not options.no_verify), paths,
        options)


if __name__ == "__main__":
    program.start(main)
