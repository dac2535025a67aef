"""The folder of the released models, which no program overwrites.

In the repository it is models/, at the top.  In an installed package it is
the folder models of the package itself: pyproject.toml puts it there.
"""

from contextlib import suppress
from pathlib import Path

from leaffliction.utils.storage import same_file

_PACKAGE = Path(__file__).resolve().parent.parent
_INSTALLED = _PACKAGE / "models"
FOLDER = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "models"


def is_released(path: Path) -> bool:
    """Return whether a path is a file of the released models.

    That is an archive, the signature or a card.  Links are followed.
    """
    with suppress(OSError):     # There is no such folder.
        return any(same_file(path, file) for file in FOLDER.iterdir())
    return False
