"""A balanced tree: what it is made of, and the making of it."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from leaffliction.augmentation.transforms import GEOMETRIC, augment
from leaffliction.utils.copies import augmented_copies, copy_of
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import (atomic_write, is_nonempty_file,
                                      write_error)
from leaffliction.utils.images import (check_image, read_image, read_reduced,
                                       shrink, write_image)
from leaffliction.utils.labels import Dataset
from leaffliction.utils.marks import COPY, mark_line
from leaffliction.utils.parallel import Workers, WorkersDied
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import is_local

LONGEST = 2**15 - 2      # pixels; OpenCV warps no longer side
PART = 2**20             # bytes copied at a time


@dataclass(frozen=True)
class Copies:
    """All that is made of one source image; paths relative to the trees.

    augmented: (augmentation, file) of each augmented copy.
    """

    source: Path
    label: int
    augmented: tuple[tuple[str, Path], ...]

    def files(self) -> list[Path]:
        """Return the files of the new tree: the original and its copies."""
        return [self.source, *(file for _, file in self.augmented)]


def class_targets(dataset: Dataset, target: int | None, per_plant: bool
                  ) -> list[int]:
    """Return how many images each class is to have.

    target, if given; else as many as the largest class has, of all or (per
    plant) of the class's own plant.
    """
    counts = dataset.counts().tolist()
    plants = [plant.casefold() if per_plant else ""
              for plant in dataset.plants]
    return [target or max(count for count, other in zip(counts, plants)
                          if other == plant) for plant in plants]


def plan_balance(dataset: Dataset, targets: Sequence[int], seed: int,
                 augmentations: Sequence[str] = tuple(GEOMETRIC),
                 copies: Mapping[Path, Path] | None = None
                 ) -> list[Copies]:
    """Return what a balanced tree is made of, image by image.

    targets: the images of each class.  Originals come first, in a class
    with more a drawn subset; then the augmented copies that the source holds
    already, which are not augmented again; then new ones, spread evenly over
    the originals and the augmentations.  Which ones does not depend on those
    that are there: so an interrupted run in place is completed.
    copies: {file: original} of the files that are not augmented (None: the
    augmented copies among the dataset's).
    """
    if copies is None:
        copies = augmented_copies(dataset.files, dataset.classes())
    taken = {str(file).casefold() for file in dataset.files}
    originals = {str(file).casefold() for file in dataset.files
                 if file not in copies}
    plan = []
    for label, wanted in enumerate(targets):
        rng = np.random.default_rng([seed, label])
        files = [dataset.files[index] for index in
                 np.flatnonzero(dataset.labels == label)]
        # Drawn among the originals alone, whatever else is there.
        sources = [file for file in files if file not in copies]
        sources = [sources[place]
                   for place in rng.permutation(len(sources))][:wanted]
        kept = set(sources)
        there = sorted((file for file in files if file in copies),
                       key=lambda file: copies[file] not in kept)
        there = there[:wanted - len(sources)]
        augmented = {file: [] for file in sources + there}
        missing = wanted - len(augmented)
        for source, augmentation, file in _copies_of(
                sources, augmentations, originals):
            if missing <= 0:
                break
            if str(file).casefold() not in taken:
                augmented[source].append((augmentation, file))
                missing -= 1
        plan += [Copies(file, label, tuple(names))
                 for file, names in augmented.items()]
    return plan


def _copies_of(sources: list[Path], augmentations: Sequence[str],
               originals: set[str]) -> Iterator[tuple[Path, str, Path]]:
    """Yield source, augmentation and file of one copy after another.

    Without end, in turn; the names are those of no original.
    originals: in lower case, since some file systems tell "a.JPG" from
    "a.jpg" and others do not.
    """
    kinds = len(augmentations)
    # One step further whenever both cycles end together: so an original
    # meets all augmentations before it meets one again.
    together = math.lcm(len(sources), kinds)
    used = set(originals)
    number = 0
    while sources:
        turn, place = divmod(number, len(sources))
        source = sources[place]
        augmentation = augmentations[(number + number // together) % kinds]
        again = turn // kinds + 1
        while True:
            ending = f"_{again}" if again > 1 else ""
            file = copy_of(source, f"{augmentation}{ending}")
            if str(file).casefold() not in used:
                break
            again += 1
        used.add(str(file).casefold())
        yield source, augmentation, file
        number += 1


def plan_files(plan: list[Copies]) -> tuple[list[Path], np.ndarray]:
    """Return all files of the new tree, and their labels, int (N,)."""
    return ([file for copies in plan for file in copies.files()],
            np.array([copies.label for copies in plan
                      for _ in copies.files()], int))


def read_leaf(path: Path, longest: int | None = None) -> np.ndarray:
    """Return an image, RGB uint8; UserError where it can't be augmented.

    longest: pixels of its longer side, at most.
    """
    rgb_img = (read_image(path) if longest is None else
               shrink(read_reduced(path, longest), longest))
    check_sides(path, rgb_img.shape[:2])
    return rgb_img


def check_sides(path: Path, sides: tuple[int, int]) -> None:
    """Raise UserError for an image that OpenCV can't warp."""
    if max(sides) > LONGEST:
        raise UserError(f"{path}: a side of {max(sides)} pixels is more "
                        f"than {LONGEST}")


class Unreadable(UserError):
    """A source image that can't be read, or not be augmented."""


def make_copies(copies: Copies, root: Path, output: Path, seed: int,
                longest: int | None = None) -> None:
    """Write an original and its augmented copies, where they are not there.

    root is output where a folder is balanced in place.  longest: pixels of
    the augmented copies' longer side, at most; None: that of the original.
    Raises Unreadable, and UserError where output can't be written.
    """
    missing = [(augmentation, file) for augmentation, file in copies.augmented
               if not is_nonempty_file(output / file)]
    in_place = root == output
    is_there = not in_place and is_nonempty_file(output / copies.source)
    if is_there and not missing:
        return
    try:
        if missing:
            rgb_img = read_leaf(root / copies.source, longest)
        else:
            # There is nothing to augment, but it may be truncated.
            check_sides(root / copies.source,
                        check_image(root / copies.source))
    except UserError as error:
        raise Unreadable(error) from None
    for augmentation, file in missing:
        write_image(output / file, augment(rgb_img, augmentation, seed,
                                           file.as_posix()),
                    mark_line(copies.source.as_posix(), COPY))
    if not in_place and not is_there:
        link_or_copy(root / copies.source, output / copies.source)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name (a hard link), or copy its bytes.

    A link takes neither time nor room; not every file system has it, and
    none from one disk to another.
    Raises Unreadable where the source can't be read, or is gone, and
    UserError where the target can't be written.
    """
    if not (is_local(source) and is_local(target)):
        copy_object(source, target)
        return
    with suppress(OSError):
        if target.samefile(source):
            return  # To rename one name of a file to another does nothing.
    with atomic_write(target) as new:
        try:
            new.unlink()    # A link is made where there is nothing.
            # A second name of the file itself, not of a link to it.
            os.link(os.path.realpath(source, strict=True)
                    if source.is_symlink() else source, new)
        except OSError:
            copy_bytes(source, new)


@contextmanager
def reading(source: Path) -> Iterator[None]:
    """Make Unreadable of an OSError: it is the source's, not the target's."""
    try:
        yield
    except OSError as error:
        raise Unreadable(f"{source}: cannot be read any more "
                         f"({error.strerror or error})") from None


def copy_bytes(source: Path, new: Path) -> None:
    """Copy a file; Unreadable, or the OSError of what is written."""
    with reading(source):
        stream = source.open("rb")
    with stream, new.open("wb") as written:
        while True:
            with reading(source):
                part = stream.read(PART)
            if not part:
                return
            written.write(part)


def copy_object(source: Path, target: Path) -> None:
    """Copy an object from a store, to one, or inside it."""
    if is_local(source) or is_local(target) or source.fs is not target.fs:
        with atomic_write(target) as new:
            copy_bytes(source, new)
        return
    try:
        source.copy_to(target)
    except OSError as error:
        # The store does not say which of the two it was.
        with reading(source):
            source.stat()
        raise write_error(target, error) from None


def write_plan(plan: list[Copies], root: Path, output: Path, seed: int,
               workers: Workers, longest: int | None = None
               ) -> Iterator[UserError | None]:
    """Carry a plan out; yield why nothing was made of a source, or None.

    longest: see make_copies.  Raises UserError where output can't be written.
    """
    make = partial(make_copies, root=root, output=output, seed=seed,
                   longest=longest)
    results = workers.map(
    make,
    plan,
    name_of=lambda copies: root /
     copies.source)
    for result in progress(results, len(plan), "Augmenting"):
        if isinstance(result, UserError) and not isinstance(
                result, (Unreadable, WorkersDied)):
            raise result
        yield result
