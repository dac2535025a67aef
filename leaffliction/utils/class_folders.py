"""Labelled images below a folder: its folders tell the classes.

Both layouts are read: flat (``images/Apple_scab/*.JPG``) and with a folder
for each plant (``images/Apple/apple_scab/*.JPG``), and any part of a tree;
also data sets that come divided (``train/``, ``valid/``, ``test/``).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from leaffliction.utils.class_names import (CONTAINERS, SEGMENTED, class_key,
                                            clean_name, is_holder, name_class,
                                            rendering_of, split_of, words_of)
from leaffliction.utils.console import print_note
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.folders import Found, say_left_out, search
from leaffliction.utils.images import natural_key
from leaffliction.utils.labels import Dataset
from leaffliction.utils.storage import path_of, resolved

# So many times as many images lie in a folder's only folder before those
# beside that count as strays.
MANY_TIMES = 5


def read_dataset(folder: Path) -> Dataset:
    """Return the labelled images below a folder.

    A class is a folder that holds images itself; its name and its plant
    come from the folders' names alone: see class_names.  Folders that divide
    a data set (train, valid, test) are looked through.  What is left out is
    said on stderr.
    Raises UserError where there is no image, or where the folders do not
    tell the classes.
    """
    folder = path_of(folder)
    found = search(folder)
    found.say_left_out(folder)
    files = without_orphans(folder, found)
    if not files:
        raise UserError(f"{folder}: no images in it or below it")
    refuse_renderings(folder, files)
    files = without_strays(folder, files)
    folders = sorted({file.parent for file in files}, key=natural_key)
    names, plants = _name_classes(folder, folders)
    say_splits(folder, folders)
    # Folders of one class have one key.  Classes are ordered by name,
    # whatever the layout.
    classes: dict[str, int] = {}
    for index, name in enumerate(names):
        classes.setdefault(class_key(name), index)
    say_merged(folder, folders, names)
    order = sorted(classes.values(), key=lambda index: natural_key(
        names[index]))
    rank = {class_key(names[index]): place
            for place, index in enumerate(order)}
    label_of = {parent: rank[class_key(name)]
                for parent, name in zip(folders, names)}
    files = sorted(files, key=lambda file: label_of[file.parent])
    return Dataset(
        root=folder,
        files=tuple(files),
        labels=np.array([label_of[file.parent] for file in files]),
        class_names=tuple(names[index] for index in order),
        plants=tuple(plants[index] for index in order))


def without_orphans(folder: Path, found: Found) -> list[Path]:
    """Return the images found, less augmented copies without an original.

    A copy whose original is elsewhere is no photograph, and nothing tells
    on which side of a split it belongs.
    """
    if not found.copies:
        return found.files
    orphans = found.copies - augmented_copies(found.files).keys()
    if orphans:
        say_left_out(folder, orphans, "augmented copy without its original",
                     "augmented copies without their original")
    return [file for file in found.files if file not in orphans]


def class_folder(folder: Path) -> Path:
    """Return a relative folder without those that divide a data set."""
    return Path(*(part for part in folder.parts if split_of(part) is None))


def splits_of(folders: Iterable[Path]) -> dict[str, str]:
    """Return {folder's name: "train", "validation" or "test"}.

    For each folder that divides a data set, on the way to one of these.
    """
    return {part: split for folder in folders for part in folder.parts
            if (split := split_of(part)) is not None}


def say_splits(root: Path, folders: list[Path]) -> None:
    """Print a note where several folders divide a data set."""
    names = sorted(splits_of(folders), key=natural_key)
    if len(names) > 1:
        print_note(f"{root}: {', '.join(names)} divide the data set; "
                   "the classes are the folders in them, taken together")


def say_merged(root: Path, folders: list[Path], names: list[str]) -> None:
    """Print a note on each class that has several folders."""
    members = defaultdict(dict)
    for folder, name in zip(folders, names):
        members[class_key(name)].setdefault(class_folder(folder), name)
    for found in members.values():
        if len(found) > 1:
            print_note(f"{root}: {', '.join(map(str, found))}: one "
                       f"class, {next(iter(found.values()))}")


def refuse_renderings(root: Path, files: list[Path]) -> None:
    """Raise UserError where photographs are there in several renderings.

    PlantVillage has each in color/, grayscale/ and segmented/: learned from
    together, they would be three classes of the same leaf, or one leaf on
    both sides of the split.
    """
    # Parent: {child: folders with images, relative to the child}.
    below = defaultdict(lambda: defaultdict(set))
    for folder in sorted({file.parent for file in files}, key=natural_key):
        for depth, part in enumerate(folder.parts):
            below[Path(*folder.parts[:depth])][part].add(
                Path(*folder.parts[depth + 1:]))
    for parent, children in below.items():
        for name in sorted(children, key=natural_key):
            rendering = rendering_of(name)
            if rendering is None or rendering[1]:
                continue
            alike = sorted((other for other in children if _same_photographs(
                name, other, children)), key=natural_key)
            if len(alike) > 1:
                best = next((other for other in alike if (
                    rendering_of(other) or ("", True))[1]), alike[0])
                # Of a class that is rendered beside itself, one alone would
                # be without the other classes.
                way_out = (
                    f"give one of them, such as {root / parent / best}"
                    if not rendering[0] or children[best] != {Path()}
                    else f"keep {best} and move the others elsewhere")
                raise UserError(
                    f"{root / parent}: {', '.join(alike)} hold renderings of "
                    f"the same photographs; {way_out}")


def _same_photographs(name: str, other: str,
                      children: dict[str, set[Path]]) -> bool:
    """Tell whether a folder's photographs are rendered in another.

    name: of the one with renderings.  Their names differ in words of
    renderings alone, and they have a class folder in common.  Names of
    classes alone say less: "Tomato gray mold" is a disease, but
    "Tomato mold mask" is none.
    """
    subject = (rendering_of(other) or (
        "_".join(word for word in words_of(other)
                 if word not in CONTAINERS), True))[0]
    common = children[name] & children[other]
    if subject == "":
        return bool(common)
    return (subject == rendering_of(name)[0]
            and bool(common) and (
                common != {Path()} or not SEGMENTED.isdisjoint(
                    words_of(name))))


def without_strays(root: Path, files: list[Path]) -> list[Path]:
    """Return the images that lie in a class folder.

    Those that lie beside class folders are named and left out.  Raises
    UserError where they are the larger part, or where there is no class
    folder at all, but only folders that divide the data set.
    """
    # There are many images in few folders.
    folder_of = {parent: class_folder(parent)
                 for parent in {file.parent for file in files}}
    counts = Counter(folder_of[file.parent] for file in files)
    if splits_of(folder_of) and all(
            is_holder(part) for other in counts for part in other.parts):
        names = ", ".join(sorted((parent.as_posix() for parent in folder_of),
                                 key=natural_key))
        raise UserError(
            f"{root}: the images lie in {names} without a folder for each "
            "class, so nothing tells their classes; export the data set with "
            "class folders (Roboflow: \"Folder Structure\")")
    inside = Counter()
    for folder, count in counts.items():
        for parent in folder.parents:
            inside[parent] += count
    strays = {folder for folder in counts if inside[folder]}
    for folder in sorted(strays, key=natural_key):
        children = sorted((other for other in counts
                           if folder in other.parents), key=natural_key)
        # A folder with one folder in it may be a class of its own.
        is_container = len(children) > 1 or not folder.parts
        most = inside[folder] // (1 if is_container else MANY_TIMES)
        if counts[folder] > most:
            places = sorted((root / parent for parent, other in
                             folder_of.items() if other == folder),
                            key=natural_key)
            if places == [root / folder]:
                beside = ", and folders with"
            else:           # In train/, valid/ or test/.
                beside = " in no class folder, beside folders with"
            raise UserError(
                f"{', '.join(map(str, places))}: holds {counts[folder]:,} "
                f"images{beside} {inside[folder]:,} more, such as "
                f"{children[0]}; a class is a folder of images alone: move "
                "one or the other")
    left_out = [file for file in files if folder_of[file.parent] in strays]
    if left_out:
        say_left_out(root, left_out, "image that lies in no class folder",
                     "images that lie in no class folder")
    return [file for file in files if folder_of[file.parent] not in strays]


def _name_classes(root: Path, folders: list[Path]
                  ) -> tuple[list[str], list[str]]:
    """Return class name and plant for each class folder (relative)."""
    top = resolved(root)
    found = [name_class(class_folder(folder), top) for folder in folders]
    # A chart is titled by plants: of a flat folder whose plants are unknown,
    # by the first words of its names, if all have several.
    unknown = [name for name, plant in found if plant is None]
    prefixed = all(name.find("_") > 0 for name in unknown)
    plants = [plant or (name.split("_")[0] if prefixed else
                        clean_name(top.name) or name)
              for name, plant in found]
    return [name for name, _ in found], plants
