"""Read the labelled images below a folder: its folders name the classes.

Each folder that holds images is a class.  Three layouts are read, and any
part of them:

- flat: ``images/Apple_scab/*.JPG``;
- with a folder for each plant: ``images/Apple/scab/*.JPG``;
- split: ``images/train/Apple_scab/*.JPG`` beside ``images/test/...``.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from leaffliction.utils.class_names import (CONTAINER_WORDS,
                                            SEGMENTATION_WORDS, Rendering,
                                            class_key, clean_name,
                                            is_image_folder, name_class,
                                            rendering_of, split_of, words_of)
from leaffliction.utils.console import print_note
from leaffliction.utils.copies import augmented_copies
from leaffliction.utils.errors import UserError
from leaffliction.utils.folders import (ImageSearch, note_left_out,
                                        search_images)
from leaffliction.utils.labels import Dataset
from leaffliction.utils.storage import natural_key, path_of, resolved

# Images beside a single folder are strays if that folder has at least this
# many times as many images; otherwise either could be the class, and only the
# user knows.
STRAYS_RATIO = 5


def read_dataset(folder: Path) -> Dataset:
    """Return the labelled images below a folder.

    class_names.py has the rule by which a class is named.  The classes are
    in natural order of their names, whatever the layout.  Prints notes on
    what was left out, on folders that split the data set, and on several
    folders that are one class.
    Raises UserError if there is no image, or if the folders do not show the
    class of each image.
    """
    folder = path_of(folder)
    search = search_images(folder)
    search.note_left_out(folder)
    files = drop_orphaned_copies(folder, search)
    if not files:
        raise UserError(f"{folder}: no images in it or below it")
    refuse_renderings(folder, files)
    files = drop_strays(folder, files)
    class_folders = sorted({file.parent for file in files}, key=natural_key)
    names, plants = _name_classes(folder, class_folders)
    note_splits(folder, class_folders)
    note_merged_folders(folder, class_folders, names)
    order, label_of = _label_folders(class_folders, names)
    files = sorted(files, key=lambda file: label_of[file.parent])
    return Dataset(
        root=folder,
        files=tuple(files),
        labels=np.array([label_of[file.parent] for file in files]),
        class_names=tuple(names[index] for index in order),
        plants=tuple(plants[index] for index in order))


def _name_classes(root: Path, folders: Sequence[Path]
                  ) -> tuple[list[str], list[str]]:
    """Return the class name and the plant of each class folder.

    folders: relative to root.  Charts are titled with the plants.  Where a
    plant is unknown, it is the part of the name before "_", if all such names
    have one; otherwise the name of root.
    """
    top = resolved(root)
    named = [name_class(without_splits(folder), top) for folder in folders]
    names = [name for name, _ in named]
    has_prefixes = all(name.find("_") > 0
                       for name, plant in named if plant is None)
    plants = [plant or (name.split("_")[0] if has_prefixes else
                        clean_name(top.name) or name)
              for name, plant in named]
    return names, plants


def _label_folders(folders: Sequence[Path], names: Sequence[str]
                   ) -> tuple[list[int], dict[Path, int]]:
    """Return the index of each class's first folder, and {folder: label}.

    names: of the class of each folder.  A class of several folders is named
    after the first of them.  Labels count the classes in natural order of
    their names.
    """
    first_folders: dict[str, int] = {}
    for index, name in enumerate(names):
        first_folders.setdefault(class_key(name), index)
    order = sorted(first_folders.values(),
                   key=lambda index: natural_key(names[index]))
    label_of_key = {class_key(names[index]): label
                    for label, index in enumerate(order)}
    return order, {folder: label_of_key[class_key(name)]
                   for folder, name in zip(folders, names)}


def without_splits(folder: Path) -> Path:
    """Return a relative path without the folders that split a data set."""
    return Path(*(part for part in folder.parts if split_of(part) is None))


def split_folders(folders: Iterable[Path]) -> dict[str, str]:
    """Return {name: "train", "validation", "test" or the name of a fold}.

    For each folder in these paths that splits a data set.
    """
    return {part: split for folder in folders for part in folder.parts
            if (split := split_of(part)) is not None}


def note_splits(root: Path, folders: Sequence[Path]) -> None:
    """Print a note if several folders split the data set."""
    names = sorted(split_folders(folders), key=natural_key)
    if len(names) > 1:
        print_note(
            f"{root}: {', '.join(names)} split the data set; the classes are "
            "the folders inside them, those of one name taken together")


def note_merged_folders(root: Path, folders: Sequence[Path],
                        names: Sequence[str]) -> None:
    """Print a note on each class that has several folders.

    Folders that differ only in the split are not worth a note.
    """
    members = defaultdict(dict)
    for folder, name in zip(folders, names):
        members[class_key(name)].setdefault(without_splits(folder), name)
    for name_of in members.values():
        if len(name_of) > 1:
            print_note(f"{root}: the folders "
                       f"{', '.join(map(str, name_of))} are one class, "
                       f"{next(iter(name_of.values()))}")


def drop_orphaned_copies(folder: Path, search: ImageSearch) -> list[Path]:
    """Return the images without augmented copies whose original is missing.

    An orphaned copy is no photograph, and may show the leaf of an image in
    another set of the split.
    """
    if not search.copies:
        return search.files
    orphans = search.copies - augmented_copies(search.files).keys()
    if orphans:
        note_left_out(folder, orphans, "augmented copy without its original",
                      "augmented copies without their original")
    return [file for file in search.files if file not in orphans]


def refuse_renderings(root: Path, files: Sequence[Path]) -> None:
    """Raise UserError if several folders render the same photographs.

    PlantVillage has each photograph in color/, grayscale/ and segmented/.
    Read together they would be three classes of the same leaf, or one leaf
    in several sets of the split.
    """
    # {parent: {child: folders with images, relative to the child}}
    tree = defaultdict(lambda: defaultdict(set))
    for folder in sorted({file.parent for file in files}, key=natural_key):
        for depth, part in enumerate(folder.parts):
            tree[Path(*folder.parts[:depth])][part].add(
                Path(*folder.parts[depth + 1:]))
    for parent, children in tree.items():
        for name in sorted(children, key=natural_key):
            rendering = rendering_of(name)
            if rendering is None or rendering.is_original:
                continue
            same = sorted((other for other in children if _same_photographs(
                name, other, children)), key=natural_key)
            if len(same) > 1:
                raise _rendered_twice(root / parent, same, rendering, children)


def _same_photographs(name: str, other: str, children: dict[str, set[Path]]
                      ) -> bool:
    """Return whether two folders render the same photographs.

    name: of the one that is not in the original colours.  children: for
    each folder those with images in it, relative to it; {Path()} for a
    folder that is a class itself.
    Two conditions must hold.  The folders have a class folder in common
    ("color/scab" and "segmented/scab"), or both are classes.  And without
    words for renderings and containers, the other's name is empty ("color")
    or the same ("scab" and "scab_mask").
    Between two classes only a word counts that occurs in no name of a
    disease: "Tomato mold mask" is a rendering of "Tomato mold", but "Tomato
    gray mold" is another disease.
    """
    common = children[name] & children[other]
    rendering = rendering_of(other)
    subject = rendering.subject if rendering else "_".join(
        word for word in words_of(other) if word not in CONTAINER_WORDS)
    if not common or subject == "":
        return bool(common)
    return subject == rendering_of(name).subject and (
        common != {Path()}
        or not SEGMENTATION_WORDS.isdisjoint(words_of(name)))


def _rendered_twice(parent: Path, names: Sequence[str], rendering: Rendering,
                    children: dict[str, set[Path]]) -> UserError:
    """Return the error for folders that render the same photographs.

    names: of the folders.  rendering: of one that is not in the original
    colours.
    """
    best = next((name for name in names
                 if (rendering_of(name) or Rendering("", True)).is_original),
                names[0])
    # A class whose rendering is beside it cannot be given alone: the other
    # classes would be missing.
    is_class = rendering.subject and children[best] == {Path()}
    advice = (f"keep {best} and move the others elsewhere" if is_class
              else f"give one of them, such as {parent / best}")
    return UserError(f"{parent}: {', '.join(names)} hold renderings of the "
                     f"same photographs; {advice}")


def drop_strays(root: Path, files: Sequence[Path]) -> list[Path]:
    """Return the images that are in a class folder.

    Images beside class folders are strays, and left out with a note.  Raises
    UserError if a folder has more strays than images in the class folders
    below it, or if the only folders are those that split the data set.
    """
    # Computed once for each folder, not for each of its many images.
    folder_of = {parent: without_splits(parent)
                 for parent in {file.parent for file in files}}
    counts = Counter(folder_of[file.parent] for file in files)
    if split_folders(folder_of) and all(
            is_image_folder(part) for folder in counts
            for part in folder.parts):
        raise _no_class_folders(root, folder_of)
    inside: Counter[Path] = Counter()   # images in the folders below each
    for folder, count in counts.items():
        for parent in folder.parents:
            inside[parent] += count
    with_strays = {folder for folder in counts if inside[folder]}
    for folder in sorted(with_strays, key=natural_key):
        children = sorted((other for other in counts
                           if folder in other.parents), key=natural_key)
        # A folder with a single folder in it may be a class itself.
        may_be_class = len(children) == 1 and folder.parts
        if counts[folder] * (STRAYS_RATIO if may_be_class else 1) > (
                inside[folder]):
            raise _too_many_strays(
                root / folder,
                [root / parent for parent, other in folder_of.items()
                 if other == folder],
                counts[folder], inside[folder], children[0])
    strays = [file for file in files if folder_of[file.parent] in with_strays]
    if strays:
        note_left_out(root, strays, "image outside the class folders",
                      "images outside the class folders")
    return [file for file in files
            if folder_of[file.parent] not in with_strays]


def _too_many_strays(folder: Path, paths: Sequence[Path], strays: int,
                     inside: int, child: Path) -> UserError:
    """Return the error for a folder with images beside class folders.

    paths: the folders with the strays, which are inside train/, valid/ or
    test/ where they are not the folder itself.  strays, inside: numbers of
    images.  child: one of the class folders.
    """
    where = (", and folders with" if list(paths) == [folder]
             else " in no class folder, beside folders with")
    names = ", ".join(map(str, sorted(paths, key=natural_key)))
    return UserError(
        f"{names}: holds {strays:,} images{where} {inside:,} more, such as "
        f"{child}; a class is a folder of images alone: move one or the "
        "other")


def _no_class_folders(root: Path, folders: Iterable[Path]) -> UserError:
    """Return the error for images directly in train/, valid/ or test/."""
    names = ", ".join(sorted((folder.as_posix() for folder in folders),
                             key=natural_key))
    return UserError(
        f"{root}: the images are in {names} without a folder for each class, "
        "so their classes are unknown; export the data set with class "
        "folders (Roboflow: \"Folder Structure\")")
