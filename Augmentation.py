"""Step 2: augment one leaf in six ways, or balance a folder of leaves.

    python Augmentation.py "images/Apple_scab/image (1).JPG"
    python Augmentation.py images
    python Augmentation.py images --target 500 --output-dir balanced
    python Augmentation.py images --in-place --brightness --shadow

For one image, the program makes six augmented copies, saves them beside the
image under its name and the augmentation's ("image (1)_Flip.JPG"), and shows
all seven.  For a folder, it writes a new tree in which every class has as many
images as the largest one: a network that sees one disease more often than the
others learns to guess that disease.  The same folder, seed and options give
the same bytes.  The next run completes one that was interrupted.
"""

from leaffliction import program  # first: it handles Ctrl-C during imports

import argparse
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.augmentation.balance import plan_files, read_leaf
from leaffliction.augmentation.balanced_tree import (BalanceConfig,
                                                     BalanceResult, balance,
                                                     find_identical,
                                                     fingerprint_of,
                                                     read_checksums,
                                                     refuse_splits)
from leaffliction.augmentation.output_tree import (OutputTree,
                                                   check_output_folder)
from leaffliction.augmentation.transforms import (GEOMETRIC, PHOTOMETRIC,
                                                  augment)
from leaffliction.utils import cli
from leaffliction.utils.console import printable
from leaffliction.utils.copies import augmented_copies, copy_path
from leaffliction.utils.errors import UserError
from leaffliction.utils.figures import (hide_axes, open_pyplot, renderable,
                                        show_or_save)
from leaffliction.utils.files import lock_output_tree, sha256_or_empty
from leaffliction.utils.images import encode_image, shrink, write_image
from leaffliction.utils.marks import (COPY, last_bytes, mark_line, marked_kind,
                                      marked_source, source_key)
from leaffliction.utils.overwrite import may_replace
from leaffliction.utils.parallel import Workers
from leaffliction.utils.storage import path_of
from leaffliction.utils.tables import first_lines

DEFAULT_OUTPUT = Path("augmented_directory")
MAX_TARGET = 100_000     # images per class; a larger number is a typing error
COLUMNS = 7              # images side by side in the figure
FIGURE_SIDE = 512        # pixels of an image's longer side in the figure
# What each optional augmentation does, for --help.
PHOTOMETRIC_HELP = {
    "Brightness": "change brightness and contrast, as another exposure would",
    "WhiteBalance": "make the light warmer or colder",
    "Blur": "blur the leaf, as a camera slightly out of focus does",
    "JpegNoise": "add the artefacts of strong JPEG compression",
    "Shadow": "cast the shadow of a branch or another leaf across the leaf"}


def show_augmentations(path: Path, output: Path, augmentations: Sequence[str],
                       seed: int, no_display: bool) -> None:
    """Save the augmented copies of an image and show them beside it.

    output: the folder of the copies.
    """
    rgb_img = read_leaf(path)
    targets = {name: output / copy_path(path, name).name
               for name in augmentations}
    # Copies are marked with the image's checksum, not its path, so that they
    # may be moved along with it.
    checksum = sha256_or_empty(path)
    check_targets(targets, path, checksum, rgb_img, seed)
    panels = {"Original": shrink(rgb_img, FIGURE_SIDE)}
    for name, target in targets.items():
        augmented = augment(rgb_img, name, seed, path.name)
        write_image(target, augmented, mark_line(checksum, COPY))
        print(printable(target))
        # Shrunk at once: several of the largest images would fill the memory.
        panels[name] = shrink(augmented, FIGURE_SIDE)
    figure = draw(open_pyplot(no_display), path.name, panels)
    show_or_save({f"augmentation_{path.stem}": figure}, None, path)


def check_targets(targets: dict[str, Path], path: Path, checksum: str,
                  rgb_img: np.ndarray, seed: int) -> None:
    """Raise UserError if an augmented copy would overwrite another image.

    targets: the file of each augmentation's copy.  path, checksum, rgb_img:
    of the original.  Two kinds of images are not overwritten: those that this
    program did not make, and copies of another image, which may have the same
    names in an --output-dir.  An image without a mark is overwritten if
    its bytes are those of the copy: earlier versions wrote no marks.
    """
    for name, target in targets.items():
        end = last_bytes(target)
        if may_replace(target, COPY):
            if (marked_kind(end) == COPY and target.parent != path.parent
                    and marked_source(end) != source_key(checksum)):
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
    """Return a figure of the images side by side, each under its name."""
    rows = -(-len(images) // COLUMNS)
    columns = -(-len(images) // rows)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(2.2 * columns, 2.4 * rows + 0.5),
        layout="constrained", squeeze=False)
    for ax in axes.flat:
        hide_axes(ax)
    for ax, (name, image) in zip(axes.flat, images.items()):
        ax.imshow(image)
        ax.set_title(name, fontsize=13)
    figure.suptitle(renderable(title), fontsize=13)
    return figure


def balance_folder(folder: Path, output: Path | None, config: BalanceConfig,
                   workers: Workers, force: bool) -> int:
    """Balance a folder, print a summary, return the exit status.

    output: folder for the new tree; None to balance the folder in place.
    force: replace another tree in output.
    """
    in_place = output is None
    output = output or folder
    dataset, checksums = read_checksums(folder, workers)
    refuse_splits(dataset)
    duplicates, ambiguous = find_identical(dataset, checksums)
    copies = augmented_copies(dataset.files, dataset.classes()) | duplicates
    counts = dataset.counts()
    open_tree = None
    if in_place:
        largest = int(counts.max())
        if config.target and config.target < largest:
            raise UserError(f"--in-place removes no image: --target must be "
                            f"at least {largest}, the size of the largest "
                            "class")
    else:
        check_output_folder(output, folder)
        open_tree = partial(
            OutputTree, output, fingerprint_of(dataset, checksums, config),
            force=force)
        dataset = dataset.subset([
            index for index, file in enumerate(dataset.files)
            if file not in duplicates])
    with lock_output_tree(output):
        result = balance(dataset, copies, output, config, workers, open_tree)
    print_summary(result, output, counts)
    print_identical("identical" if in_place else "identical, used once",
                    [[first, file] for file, first in duplicates.items()])
    print_identical("identical, in several classes", ambiguous)
    return cli.FAILED if result.errors else cli.DONE


def print_summary(result: BalanceResult, output: Path, counts: np.ndarray
                  ) -> None:
    """Print the number of images of each class before and after, and in all.

    counts: of the source, with unreadable images, int (classes,).
    """
    files, labels = plan_files(result.plan)
    dataset = result.dataset
    counts_after = np.bincount(labels, minlength=len(dataset.class_names))
    for class_name, before, usable, after in zip(
            dataset.class_names, counts, dataset.counts(), counts_after):
        subset = "  (a random subset)" if after < usable else ""
        print(f"{printable(class_name)}: {before} -> {after}{subset}")
    print(f"{len(files)} images in {printable(output)}, "
          f"{len(augmented_copies(files))} of them augmented copies; "
          f"{len(result.written)} written now, "
          f"{len(result.errors)} unreadable images left out")


def print_identical(title: str, groups: list[list[Path]]) -> None:
    """Print a line for each group of identical files."""
    lines = [f"{title}: " + " = ".join(map(printable, group))
             for group in groups]
    for line in first_lines(lines, f"{title}: {{}} more"):
        print(line)


def flag_of(augmentation: str) -> str:
    """Return "white-balance" for "WhiteBalance"."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", augmentation).lower()


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(
        "Show and save six augmentations of a leaf, or balance the classes of "
        "a folder with augmented copies.")
    add = parser.add_argument
    add("path", type=path_of, metavar="IMAGE|DIRECTORY",
        help="one image, or a folder with a folder of images for each class")
    add("--output-dir", type=path_of, metavar="DIR",
        help="folder to write to (default: beside the image; for a folder, "
             f"{DEFAULT_OUTPUT})")
    further = parser.add_argument_group(
        "further augmentations", "Each option adds one to the six.")
    add = further.add_argument
    for name in PHOTOMETRIC:
        add(f"--{flag_of(name)}", dest="augmentations", action="append_const",
            const=name, default=argparse.SUPPRESS, help=PHOTOMETRIC_HELP[name])
    folders = parser.add_argument_group("folders")
    add = folders.add_argument
    add("--target", type=class_size, metavar="N",
        help="number of images that each class ends with (default: as many as "
             "the largest class has)")
    add("--per-plant", action="store_true",
        help="balance each plant by itself: fill every class up to the "
             "largest class of the same plant")
    add("--in-place", action="store_true",
        help="add the augmented copies to the folder itself, instead of "
             "writing a new one")
    add("--force", action="store_true",
        help="replace an earlier tree in DIR, and files that have the names "
             "of new ones")
    parser.add_seed()
    parser.add_jobs()
    parser.add_display()
    return parser


def class_size(text: str) -> int:
    """Return text as a number of images per class, for argparse."""
    size = cli.positive_int(text)
    if size > MAX_TARGET:
        raise argparse.ArgumentTypeError(
            f"{text!r} is more than {MAX_TARGET:,}")
    return size


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = build_parser()
    options = parser.parse_args(argv)
    workers = program.make_workers(options.jobs, options.cluster)
    # In the order of PHOTOMETRIC, whatever the order of the options.
    chosen = getattr(options, "augmentations", [])
    augmentations = (*GEOMETRIC,
                     *(name for name in PHOTOMETRIC if name in chosen))
    if not options.path.is_dir():
        for name in ("target", "per_plant", "in_place", "force"):
            if getattr(options, name) and options.path.is_file():
                parser.error(f"--{name.replace('_', '-')} is for folders")
        show_augmentations(
            options.path, options.output_dir or options.path.parent,
            augmentations, options.seed, options.no_display)
        return cli.DONE
    if options.in_place and (options.output_dir or options.force):
        parser.error("--in-place goes with neither --output-dir nor --force")
    if options.per_plant and options.target:
        parser.error("--target and --per-plant exclude each other")
    config = BalanceConfig(options.target, options.per_plant, augmentations,
                           options.seed)
    output = (None if options.in_place
              else options.output_dir or DEFAULT_OUTPUT)
    return balance_folder(options.path, output, config, workers,
                          options.force)


if __name__ == "__main__":
    program.start(main)
