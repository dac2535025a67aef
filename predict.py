"""Step 5: name the disease of a leaf.

    python predict.py leaf.jpg
    python predict.py orchard/ --csv predictions.csv
    python predict.py images --evaluate

Shows the leaf as it is and as it was cut out from its ground, with the
class under it.  All that is needed is learnings.zip; TensorFlow is not.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from utils import cli
from utils.cli import UserError
from utils.images import find_images, read_batches, read_image
from utils.labels import read_dataset
from utils.leaf import leaf_mask, on_white
from utils.learnings import Learnings, Prediction
from utils.tables import csv_text, write_csv

LEARNINGS = Path("learnings.zip")
BATCH = 32     # images through the network at once
SHOWN = 8      # leaves on a figure, at most: more would be too small to see
COLUMNS = 2    # leaves beside each other on it
CSV = ("file", "class", "confidence", "known", "error")
UNKNOWN = "not like any leaf it has learned"


def list_images(paths: list[Path]) -> list[Path]:
    """Return the images named, in the order given; folders are searched.

    Raises UserError for a folder without images.
    """
    images = []
    for path in paths:
        if path.is_dir():
            found = find_images(path)
            if not found:
                raise UserError(f"{path}: no images in it or below it")
            images += [path / file for file in found]
        else:
            images.append(path)
    return images


def predict_files(learnings: Learnings, paths: list[Path]
                  ) -> Iterator[Prediction | UserError]:
    """Yield what each image shows, or why it can't be read, in order."""
    size = learnings.description.size
    for batch in read_batches(paths, size, BATCH):
        readable = [image for image in batch
                    if not isinstance(image, UserError)]
        predictions = iter(learnings.predict(np.stack(readable))
                           if readable else ())
        for image in batch:
            yield image if isinstance(image, UserError) else next(predictions)


def describe(prediction: Prediction, count: int) -> str:
    """Return a prediction in words, with the `count` most probable classes."""
    (name, share), *others = prediction.top(count)
    text = f"{cli.printable(name)} ({share:.1%})"
    if not prediction.known:
        text = f"{UNKNOWN}: no diagnosis; nearest is {text}"
    if others:
        text += "; then " + ", ".join(
            f"{cli.printable(other)} ({share:.1%})" for other, share in others)
    return text


def csv_row(path: Path, result: Prediction | UserError) -> list[str]:
    """Return the row file,class,confidence,known,error of an image."""
    if isinstance(result, UserError):
        return [str(path), "", "", "", str(result)]
    return [str(path), result.class_name, f"{result.confidence:.6f}",
            "yes" if result.known else "no", ""]


def draw_predictions(pyplot, results: list[tuple[Path, Prediction]]):
    """Return a figure with each leaf, its transformed image and its class."""
    columns = min(len(results), COLUMNS)
    rows = -(-len(results) // columns)
    figure = pyplot.figure(figsize=(7 * columns, 4.6 * rows),
                           layout="constrained", facecolor="white")
    parts = figure.subfigures(rows, columns, squeeze=False).flat
    for part, (path, prediction) in zip(parts, results):
        rgb_img = read_image(path)
        transformed = on_white(rgb_img, leaf_mask(rgb_img))
        for ax, image, title in zip(part.subplots(1, 2),
                                    (rgb_img, transformed),
                                    ("Original", "Transformed")):
            ax.imshow(image)
            ax.set_title(title)
            ax.axis("off")
        words = cli.drawable(prediction.class_name)
        if prediction.known:
            words += f"   {prediction.confidence:.1%}"
        else:
            words = f"{UNKNOWN}\nnearest: {words}"
        part.suptitle(cli.drawable(path.name), fontsize=11)
        part.supxlabel(words, fontsize=16, fontweight="bold",
                       color="darkgreen" if prediction.known else "firebrick")
    return figure


def evaluate_folder(learnings: Learnings, folder: Path) -> int:
    """Compare predictions with the folders' names; return the status."""
    from utils.evaluation import evaluate
    dataset = read_dataset(folder)
    index = {name.casefold(): place for place, name
             in enumerate(learnings.class_names)}
    truth = [index.get(name.casefold()) for name in dataset.class_names]
    strange = [name for name, place in zip(dataset.class_names, truth)
               if place is None]
    for name in strange:
        cli.print_error(f"{name}: not a class that was learned; it has "
                        + ", ".join(learnings.class_names))
    labels, probabilities, known, failed = [], [], 0, bool(strange)
    results = predict_files(learnings, dataset.paths())
    for label, result in zip(dataset.labels, cli.progress(
            results, len(dataset.files), "Evaluating")):
        if isinstance(result, UserError):
            cli.print_error(result)
            failed = True
        elif truth[label] is not None:
            labels.append(truth[label])
            probabilities.append(result.probabilities)
            known += result.known
    if not labels:
        raise UserError(f"{folder}: no image of a class that was learned")
    evaluation = evaluate(np.array(labels), np.array(probabilities),
                          learnings.class_names)
    print(evaluation.table())
    print(f"known {known / len(labels):.2%} of the images")
    return cli.FAILED if failed else cli.DONE


def predict_images(learnings: Learnings, paths: list[Path], options) -> int:
    """Print (and write, and show) what each image shows."""
    results = list(zip(paths, cli.progress(
        predict_files(learnings, paths), len(paths), "Predicting")))
    for path, result in results:
        if isinstance(result, UserError):
            cli.print_error(result)
        elif options.csv != "-":
            print(f"{cli.printable(path)}: {describe(result, options.top)}")
    if options.csv:
        rows = [csv_row(*result) for result in results]
        if options.csv == "-":
            print(csv_text(CSV, rows), end="")
        else:
            write_csv(Path(options.csv), CSV, rows)
    good = [(path, result) for path, result in results
            if isinstance(result, Prediction)]
    # A figure shows a few leaves; for a folder it must be asked for.
    if good and options.csv != "-" and (options.save or len(paths) <= SHOWN):
        if len(good) > SHOWN:
            cli.print_note(f"the figure shows the first {SHOWN} images")
        pyplot = cli.open_pyplot(options.no_display)
        figure = draw_predictions(pyplot, good[:SHOWN])
        cli.show_or_save({f"prediction_{good[0][0].stem}": figure},
                         options.save)
    return cli.DONE if len(good) == len(results) else cli.FAILED


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser("Name the disease of leaves.")
    parser.add_argument("paths", type=Path, nargs="+",
                        metavar="IMAGE|DIRECTORY", help="what to look at")
    parser.add_argument("--learnings", type=Path, default=LEARNINGS,
                        metavar="ZIP", help="archive written by train.py")
    parser.add_argument("--top", type=cli.positive_int, default=3,
                        metavar="N", help="classes to name for each image")
    parser.add_argument("--csv", metavar="FILE|-",
                        help="write a row for each image (-: to stdout)")
    parser.add_argument("--evaluate", action="store_true",
                        help="take folder names for truth and print how "
                             "right the predictions are")
    parser.add_argument("--save", type=Path, metavar="FIGURE",
                        help="save the figure in this file")
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.evaluate:
        if len(options.paths) != 1 or options.csv or options.save:
            parser.error("--evaluate takes one folder, and neither --csv "
                         "nor --save")
        return evaluate_folder(Learnings.load(options.learnings),
                               options.paths[0])
    paths = list_images(options.paths)
    return predict_images(Learnings.load(options.learnings), paths, options)


if __name__ == "__main__":
    sys.exit(cli.run(main))
