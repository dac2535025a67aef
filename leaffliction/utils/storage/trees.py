"""The files below a folder, on a disk or in an object store."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from leaffliction.utils.storage.operations import read_ends
from leaffliction.utils.storage.paths import StoragePath

if TYPE_CHECKING:
    from leaffliction.utils.storage.object_store import StorePath


def list_files(folder: StoragePath) -> Iterator[Path]:
    """Yield all files below a folder, relative to it.

    Links count as files, also those to folders, which are not entered.
    """
    if not isinstance(folder, Path):
        yield from folder.list_files()
        return
    for path, folders, names in os.walk(folder):
        links = [name for name in folders
                 if os.path.islink(os.path.join(path, name))]
        for name in (*names, *links):
            yield Path(path, name).relative_to(folder)


def open_tree(root: StoragePath) -> "Tree":
    """Return a view of a folder that lists its subfolders one by one."""
    return DiskTree(root) if isinstance(root, Path) else StoreTree(root)


class DiskTree:
    """A folder on a disk; paths below it are relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entries(self, below: Path) -> list[os.DirEntry]:
        """Return the entries of a subfolder, in any order."""
        with os.scandir(self.root / below) as listing:
            return list(listing)

    def real_path(self, below: Path) -> str:
        """Return the absolute path with all links followed."""
        return os.path.realpath(self.root / below)

    def read_ends(self, files: Iterable[Path], head: int, tail: int
                  ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the first and last bytes of each file: see read_ends."""
        return (read_ends(self.root / file, head, tail) for file in files)


@dataclass(frozen=True)
class StoreEntry:
    """The part of os.DirEntry that callers use, for an object or a prefix."""

    name: str
    is_prefix: bool

    def is_dir(self) -> bool:
        return self.is_prefix

    def is_symlink(self) -> bool:
        return False


class StoreTree:
    """A folder in an object store, with the interface of DiskTree.

    All its objects are listed by one request, when entries() is first
    called.
    """

    def __init__(self, root: "StorePath") -> None:
        self.root = root

    @cached_property
    def _folders(self) -> dict[Path, list[StoreEntry]]:
        """Return the entries of each folder, from the names of objects."""
        folders: dict[Path, list[StoreEntry]] = {Path(): []}

        def entries_of(folder: Path) -> list[StoreEntry]:
            if folder not in folders:
                folders[folder] = []
                entries_of(folder.parent).append(StoreEntry(folder.name, True))
            return folders[folder]

        for file in self.root.list_files():
            entries_of(file.parent).append(StoreEntry(file.name, False))
        return folders

    def entries(self, below: Path) -> list[StoreEntry]:
        """Return the entries of a subfolder, in any order."""
        return self._folders.get(below, [])

    def real_path(self, below: Path) -> str:
        """Return the path itself: a store has no links."""
        return str(self.root / below)

    def read_ends(self, files: Sequence[Path], head: int, tail: int
                  ) -> list[tuple[bytes, bytes]]:
        """Return the first and last bytes of each object, by one request."""
        return self.root.read_ends(files, head, tail)


Tree: TypeAlias = DiskTree | StoreTree
