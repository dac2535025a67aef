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

On several machines, each started with this command and a TF_CONFIG of its
own, the first does all this, and the others help it to fine-tune.
"""

from leaffliction import program  # before all that takes time to load

import argparse
import hashlib
import platform
import shutil
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from leaffliction.augmentation.balance import (class_targets, plan_balance,
                                               plan_files, write_plan)
from leaffliction.augmentation.transforms import AUGMENTATIONS
from leaffliction.model.bundle import (FAMILIARITY, FLOAT_MODEL, MODEL,
                                       Description, sign, write_archive)
from leaffliction.model.classifier import Classifier
from leaffliction.model.signatures import SIGNATURE
from leaffliction.scale import tf_config
from leaffliction.scale.job import (PARTS, JobState, features_file,
                                    join_fine_tuning, write_job)
from leaffliction.training import backbone as backbones
from leaffliction.training import loop, replicas
from leaffliction.training.audit import audit
from leaffliction.training.data import Leaves, cells, read_leaves, strata
from leaffliction.training.evaluate import (check_not_collapsed,
                                            evaluate_classifier,
                                            evaluation_table)
from leaffliction.training.export import Exported, export
from leaffliction.training.features import (frozen_features, load_image,
                                            load_images)
from leaffliction.training.field_images import (collect_backgrounds,
                                                plan_field_images)
from leaffliction.training.groups import check_split
from leaffliction.training.loop import Examples, Plan
from leaffliction.training.pretrained import find_weights
from leaffliction.training.report import (Clock, report_files, write_report,
                                          write_split)
from leaffliction.training.split import (LEFT_OUT, STOPPING, TRAINING,
                                         VALIDATION, part_counts,
                                         split_dataset)
from leaffliction.utils import cli
from leaffliction.utils.console import print_error, print_note, printable
from leaffliction.utils.cores import usable_cores
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import directory_lock, file_digest
from leaffliction.utils.labels import Dataset
from leaffliction.utils.overwrite import check_outputs
from leaffliction.utils.parallel import reuse_freed_memory
from leaffliction.utils.path_hints import expand
from leaffliction.utils.storage import is_local, path_of

OUTPUT = Path("learnings.zip")
SCRATCH = ".learning-"   # begins the name of a folder for what is in between
SIZE = 160               # pixels: at 192 and 224 there are as many errors
STRANGE_VIEWS = 30       # of each class, to calibrate what is strange
EPOCHS = 2               # at most; of thousands of images 3 gain nothing
# Of few images an epoch has too few steps to learn anything: so many more
# epochs as make LEAST_STEPS, but no more than MOST_EPOCHS.
LEAST_STEPS, MOST_EPOCHS = 300, 15
# Each class is balanced up to so many images at the least.
LEAST_IMAGES = 200
# Fewer images in the early-stopping set do not tell one epoch from another:
# then all epochs are learned, at FEW_RATE, and the last weights kept.  So of
# 25 photographs a class the worst of ten seeds is 94 % right, before 85 %.
PATIENCE, LEAST_STOPPING, FEW_RATE = 3, 100, 1e-4
BATCH_SIZE = 32          # images
STOPPING_SHARE = 0.1     # of the training part, for EarlyStopping
FINE_RATE = 4e-4         # at 2e-4 and at 8e-4 there are more errors
COPIES_SIDE = 512        # pixels of the longer side, or 4 times the SIZE
FIELD_VIEWS = 0.2        # in parts of the balanced images
UNFREEZE = "block_10"    # and all above it: from block 13 on less carries over
STATISTICS_IMAGES = 128  # from which random weights take BatchNorm's means
PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python", "pillow",
            "ai-edge-litert", "scikit-learn")


def augment(part: Dataset, domains: np.ndarray, root: Path,
            options: argparse.Namespace) -> tuple[list[Path], np.ndarray]:
    """Write the balanced tree of the training part below root.

    Every class of every domain has as many images in it as the largest: so
    25 photographs from an orchard weigh as much as 1,000 of a laboratory.
    Augmented in light as well as in shape: photographs from the field differ
    from those of the laboratory by their light first.
    Of large photographs the augmented copies are smaller: of 12 megapixels
    one would take a second, and the network sees them far smaller anyway.
    Returns its files, relative to root, and their labels.
    """
    parts = cells(part, domains)
    targets = [max(LEAST_IMAGES, target)
               for target in class_targets(parts, None, False)]
    plan = plan_balance(parts, targets, options.seed, tuple(AUGMENTATIONS))
    for problem in write_plan(plan, part.root, root, options.seed,
                              options.workers,
                              max(COPIES_SIDE, 4 * options.size)):
        if problem is not None:
            raise problem
    files, found = plan_files(plan)
    class_of = [part.class_names.index(name) for name in parts.class_names]
    return files, np.array(class_of)[found]


@dataclass(frozen=True)
class Learned:
    """What fit has learned: a network, and how it came about.

    description: of the network, without figures.  exported: what answers.
    histories: Keras's, of the head and of fine-tuning.
    interrupted: by Ctrl-C, so that these are the best weights until then.
    """

    description: Description
    exported: Exported
    histories: tuple[dict, dict]
    interrupted: bool


def default_epochs(images: int, batch_size: int) -> int:
    """Return how often fine-tuning sees so many images, at most."""
    steps = -(-images // batch_size)
    return max(EPOCHS, min(MOST_EPOCHS, -(-LEAST_STEPS // steps)))


def plan_fine_tuning(options: argparse.Namespace, images: int, stopping: int
                     ) -> Plan:
    """Return how fine-tuning goes on, by the options, or else by default.

    images: how many to learn from.  stopping: in the early-stopping set.
    """
    is_few = stopping < LEAST_STOPPING
    return Plan(
        options.learning_rate or (FEW_RATE if is_few else FINE_RATE),
        options.epochs or default_epochs(images, options.batch_size),
        options.batch_size,
        options.patience or (None if is_few else PATIENCE))


def build_frozen(options: argparse.Namespace, images: list[Path],
                 folder: Path):
    """Return backbone, name of the last frozen layer, and settings.

    images: the training part, from which random weights take statistics.
    folder: for weights that no cache can keep.
    """
    weights, source = find_weights(options.weights, folder)
    keras = backbones.import_keras()
    # Layers are numbered on, and their names are part of the archive.
    keras.utils.clear_session()
    keras.utils.set_random_seed(options.seed)
    backbone = backbones.build_backbone(options.size, weights)
    if weights is None:
        chosen = np.random.default_rng(options.seed).permutation(len(images))
        backbones.measure_statistics(backbone, load_images(
            [images[index] for index in chosen[:STATISTICS_IMAGES]],
            options.size, options.workers, "Statistics"))
    cut, unfrozen = backbones.find_split_layer(backbone, options.unfreeze)
    print_note(
        f"weights: {source}; fine-tuning unfreezes the top {unfrozen} "
        f"layers, above {cut}" + (
            "" if options.unfreeze in (unfrozen, *backbones.BLOCKS) else
            f" ({options.unfreeze} rounded to the edge of a block)"))
    return backbone, cut, {
        "weights": source, "cut": cut, "unfrozen_layers": unfrozen,
        "weights_sha256": weights and file_digest(weights)}


def fit(options: argparse.Namespace, frozen: tuple, images: list,
        targets: np.ndarray, training: Dataset, stopping: Dataset,
        strange: tuple, folder: Path, clock: Clock, leaves: np.ndarray,
        strategy=None) -> Learned:
    """Learn to tell the classes apart, in two phases.

    frozen: what build_frozen returned.  images, targets (N,): to learn
    from, made of the training part; files or field views.
    stopping: to stop by and calibrate with; strange: field views of it,
    their labels and the backgrounds of all views.  folder: for the frozen
    features, until this returns.  leaves: those of stopping, (N,).
    strategy: of several machines, of which this one is the chief.
    """
    keras = backbones.import_keras()
    backbone, cut, settings = frozen
    rng = np.random.default_rng(options.seed)
    plan = plan_fine_tuning(options, len(images), len(stopping.files))
    if plan.patience is None:
        print_note(
            f"few images (the early-stopping set has {len(stopping.files)}, "
            f"fewer than {LEAST_STOPPING}): fine-tuning goes on to its last "
            f"epoch ({plan.epochs}), and keeps the last weights")
    with clock.phase("frozen features"):
        model = backbones.to_litert(keras.Model(
            backbone.input, backbone.get_layer(cut).output))
        load = partial(load_image, size=options.size, backgrounds=strange[-1])
        learned, stop_by = (
            Examples(frozen_features(
                model, paths, load, options.workers,
                features_file(folder, name), f"{name} part"), labels)
            for name, paths, labels in zip(
                PARTS, (images, stopping.paths()),
                (targets, stopping.labels)))
    precision = backbones.fast_precision()
    with clock.phase("head"):
        top = backbones.fold_batch_norm(backbone, cut, precision)
        head = loop.build_head(len(training.class_names))
        first = loop.train_head(
            head, loop.pooled_examples(top, learned, rng),
            loop.pooled_examples(top, stop_by, rng), plan.patience)
    with clock.phase("fine-tuning"):
        classifier = loop.build_classifier(top, head)
        before = classifier.get_weights()
        if strategy is not None:
            write_job(folder, JobState(
                options.size, cut, precision, len(training.class_names),
                asdict(plan), rng.bit_generator.state, options.keep_partial),
                classifier, (learned, stop_by))
            replicas.broadcast(strategy, folder.name)
        second, interrupted = loop.fine_tune(
            classifier, learned, stop_by, plan, rng, options.keep_partial,
            strategy)
        losses = second.get("val_loss")
        is_worse = losses and min(losses) > min(first["val_loss"])
        if losses and (is_worse or plan.patience is None):
            rows = np.linspace(0, len(targets) - 1, loop.POOLED).astype(int)
            check_not_collapsed(classifier.predict_on_batch(
                learned.features[rows]), training.class_names)
        if is_worse and plan.patience is not None:
            print_note("fine-tuning made it worse: what the head alone "
                       "had reached is kept; try a lower "
                       "--learning-rate, or more --epochs")
            classifier.set_weights(before)
    with clock.phase("export"):
        exact = backbones.fold_batch_norm(backbone, cut)
        exact.set_weights(top.get_weights())
        exported = export(
            backbones.build_inference_model(
    backbone, cut, exact, head), training,
            stopping, leaves, strange, options.size, options.seed,
            options.workers)
    settings |= {name: getattr(options, name) for name in (
        "validation", "size", "batch_size", "seed", "field_views")}
    settings |= {"learning_rate": plan.rate, "epochs": plan.epochs,
                 "patience": plan.patience, "head_rate": loop.HEAD_RATE,
                 "dropout": loop.DROPOUT,
                 "weight_decay": loop.WEIGHT_DECAY, "precision": precision,
                 "stopping_share": STOPPING_SHARE}
    description = Description(
        training.class_names, options.size, exported.temperature,
        exported.threshold, exported.strange_temperature, {
            "settings": settings, "interrupted": interrupted,
            "forms": exported.figures})
    return Learned(description, exported, (first, second), interrupted)


def help_fine_tuning(place: Path, task: tf_config.Task, strategy) -> int:
    """Fine-tune along with the chief, and write nothing; return the status.

    place: the folder of the archive, on a disk that the machines share.
    """
    print(f"{task}: joined, and waits for the chief", flush=True)
    with tf_config.exit_on_interrupt():
        name = replicas.broadcast(strategy)
    _, interrupted = join_fine_tuning(place / name, strategy)
    print(f"{task}: done; the chief writes what was learned")
    return cli.INTERRUPTED if interrupted else cli.DONE


def split_leaves(leaves: Leaves, options: argparse.Namespace) -> np.ndarray:
    """Return each image's part of the split, str (N,).

    One photograph in several classes is left out of all of them, unless
    --keep-contradictions is given.  Raises UserError where a class has too
    few leaves.
    """
    kept = np.ones(len(leaves.groups), bool)
    if leaves.contradicting.any() and not options.keep_contradictions:
        kept = ~leaves.contradicting
        print_note("these are left out; --keep-contradictions learns "
                   "from them as well")
    rows = np.flatnonzero(kept)
    empty = [name for label, name in enumerate(leaves.dataset.class_names)
             if label not in leaves.dataset.labels[rows]]
    if empty:
        raise UserError(f"{leaves.dataset.root}: no image that is readable, "
                        "and in no other class as well, in "
                        + ", ".join(empty))
    groups = [leaves.groups[row] for row in rows]
    parts = np.full(len(kept), LEFT_OUT, dtype="<U10")
    parts[rows] = split_dataset(
        strata(leaves.dataset.subset(rows), groups, leaves.domains[rows]),
        groups, options.validation, STOPPING_SHARE, options.seed)
    check_split(parts, leaves.groups, (TRAINING, STOPPING, VALIDATION))
    return parts


def learn(options: argparse.Namespace, folder: Path, strategy=None) -> int:
    """Go the whole way as the options say; return the exit status.

    folder: for what is only needed until the archive is written.
    strategy: of several machines, of which this one is the chief.
    """
    clock = Clock()
    reuse_freed_memory()
    with clock.phase("reading and splitting"):
        folders = [match for path in options.directories
                   for match in expand(path)]
        leaves = read_leaves(folders, options.groups, options.workers)
        dataset, domains, groups = (leaves.dataset, leaves.domains,
                                    leaves.groups)
        parts = split_leaves(leaves, options)
        training, stopping, validation = (
            dataset.subset(np.flatnonzero(parts == name))
            for name in (TRAINING, STOPPING, VALIDATION))
    with clock.phase("backbone"):
        frozen = build_frozen(options, training.paths(), folder)
    augmented = folder / "augmented_directory"
    with clock.phase("augmentation"):
        files, targets = augment(training, domains[parts == TRAINING],
                                 augmented, options)
        backgrounds = collect_backgrounds(training, options.size, options.seed,
                                          options.workers)
        views, view_targets = plan_field_images(
            training, np.rint(options.field_views * np.bincount(
                targets)).astype(int), options.seed)
        strange = *plan_field_images(stopping, [STRANGE_VIEWS] * len(
            stopping.class_names), options.seed), backgrounds
    counts = {"images": part_counts(parts),
              "contradicting_images": int(leaves.contradicting.sum()),
              "leaves": part_counts(parts, groups),
              "augmented_images": len(files), "field_views": len(views)}
    print(f"{len(dataset.files)} images of {len(set(groups))} leaves: "
          + ", ".join(f"{count} {name}" for name, count in
                      counts["images"].items())
          + f"; learning from {len(files)} balanced images and {len(views)} "
          "field views of them", flush=True)
    learned = fit(options, frozen,
                  [augmented / file for file in files] + views,
                  np.concatenate([targets, view_targets]), training, stopping,
                  strange, folder, clock,
                  np.asarray(groups)[parts == STOPPING], strategy)
    model = learned.exported.model
    with clock.phase("validation"):
        evaluation, figures, probabilities = evaluate_classifier(
            Classifier(learned.description, model,
                       learned.exported.familiarity),
            training, validation, options.seed, options.workers)
    print(evaluation.table())
    print(evaluation_table(figures), flush=True)
    details = learned.description.details
    details.update(counts, validation=evaluation.as_dict() | figures,
                   epochs_done=[len(history.get("loss", []))
                                for history in learned.histories],
                   versions={"python": platform.python_version()} | {
                       name: version(name) for name in PACKAGES})
    place = options.output.parent
    with clock.phase("archive"):
        write_archive(options.output, learned.description, {
            MODEL: model, FLOAT_MODEL: learned.exported.as_float,
            FAMILIARITY: learned.exported.familiarity.to_bytes()},
            augmented, files, report_files(place / "report"))
        signature = sign(options.output, place / SIGNATURE)
    with clock.phase("audit"):
        shortcuts = audit(model, options.size, training, validation,
                          options.seed, options.workers)
    print(shortcuts.table())
    write_split(place / "report" / "split.csv", dataset, groups, parts)
    write_report(place / "report", details | {
        "audit": shortcuts.as_dict(), "seconds": clock.seconds,
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "signature_sha1": signature.split()[0]}, evaluation,
        learned.histories, validation, probabilities)
    for path in (options.output, place / SIGNATURE, place / "report"):
        print(f"written: {printable(path)}")
    if learned.interrupted:
        print_error("interrupted; kept are the best weights until then")
        return cli.INTERRUPTED
    return cli.FAILED if leaves.problems else cli.DONE


def layers_or_block(text: str) -> int | str:
    """Return text as a number of layers or the name of a block."""
    if text in backbones.BLOCKS:
        return text
    try:
        return cli.non_negative_int(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a whole number of at least 0 nor a block "
            f"({', '.join(backbones.BLOCKS)})") from None


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser("Learn to name leaf diseases from a folder of "
                        "labelled photographs.")
    add = parser.add_argument
    add("directories", type=path_of, nargs="+", metavar="DIRECTORY",
        help="folder of class folders, flat or below plant folders; of "
             "several (laboratory, orchard) each counts the same in a class")
    add("--output", type=path_of, default=OUTPUT, metavar="ZIP",
        help="archive of the learnings; signature.txt and report/ are "
             "written beside it")
    add("--groups", type=path_of, metavar="CSV",
        help="columns file,leaf: photographs of one leaf stay on one side "
             "of the split (without it, near-identical ones do)")
    add("--validation", type=cli.fraction, default=0.2, metavar="SHARE",
        help="share of the images that is held out and never learned from")
    add("--field-views", type=cli.ratio, default=FIELD_VIEWS, metavar="SHARE",
        help="views of the leaves as from an orchard that are learned from "
             "as well, in parts of the balanced images; 0 for none")
    add("--size", type=cli.image_size, default=SIZE, metavar="PIXELS",
        help="side to which images are scaled")
    add("--batch-size", type=cli.positive_int, default=BATCH_SIZE,
        metavar="N",
        help="images between two steps of fine-tuning, on all machines "
             "together")
    add("--epochs", type=cli.positive_int, metavar="N",
        help=f"most times that fine-tuning sees every image ({EPOCHS}, or "
             f"of few images up to {MOST_EPOCHS}, for {LEAST_STEPS} steps)")
    add("--unfreeze", type=layers_or_block, default=UNFREEZE,
        metavar="LAYERS|BLOCK",
        help="topmost layers of the backbone to fine-tune, rounded to the "
             "edge of a block, or the lowest block (block_13)")
    add("--learning-rate", type=cli.fraction, metavar="R",
        help=f"rate at which fine-tuning starts ({FINE_RATE:g}, or of few "
             f"images {FEW_RATE:g})")
    add("--patience", type=cli.positive_int, metavar="N",
        help="epochs without progress after which a phase stops "
             f"({PATIENCE}; with fewer than {LEAST_STOPPING} images to stop "
             "by it learns to the end, and keeps the last weights)")
    add("--weights", default="imagenet", metavar="imagenet|none|FILE",
        help="what the backbone starts from")
    add("--keep-contradictions", action="store_true",
        help="also learn from photographs that lie in several classes, "
             "which are left out otherwise")
    add("--keep-partial", action="store_true",
        help="where Ctrl-C stops fine-tuning, go on with the best weights "
             "until then, to a whole archive")
    parser.add_seed()
    parser.add_jobs()
    parser.add_display()
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = build_parser().parse_args(argv)
    options.workers = program.make_workers(options.jobs, options.cluster)
    backbones.limit_threads(min(options.jobs, usable_cores()))
    place = options.output.parent
    if options.output.is_dir():
        raise UserError(f"{options.output}: is a folder; --output names the "
                        "archive")
    task, strategy = tf_config.read_task(), None
    check_outputs((options.output, place / SIGNATURE,
                   *report_files(place / "report")),
                  [*filter(None, [options.groups]),
                   Path(options.weights)])
    if (options.cluster or task) and not is_local(place):
        raise UserError(f"{options.output}: with several machines the "
                        "archive is written to a disk that all of them see")
    if task is not None:
        strategy = tf_config.join(task)
        if not task.is_chief:
            return help_fine_tuning(place, task, strategy)
    # Beside the archive: where nothing can be written it fails now, not
    # after minutes, and the disk is the one that the user has chosen (for an
    # object store that of the system's temporary files, see TMPDIR).
    with directory_lock(place) as is_alone:
        if is_alone:
            # A run that was killed had no time to do so.
            for left in place.glob(f"{SCRATCH}????????"):
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(
                prefix=SCRATCH, dir=place if is_local(place) else None
                ) as folder:
            return learn(options, Path(folder), strategy)


if __name__ == "__main__":
    program.start(main)
