"""A folder full of results that a run may find again, and complete.

A hidden record in it says what it was made from and which files belong to
it.  So a later run can tell its own files from the user's.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import (atomic_write, directory_lock,
                                      remove_partial, unwritable)
from leaffliction.utils.folders import RECORD
from leaffliction.utils.storage import is_inside, is_local, resolved


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, relative to it; links are files."""
    if not is_local(folder):
        yield from folder.files()
        return
    for place, folders, names in os.walk(folder):
        links = [name for name in folders
                 if os.path.islink(os.path.join(place, name))]
        for name in (*names, *links):
            yield Path(place, name).relative_to(folder)


def read_record(folder: Path) -> tuple[str, set[Path]]:
    """Return fingerprint and files of the tree in a folder, if any."""
    try:
        with (folder / RECORD).open(encoding="utf-8") as content:
            record = json.load(content)
        return str(record["fingerprint"]), set(map(Path, record["files"]))
    except (OSError, ValueError, TypeError, KeyError):
        return "", set()


def check_place(folder: Path, source: Path) -> None:
    """Raise UserError unless a tree of its own can stand in folder."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: exists and is not a folder")
    inner, outer = resolved(folder), resolved(source)
    if is_inside(inner, outer):
        raise UserError(f"{folder}: lies inside {source}, whose classes it "
                        "would join; choose another --output-dir, or "
                        "--in-place")
    if is_inside(outer, inner):
        raise UserError(f"{folder}: holds {source}; choose another "
                        "--output-dir")


@contextmanager
def lock_output_tree(folder: Path) -> Iterator[None]:
    """Keep a folder of results to this run until this block ends.

    What a killed run was writing is deleted before it, and what this one
    was if it is stopped.  Raises UserError where another run has the folder,
    or nothing can be written.
    """
    with directory_lock(folder):
        if not is_local(folder):
            yield       # Nothing is there before it is whole.
            return
        remove_partial(folder, files_below(folder))
        try:
            yield
        except BaseException:
            remove_partial(folder, files_below(folder))
            raise


class OutputTree:
    """The files of one run in a folder, whatever stops it.

    fingerprint: what the files depend on; the same for a run that would
    write the same.  own: files that may be there, relative to the folder.
    """

    def __init__(self, folder: Path, fingerprint: str, planned: set[Path],
                 force: bool) -> None:
        """Make a folder (of lock_output_tree) ready for the planned files.

        What a run with the same fingerprint has left is kept.  All else is
        refused with a UserError, unless force: then the files of another
        tree, and those in the way, are deleted, and other files of the
        user's stay.  Hidden files (.DS_Store) are nobody's.
        """
        before, own = read_record(folder)
        found = set(files_below(folder))
        others = set() if before == fingerprint else own | planned
        self.folder, self.fingerprint = folder, fingerprint
        # What lies elsewhere is not ours, whatever the record says.
        self.own = own & found if before == fingerprint else set()
        foreign = {file for file in found - self.own
                   if not file.name.startswith(".")}
        if foreign and not force:
            raise UserError(
                f"{folder}: holds other files already, such as "
                f"{min(foreign)}, or what was made of other images, with "
                "other options or by other versions; delete it, choose "
                "another --output-dir, or --force")
        try:
            remove(folder, others & found)
        except OSError as error:
            raise unwritable(folder, error) from None
        if foreign - others:
            print_note(f"{folder}: {len(foreign - others)} other files "
                       f"stay in it, such as {min(foreign - others)}")

    def begin(self, planned: set[Path]) -> None:
        """Note that these files, too, will be written."""
        self.own |= planned
        self._write_record()

    def finish(self, planned: set[Path]) -> None:
        """Delete what is no longer planned; all the rest is there now."""
        remove(self.folder, self.own - planned)
        self.own = planned
        if planned:
            self._write_record()
        else:
            (self.folder / RECORD).unlink()
            # Left, if it was there before and holds anything.
            with suppress(OSError):
                self.folder.rmdir()

    def _write_record(self) -> None:
        with atomic_write(self.folder / RECORD) as new:
            # Names that are no UTF-8 hold lone surrogates: ASCII has them.
            new.write_text(json.dumps(
                {"fingerprint": self.fingerprint,
                 "files": sorted(map(str, self.own))}, indent=0),
                encoding="ascii")


def remove(folder: Path, files: Iterable[Path]) -> None:
    """Delete files of a folder, as far as they are there."""
    for file in files:
        (folder / file).unlink(missing_ok=True)
