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
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from Augmentation import plan_balance, write_plan
from utils import backbone as backbones
from utils import cli, labels
from utils.cli import UserError
from utils.evaluation import Evaluation, evaluate
from utils.images import preprocess, read_batches, read_image, whole_file
from utils.labels import STOPPING, TRAINING, VALIDATION, Dataset
from utils.learnings import (Description, Learnings, energies, softmax,
                             sign, write_archive)
from utils.litert import Network
from utils.report import (Clock, confusion_figure, curves_figure,
                          write_split)
from utils.workers import map_items

OUTPUT = Path("learnings.zip")
STOPPING_SHARE = 0.1     # of the training part, for EarlyStopping
HEAD_RATE = 1e-3         # Adam's own default: the head starts from nothing
HEAD_EPOCHS = 30         # more than it ever needs; EarlyStopping ends it
FINE_RATE = 2e-4         # at 1e-3 the unfrozen blocks collapse to one class
WEIGHT_DECAY = 1e-4
DROPOUT = 0.2            # of the pooled features, against overfitting
UNFREEZE = 38            # layers: blocks 13 to 16 and the last convolution
FROZEN_BATCH = 32        # images that go through the frozen part at once
KEPT_KNOWN = 0.99        # share of the stopping part that counts as known
TEMPERATURES = np.geomspace(0.5, 5, 100)


def inspect(path: Path) -> np.ndarray:
    """Return an image's thumbnail; UserError where it can't be read."""
    return labels.thumbnail(read_image(path))


def read_leaves(folder: Path, groups: Path | None, jobs: int
                ) -> tuple[Dataset, list[str], list[UserError]]:
    """Return the readable images, the leaf of each, and the problems.

    Without a CSV of groups a leaf is a cluster of near-identical images.
    """
    dataset = labels.read_dataset(folder)
    found = list(cli.progress(map_items(inspect, dataset.paths(), jobs),
                              len(dataset.files), "Reading"))
    good = [index for index, thumbnail in enumerate(found)
            if not isinstance(thumbnail, UserError)]
    problems = [error for error in found if isinstance(error, UserError)]
    for problem in problems:
        cli.print_error(problem)
    if not good:
        raise UserError(f"{folder}: no readable image in it")
    dataset = dataset.subset(good)
    if len(set(dataset.labels)) < 2:
        raise UserError(f"{folder}: has one class only "
                        f"({dataset.class_names[dataset.labels[0]]}); "
                        "learning takes at least two")
    if groups is not None:
        return dataset, labels.read_groups(groups, dataset), problems
    thumbnails = np.stack([found[index] for index in good])
    return (dataset, labels.near_identical_groups(dataset.files, thumbnails),
            problems)


def frozen_features(network: Network, paths: list[Path], size: int,
                    folder: Path, title: str
                    ) -> tuple[np.ndarray, np.ndarray]:
    """Return what the frozen part gives for each image, computed once.

    network: images to (features at the cut, pooled features of the top).
    Returns features, float16 (N, h, w, channels), memory-mapped in folder,
    and pooled features, float32 (N, 1280).
    """
    features = pooled = None
    done = 0
    batches = read_batches(paths, size, FROZEN_BATCH)
    count = -(-len(paths) // FROZEN_BATCH)
    for batch in cli.progress(batches, count, title):
        for image in batch:
            if isinstance(image, UserError):
                raise image
        at_cut, at_top = network(np.stack(batch))
        if features is None:
            features = np.lib.format.open_memmap(
                folder / f"{title}.npy", "w+", np.float16,
                (len(paths), *at_cut.shape[1:]))
            pooled = np.empty((len(paths), at_top.shape[1]), np.float32)
        features[done:done + len(batch)] = at_cut
        pooled[done:done + len(batch)] = at_top
        done += len(batch)
    return features, pooled


def shuffled_batches(features: np.ndarray, targets: np.ndarray, size: int,
                     rng: np.random.Generator) -> Iterator[tuple]:
    """Yield batches (float32 features, targets) without end.

    All images anew in another order at each epoch; only a batch of the
    memory-mapped features is in memory.
    """
    while True:
        order = rng.permutation(len(features))
        for start in range(0, len(order), size):
            # Sorted: a disk reads forwards faster.
            rows = np.sort(order[start:start + size])
            yield features[rows].astype(np.float32), targets[rows]


def build_head(classes: int):
    """Return the new head: pooled features (N, 1280) to logits."""
    keras = backbones.import_keras()
    return keras.Sequential([
        keras.layers.Input((1280,)),
        keras.layers.Dropout(DROPOUT),
        keras.layers.Dense(classes)], name="head")


def train_head(head, learned: tuple, stopping: tuple, patience: int):
    """Phase 1: learn the head at a high rate; return Keras's history.

    learned, stopping: (pooled features, labels) to learn from and to stop
    by.
    """
    keras = backbones.import_keras()
    compile_model(head, keras.optimizers.Adam(HEAD_RATE))
    return head.fit(*learned, validation_data=stopping, batch_size=64,
                    epochs=HEAD_EPOCHS, verbose=0,
                    callbacks=[early_stopping(patience),
                               epoch_bar("Head", HEAD_EPOCHS)])


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
              batch_size: int, patience: int, rng: np.random.Generator):
    """Phase 2: learn top and head at a low rate; return Keras's history.

    learned, stopping: (features at the cut, labels).  The rate falls along
    a cosine to 0 (Loshchilov and Hutter 2017).
    """
    keras = backbones.import_keras()
    features, targets = learned
    steps = -(-len(targets) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    compile_model(top, keras.optimizers.AdamW(
        schedule, weight_decay=WEIGHT_DECAY))
    history = top.fit(
        shuffled_batches(features, targets, batch_size, rng),
        steps_per_epoch=steps, epochs=epochs, verbose=0,
        validation_data=(stopping[0].astype(np.float32), stopping[1]),
        callbacks=[early_stopping(patience),
                   epoch_bar("Fine-tuning", epochs * steps)])
    if not np.isfinite(history.history["loss"]).all():
        raise UserError("the loss is no longer a number; try a lower "
                        "--learning-rate")
    return history


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


def epoch_bar(title: str, total: int):
    """Return a callback with a progress bar of epochs, or of steps."""
    keras = backbones.import_keras()
    bar = cli.progress_bar()
    task = bar.add_task(title, total=total)

    def step(number: int, logs: dict | None = None) -> None:
        bar.advance(task)

    by_step = total > HEAD_EPOCHS
    return keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs=None: bar.start(),
        on_train_batch_end=step if by_step else None,
        on_epoch_end=None if by_step else step,
        on_train_end=lambda logs=None: bar.stop())


def calibrate(logits: np.ndarray, targets: np.ndarray
              ) -> tuple[float, float]:
    """Return temperature and energy threshold, from the stopping part.

    The temperature makes confidence and accuracy agree (Guo et al. 2017);
    above the threshold lies KEPT_KNOWN of the images.
    """
    rows = np.arange(len(targets))
    losses = [-np.log(np.maximum(softmax(logits / heat)[rows, targets],
                                 1e-12)).mean() for heat in TEMPERATURES]
    return (float(TEMPERATURES[int(np.argmin(losses))]),
            float(np.quantile(energies(logits), 1 - KEPT_KNOWN)))


def validate(learnings: Learnings, paths: list[Path], targets: np.ndarray
             ) -> Evaluation:
    """Evaluate the archive's own network, as predict.py would use it."""
    probabilities = []
    batches = read_batches(paths, learnings.description.size, FROZEN_BATCH)
    count = -(-len(paths) // FROZEN_BATCH)
    for batch in cli.progress(batches, count, "Validation"):
        for image in batch:
            if isinstance(image, UserError):
                raise image
        probabilities += [prediction.probabilities for prediction
                          in learnings.predict(np.stack(batch))]
    return evaluate(targets, np.array(probabilities), learnings.class_names)


def learn(options: argparse.Namespace, folder: Path, clock: Clock) -> int:
    """Learn as the options say; return the exit status.

    folder: for what is only needed until the archive is written.
    """
    with clock.phase("reading and splitting"):
        dataset, groups, problems = read_leaves(
            options.directory, options.groups, options.jobs)
        parts = labels.split_dataset(dataset, groups, options.validation,
                                     STOPPING_SHARE, options.seed)
    with clock.phase("augmentation"):
        part = {name: dataset.subset(np.flatnonzero(parts == name))
                for name in (TRAINING, STOPPING, VALIDATION)}
        plan = plan_balance(part[TRAINING], None, options.seed)
        augmented = folder / "augmented_directory"
        for result in write_plan(plan, dataset.root, augmented, options.seed,
                                 options.jobs):
            if isinstance(result, UserError):
                raise result
        files = [file for copies in plan for file in copies.files()]
        targets = np.array([copies.label for copies in plan
                            for _ in copies.files()])
    print(f"{len(dataset.files)} images of {len(set(groups))} leaves: "
          + ", ".join(f"{count} {name}" for name, count in zip(
              *np.unique(parts, return_counts=True)))
          + f"; learning from {len(files)} balanced images")

    with clock.phase("frozen features"):
        weights, source = backbones.find_weights(options.weights)
        keras = backbones.import_keras()
        keras.utils.set_random_seed(options.seed)
        rng = np.random.default_rng(options.seed)
        backbone = backbones.build_backbone(options.size, weights)
        if weights is None:
            chosen = rng.permutation(len(files))[:4 * FROZEN_BATCH]
            backbones.measure_statistics(backbone, np.stack(
                [preprocess(read_image(augmented / files[index]),
                            options.size) for index in chosen]))
        cut, unfrozen = backbones.cut_layer(backbone, options.unfreeze)
        cli.print_note(f"weights: {source}; the top {unfrozen} layers above "
                       f"{cut} are unfrozen for fine-tuning")
        pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
        frozen = Network(backbones.to_litert(keras.Model(
            backbone.input, [backbone.get_layer(cut).output, pooled])))
        features, pooled = frozen_features(
            frozen, [augmented / file for file in files], options.size,
            folder, "Training part")
        stopping, stopping_pooled = frozen_features(
            frozen, part[STOPPING].paths(), options.size, folder,
            "Stopping part")
    with clock.phase("head"):
        head = build_head(len(dataset.class_names))
        head_history = train_head(
            head, (pooled, targets),
            (stopping_pooled, part[STOPPING].labels), options.patience)
    with clock.phase("fine-tuning"):
        top = build_top(backbone, cut, head)
        fine_history = fine_tune(
            top, (features, targets), (stopping, part[STOPPING].labels),
            options.learning_rate, options.epochs, options.batch_size,
            options.patience, rng)
    with clock.phase("export and validation"):
        logits = top.predict(stopping.astype(np.float32), verbose=0)
        temperature, threshold = calibrate(logits, part[STOPPING].labels)
        model = backbones.to_litert(keras.Model(
            backbone.input, top(backbone.get_layer(cut).output)))
        description = Description(dataset.class_names, options.size,
                                  temperature, threshold)
        evaluation = validate(Learnings(description, model),
                              part[VALIDATION].paths(),
                              part[VALIDATION].labels)
    print(evaluation.table())
    requirement = evaluation.accuracy > 0.9 and sum(parts == VALIDATION) >= 100
    print("above 90 % on at least 100 validation images: "
          + ("yes" if requirement else "no"))
    description.details.update(
        metrics=evaluation.as_dict(),
        settings={
            "validation": options.validation, "size": options.size,
            "batch_size": options.batch_size, "epochs": options.epochs,
            "learning_rate": options.learning_rate,
            "patience": options.patience, "unfrozen_layers": unfrozen,
            "cut": cut, "weights": source, "seed": options.seed},
        images={name: int((parts == name).sum())
                for name in (TRAINING, STOPPING, VALIDATION)},
        leaves=len(set(groups)), augmented_images=len(files),
        epochs={"head": len(head_history.history["loss"]),
                "fine_tuning": len(fine_history.history["loss"])},
        versions={"python": platform.python_version()} | {
            name: version(name) for name in
            ("tensorflow", "keras", "numpy", "opencv-python",
             "ai-edge-litert")})
    with clock.phase("archive and report"):
        write_archive(options.output, description, model, augmented, files)
        signature = options.output.parent / "signature.txt"
        sign(options.output, signature)
        report = options.output.parent / "report"
        write_split(report / "split.csv", dataset, groups, parts)
        pyplot = cli.open_pyplot(True)
        cli.save_figure(confusion_figure(pyplot, evaluation),
                        report / "confusion.png")
        cli.save_figure(curves_figure(pyplot, head_history.history,
                                      fine_history.history),
                        report / "curves.png")
    with whole_file(report / "report.json") as partial:
        partial.write_text(json.dumps(
            description.details | {"seconds": clock.seconds}, indent=1))
    for path in (options.output, signature, report):
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
    add("--validation", type=share, default=0.2, metavar="SHARE",
        help="share of the images that is held out and never learned from")
    add("--size", type=image_size, default=224, metavar="PIXELS",
        help="side to which images are scaled")
    add("--batch-size", type=cli.positive_int, default=32, metavar="N",
        help="images between two steps of fine-tuning")
    add("--epochs", type=cli.positive_int, default=8, metavar="N",
        help="most times that fine-tuning sees every image")
    add("--unfreeze", type=cli.natural_int, default=UNFREEZE,
        metavar="LAYERS", help="topmost layers of the backbone to fine-tune, "
                               "rounded to the edge of a block")
    add("--learning-rate", type=rate, default=FINE_RATE, metavar="R",
        help="rate at which fine-tuning starts")
    add("--patience", type=cli.positive_int, default=3, metavar="N",
        help="epochs without progress after which a phase stops")
    add("--weights", default="imagenet", metavar="imagenet|none|FILE",
        help="what the backbone starts from")
    parser.add_seed()
    parser.add_jobs()
    parser.add_display()
    return parser


def share(text: str) -> float:
    """Return text as a number above 0 and below 1, for argparse."""
    return _between(text, 0, 1)


def rate(text: str) -> float:
    """Return text as a learning rate, for argparse."""
    return _between(text, 0, 1)


def _between(text: str, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = low
    if not low < number < high:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number above {low} and below {high}")
    return number


def image_size(text: str) -> int:
    """Return text as a size that MobileNetV2 takes, for argparse."""
    size = cli.positive_int(text)
    if not 32 <= size <= 1024:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not between 32 and 1024 pixels")
    return size


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
        return learn(options, Path(folder.name), Clock())


if __name__ == "__main__":
    sys.exit(cli.run(main))
