"""A folder of results that a later run can recognise, reuse and complete.

A hidden record in the folder names the files that a run wrote, and a
fingerprint of what they were made from.  From it, a later run knows which of
the files are results and which are the user's.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write, write_error
from leaffliction.utils.folders import RECORD
from leaffliction.utils.storage import is_inside, list_files, resolved


def read_record(folder: Path) -> tuple[str, set[Path]]:
    """Return the fingerprint and the files that a folder's record names.

    Both are empty if there is no record, or a damaged one.
    """
    try:
        with (folder / RECORD).open(encoding="utf-8") as content:
            record = json.load(content)
        return str(record["fingerprint"]), set(map(Path, record["files"]))
    except (OSError, ValueError, TypeError, KeyError):
        return "", set()


def check_output_folder(folder: Path, source: Path) -> None:
    """Raise UserError if a tree must not be written into a folder.

    folder: may be missing.  source: the folder that the tree is made from;
    neither folder may lie inside the other.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: exists and is not a folder")
    folder_path, source_path = resolved(folder), resolved(source)
    if is_inside(folder_path, source_path):
        raise UserError(f"{folder}: lies inside {source}, whose classes it "
                        "would join; choose another --output-dir, or "
                        "--in-place")
    if is_inside(source_path, folder_path):
        raise UserError(f"{folder}: holds {source}; choose another "
                        "--output-dir")


class OutputTree:
    """The files that one run writes into a folder, with their record.

    folder: locked by utils.files.lock_output_tree.
    fingerprint: a digest of all that the files depend on; two runs that
    would write the same files have the same one.
    files: those that belong to the tree, relative to the folder; not all of
    them need exist yet.
    """

    def __init__(self, folder: Path, fingerprint: str, planned: set[Path],
                 force: bool) -> None:
        """Prepare a folder for the planned files.

        Files of a run with the same fingerprint stay.  Where there are any
        others, UserError is raised, unless force: then the files of another
        tree, and those with the name of a planned file, are deleted, and the
        user's other files stay.  Hidden files (.DS_Store) are ignored.
        """
        recorded_fingerprint, recorded = read_record(folder)
        existing = set(list_files(folder))
        self.folder, self.fingerprint = folder, fingerprint
        if recorded_fingerprint == fingerprint:
            # A record may have been edited: only files in the folder count.
            self.files, to_delete = recorded & existing, set()
        else:
            self.files, to_delete = set(), recorded | planned
        foreign = {file for file in existing - self.files
                   if not file.name.startswith(".")}
        if foreign and not force:
            raise UserError(
                f"{folder}: holds other files already, such as "
                f"{min(foreign)}, or files made of other images, with other "
                "options or by other versions; delete the folder, choose "
                "another --output-dir, or use --force")
        try:
            remove_files(folder, to_delete & existing)
        except OSError as error:
            raise write_error(folder, error) from None
        if foreign - to_delete:
            print_note(f"{folder}: {len(foreign - to_delete)} other files "
                       f"stay in it, such as {min(foreign - to_delete)}")

    def begin(self, planned: set[Path]) -> None:
        """Record the planned files, before the first of them is written."""
        self.files |= planned
        self._write_record()

    def finish(self, planned: set[Path]) -> None:
        """Delete the files that are no longer planned; record the others.

        Without planned files, the record and the empty folder are deleted.
        """
        remove_files(self.folder, self.files - planned)
        self.files = planned
        if planned:
            self._write_record()
        else:
            (self.folder / RECORD).unlink()
            # This fails, as it should, where other files are in the folder.
            with suppress(OSError):
                self.folder.rmdir()

    def _write_record(self) -> None:
        with atomic_write(self.folder / RECORD) as new:
            # A name that is not UTF-8 has lone surrogates in Python; as
            # ASCII, JSON escapes them.
            new.write_text(json.dumps(
                {"fingerprint": self.fingerprint,
                 "files": sorted(map(str, self.files))}, indent=0),
                encoding="ascii")


def remove_files(folder: Path, files: Iterable[Path]) -> None:
    """Delete those files of a folder that exist."""
    for file in files:
        (folder / file).unlink(missing_ok=True)
