"""A function that notes each time that it arrives in a process."""

import os
import uuid
from pathlib import Path


class Counted:
    """Squares a number; leaves a file in a folder wherever it is unpacked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return unpack, (self.folder,)

    def __call__(self, number: int) -> int:
        return number ** 2


def unpack(folder: Path) -> Counted:
    (folder / f"{os.getpid()} {uuid.uuid4()}").touch()
    return Counted(folder)
