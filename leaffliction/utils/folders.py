"""Find the images below a folder, by their content.

All programs find their images here, so all of them count the same.  Left out
is what is no photograph of the user's: figures and trees that the programs
wrote, the system's thumbnails and recycle bins, and links to images that are
found without them.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import IMAGE_HEAD_BYTES, image_kind
from leaffliction.utils.marks import COPY, DRAWING, TAIL, marked_kind
from leaffliction.utils.path_hints import missing_error, not_a_folder_error
from leaffliction.utils.storage import Tree, natural_key, open_tree

# Transformation.py marks the views that it writes, but an image editor that
# saves one again drops the mark: then it is recognised by its name.  "Blur" is
# not here, because augmented copies have it as well.
VIEW_STEM = re.compile(
    r"(.+)_(?:Mask|ROI|Analyze|Landmarks|Lesions|Histogram)")
# A damaged image, or one of a kind that is not read, is found by its suffix,
# so that the programs report it as unreadable instead of ignoring it.
IMAGE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib",
    ".gif", ".tif", ".tiff", ".webp", ".avif", ".heic", ".heif", ".hif",
    ".jxl", ".jp2", ".j2k", ".j2c", ".jpf", ".jpx", ".jxr", ".wdp", ".psd",
    ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".qoi",
    ".dng", ".crw", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf",
    ".rw2", ".pef", ".srw", ".x3f", ".3fr", ".iiq"))
# Recycle bins, and folders that systems and network drives (NAS) create.
SYSTEM_FOLDERS = frozenset((
    "__macosx", "$recycle.bin", "recycler", "#recycle", "#snapshot",
    "lost+found", "system volume information", "network trash folder",
    "temporary items"))
# Synology and QNAP drives: @eaDir (thumbnails), @Recycle, @tmp.
SYSTEM_PREFIX = "@"
# The hidden record in a tree that Augmentation.py wrote.
RECORD = ".augmentation.json"
# A note names at most this many files.
MAX_NAMES = 3


@dataclass
class ImageSearch:
    """The images below a folder, and what was left out of them.

    All paths are relative to the folder.
    files: the images, in natural order.
    copies: those of the files that Augmentation.py marked as its copies.
    Left out:
    drawings: figures and views that the programs marked as theirs.
    views: other images named as a view of the photograph beside them.
    trees: folders that Augmentation.py wrote.
    system: folders of the operating system.
    links: to images or folders that are found without them, or to a folder
    above.
    """

    files: list[Path] = field(default_factory=list)
    copies: set[Path] = field(default_factory=set)
    drawings: list[Path] = field(default_factory=list)
    views: list[Path] = field(default_factory=list)
    trees: list[Path] = field(default_factory=list)
    system: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)

    def note_left_out(self, folder: Path) -> None:
        """Print a note on each kind of thing that was left out."""
        for paths, one, many in (
                (self.drawings, "image that these programs drew",
                 "images that these programs drew"),
                (self.views, "image named as a view of the one beside it",
                 "images named as views of those beside them"),
                (self.trees, "folder that Augmentation.py wrote",
                 "folders that Augmentation.py wrote"),
                (self.system, "folder of the operating system",
                 "folders of the operating system"),
                (self.links, "link to what is counted already",
                 "links to what is counted already")):
            if paths:
                note_left_out(folder, paths, one, many)


def note_left_out(folder: Path, paths: Iterable[Path], one: str, many: str
                  ) -> None:
    """Print a note that some paths below a folder are left out.

    one, many: what they are, in the singular and in the plural.
    """
    paths = sorted(paths, key=natural_key)
    names = ", ".join(map(str, paths[:MAX_NAMES]))
    if len(paths) > MAX_NAMES:
        names += f" and {len(paths) - MAX_NAMES:,} more"
    print_note(f"{folder}: left out {len(paths):,} "
               f"{one if len(paths) == 1 else many}: {names}")


def find_images(folder: Path) -> list[Path]:
    """Return the images below a folder, as paths relative to it.

    In natural order.  Prints notes on what was left out: see ImageSearch.
    Raises UserError if folder is no folder, or cannot be listed.
    """
    search = search_images(folder)
    search.note_left_out(folder)
    return search.files


def search_images(folder: Path) -> ImageSearch:
    """Return the images below a folder, and what was left out of them.

    An image is a file whose first bytes or suffix say so.  Hidden files and
    folders are skipped without a note.  Links to folders are followed, but
    not into a folder that is searched without them: so loops end, and a link
    does not turn a folder's images into another class.
    Raises UserError if folder is no folder, or cannot be listed.
    """
    if not folder.is_dir():
        raise (not_a_folder_error(folder) if folder.exists()
               else missing_error(folder, "folder"))
    found = ImageSearch()
    _search_tree(open_tree(folder), found)
    stems = {file.with_suffix("") for file in found.files}
    found.views = [
        file for file in found.files
        if (view := VIEW_STEM.fullmatch(file.stem))
        and file.with_name(view[1]) in stems]
    found.files = sorted(set(found.files) - set(found.views),
                         key=natural_key)
    return found


def _search_tree(tree: Tree, search: ImageSearch) -> None:
    """Add the images below a folder, on a disk or in an object store."""
    linked_files = sorted(_walk_links(tree, search), key=natural_key)
    if not linked_files:
        return
    # Only symbolic links are left out here.  A hard link is another file;
    # Distribution.py reports that it repeats one.
    real_parents = {parent: tree.real_path(parent)
                    for parent in {file.parent for file in search.files}}
    counted = {os.path.join(real_parents[file.parent], file.name)
               for file in search.files}
    for link, ends in zip(linked_files, tree.read_ends(
            linked_files, IMAGE_HEAD_BYTES, TAIL)):
        target = tree.real_path(link)
        if target in counted:
            search.links.append(link)
        elif _add_file(link, search, ends) and os.path.exists(target):
            counted.add(target)


def _walk_links(tree: Tree, search: ImageSearch) -> list[Path]:
    """Add the images below a folder and behind links to folders.

    Returns the links to files.  A linked folder is searched after all folders
    that are reached without it: breadth first, by the number of links.
    """
    root = tree.real_path(Path())
    visited: set[str] = set()
    linked_files: list[Path] = []
    linked_folders = _walk(tree, Path(), visited, search, linked_files)
    while linked_folders:
        link = linked_folders.pop(0)
        target = tree.real_path(link)
        # A folder above would add the images of the neighbouring folders.
        is_above = root.startswith(target.rstrip(os.sep) + os.sep)
        if target in visited or is_above:
            search.links.append(link)
        else:
            linked_folders += _walk(tree, link, visited, search, linked_files)
    return linked_files


def _walk(tree: Tree, start: Path, visited: set[str], search: ImageSearch,
          linked_files: list[Path]) -> list[Path]:
    """Add the images below the subfolder start, without following links.

    Adds the links to files to linked_files; returns the links to folders, in
    natural order.  visited: real paths of the folders searched so far.
    """
    pending, files, linked_folders = [start], [], []
    while pending:
        below = pending.pop()
        real_path = tree.real_path(below)
        if real_path in visited:
            continue
        visited.add(real_path)
        entries = _entries(tree, below)
        if below != Path() and _holds_record(entries):
            search.trees.append(below)
            continue
        for entry in entries:
            path = below / entry.name
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                if is_system_folder(entry.name):
                    search.system.append(path)
                elif entry.is_symlink():
                    linked_folders.append(path)
                else:
                    pending.append(path)
            elif entry.is_symlink():
                linked_files.append(path)
            else:
                files.append(path)
    for path, ends in zip(files, tree.read_ends(
            files, IMAGE_HEAD_BYTES, TAIL)):
        _add_file(path, search, ends)
    return sorted(linked_folders, key=natural_key)


def _entries(tree: Tree, below: Path) -> list:
    """Return the entries of a subfolder; UserError if it cannot be listed."""
    try:
        return tree.entries(below)
    except OSError as error:
        raise UserError(f"{tree.root / below}: {error.strerror}") from None


def _holds_record(entries: Iterable) -> bool:
    """Return whether Augmentation.py wrote the folder with these entries."""
    return any(entry.name == RECORD for entry in entries)


def _is_folder(entry: os.DirEntry) -> bool:
    """Return whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        return False    # A link to itself.


def is_system_folder(name: str) -> bool:
    """Return whether a folder, by its name, is the operating system's."""
    return (name.startswith(SYSTEM_PREFIX)
            or name.casefold() in SYSTEM_FOLDERS)


def _add_file(path: Path, search: ImageSearch, ends: tuple[bytes, bytes]
              ) -> bool:
    """Add a file to a search if it is an image; return whether it is one.

    ends: its first IMAGE_HEAD_BYTES and its last TAIL bytes.
    """
    head, tail = ends
    if image_kind(head) is None and path.suffix.lower() not in IMAGE_SUFFIXES:
        return False
    kind = marked_kind(tail)
    if kind == DRAWING:
        search.drawings.append(path)
        return True
    search.files.append(path)
    if kind == COPY:
        search.copies.add(path)
    return True


def empty_folders(folder: Path, files: Iterable[Path]) -> list[Path]:
    """Return the folders that contain no image, at any depth.

    files: the images, as find_images returns them.  Paths are relative to
    folder.  Of empty folders inside each other only the outermost is
    returned.
    """
    with_images = {parent for file in files for parent in file.parents}
    tree = open_tree(folder)
    empty, pending = [], [Path()]
    while pending:
        below = pending.pop()
        # A link may lead to a folder whose images count elsewhere.
        names = sorted(
            entry.name for entry in _entries(tree, below) if _is_folder(entry)
            and not entry.is_symlink() and not entry.name.startswith(".")
            and not is_system_folder(entry.name))
        empty += [below / name for name in names
                  if below / name not in with_images
                  and not _holds_record(_entries(tree, below / name))]
        pending += [below / name for name in reversed(names)
                    if below / name in with_images]
    return empty
