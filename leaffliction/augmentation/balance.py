"""Plan a balanced tree of images, and write what was planned.

plan_balance decides which originals a balanced data set holds and which
augmented copies to make of them; write_plan makes them in parallel.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.augmentation.file_copy import SourceError, link_or_copy
from leaffliction.augmentation.transforms import GEOMETRIC, augment
from leaffliction.utils.copies import augmented_copies, copy_path
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import is_nonempty_file
from leaffliction.utils.images import (check_image, read_image, read_reduced,
                                       shrink, write_image)
from leaffliction.utils.labels import Dataset
from leaffliction.utils.marks import COPY, mark_line
from leaffliction.utils.parallel import Workers, WorkersDied
from leaffliction.utils.progress import progress

MAX_SIDE = 2**15 - 2     # pixels; OpenCV warps no longer side


@dataclass(frozen=True)
class PlannedImage:
    """One image of the source and the augmented copies to make of it.

    source, and the file of each copy, are paths relative to the source and
    to the new tree alike.  label: index of the class.  copies: (augmentation,
    file) of each copy.
    """

    source: Path
    label: int
    copies: tuple[tuple[str, Path], ...]

    def files(self) -> list[Path]:
        """Return the files of the new tree: the image and its copies."""
        return [self.source, *(file for _, file in self.copies)]


def class_targets(dataset: Dataset, target: int | None, per_plant: bool
                  ) -> list[int]:
    """Return the number of images that each class will have.

    target: that number, for all classes.  Without it, each class gets as
    many as the largest class, or (per_plant) the largest of the same plant.
    """
    counts = dataset.counts().tolist()
    plants = [plant.casefold() if per_plant else ""
              for plant in dataset.plants]
    return [target or max(count for count, other in zip(counts, plants)
                          if other == plant) for plant in plants]


def plan_balance(dataset: Dataset, targets: Sequence[int], seed: int,
                 augmentations: Sequence[str] = tuple(GEOMETRIC),
                 copies: Mapping[Path, Path] | None = None
                 ) -> list[PlannedImage]:
    """Return the plan of a balanced tree, image by image.

    targets: number of images of each class.  A class is filled first with its
    originals, in random order: a class with more than its target keeps a
    random subset.  Then come the augmented copies that the source already
    holds; they are not augmented again.  The rest are new copies, spread
    evenly over the originals and the augmentations.  Which copies a class
    gets does not depend on those it already has, so the plan of an
    interrupted run in place completes it.
    copies: {file: original} of the files that are not to be augmented; by
    default the augmented copies in the data set.
    """
    if copies is None:
        copies = augmented_copies(dataset.files, dataset.classes())
    # Lower-cased: on some file systems "a.JPG" and "a.jpg" are one file.
    existing = {str(file).casefold() for file in dataset.files}
    originals = {str(file).casefold() for file in dataset.files
                 if file not in copies}
    plan = []
    for label, target in enumerate(targets):
        rng = np.random.default_rng([seed, label])
        files = [dataset.files[index] for index in
                 np.flatnonzero(dataset.labels == label)]
        sources, existing_copies = _choose_files(files, target, copies, rng)
        new_copies = {file: [] for file in sources + existing_copies}
        missing = target - len(new_copies)
        for source, augmentation, file in _generate_copies(
                sources, augmentations, originals):
            if missing <= 0:
                break
            if str(file).casefold() not in existing:
                new_copies[source].append((augmentation, file))
                missing -= 1
        plan += [PlannedImage(file, label, tuple(names))
                 for file, names in new_copies.items()]
    return plan


def _choose_files(files: list[Path], target: int, copies: Mapping[Path, Path],
                  rng: np.random.Generator) -> tuple[list[Path], list[Path]]:
    """Return the originals and the existing copies of a class to keep.

    At most `target` together.  Copies of the chosen originals come first.
    """
    # The permutation is of the originals alone, so that the choice does not
    # depend on the copies that exist.
    originals = [file for file in files if file not in copies]
    sources = [originals[index] for index in
               rng.permutation(len(originals))][:target]
    chosen = set(sources)
    existing = sorted((file for file in files if file in copies),
                      key=lambda file: copies[file] not in chosen)
    return sources, existing[:target - len(sources)]


def _generate_copies(sources: list[Path], augmentations: Sequence[str],
                     originals: set[str]) -> Iterator[tuple[Path, str, Path]]:
    """Yield (source, augmentation, file) of one copy after another, endlessly.

    The sources take turns, and each goes through all the augmentations before
    it repeats one.  No file has the name of an original.
    originals: lower-cased paths.
    """
    number_of_kinds = len(augmentations)
    # Whenever the cycles of sources and of augmentations end together, shift
    # the augmentations by one, or the same pairs would come again.
    period = math.lcm(len(sources), number_of_kinds)
    used = set(originals)
    number = 0
    while sources:
        turn, index = divmod(number, len(sources))
        source = sources[index]
        augmentation = augmentations[
            (number + number // period) % number_of_kinds]
        repetition = turn // number_of_kinds + 1
        while True:
            suffix = f"_{repetition}" if repetition > 1 else ""
            file = copy_path(source, f"{augmentation}{suffix}")
            if str(file).casefold() not in used:
                break
            repetition += 1
        used.add(str(file).casefold())
        yield source, augmentation, file
        number += 1


def plan_files(plan: list[PlannedImage]) -> tuple[list[Path], np.ndarray]:
    """Return all files of the new tree, and their labels, int (N,)."""
    return ([file for planned in plan for file in planned.files()],
            np.array([planned.label for planned in plan
                      for _ in planned.files()], int))


def read_leaf(path: Path, longest: int | None = None) -> np.ndarray:
    """Return an image to augment, RGB uint8 (H, W, 3).

    longest: reduce its longer side to at most this many pixels.
    Raises UserError where it cannot be read, or is too long for OpenCV.
    """
    rgb_img = (read_image(path) if longest is None else
               shrink(read_reduced(path, longest), longest))
    check_sides(path, rgb_img.shape[:2])
    return rgb_img


def check_sides(path: Path, sides: tuple[int, int]) -> None:
    """Raise UserError for an image with a side that OpenCV can't warp."""
    if max(sides) > MAX_SIDE:
        raise UserError(f"{path}: a side of {max(sides)} pixels is more "
                        f"than {MAX_SIDE}")


def make_copies(planned: PlannedImage, root: Path, output: Path, seed: int,
                longest: int | None = None) -> None:
    """Write an image of the plan and its copies, where they do not exist yet.

    root: folder of the source.  output: folder of the new tree; the same as
    root where a folder is balanced in place.  longest: reduce the longer side
    of the copies to at most this many pixels; None: copies have the size of
    the original.
    Raises SourceError where the source cannot be read or augmented, and
    UserError where the output cannot be written.
    """
    missing = [(augmentation, file) for augmentation, file in planned.copies
               if not is_nonempty_file(output / file)]
    in_place = root == output
    is_copied = not in_place and is_nonempty_file(output / planned.source)
    if is_copied and not missing:
        return
    source = root / planned.source
    try:
        if missing:
            rgb_img = read_leaf(source, longest)
        else:
            # No copy to make, but a truncated image has to be reported.
            check_sides(source, check_image(source))
    except UserError as error:
        raise SourceError(error) from None
    for augmentation, file in missing:
        write_image(output / file,
                    augment(rgb_img, augmentation, seed, file.as_posix()),
                    mark_line(planned.source.as_posix(), COPY))
    if not in_place and not is_copied:
        link_or_copy(source, output / planned.source)


def write_plan(plan: list[PlannedImage], root: Path, output: Path, seed: int,
               workers: Workers, longest: int | None = None
               ) -> Iterator[UserError | None]:
    """Write the images of a plan; yield the error of each, or None.

    root, output, longest: see make_copies.
    Raises UserError where the output cannot be written.
    """
    make = partial(make_copies, root=root, output=output, seed=seed,
                   longest=longest)
    results = workers.map(make, plan,
                          name_of=lambda planned: root / planned.source)
    for result in progress(results, len(plan), "Augmenting"):
        if isinstance(result, UserError) and not isinstance(
                result, (SourceError, WorkersDied)):
            raise result
        yield result
