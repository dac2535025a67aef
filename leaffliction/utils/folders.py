"""Which images a folder holds, judged by their content.

All programs find their images here, so all count alike.  What is no
photograph of the user's is left out: drawings and trees that the programs
wrote themselves, thumbnails and bins of the system, and links to what is
found anyway.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import HEAD, image_kind
from leaffliction.utils.images import natural_key
from leaffliction.utils.marks import (COPY, DRAWING, TAIL, marked_kind,
                                      read_ends)
from leaffliction.utils.path_hints import absent, not_a_folder
from leaffliction.utils.storage import is_local

# Views of a leaf that were saved again have no mark any more, but a name;
# "Blur" names augmented copies as well.
VIEW = re.compile(r"(.+)_(?:Mask|ROI|Analyze|Landmarks|Lesions|Histogram)")
# Endings by which a file says that it is an image.  One that is damaged, or
# of a kind that is not read, is found by its ending alone: then it is named
# and counted as unreadable, instead of missing without a word.
ENDINGS = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib",
    ".gif", ".tif", ".tiff", ".webp", ".avif", ".heic", ".heif", ".hif",
    ".jxl", ".jp2", ".j2k", ".j2c", ".jpf", ".jpx", ".jxr", ".wdp", ".psd",
    ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".qoi",
    ".dng", ".crw", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf",
    ".rw2", ".pef", ".srw", ".x3f", ".3fr", ".iiq"))
# Folders of systems: bins, and the thumbnails that disk stations keep.
SYSTEM_FOLDERS = frozenset((
    "__macosx", "$recycle.bin", "recycler", "#recycle", "#snapshot",
    "lost+found", "system volume information", "network trash folder",
    "temporary items"))
# Disk stations name all of theirs so: @eaDir, @Recycle, @tmp.
SYSTEM_PREFIX = "@"
# The hidden record of a tree that Augmentation.py wrote.
RECORD = ".augmentation.json"
# Names in a note, at most.
NAMED = 3


@dataclass
class Found:
    """The images below a folder, and what else looks like one.

    All paths are relative to the folder.  files: in natural order.
    copies: those of the files that Augmentation.py marked as augmented
    copies.  drawings: images that the programs drew.  views: others that are
    named as a view of the photograph beside them.  trees: folders that
    Augmentation.py wrote.  system: folders of the system.  links: to what is
    among the files, or to a folder above.
    """

    files: list[Path] = field(default_factory=list)
    copies: set[Path] = field(default_factory=set)
    drawings: list[Path] = field(default_factory=list)
    views: list[Path] = field(default_factory=list)
    trees: list[Path] = field(default_factory=list)
    system: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)

    def say_left_out(self, folder: Path) -> None:
        """Print a note on each kind of what was left out."""
        for paths, one, many in (
                (self.drawings, "image that these programs drew",
                 "images that these programs drew"),
                (self.views, "image named as a view of the one beside it",
                 "images named as views of those beside them"),
                (self.trees, "folder that Augmentation.py wrote",
                 "folders that Augmentation.py wrote"),
                (self.system, "folder of the system",
                 "folders of the system"),
                (self.links, "link to what is counted already",
                 "links to what is counted already")):
            if paths:
                say_left_out(folder, paths, one, many)


def say_left_out(folder: Path, paths: Iterable[Path], one: str, many: str
                 ) -> None:
    """Print a note that some paths below a folder are left out.

    one, many: what they are, for a single one and for several.
    """
    paths = sorted(paths, key=natural_key)
    names = ", ".join(map(str, paths[:NAMED]))
    if len(paths) > NAMED:
        names += f" and {len(paths) - NAMED:,} more"
    print_note(f"{folder}: left out {len(paths):,} "
               f"{one if len(paths) == 1 else many}: {names}")


def find_images(folder: Path) -> list[Path]:
    """Return all images below a folder, as paths relative to it.

    In natural order.  What is left out is said on stderr: see Found.
    Raises UserError if folder is no folder, or cannot be listed.
    """
    found = search(folder)
    found.say_left_out(folder)
    return found.files


def search(folder: Path) -> Found:
    """Return the images below a folder, and what was left out of them.

    A file is an image by its first bytes, or by its ending.  Hidden files
    and folders are left out.  Linked folders are followed, unless they lead
    to what is found without them: so loops end, and no link takes a folder's
    images for a class of its own.
    Raises UserError if folder is no folder, or cannot be listed.
    """
    if not folder.is_dir():
        raise (not_a_folder(folder) if folder.exists()
               else absent(folder, "folder"))
    found = Found()
    if is_local(folder):
        _search_disk(folder, found)
    else:
        _search_store(folder, found)
    names = {file.with_suffix("") for file in found.files}
    found.views = [
        file for file in found.files if (view := VIEW.fullmatch(file.stem))
        and file.with_name(view[1]) in names]
    found.files = sorted(set(found.files) - set(found.views),
                         key=natural_key)
    return found


def _search_disk(folder: Path, found: Found) -> None:
    """Add what lies below a folder on a disk."""
    root = os.path.realpath(folder)
    entered: set[str] = set()
    linked_files: list[Path] = []
    linked_folders = _walk(folder, Path(), entered, found, linked_files)
    # Links come after all that is there without them, and what a linked
    # folder links to after that.
    while linked_folders:
        link = linked_folders.pop(0)
        target = os.path.realpath(folder / link)
        # One that leads to a folder above would bring in its neighbours.
        if target in entered or root.startswith(target.rstrip(os.sep)
                                                + os.sep):
            found.links.append(link)
        else:
            linked_folders += _walk(folder, link, entered, found,
                                    linked_files)
    if not linked_files:
        return
    # Hard links are files of their own; that they repeat is told elsewhere.
    parents = {parent: os.path.realpath(folder / parent)
               for parent in {file.parent for file in found.files}}
    counted = {os.path.join(parents[file.parent], file.name)
               for file in found.files}
    for link in sorted(linked_files, key=natural_key):
        target = os.path.realpath(folder / link)
        if target in counted:
            found.links.append(link)
        elif (_add_file(link, found, read_ends(folder / link, HEAD))
              and os.path.exists(target)):
            counted.add(target)


def _walk(folder: Path, start: Path, entered: set[str], found: Found,
          linked_files: list[Path]) -> list[Path]:
    """Add what lies below a folder, but not behind links.

    Adds linked files to linked_files, and returns the linked folders, in
    natural order.
    """
    waiting, linked_folders = [start], []
    while waiting:
        below = waiting.pop()
        identity = os.path.realpath(folder / below)
        if identity in entered:
            continue
        entered.add(identity)
        try:
            with os.scandir(folder / below) as listing:
                entries = list(listing)
        except OSError as error:
            raise UserError(f"{folder / below}: {error.strerror}") from None
        if below != Path() and any(entry.name == RECORD
                                   for entry in entries):
            found.trees.append(below)
            continue
        for entry in entries:
            path = below / entry.name
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                if is_of_system(entry.name):
                    found.system.append(path)
                elif entry.is_symlink():
                    linked_folders.append(path)
                else:
                    waiting.append(path)
            elif entry.is_symlink():
                linked_files.append(path)
            else:
                _add_file(path, found, read_ends(folder / path, HEAD))
    return sorted(linked_folders, key=natural_key)


def _is_folder(entry: os.DirEntry) -> bool:
    """Tell whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        return False    # A link that leads to itself.


def is_of_system(name: str) -> bool:
    """Tell by its name whether a folder is the system's own."""
    return (name.startswith(SYSTEM_PREFIX)
            or name.casefold() in SYSTEM_FOLDERS)


def _add_file(path: Path, found: Found, ends: tuple[bytes, bytes]) -> bool:
    """Add a file where it belongs, by its first and last bytes.

    Tells whether it is an image.
    """
    head, tail = ends
    if image_kind(head) is None and path.suffix.lower() not in ENDINGS:
        return False
    kind = marked_kind(tail)
    if kind == DRAWING:
        found.drawings.append(path)
        return True
    found.files.append(path)
    if kind == COPY:
        found.copies.add(path)
    return True


def _search_store(folder, found: Found) -> None:
    """Add the objects below a folder of an object store."""
    files = stored_files(folder)
    trees = {file.parent for file in files
             if file.name == RECORD and file.parent != Path()}
    visible = []
    for file in files:
        tree = next((parent for parent in file.parents if parent in trees),
                    None)
        system = next((parent for parent in file.parents
                       if is_of_system(parent.name)), None)
        if tree is not None:
            if tree not in found.trees:
                found.trees.append(tree)
        elif system is not None:
            if system not in found.system:
                found.system.append(system)
        elif not is_hidden(file):
            visible.append(file)
    for file, ends in zip(visible, folder.ends(visible, HEAD, TAIL)):
        _add_file(file, found, ends)


def stored_files(folder) -> list[Path]:
    """Return all objects below a folder of a store, relative to it.

    Raises UserError where the store can't be asked.
    """
    try:
        return folder.files()
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}") from None


def is_hidden(file: Path) -> bool:
    """Tell whether a file, or a folder on the way to it, is hidden.

    So is what leads out of a folder: ".." begins with a dot as well.
    """
    return any(part.startswith(".") for part in file.parts)


def empty_folders(folder: Path, files: Iterable[Path]) -> list[Path]:
    """Return the folders in and below which there is no image.

    files: those of find_images.  Paths are relative to folder; of empty
    folders inside each other the outermost.
    """
    full = {parent for file in files for parent in file.parents}
    empty = []
    if not is_local(folder):
        # A store's folders are in the names of its objects.
        others = {parent for file in stored_files(folder)
                  if not is_hidden(file) for parent in file.parents} - full
        return sorted((other for other in others if other.parent in full
                       and not is_of_system(other.name)),
                      key=lambda other: (other.parent.parts, other.name))
    for path, folders, names in os.walk(folder):
        below = Path(path).relative_to(folder)
        # Links that find_images did not follow lead to what it had found.
        folders[:] = sorted(
            name for name in folders if not name.startswith(".")
            and not is_of_system(name)
            and not os.path.islink(os.path.join(path, name))
            and not os.path.exists(os.path.join(path, name, RECORD)))
        empty += [below / name for name in folders if below / name not in full]
        folders[:] = [name for name in folders if below / name in full]
    return empty
