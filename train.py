"""Step 4: learn the diseases from a folder of labelled photographs.

    python train.py images
    python train.py images --groups leaf_groups.csv --output learnings.zip

Transfer learning: MobileNetV2 has learned on ImageNet to see edges, textures
and shapes; its lower blocks are kept as they are ("frozen") and only what
names the disease is learned, in two phases:

1. the head, a single layer on top of the frozen backbone, at a high rate;
2. fine-tuning: the topmost blocks are unfrozen and learn together with the
   head, at a rate so low that they keep what they know.

A frozen layer answers the same for an image at every epoch, so each image
goes through the frozen part once, and both phases learn from what it gave.
The split is by leaf, and the validation part is looked at once, at the end.
"""

import argparse
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from utils import backbone as backbones
from utils import cli, labels
from utils.alterations import ALTERATIONS
from utils.balancing import (check_sides, class_targets, plan_balance,
                             plan_files, write_plan)
from utils.cli import UserError
from utils.evaluation import Evaluation, evaluate, log_loss
from utils.features import frozen_features, shuffled_batches, whole_batches
from utils.images import preprocess, read_image
from utils.inspection import (Inspection, inspect_dataset, inspect_image,
                              near_identical)
from utils.labels import (STOPPING, TRAINING, VALIDATION, Dataset,
                          part_counts)
from utils.learnings import (Description, Learnings, energies, sign, softmax,
                             write_archive)
from utils.litert import Network
from utils.report import Clock, write_report, write_split

OUTPUT = Path("learnings.zip")
STOPPING_SHARE = 0.1     # of the training part, for EarlyStopping
HEAD_RATE = 1e-3         # Adam's own default: the head starts from nothing
HEAD_BATCH = 64          # images
HEAD_EPOCHS = 30         # more than it ever needs; EarlyStopping ends it
FINE_RATE = 2e-4         # at 1e-3 the unfrozen blocks collapse to one class
WARMUP = 0.1             # share of the steps in which that rate is reached
WEIGHT_DECAY = 1e-4
DROPOUT = 0.2            # of the pooled features, against overfitting
UNFREEZE = 38            # layers: blocks 13 to 16 and the last convolution
STATISTICS_IMAGES = 128  # from which random weights take BatchNorm's means
KEPT_KNOWN = 0.99        # share of the stopping part that counts as known
PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python", "pillow",
            "ai-edge-litert")
TEMPERATURES = np.geomspace(0.5, 5, 100)


def inspect_leaf(path: Path) -> Inspection:
    """Inspect an image; UserError where it can't be read, or altered."""
    inspection = inspect_image(path)
    check_sides(path, inspection.size)
    return inspection


def read_leaves(folder: Path, groups: Path | None, jobs: int
                ) -> tuple[Dataset, list[str], list[UserError]]:
    """Return the readable images, the leaf of each, and the problems.

    Each problem is printed.  Without a CSV of groups a leaf is a cluster of
    near-identical images.
    """
    dataset = labels.read_dataset(folder)
    found, good = inspect_dataset(dataset, jobs, inspect_leaf)
    problems = [result for result in found if isinstance(result, UserError)]
    dataset = dataset.subset(good)
    if len(set(dataset.labels)) < 2:
        raise UserError(f"{folder}: has one class only "
                        f"({dataset.class_names[dataset.labels[0]]}); "
                        "learning takes at least two")
    if groups is not None:
        return dataset, labels.read_groups(groups, dataset), problems
    clusters = near_identical(
        np.stack([found[index].thumbnail for index in good]),
        labels.linked_copies(dataset.files))
    return (dataset, [dataset.files[first].as_posix() for first in clusters],
            problems)


def build_head(classes: int):
    """Return the new head: pooled features (N, 1280) to logits."""
    keras = backbones.import_keras()
    return keras.Sequential([
        keras.layers.Input((1280,)),
        keras.layers.Dropout(DROPOUT),
        keras.layers.Dense(classes)], name="head")


def train_head(head, learned: tuple, stopping: tuple, patience: int
               ) -> dict:
    """Phase 1: learn the head at a high rate; return its history.

    learned, stopping: (pooled features, labels) to learn from and to stop
    by.
    """
    keras = backbones.import_keras()
    compile_model(head, keras.optimizers.Adam(HEAD_RATE))
    fitted = head.fit(*learned, validation_data=stopping, verbose=0,
                      batch_size=HEAD_BATCH, epochs=HEAD_EPOCHS,
                      callbacks=[early_stopping(patience),
                                 progress_callback("Head", HEAD_EPOCHS)])
    return fitted.history


def build_top(backbone, cut: str, head):
    """Return the part that is fine-tuned: features at the cut to logits.

    Its blocks are unfrozen, all but BatchNorm: its statistics come from
    millions of photographs, those of one small batch would upset all that
    lies above.
    """
    keras = backbones.import_keras()
    names = [layer.name for layer in backbone.layers]
    above = backbone.layers[names.index(cut) + 1:]
    for layer in above:
        layer.trainable = not isinstance(
            layer, keras.layers.BatchNormalization)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.get_layer(cut).output, head(pooled))


def fine_tune(top, learned: tuple, stopping: tuple, rate: float, epochs: int,
              batch_size: int, patience: int, rng: np.random.Generator
              ) -> dict:
    """Phase 2: learn top and head at a low rate; return its history.

    learned, stopping: (features at the cut, labels).  The rate rises first,
    as Adam's first steps know little of the slope, and then falls along a
    cosine to 0 (Loshchilov and Hutter 2017).
    """
    keras = backbones.import_keras()
    features, targets = learned
    steps = -(-len(targets) // batch_size)
    warmup = round(WARMUP * epochs * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * steps - warmup, warmup_target=rate, warmup_steps=warmup)
    compile_model(top, keras.optimizers.AdamW(
        schedule, weight_decay=WEIGHT_DECAY))
    fitted = top.fit(
        shuffled_batches(features, targets, batch_size, rng),
        steps_per_epoch=steps, epochs=epochs, verbose=0, shuffle=False,
        validation_data=stopping,
        callbacks=[early_stopping(patience),
                   progress_callback("Fine-tuning", epochs * steps, True)])
    if not np.isfinite(fitted.history["loss"]).all():
        raise UserError("the loss is no longer a number; try a lower "
                        "--learning-rate")
    return fitted.history


def compile_model(model, optimizer) -> None:
    """Set optimiser and loss: cross-entropy of the logits."""
    keras = backbones.import_keras()
    model.compile(optimizer, metrics=["accuracy"],
                  loss=keras.losses.SparseCategoricalCrossentropy(
                      from_logits=True))


def early_stopping(patience: int):
    """Return the callback that stops when the stopping part's loss rises.

    From there on the network would only learn its images by heart; the
    weights of the best epoch are put back.
    """
    keras = backbones.import_keras()
    return keras.callbacks.EarlyStopping(
        "val_loss", patience=patience, restore_best_weights=True)


def progress_callback(title: str, total: int, by_batch: bool = False):
    """Return a callback with a progress bar of epochs, or of batches."""
    keras = backbones.import_keras()
    bar = cli.progress_bar()
    task = bar.add_task(title, total=total)

    def advance(number: int, logs: dict | None = None) -> None:
        bar.advance(task)

    return keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs=None: bar.start(),
        on_train_batch_end=advance if by_batch else None,
        on_epoch_end=None if by_batch else advance,
        on_train_end=lambda logs=None: bar.stop())


def calibrate(logits: np.ndarray, targets: np.ndarray
              ) -> tuple[float, float]:
    """Return temperature and energy threshold, from the stopping part.

    The temperature makes confidence and accuracy agree (Guo et al. 2017);
    above the threshold lies KEPT_KNOWN of the images.
    """
    losses = [log_loss(targets, softmax(logits / heat))
              for heat in TEMPERATURES]
    scores = energies(logits)
    threshold = np.quantile(scores, 1 - KEPT_KNOWN)
    if len(scores) < 1 / (1 - KEPT_KNOWN):
        # So few have no hundredth part: take that of a normal distribution.
        threshold = min(threshold, scores.mean() - 2.326 * scores.std())
    return float(TEMPERATURES[int(np.argmin(losses))]), float(threshold)


def validate(learnings: Learnings, part: Dataset) -> Evaluation:
    """Evaluate the archive's own network, as predict.py would use it."""
    probabilities = [
        prediction.probabilities
        for images in whole_batches(part.paths(), learnings.description.size,
                                    "Validation")
        for prediction in learnings.predict(images)]
    return evaluate(part.labels, np.array(probabilities),
                    learnings.class_names)


def augment(part: Dataset, root: Path, seed: int, jobs: int
            ) -> tuple[list[Path], np.ndarray]:
    """Write the balanced tree of the training part below root.

    Altered in light as well as in shape: photographs from the field differ
    from those of the laboratory by their light first.
    Returns its files, relative to root, and their labels.
    """
    plan = plan_balance(part, class_targets(part, None, False), seed,
                        tuple(ALTERATIONS))
    for made in write_plan(plan, part.root, root, seed, jobs):
        if made.problem is not None:
            raise made.problem
    return plan_files(plan)


def build_frozen(options: argparse.Namespace, images: list[Path],
                 rng: np.random.Generator):
    """Return backbone, name of the last frozen layer, and settings.

    images: the training part, from which random weights take statistics.
    """
    weights, source = backbones.find_weights(options.weights)
    backbones.import_keras().utils.set_random_seed(options.seed)
    backbone = backbones.build_backbone(options.size, weights)
    if weights is None:
        chosen = rng.permutation(len(images))[:STATISTICS_IMAGES]
        backbones.measure_statistics(backbone, np.stack(
            [preprocess(read_image(images[index]), options.size)
             for index in chosen]))
    cut, unfrozen = backbones.cut_layer(backbone, options.unfreeze)
    cli.print_note(f"weights: {source}; fine-tuning unfreezes the top "
                   f"{unfrozen} layers, above {cut}")
    return backbone, cut, {"weights": source, "cut": cut,
                           "unfrozen_layers": unfrozen}


def fit(options: argparse.Namespace, class_names: tuple[str, ...],
        images: list[Path], targets: np.ndarray, stopping: Dataset,
        folder: Path, clock: Clock
        ) -> tuple[Description, bytes, tuple[dict, dict]]:
    """Learn to tell the classes apart, in two phases.

    images, targets (N,): to learn from.  stopping: to stop by and calibrate
    with.  folder: for the frozen features, until this returns.
    Returns the description and content of the network, and both histories.
    """
    keras = backbones.import_keras()
    rng = np.random.default_rng(options.seed)
    with clock.phase("frozen features"):
        backbone, cut, settings = build_frozen(options, images, rng)
        at_top = keras.layers.GlobalAveragePooling2D()(backbone.output)
        frozen = Network(backbones.to_litert(keras.Model(
            backbone.input, [backbone.get_layer(cut).output, at_top])))
        features, pooled = frozen_features(
            frozen, images, options.size, folder / "training.npy",
            "Training part")
        stop_features, stop_pooled = frozen_features(
            frozen, stopping.paths(), options.size, folder / "stopping.npy",
            "Stopping part")
        stop_features = stop_features.astype(np.float32)
    with clock.phase("head"):
        head = build_head(len(class_names))
        first = train_head(head, (pooled, targets),
                           (stop_pooled, stopping.labels), options.patience)
    with clock.phase("fine-tuning"):
        top = build_top(backbone, cut, head)
        before = top.get_weights()
        second = fine_tune(
            top, (features, targets), (stop_features, stopping.labels),
            options.learning_rate, options.epochs, options.batch_size,
            options.patience, rng)
        if min(second["val_loss"]) > min(first["val_loss"]):
            cli.print_note("fine-tuning made it worse: what the head alone "
                           "had reached is kept; try a lower --learning-rate")
            top.set_weights(before)
    with clock.phase("export"):
        logits = top.predict(stop_features, verbose=0)
        model = backbones.to_litert(keras.Model(
            backbone.input, top(backbone.get_layer(cut).output)))
    settings |= {name: getattr(options, name) for name in (
        "validation", "size", "batch_size", "epochs", "learning_rate",
        "patience", "seed")}
    settings |= {"head_rate": HEAD_RATE, "dropout": DROPOUT,
                 "weight_decay": WEIGHT_DECAY,
                 "stopping_share": STOPPING_SHARE}
    description = Description(
        class_names, options.size, *calibrate(logits, stopping.labels),
        {"settings": settings})
    return description, model, (first, second)


def learn(options: argparse.Namespace, folder: Path) -> int:
    """Go the whole way as the options say; return the exit status.

    folder: for what is only needed until the archive is written.
    """
    clock = Clock()
    with clock.phase("reading and splitting"):
        dataset, groups, problems = read_leaves(
            options.directory, options.groups, options.jobs)
        parts = labels.split_dataset(dataset, groups, options.validation,
                                     STOPPING_SHARE, options.seed)
        training, stopping, validation = (
            dataset.subset(np.flatnonzero(parts == name))
            for name in (TRAINING, STOPPING, VALIDATION))
    augmented = folder / "augmented_directory"
    with clock.phase("augmentation"):
        files, targets = augment(training, augmented, options.seed,
                                 options.jobs)
    print(f"{len(dataset.files)} images of {len(set(groups))} leaves: "
          + ", ".join(f"{count} {name}" for name, count in
                      part_counts(parts).items())
          + f"; learning from {len(files)} balanced images", flush=True)
    description, model, histories = fit(
        options, dataset.class_names, [augmented / file for file in files],
        targets, stopping, folder, clock)
    with clock.phase("validation"):
        evaluation = validate(Learnings(description, model), validation)
    print(evaluation.table())
    proven = evaluation.accuracy > 0.9 and len(validation.files) >= 100
    print("above 90 % on at least 100 validation images: "
          + ("yes" if proven else "no"), flush=True)
    description.details.update(
        validation=evaluation.as_dict(), images=part_counts(parts),
        leaves=len(set(groups)), augmented_images=len(files),
        epochs=[len(history["loss"]) for history in histories],
        versions={"python": platform.python_version()} | {
            name: version(name) for name in PACKAGES})
    place = options.output.parent
    with clock.phase("archive"):
        write_archive(options.output, description, model, augmented, files)
        sign(options.output, place / "signature.txt")
    write_split(place / "report" / "split.csv", dataset, groups, parts)
    write_report(place / "report", description.details | {
        "seconds": clock.seconds}, evaluation, histories)
    for path in (options.output, place / "signature.txt", place / "report"):
        print(f"written: {cli.printable(path)}")
    return cli.FAILED if problems else cli.DONE


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser("Learn to name leaf diseases from a folder of "
                        "labelled photographs.")
    add = parser.add_argument
    add("directory", type=Path, metavar="DIRECTORY",
        help="folder of class folders, flat or below plant folders")
    add("--output", type=Path, default=OUTPUT, metavar="ZIP",
        help="archive of the learnings; signature.txt and report/ are "
             "written beside it")
    add("--groups", type=Path, metavar="CSV",
        help="columns file,leaf: photographs of one leaf stay on one side "
             "of the split (without it, near-identical ones do)")
    add("--validation", type=cli.fraction, default=0.2, metavar="SHARE",
        help="share of the images that is held out and never learned from")
    add("--size", type=cli.image_size, default=224, metavar="PIXELS",
        help="side to which images are scaled")
    add("--batch-size", type=cli.positive_int, default=32, metavar="N",
        help="images between two steps of fine-tuning")
    add("--epochs", type=cli.positive_int, default=4, metavar="N",
        help="most times that fine-tuning sees every image")
    add("--unfreeze", type=cli.natural_int, default=UNFREEZE,
        metavar="LAYERS", help="topmost layers of the backbone to fine-tune, "
                               "rounded to the edge of a block")
    add("--learning-rate", type=cli.fraction, default=FINE_RATE, metavar="R",
        help="rate at which fine-tuning starts")
    add("--patience", type=cli.positive_int, default=3, metavar="N",
        help="epochs without progress after which a phase stops")
    add("--weights", default="imagenet", metavar="imagenet|none|FILE",
        help="what the backbone starts from")
    parser.add_seed()
    parser.add_jobs()
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = build_parser().parse_args(argv)
    place = options.output.parent
    if options.output.is_dir():
        raise UserError(f"{options.output}: is a folder; --output names the "
                        "archive")
    try:
        place.mkdir(parents=True, exist_ok=True)
        # Beside the archive: where nothing can be written it fails now, not
        # after minutes, and the disk is the one that the user has chosen.
        folder = tempfile.TemporaryDirectory(prefix=".learning-", dir=place)
    except OSError as error:
        raise UserError(f"{place}: cannot be written "
                        f"({error.strerror})") from None
    with folder:
        return learn(options, Path(folder.name))


if __name__ == "__main__":
    sys.exit(cli.run(main))
