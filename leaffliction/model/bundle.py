"""The archive of what was learned, learnings.zip: write it, read it, verify it."""

import hashlib
import json
import math
import os
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from leaffliction.model.signatures import SIGNATURE, read_signature
from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import (FOREIGN_HEAD, foreign_kind,
                                           image_kind)
from leaffliction.utils.files import atomic_write, file_digest, fsync
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import is_local

# Raised when an older program could not read the archive rightly.
FORMAT = 2
ARCHIVE = "learnings.zip"    # its name, in a folder
DESCRIPTION, IMAGES = "learnings.json", "augmented_directory"
MODEL, FLOAT_MODEL, FAMILIARITY = (
    "model.tflite", "model_float32.tflite", "familiarity.npz")
# More than a true archive ever has; checked before a member is read.
MOST_BYTES = {DESCRIPTION: 10 * 2**20, MODEL: 200 * 2**20,
              FAMILIARITY: 50 * 2**20}
# Zip's first day: no date of today, so that equal content is equal bytes.
NO_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Description:
    """All that a prediction needs besides network and familiarity.

    size: side of the preprocessed image, pixels.  temperature: by which
    logits are divided (Guo et al. 2017).  threshold: familiarity below
    which an image is unknown; strange_temperature: of its logits.  details:
    settings, metrics, versions, for people.
    """

    class_names: tuple[str, ...]
    size: int
    temperature: float
    threshold: float
    strange_temperature: float
    details: dict = field(default_factory=dict)


def _archive_in(folder: Path) -> Path:
    """Return the archive in a folder; UserError where there is none."""
    archive = folder / ARCHIVE
    if archive.is_file():
        return archive
    if (folder / DESCRIPTION).is_file():
        raise UserError(f"{folder}: an archive that was unpacked; give the "
                        "zip itself, or pack this folder as a zip again")
    raise UserError(f"{folder}: a folder without {ARCHIVE} in it")


def _open_archive(stream: BinaryIO) -> zipfile.ZipFile:
    """Return an archive to read; BadZipFile, which says what it is, if none.
    """
    try:
        return zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        stream.seek(0)
        head = stream.read(FOREIGN_HEAD)
        kind = (f"an image ({image_kind(head)})" if image_kind(head) else
                "a truncated zip: copy or download it again"
                if head.startswith(b"PK") else foreign_kind(head))
        raise zipfile.BadZipFile(kind or error) from None


def _names_of(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the names of our members as the archive has them.

    A file manager that packs an unpacked archive again puts all of it into
    a folder, adds notes of its own, or writes backslashes.
    Raises ValueError where it is no archive of ours, or several.
    """
    names = {name.replace("\\", "/"): name for name in archive.namelist()}
    found = [name[:-len(DESCRIPTION)] for name in names
             if f"/{name}".endswith(f"/{DESCRIPTION}")
             and not name.startswith("__MACOSX/")]
    depth = min((folder.count("/") for folder in found), default=0)
    found = [folder for folder in found if folder.count("/") == depth]
    if len(found) > 1:
        raise ValueError("it holds several, in the folders "
                         + ", ".join(map(repr, sorted(found))))
    if not found and all(name.endswith(".npy") for name in names) and names:
        # Without its end, that of our FAMILIARITY passes for it.
        raise ValueError("a truncated zip: copy or download it again")
    if not found:
        inner = [name for name in names if name.lower().endswith(".zip")
                 and not name.startswith("__MACOSX/")]
        raise ValueError(f"it holds {inner[0]}: unpack it, and give that"
                         if inner else f"it holds no {DESCRIPTION}")
    return {name: names.get(found[0] + name, found[0] + name)
            for name in (DESCRIPTION, MODEL, FAMILIARITY)}


def _read_parts(path: Path, stream: BinaryIO) -> tuple[bytes, dict, dict]:
    """Return an open archive's description as text and as JSON, and parts.

    Raises UserError where it has another format or was changed.
    """
    with _open_archive(stream) as archive:
        names = _names_of(archive)
        text = _read_member(archive, DESCRIPTION, names)
        fields = json.loads(text)
        if fields["format"] != FORMAT:
            raise UserError(
                f"{path}: has format {fields['format']}, this program reads "
                f"format {FORMAT}; " + (
                    "use a newer version of it" if fields["format"] > FORMAT
                    else "train again, or use the version that wrote it"))
        content = {}
        for name in (MODEL, FAMILIARITY):
            content[name] = _read_member(archive, name, names)
            digest = hashlib.sha256(content[name]).hexdigest()
            if digest != fields["sha256"][name]:
                raise UserError(f"{path}: damaged, {name} was changed")
    return text, fields, content


def _read_member(archive: zipfile.ZipFile, name: str, names: dict[str, str]
                 ) -> bytes:
    """Return a member's content; ValueError where it is no true one."""
    found = archive.getinfo(names[name])
    if found.file_size > MOST_BYTES[name]:
        raise ValueError(f"{name} is too large")
    # Ours are stored, a user may deflate them.  The others' decompressors
    # have errors of their own.
    if found.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed in an unknown way")
    return archive.read(names[name])


def _read_description(fields: dict) -> Description:
    """Return the Description in a JSON object; ValueError for nonsense."""
    names = fields["class_names"]
    description = Description(
        tuple(names), int(fields["size"]), float(fields["temperature"]),
        float(fields["threshold"]),
        # Archives of an earlier version have but one temperature.
        float(fields.get("strange_temperature", fields["temperature"])),
        fields["details"])
    if (not isinstance(names, list) or len(set(names)) < len(names)
            or not all(isinstance(name, str) and name for name in names)):
        raise ValueError("class_names are not names")
    if not 1 <= description.size <= cli.MAX_IMAGE_SIZE:
        raise ValueError(f"size {description.size}")
    if not (0 < description.temperature < math.inf
            and 0 < description.strange_temperature < math.inf
            and math.isfinite(description.threshold)):
        raise ValueError("temperature or threshold is no such number")
    return description


def verify_signature(path: Path, content: BinaryIO) -> None:
    """Raise UserError where signature.txt beside an archive is not its.

    content: the archive's.  Without a signature nothing is compared; one
    that can't be read or understood is an error.  Whatever a single line
    calls the archive, it speaks of it: files get renamed.  Of several lines
    those count that name it; where none does, one that fits is enough.
    """
    signature = path.with_name(SIGNATURE)
    said = read_signature(signature)
    if not said:
        return
    own = [digest for digest in said if digest.speaks_of(path.name)] or said
    fits = defaultdict(bool)
    for digest in own:
        for algorithm in digest.algorithms:
            content.seek(0)
            fits[digest.algorithms] |= digest.value == hashlib.file_digest(
                content, algorithm).hexdigest()
    content.seek(0)
    if not all(fits.values()):
        names = sorted({digest.name for digest in said} - {"", "-"})
        raise UserError(
            f"{path}: is not the archive that {signature} was made for"
            + (f", which names {', '.join(names[:3])}; an archive "
               "beside it needs a line of its own in it"
               if names and own is said else "")
            + "; --no-verify takes it nevertheless")


def write_archive(path: Path, description: Description,
                  models: dict[str, bytes], root: Path,
                  files: Iterable[Path], stale: Iterable[Path] = ()) -> None:
    """Write an archive; the same content gives the same bytes.

    It takes the place of an earlier one in one step.  Just before that, the
    earlier one's signature goes, and what else speaks of it: so a run that is
    stopped at any time leaves no archive beside the signature of another.
    stale: these other files; where one is not there, that is well.

    models: content of MODEL, FLOAT_MODEL and FAMILIARITY.
    root, files: the augmented images and the folder they are relative to.
    Raises UserError where it can't be written.
    """
    fields = {"format": FORMAT, **asdict(description),
              "sha256": {name: hashlib.sha256(content).hexdigest()
                         for name, content in models.items()}}
    members = {DESCRIPTION: json.dumps(fields, indent=1, sort_keys=True,
                                       allow_nan=False).encode(), **models}
    for file in files:
        # A zip's names are UTF-8, a file's may be any bytes.
        name = file.as_posix().encode("utf-8", "backslashreplace").decode()
        members[f"{IMAGES}/{name}"] = root / file
    with atomic_write(path) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            for name in progress(sorted(members), len(members),
                                 "Archive"):
                content = members[name]
                if isinstance(content, Path):
                    content = _read_augmented(path, content)
                info = zipfile.ZipInfo(name, NO_DATE)
                info.external_attr = 0o644 << 16
                # Stored: JPEGs and weights do not get smaller.
                archive.writestr(info, content)
        # Whole on the disk before it has the name, should the power fail.
        fsync(partial)
        for file in (path.with_name(SIGNATURE), *stale):
            try:
                file.unlink(missing_ok=True)
            except PermissionError:
                # Who may write to a store need not be let delete.
                if is_local(file):
                    raise


def _read_augmented(path: Path, file: Path) -> bytes:
    """Return an image for the archive at path; UserError names the image."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {file} cannot be read "
                        f"({error.strerror or error})") from None


def sign(path: Path, signature: Path) -> str:
    """Write a file's SHA-1 as `sha1sum` prints it, and return the line."""
    line = f"{file_digest(path, 'sha1')}  {path.name}\n"
    with atomic_write(signature) as partial:
        partial.write_bytes(os.fsencode(line))
        fsync(partial)
    return line
