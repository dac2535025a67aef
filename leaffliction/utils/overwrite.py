"""Which files a program may overwrite.

Never an input of the same run, no file of a released model, and no image
except those that the programs made themselves.
"""

from collections.abc import Iterable
from pathlib import Path

from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import FOREIGN_HEAD_BYTES, is_any_picture
from leaffliction.utils.marks import (COPY, DRAWING, MARK, TAIL, last_bytes,
                                      marked_kind)
from leaffliction.utils.models_folder import is_released
from leaffliction.utils.storage import (is_device, is_folder, path_of,
                                        read_ends, same_target)

# The figures of an earlier version's report have no mark.  They are PNG files
# of matplotlib, which says so in them, beside this file.
MATPLOTLIB, REPORT = b"Software\0Matplotlib", "report.json"


def check_outputs(outputs: Iterable[Path | str | None],
                  inputs: Iterable[Path]) -> None:
    """Raise UserError if an output of this run must not be written.

    For the start of a program, before any work: an output must not be a
    folder, an image that the programs did not make, a file of a released
    model, an input, or the same file as another output.  Links are followed.
    None, "-" (stdout), devices and pipes are always allowed.
    """
    files = [path_of(output) for output in outputs
             if output is not None and str(output) != "-"]
    files = [file for file in files if not is_device(file)]
    existing = [file for file in files if _exists(file)]
    for file in existing:
        if file.is_dir():
            raise UserError(f"{file}: cannot be written (Is a directory)")
        if is_released(file):
            raise UserError(f"{file}: belongs to a released model, and is not "
                            "overwritten; write to another folder")
    for path in inputs if existing else ():
        for file in existing:
            if same_target(file, path):
                raise UserError(f"{file}: is read by this run, and is not "
                                "overwritten; choose another name")
    for file in existing:
        if not may_replace(file):
            raise _foreign_image(file)
    for index, file in enumerate(files):
        if any(same_target(file, other) for other in files[:index]):
            raise UserError(f"{file}: two outputs go to this file")


def check_replacement(path: Path, new: Path) -> None:
    """Raise UserError if path holds an image that new must not replace.

    A file with the same bytes may replace it, since a repeated run changes
    nothing.  So may the same augmented copy with a mark: an earlier version
    wrote copies without one.
    """
    kind = marked_kind(last_bytes(new))
    if may_replace(path, kind):
        return
    before, after = path.read_bytes(), new.read_bytes()
    if before == after or kind == COPY and before == MARK.sub(b"", after):
        return
    raise _foreign_image(path)


def may_replace(path: Path, kind: str | None = None) -> bool:
    """Return whether a file may be overwritten.

    kind: the kind that the new file is marked as, DRAWING or COPY, if any.
    An image marked DRAWING may be replaced by any file, one marked COPY only
    by another copy, and an image without a mark by none.  A file that is no
    image, or that cannot be read, may be replaced.
    """
    head, tail = read_ends(path, FOREIGN_HEAD_BYTES, TAIL)
    old_kind = marked_kind(tail)
    return (old_kind == DRAWING or old_kind == kind == COPY
            or not is_any_picture(head)
            or MATPLOTLIB in head and (path.parent / REPORT).is_file())


def refuse_folder(path: Path) -> None:
    """Raise UserError if a store has a folder with the name of an output.

    A file system refuses this by itself.  In a store, the new object would
    hide the folder.
    """
    if is_folder(path):
        raise UserError(f"{path}: cannot be written (Is a directory)")


def _foreign_image(path: Path) -> UserError:
    """Return the error for an image that must not be overwritten."""
    return UserError(f"{path}: is an image that these programs did not make, "
                     "and is not overwritten; choose another name, or "
                     "delete it if an earlier version made it")


def _exists(path: Path) -> bool:
    """Return whether a path exists, as far as the user may see."""
    try:
        return path.exists()
    except OSError:
        # Permission to write to a store does not always include reading it.
        return False
