"""The views of many photographs: their files, and which are out of date."""

from dataclasses import dataclass
from pathlib import Path

from leaffliction.transformation.analysis import analyse_image
from leaffliction.transformation.measurements import measure
from leaffliction.transformation.views import VIEWS
from leaffliction.utils.files import is_nonempty_file
from leaffliction.utils.images import SUFFIXES, read_image, write_image
from leaffliction.utils.marks import mark_line


@dataclass(frozen=True)
class Transformed:
    """What one photograph gave.

    leaf_count: None if all views were up to date and the photograph was not
    read.
    measurements: of each leaf; empty if none were wanted.
    """

    leaf_count: int | None
    measurements: list[dict]


def transform_file(paths: tuple[Path, Path], views: list[str],
                   measured: bool, force: bool) -> Transformed:
    """Write the views of one photograph, and measure its leaves.

    paths: the photograph, and the path of its views without `_View.ext`.
    views: names in VIEWS.  measured: whether to measure the leaves.
    force: write the views that are up to date, too.
    Raises UserError if the photograph cannot be read or a view not written.
    """
    source, target = paths
    files = {name: view_file(target, name, source.suffix) for name in views}
    due = {name: file for name, file in files.items()
           if force or not is_up_to_date(file, source)}
    if not due and not measured:
        return Transformed(None, [])
    image = analyse_image(read_image(source))
    for name, file in due.items():
        write_image(file, VIEWS[name].draw(image), mark_line(source.name))
    return Transformed(len(image.leaves), measure(image) if measured else [])


def view_file(target: Path, name: str, suffix: str) -> Path:
    """Return the file of a view.

    target: its path without `_View.ext`.  suffix: the photograph's, which
    the view has as well if images are written with it.
    """
    # JPEG would blur the thin lines and letters of a chart.
    if suffix.lower() not in SUFFIXES or VIEWS[name].is_chart:
        suffix = ".png"
    return target.with_name(f"{target.name}_{name}{suffix}")


def is_up_to_date(file: Path, source: Path) -> bool:
    """Return whether a file is complete and not older than its source."""
    try:
        return (is_nonempty_file(file)
                and file.stat().st_mtime >= source.stat().st_mtime)
    except OSError:
        return False    # The source is gone; reading it reports that.


def output_names(files: list[Path]) -> list[Path]:
    """Return a name without suffix for each file, all of them different.

    Files that differ only in the suffix or in capitals (some file systems
    ignore these) get numbers: `a.jpg` becomes `a`, and `A.png` `A-2`.
    """
    own_names = {_key(file.with_suffix("")) for file in files}
    taken, names = set(), []
    for file in files:
        name, number = file.with_suffix(""), 1
        # A name with a number must not be another file's own name.
        while _key(name) in taken or number > 1 and _key(name) in own_names:
            number += 1
            name = file.with_name(f"{file.stem}-{number}")
        taken.add(_key(name))
        names.append(name)
    return names


def _key(path: Path) -> str:
    """Return what a file system that ignores capitals compares."""
    return str(path).casefold()
