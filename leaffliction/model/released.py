"""The released models: archives that the repository holds, known by name.

    models/apple-grape.zip    the archive, as train.py --no-images writes it
    models/apple-grape.md     its card: what it has learned, how right it is
    models/signature.txt      the SHA-1 of each archive, as sha1sum prints it

Each zip in that folder is a released model; its name is that of the file,
without the ending.  An option or a function that takes an archive takes such
a name as well (find_archive); predict.py takes DEFAULT where it is given
neither (choose_archive).
"""

from pathlib import Path

from leaffliction.model.bundle import ARCHIVE
from leaffliction.utils import models_folder
from leaffliction.utils.errors import UserError
from leaffliction.utils.path_hints import path_hint
from leaffliction.utils.storage import lexists, path_of, same_file

# The model that predict.py takes where there is no ARCHIVE.
DEFAULT = "apple-grape"


def released_models() -> dict[str, Path]:
    """Return {name: archive} of all released models, sorted by name."""
    return {path.stem: path
            for path in sorted(models_folder.FOLDER.glob("*.zip"))}


def released_name(path: Path) -> str | None:
    """Return the name of the released model whose archive this is, if any."""
    for name, archive in released_models().items():
        if same_file(path, archive):
            return name
    return None


def find_archive(given: Path | str) -> Path:
    """Return the path of the archive that a user has named.

    given: a file, a folder, or the name of a released model.  A file or a
    folder that exists comes first, so that a new released model never
    changes what a command means.
    Raises UserError, with the names that there are, for a missing file
    without a folder in front of it that is no such name.  Any other missing
    file is returned as it is.
    """
    path = path_of(given)
    models = released_models()
    is_bare = isinstance(path, Path) and path.name == str(path)
    if not (models and is_bare) or lexists(path):
        return path
    if path.name not in models:
        raise UserError(
            f"{path}: no such file (train.py makes one), nor one of the "
            f"released models ({', '.join(models)}){path_hint(path)}")
    return models[path.name]


def choose_archive(given: Path | None) -> Path:
    """Return the archive that predict.py reads.

    given: the value of --learnings.  Without it, the archive that train.py
    writes, if it is in the working directory; else the released model.
    Raises UserError like find_archive.
    """
    if given is not None:
        return find_archive(given)
    local = Path(ARCHIVE)
    return local if lexists(local) else released_models().get(DEFAULT, local)
