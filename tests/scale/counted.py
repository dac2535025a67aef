"""A function that counts how often it is unpickled, in any process."""

import os
import uuid
from pathlib import Path


class Counted:
    """Squares a number.  Wherever it is unpickled, it adds a file to folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return unpickle, (self.folder,)

    def __call__(self, number: int) -> int:
        return number ** 2


def unpickle(folder: Path) -> Counted:
    (folder / f"{os.getpid()} {uuid.uuid4()}").touch()
    return Counted(folder)
