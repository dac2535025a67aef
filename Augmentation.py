"""Step 2: augment one leaf in six ways, or balance a folder of leaves.

    python Augmentation.py "images/Apple_scab/image (1).JPG"
    python Augmentation.py images
    python Augmentation.py images --target 500 --output-dir balanced
    python Augmentation.py images --in-place --brightness --shadow

An image is shown beside its six augmentations, which are saved beside it
under its name and theirs: "image (1)_Flip.JPG".  A folder is balanced: in a
new tree every class ends with as many images as the largest one has, since
a network that sees one disease more often than others learns to guess it.
The same folder, seed and options give the same bytes, and a run that was
interrupted is completed by the next one.
"""

from leaffliction import program  # before all that takes time to load

import argparse
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from leaffliction.augmentation.balance import (Copies, class_targets,
                                               plan_balance, plan_files,
                                               read_leaf, write_plan)
from leaffliction.augmentation.transforms import (GEOMETRIC, PHOTOMETRIC,
                                                  augment)
from leaffliction.utils import cli
from leaffliction.utils.class_folders import read_dataset, splits_of
from leaffliction.utils.console import print_error, printable
from leaffliction.utils.copies import augmented_copies, copy_of
from leaffliction.utils.errors import UserError
from leaffliction.utils.figures import drawable, open_pyplot, show_or_save
from leaffliction.utils.files import sha256_or_empty
from leaffliction.utils.images import encode_image, shrink, write_image
from leaffliction.utils.labels import Dataset
from leaffliction.utils.marks import (COPY, last_bytes, mark_line, marked_kind,
                                      marked_source, source_key)
from leaffliction.utils.output_tree import (OutputTree, check_output_folder,
                                            lock_output_tree, remove_files)
from leaffliction.utils.overwrite import may_replace
from leaffliction.utils.parallel import Workers
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import path_of

OUTPUT = Path("augmented_directory")
MOST = 100_000           # images a class; more is a slip of the finger
# To be raised with every change of what is made of the same images.
VERSION = 1
# On which the bytes depend as well.
PACKAGES = ("numpy", "opencv-python", "pillow")
# Images beside each other in a figure, and lines of a list that is printed.
PANELS, LINES = 7, 20
LONGEST_SIDE = 512       # pixels; a figure shows no more of an image


@dataclass(frozen=True)
class Balance:
    """What a folder was balanced to.

    dataset: the readable images, from which the plan was made.
    written: the files that were not there before.
    """

    plan: list[Copies]
    dataset: Dataset
    written: set[Path]
    problems: list[UserError]


def balance(dataset: Dataset, output: Path, options: argparse.Namespace,
            copies: dict[Path, Path], fingerprint: str) -> Balance:
    """Write a balanced tree, leaving out what can't be read.

    Each image is decoded once, for all its copies.  Where that fails, the
    plan is made again without it, and what is missing by then is added.
    copies: {file: original} of what is not augmented.
    fingerprint: of the new tree; none where a folder is balanced in place.
    """
    problems: list[UserError] = []
    tree, ever, before = None, set(), set(dataset.files)
    while True:
        plan = plan_balance(
            dataset,
            class_targets(dataset, options.target, options.per_plant),
            options.seed, options.augmentations, copies)
        planned = set(plan_files(plan)[0])
        if fingerprint:
            if tree is None:
                tree = OutputTree(output, fingerprint, planned,
                                  options.force)
                before = set(tree.files)
            tree.begin(planned)
        ever |= planned
        unreadable = set()
        for part, problem in zip(plan, write_plan(
                plan, dataset.root, output, options.seed, options.workers)):
            if problem is not None:
                print_error(problem)
                problems.append(problem)
                unreadable.add(part.source)
        if not unreadable:
            break
        dataset = dataset.subset([
            index for index, file in enumerate(dataset.files)
            if file not in unreadable])
    # Copies that were made for the sake of images since left out.
    remove_files(output, ever - before - planned)
    if tree is not None:
        tree.finish(planned)
    if not planned:
        raise UserError(f"{dataset.root}: no readable image in it")
    return Balance(plan, dataset, planned - before, problems)


def repeated_images(dataset: Dataset, digests: Sequence[str]
                    ) -> tuple[dict[Path, Path], list[list[Path]]]:
    """Return what of the originals is there twice, by their bytes.

    digests: "" for those that can't be read.
    First {file: the first file with the same bytes in its class}, then the
    lists of identical files that lie in several classes.
    """
    copies = augmented_copies(dataset.files, dataset.classes())
    places = defaultdict(dict)
    repeated = {}
    for file, label, digest in zip(dataset.files, dataset.labels.tolist(),
                                   digests):
        if digest and file not in copies:
            first = places[digest].setdefault(label, file)
            if first != file:
                repeated[file] = first
    return repeated, [list(files.values()) for files in places.values()
                      if len(files) > 1]


def fingerprint_of(dataset: Dataset, digests: Sequence[str],
                   options: argparse.Namespace) -> str:
    """Return what tells one balanced tree from all others, in hex.

    The images and where they lie, seed and options, and the versions of what
    decodes, augments and encodes: not the number of jobs.
    """
    content = json.dumps([
        VERSION, {name: version(name) for name in PACKAGES}, options.seed,
        options.target, options.per_plant, options.augmentations,
        sorted(zip(map(str, dataset.files), digests))])
    return hashlib.sha256(content.encode()).hexdigest()


def read_digests(folder: Path, workers: Workers
                 ) -> tuple[Dataset, list[str]]:
    """Return the images of a folder and the digest of each file.

    Files that can't be opened are named later, when they are decoded.
    """
    dataset = read_dataset(folder)
    digests = progress(workers.map(sha256_or_empty, dataset.paths()),
                       len(dataset.files), "Reading")
    return dataset, list(digests)


def refuse_splits(dataset: Dataset) -> None:
    """Raise UserError where a data set comes divided in several parts.

    Copies in its validation part would be counted as photographs there.
    """
    splits = splits_of({file.parent for file in dataset.files})
    if len(set(splits.values())) > 1:
        part = next((name for name, split in splits.items()
                     if split == "train"), next(iter(splits)))
        folder = next(parent for file in dataset.files
                      for parent in file.parents if parent.name == part)
        raise UserError(
            f"{dataset.root}: {', '.join(sorted(splits))} divide the data "
            "set, and augmented copies belong to its training part alone; "
            f"give that part: {dataset.root / folder}")


def balance_folder(options: argparse.Namespace) -> int:
    """Balance a folder, print a summary, return the exit status."""
    folder = options.path
    output = folder if options.in_place else options.output_dir
    dataset, digests = read_digests(folder, options.workers)
    refuse_splits(dataset)
    repeated, ambiguous = repeated_images(dataset, digests)
    copies = augmented_copies(dataset.files, dataset.classes()) | repeated
    found = dataset.counts()
    if options.in_place:
        largest = int(found.max())
        if options.target and options.target < largest:
            raise UserError(f"--in-place removes nothing: --target is at "
                            f"least {largest}, the size of the largest class")
        fingerprint = ""
    else:
        check_output_folder(output, folder)
        fingerprint = fingerprint_of(dataset, digests, options)
        dataset = dataset.subset([
            index for index, file in enumerate(dataset.files)
            if file not in repeated])
    with lock_output_tree(output):
        balanced = balance(dataset, output, options, copies, fingerprint)
    print_summary(balanced, output, found)
    print_files("the same bytes, counted once" if not options.in_place else
                "the same bytes", [[first, file] for file, first
                                   in repeated.items()])
    print_files("the same bytes in two classes", ambiguous)
    return cli.FAILED if balanced.problems else cli.DONE


def print_summary(balanced: Balance, output: Path, found: np.ndarray
                  ) -> None:
    """Print what has become of each class, and the sum.

    found: the number of each class's files in the source, int (classes,).
    """
    files, labels = plan_files(balanced.plan)
    dataset = balanced.dataset
    after = np.bincount(labels, minlength=len(dataset.class_names))
    for class_name, before, used, now in zip(
            dataset.class_names, found, dataset.counts(), after):
        drawn = "  (a drawn subset)" if now < used else ""
        print(f"{printable(class_name)}: {before} -> {now}{drawn}")
    copies = len(augmented_copies(files))
    print(f"{len(files)} images in {printable(output)}, {copies} of them "
          f"augmented copies; {len(balanced.written)} written now, "
          f"{len(balanced.problems)} unreadable ones left out")


def print_files(title: str, groups: list[list[Path]]) -> None:
    """Print which files belong together, a line for each group."""
    for group in groups[:LINES]:
        print(f"{title}: " + " = ".join(map(printable, group)))
    if len(groups) > LINES:
        print(f"{title}: {len(groups) - LINES} more")


def show_augmentations(options: argparse.Namespace) -> int:
    """Save the augmentations of an image and show them beside it."""
    path = options.path
    rgb_img = read_leaf(path)
    targets = {name: (options.output_dir or path.parent)
               / copy_of(path, name).name for name in options.augmentations}
    # By the content: the copies may have been moved along with their image.
    source = sha256_or_empty(path)
    check_copies(targets, path, source, rgb_img, options.seed)
    panels = {"Original": shrink(rgb_img, LONGEST_SIDE)}
    for name, target in targets.items():
        augmented = augment(rgb_img, name, options.seed, path.name)
        write_image(target, augmented, mark_line(source, COPY))
        print(printable(target))
        # Several of the largest images would fill the memory.
        panels[name] = shrink(augmented, LONGEST_SIDE)
    figure = draw(open_pyplot(options.no_display), path.name, panels)
    show_or_save({f"augmentation_{path.stem}": figure}, None, path)
    return cli.DONE


def check_copies(targets: dict[str, Path], path: Path, source: str,
                 rgb_img: np.ndarray, seed: int) -> None:
    """Raise UserError where an augmented copy of an image has no place.

    targets: by the augmentation.  source: the digest of the image at path,
    RGB uint8 (H, W, 3).  An image that this program has not made stays, and
    so does a copy of another image, which may have the same name where the
    copies are not beside their original.  An earlier version wrote the same
    copies without a mark.
    """
    for name, target in targets.items():
        beside = target.parent == path.parent
        mark = last_bytes(target)
        if may_replace(target, COPY):
            if marked_kind(mark) == COPY and not beside and (
                    marked_source(mark) != source_key(source)):
                raise UserError(f"{target}: is a copy of another image, and "
                                "is not overwritten; choose another "
                                "--output-dir")
        elif target.read_bytes() != encode_image(
                target, augment(rgb_img, name, seed, path.name)):
            raise UserError(
                f"{target}: is an image that this program did not make, and "
                "is not overwritten; choose another --output-dir, or delete "
                "it if an earlier version made it")


def draw(pyplot, title: str, images: dict[str, np.ndarray]):
    """Return a figure of the images side by side, titled."""
    rows = -(-len(images) // PANELS)
    columns = -(-len(images) // rows)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(2.2 * columns, 2.4 * rows + 0.5),
        layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (name, image) in zip(axes.flat, images.items()):
        ax.imshow(image)
        ax.set_title(name, fontsize=13)
    figure.suptitle(drawable(title), fontsize=13)
    return figure


def flag_of(augmentation: str) -> str:
    """Return "white-balance" for "WhiteBalance"."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", augmentation).lower()


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser("Show and save six augmentations of a leaf, or balance "
                        "the classes of a folder with augmented copies.")
    add = parser.add_argument
    add("path", type=path_of, metavar="IMAGE|DIRECTORY",
        help="one image, or a folder of class folders")
    add("--output-dir", type=path_of, metavar="DIR",
        help="where to write (default: beside the image; for a folder "
             f"{OUTPUT})")
    for name, (_, apply) in PHOTOMETRIC.items():
        # Without docstrings (python -OO) there is no more to say.
        does = (apply.__doc__ or name).splitlines()[0].rstrip(".")
        add(f"--{flag_of(name)}", dest="augmentations", action="append_const",
            const=name, default=argparse.SUPPRESS,
            help=f"beyond the six, {does[0].lower()}{does[1:]}")
    folders = parser.add_argument_group("folders")
    add = folders.add_argument
    add("--target", type=class_size, metavar="N",
        help="images that each class ends with (default: as many as the "
             "largest class has)")
    add("--per-plant", action="store_true",
        help="as many as the largest class of the same plant has")
    add("--in-place", action="store_true",
        help="add the augmented copies to the folder itself")
    add("--force", action="store_true",
        help="replace an earlier tree in DIR, and files in the way of this")
    parser.add_seed()
    parser.add_jobs()
    parser.add_display()
    return parser


def class_size(text: str) -> int:
    """Return text as a size of a class, for argparse."""
    size = cli.positive_int(text)
    if size > MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MOST:,}")
    return size


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    options.workers = program.make_workers(options.jobs, options.cluster)
    # In the order of the table, however the flags were given.
    chosen = getattr(options, "augmentations", [])
    options.augmentations = [*GEOMETRIC, *(name for name in PHOTOMETRIC
                                           if name in chosen)]
    if not options.path.is_dir():
        for name in ("target", "per_plant", "in_place", "force"):
            if getattr(options, name) and options.path.is_file():
                parser.error(f"--{name.replace('_', '-')} is for folders")
        return show_augmentations(options)
    if options.in_place and (options.output_dir or options.force):
        parser.error("--in-place goes with neither --output-dir nor --force")
    if options.per_plant and options.target:
        parser.error("--target and --per-plant exclude each other")
    options.output_dir = options.output_dir or OUTPUT
    return balance_folder(options)


if __name__ == "__main__":
    program.start(main)
