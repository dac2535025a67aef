"""Step 4: learn the diseases from a folder of labelled photographs.

    python train.py images
    python train.py images --groups leaf_groups.csv --output learnings.zip

Transfer learning: MobileNetV2 has learned from ImageNet to recognise edges,
textures and shapes.  Its lower blocks stay as they are ("frozen"), and only
what tells the diseases apart is trained, in two phases:

1. the head, a single layer on top of the frozen backbone, at a high rate;
2. fine-tuning: the topmost blocks are unfrozen and trained together with the
   head, at a rate so low that they keep what they have learned.

A frozen layer gives the same output for an image in every epoch.  So each
image passes through the frozen blocks once, and both phases train on these
features.  The images are split by leaf; the validation set is used once, at
the end.

On several machines, each started with this command and a TF_CONFIG of its
own, the first does all this, and the others help it to fine-tune.
"""

from leaffliction import program  # first: it handles Ctrl-C during imports

import argparse
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from leaffliction.model.signatures import SIGNATURE
from leaffliction.training import config as defaults
from leaffliction.training import loop
from leaffliction.training.archive import add_results, describe, write_signed
from leaffliction.training.audit import audit
from leaffliction.training.backbone import (BLOCKS, FrozenBackbone,
                                            load_backbone)
from leaffliction.training.backgrounds import collect_backgrounds
from leaffliction.training.budget import Budget
from leaffliction.training.config import TrainConfig, plan_fine_tuning
from leaffliction.training.data import group_images, read_domains
from leaffliction.training.evaluate import (evaluate_classifier,
                                            evaluation_table)
from leaffliction.training.examples import compute_features
from leaffliction.training.export import build_inference_model, export
from leaffliction.training.keras import importing_keras, limit_threads
from leaffliction.training.loop import Fitted
from leaffliction.training.network import (build_classifier, build_head,
                                           fast_precision, fold_batch_norm)
from leaffliction.training.pretrained import named_file
from leaffliction.training.report import (Clock, report_files, write_report,
                                          write_split)
from leaffliction.training.split import Parts, split_leaves
from leaffliction.training.training_set import (CalibrationSet, TrainingSet,
                                                add_field_images,
                                                make_calibration_set,
                                                planned_images, summary,
                                                write_balanced)
from leaffliction.utils import cli
from leaffliction.utils.console import print_error, printable
from leaffliction.utils.cores import usable_cores
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import directory_lock
from leaffliction.utils.overwrite import check_outputs
from leaffliction.utils.parallel import Workers, reuse_freed_memory
from leaffliction.utils.path_hints import expand_wildcards
from leaffliction.utils.storage import path_of, require_disk, scratch_parent

OUTPUT = Path("learnings.zip")
SCRATCH = ".learning-"   # prefix of the folder of intermediate files


@dataclass(frozen=True)
class Run:
    """What a training run reads and writes, and what computes it.

    directories: of class folders.  groups: CSV of leaves, or None.
    output: the archive.  scratch: a folder that is deleted after the run.
    strategy: TensorFlow's, if this is the chief of several machines.
    budget: the time that it may take, if that is limited.
    """

    directories: list[Path]
    groups: Path | None
    output: Path
    scratch: Path
    workers: Workers
    clock: Clock
    strategy: object = None
    budget: Budget | None = None


def learn(config: TrainConfig, run: Run) -> int:
    """Train, evaluate, and write the archive and the report.

    Returns the exit status.
    """
    clock, workers = run.clock, run.workers
    reuse_freed_memory()
    with clock.phase("reading and splitting"):
        parts = read_parts(config, run)
    with clock.phase("backbone"):
        if run.budget is not None:
            config = replace(config, size=run.budget.choose_size(
                planned_images(parts, config)))
        backbone = load_backbone(config, parts.training.paths(), run.scratch,
                                 workers)
    with clock.phase("augmentation"):
        training, calibration = augment(config, parts, run)
    print(summary(parts, training), flush=True)
    fitted = fit(config, backbone, training, calibration, run)
    with clock.phase("export"):
        exported = export(
            build_inference_model(backbone, fitted.top, fitted.head),
            fitted.logits, parts, calibration, config, workers)
    with clock.phase("validation"):
        evaluation, figures, probabilities = evaluate_classifier(
            exported.classifier(), parts.training, parts.validation,
            config.seed, workers)
    print(evaluation.table(), evaluation_table(figures), sep="\n", flush=True)
    description = add_results(
        describe(config, parts, training, backbone, fitted, exported),
        evaluation.as_dict() | figures, fitted)
    with clock.phase("archive"):
        signature = write_signed(run.output, description, exported, training,
                                 config.archive_images)
    with clock.phase("audit"):
        shortcuts = audit(exported.model, config.size, parts.training,
                          parts.validation, config.seed, workers)
    print(shortcuts.table())
    report = run.output.parent / "report"
    write_split(report / "split.csv", parts.leaves.dataset,
                parts.leaves.groups, parts.names)
    write_report(report, description.details | {
        "audit": shortcuts.as_dict(), "seconds": clock.seconds,
        "model_sha256": hashlib.sha256(exported.model).hexdigest(),
        "signature_sha1": signature.split()[0]}, evaluation,
        fitted.histories, parts.validation, probabilities)
    return finish(run.output, fitted.interrupted,
                  bool(parts.leaves.problems))


def read_parts(config: TrainConfig, run: Run) -> Parts:
    """Read the images, find out which show one leaf, and split them."""
    folders = [match for path in run.directories
               for match in expand_wildcards(path)]
    dataset, domains = read_domains(folders)
    # While other processes read the images, this one has time for it.
    with importing_keras():
        leaves = group_images(dataset, domains, folders, run.groups,
                              run.workers)
    return split_leaves(leaves, config)


def augment(config: TrainConfig, parts: Parts, run: Run
            ) -> tuple[TrainingSet, CalibrationSet]:
    """Balance the training set, and plan synthetic field images.

    Those of the training set are trained on; those of the early-stopping set
    serve to calibrate.  Both have backgrounds from the training set.
    """
    backgrounds = collect_backgrounds(parts.training, config.size,
                                      config.seed, run.workers)
    balanced = write_balanced(
        parts, config, run.scratch / "augmented_directory", run.workers)
    return (add_field_images(balanced, parts.training, config),
            make_calibration_set(parts, backgrounds, config.seed))


def fit(config: TrainConfig, backbone: FrozenBackbone, training: TrainingSet,
        calibration: CalibrationSet, run: Run) -> Fitted:
    """Train in two phases: the head, then the top blocks and the head."""
    rng = np.random.default_rng(config.seed)
    plan = plan_fine_tuning(config, len(training.targets),
                            len(calibration.images.files))
    with run.clock.phase("frozen features"):
        examples, early_stopping = compute_features(
            backbone, training, calibration, run.scratch, run.workers)
    precision = fast_precision()
    class_names = calibration.images.class_names
    with run.clock.phase("head"):
        top = fold_batch_norm(backbone.model, backbone.split_layer, precision)
        head = build_head(len(class_names))
        network = build_classifier(top, head)
        head_history = loop.train_head(
            head, loop.pool_examples(top, examples, rng),
            loop.pool_examples(top, early_stopping, rng), plan.patience)
    with run.clock.phase("fine-tuning"):
        if run.budget is not None:
            plan = replace(plan, epochs=run.budget.choose_epochs(
                len(training.targets), config.size,
                loop.seconds_per_epoch(network, examples, plan)))
        head_weights = network.get_weights()
        if run.strategy is None:
            history, interrupted = loop.fine_tune(
                network, examples, early_stopping, plan, rng)
        else:
            from leaffliction.scale.job import JobState, lead_fine_tuning
            history, interrupted = lead_fine_tuning(
                network, (examples, early_stopping), JobState(
                    config.size, backbone.split_layer, precision,
                    len(class_names), plan, rng.bit_generator.state),
                run.strategy, run.scratch)
        loop.keep_better(network, head_weights, (head_history, history),
                         examples, class_names, plan)
        logits = loop.outputs(network, early_stopping.features,
                              np.arange(len(early_stopping.targets)))
    return Fitted(top, head, precision, plan, (head_history, history), logits,
                  interrupted)


def finish(output: Path, interrupted: bool, has_problems: bool) -> int:
    """Print what was written; return the exit status."""
    for path in (output, output.with_name(SIGNATURE),
                 output.with_name("report")):
        print(f"written: {printable(path)}")
    if interrupted:
        print_error("interrupted; the archive has the best weights until "
                    "then")
        return cli.INTERRUPTED
    return cli.FAILED if has_problems else cli.DONE


def read_task():
    """Return this machine's task from TF_CONFIG, or None if it is alone."""
    if "TF_CONFIG" not in os.environ:
        return None
    from leaffliction.scale import tf_config
    return tf_config.read_task()


def help_chief(task, strategy, output_folder: Path) -> int:
    """Help the chief of several machines to fine-tune; write nothing.

    output_folder: of the archive, on a disk that all machines share.
    """
    from leaffliction.scale.job import help_fine_tuning
    print(f"{task}: joined; waiting for the chief", flush=True)
    interrupted = help_fine_tuning(output_folder, strategy)
    print(f"{task}: done; the chief writes the archive")
    return cli.INTERRUPTED if interrupted else cli.DONE


def layers_or_block(text: str) -> int | str:
    """Return text as a number of layers or the name of a block."""
    if text in BLOCKS:
        return text
    try:
        return cli.non_negative_int(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a whole number of at least 0 nor a block "
            f"({', '.join(BLOCKS)})") from None


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser("Learn to name leaf diseases from a folder of "
                        "labelled photographs.")
    add = parser.add_argument
    add("directories", type=path_of, nargs="+", metavar="DIRECTORY",
        help="folder of class folders, which may lie in plant folders; with "
             "several (laboratory, orchard), each gets the same weight in "
             "each class")
    add("--output", type=path_of, default=OUTPUT, metavar="ZIP",
        help="archive to write; signature.txt and report/ are written beside "
             "it")
    add("--groups", type=path_of, metavar="CSV",
        help="table with the columns file,leaf: photographs of one leaf stay "
             "in one part of the split (near-identical ones always do)")
    add("--weights", default=TrainConfig.weights,
        metavar="imagenet|none|FILE|MODEL",
        help="weights that the backbone starts from: FILE is an HDF5 file or "
             "an archive of this program, MODEL the name of a released model")
    add("--keep-contradictions", action="store_true",
        help="also learn from photographs that lie in several classes, "
             "instead of leaving them out")
    add("--float-model", action="store_true",
        help="also write the network in 32-bit floats into the archive")
    add("--no-images", dest="archive_images", action="store_false",
        default=None,
        help="leave the augmented images out of the archive: predict.py does "
             "not need them, and a few MB remain")
    add("--keep-partial", action="store_true",
        help="when Ctrl-C stops fine-tuning, write an archive with the best "
             "weights so far")
    add_hyperparameters(parser)
    parser.add_seed()
    parser.add_jobs()
    parser.add_display()
    return parser


def add_hyperparameters(parser: cli.Parser) -> None:
    """Add the options that decide how well the network learns."""
    add = parser.add_argument
    add("--validation", type=cli.fraction, default=TrainConfig.validation,
        metavar="SHARE",
        help="share of the images that is held out to measure the accuracy")
    add("--field-views", dest="field_images", type=cli.ratio,
        default=TrainConfig.field_images, metavar="SHARE",
        help="synthetic field images to add, as a fraction of the balanced "
             "set; 0 for none")
    add("--budget", type=cli.minutes, metavar="MINUTES",
        help="time that the run may take, instead of --size and --epochs: it "
             "is spent on larger images, then on more epochs")
    add("--size", type=cli.image_size, metavar="PIXELS",
        help="side to which images are scaled (default: "
             f"{TrainConfig.size})")
    add("--batch-size", type=cli.positive_int,
        default=TrainConfig.batch_size, metavar="N",
        help="images for each step of fine-tuning, on all machines together")
    add("--epochs", type=cli.positive_int, metavar="N",
        help="how often fine-tuning sees each image, at most (default: "
             f"{defaults.EPOCHS}; with few images up to "
             f"{defaults.MAX_EPOCHS}, for {defaults.MIN_STEPS} steps)")
    add("--unfreeze", type=layers_or_block, default=TrainConfig.unfreeze,
        metavar="LAYERS|BLOCK",
        help="how much of the backbone to fine-tune: the number of topmost "
             "layers, rounded to the edge of a block, or the lowest block, "
             f"{BLOCKS[0]} to {BLOCKS[-1]}")
    add("--learning-rate", type=cli.fraction, metavar="R",
        help="highest learning rate of fine-tuning (default: "
             f"{defaults.LEARNING_RATE:g}; with few images "
             f"{defaults.FEW_LEARNING_RATE:g})")
    add("--patience", type=cli.positive_int, metavar="N",
        help="epochs without progress after which training stops (default: "
             f"{defaults.PATIENCE}; with fewer than "
             f"{defaults.MIN_EARLY_STOPPING} images for early stopping it "
             "runs to the end and keeps the last weights)")


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    clock = Clock()
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.budget is not None and (options.size or options.epochs):
        parser.error("--budget chooses --size and --epochs itself")
    config = TrainConfig(**{each.name: getattr(options, each.name)
                            for each in fields(TrainConfig)
                            if getattr(options, each.name) is not None})
    workers = program.make_workers(options.jobs, options.cluster)
    limit_threads(min(options.jobs, usable_cores()))
    folder = options.output.parent
    if options.output.is_dir():
        raise UserError(f"{options.output}: is a folder; --output names the "
                        "archive")
    task, strategy = read_task(), None
    check_outputs((options.output, folder / SIGNATURE,
                   *report_files(folder / "report")),
                  [*filter(None, [options.groups]),
                   named_file(options.weights)])
    if options.cluster or task:
        require_disk(options.output, "with several machines the archive is "
                     "written to a disk that all of them see")
    if task is not None:
        if options.budget is not None:
            raise UserError("--budget is for one machine; with several, give "
                            "--size and --epochs")
        from leaffliction.scale.strategy import join
        strategy = join(task)
        if not task.is_chief:
            return help_chief(task, strategy, folder)
    # The scratch folder is beside the archive: on the disk that the user has
    # chosen, and if nothing can be written there, the run fails now and not
    # after minutes.  For an object store it is in the system's folder of
    # temporary files (TMPDIR).
    with directory_lock(folder) as is_alone:
        if is_alone:
            # Scratch folders of runs that were killed.
            for stale in folder.glob(f"{SCRATCH}????????"):
                shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(
                prefix=SCRATCH, dir=scratch_parent(folder)) as scratch:
            return learn(config, Run(
                options.directories, options.groups, options.output,
                Path(scratch), workers, clock, strategy,
                config.budget and Budget(config.budget, clock)))


if __name__ == "__main__":
    program.start(main)
