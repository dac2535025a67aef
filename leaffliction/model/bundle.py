"""The bundle, learnings.zip: read it, write it, sign and verify it.

Predicting needs nothing but this archive.  Its members:

    learnings.json           class names in order, preprocessing, calibration,
                             metrics, settings, seed, versions, and the
                             SHA-256 of all members but the images
    model.tflite             the network, in 8-bit integers where these are
                             accurate enough; a zip with LABELS, for other
                             programs, follows it in the file
    model_float32.tflite     the same in 32-bit floats, for processors that
                             prefer these (train.py --float-model); no program
                             here reads it
    familiarity.npz          the arrays of the OOD detector
    augmented_directory/     the images that the network was trained on
                             (none with train.py --no-images)
"""

import hashlib
import json
import math
import os
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from leaffliction.model.signatures import SIGNATURE, read_signature
from leaffliction.utils import cli
from leaffliction.utils.errors import UserError
from leaffliction.utils.file_types import (FOREIGN_HEAD_BYTES, foreign_kind,
                                           image_kind)
from leaffliction.utils.files import atomic_write, file_digest, fsync
from leaffliction.utils.path_hints import path_hint
from leaffliction.utils.progress import progress
from leaffliction.utils.storage import delete_if_permitted, open_seekable

# Increased whenever an older program would misread new archives.  Those of
# OLDEST_FORMAT are still read: they have no rule for photographs outdoors.
FORMAT, OLDEST_FORMAT = 3, 2
ARCHIVE = "learnings.zip"    # the archive's default name
DESCRIPTION, IMAGES = "learnings.json", "augmented_directory"
MODEL, FLOAT_MODEL = "model.tflite", "model_float32.tflite"
OOD_DETECTOR = "familiarity.npz"
LABELS = "labels.txt"        # in a zip at the end of MODEL and FLOAT_MODEL
# Size limit of each member, against zip bombs.
MAX_BYTES = {DESCRIPTION: 10 * 2**20, MODEL: 200 * 2**20,
             OOD_DETECTOR: 50 * 2**20}
# The date of all members, the earliest that a zip can hold: equal content
# gives equal bytes, whenever it was written.
NO_DATE = (1980, 1, 1, 0, 0, 0)
TRUNCATED = "a truncated zip: copy or download it again"


@dataclass(frozen=True)
class Description:
    """What a prediction needs besides the network and the OOD detector.

    size: side of the preprocessed image, pixels.
    temperature: divides the logits of in-distribution images (Guo et al.
    2017); ood_temperature: those of out-of-distribution images.
    ood_threshold: the OOD score above which an image is out of distribution.
    details: settings, metrics and versions, for people.
    """

    class_names: tuple[str, ...]
    size: int
    temperature: float
    ood_threshold: float
    ood_temperature: float
    details: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """The verified content of an archive.

    path: of the archive, also where the caller gave the folder it is in.
    model: content of a .tflite file.  ood_detector: content of an .npz file.
    checksum: SHA-256 of learnings.json, which contains the SHA-256 of both.
    """

    path: Path
    description: Description
    model: bytes
    ood_detector: bytes
    checksum: str


def familiarity(ood_score: float) -> float:
    """Return the familiarity for an OOD score, or back: the negative.

    Other programs read learnings.json and the JSON of predict.py, so these
    files keep the familiarity of earlier versions, high for images like the
    training images.  The code has only the OOD score, high for all others
    (Ren et al. 2021).  Subtraction from zero avoids "-0.0" for a score of 0.
    """
    return 0.0 - ood_score


def to_fields(description: Description) -> dict:
    """Return a description with the keys and the signs of learnings.json.

    strange_temperature is an earlier name of ood_temperature, and threshold
    is a familiarity; renamed keys would make older archives unreadable.
    """
    return {"class_names": list(description.class_names),
            "size": description.size,
            "temperature": description.temperature,
            "threshold": familiarity(description.ood_threshold),
            "strange_temperature": description.ood_temperature,
            "details": description.details}


def from_fields(fields: dict) -> Description:
    """Return the description that the object of learnings.json holds.

    Raises ValueError, KeyError, TypeError or OverflowError where its values
    make no sense.
    """
    names = fields["class_names"]
    description = Description(
        tuple(names), int(fields["size"]), float(fields["temperature"]),
        familiarity(float(fields["threshold"])),
        # Archives of an earlier version have only one temperature.
        float(fields.get("strange_temperature", fields["temperature"])),
        fields["details"])
    if (not isinstance(names, list) or len(set(names)) < len(names)
            or not all(isinstance(name, str) and name for name in names)):
        raise ValueError("class_names are not names")
    if not 1 <= description.size <= cli.MAX_IMAGE_SIZE:
        raise ValueError(f"size {description.size}")
    if not (0 < description.temperature < math.inf
            and 0 < description.ood_temperature < math.inf
            and math.isfinite(description.ood_threshold)):
        raise ValueError("temperature or threshold out of range")
    return description


# Read.

def read_archive(path: Path, verify: bool = False) -> Bundle:
    """Return the content of an archive, without unpacking it on the disk.

    path: the archive, or a folder that holds it under the name ARCHIVE.
    verify: compare all of it with signature.txt beside it.  The network and
    the OOD detector are always compared with their SHA-256 in the
    description, and the description with its CRC-32 in the zip: so damage
    to what is read here shows without reading the images.
    Raises UserError where it is missing, damaged, of another format, or,
    with verify, not the archive that was signed.
    """
    if path.is_dir():
        path = _archive_in(path)
    with archive_errors(path), (path.open("rb") if verify
                                else open_seekable(path)) as stream:
        if verify:
            verify_signature(path, stream)
        return _read_members(path, stream)


@contextmanager
def archive_errors(path: Path) -> Iterator[None]:
    """Raise UserError for each error that a damaged archive can cause.

    zipfile, json, NumPy and LiteRT raise many kinds for damaged content.
    The block may also build objects from the members.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file; train.py makes it"
                        f"{path_hint(path)}") from None
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError,
            NotImplementedError, EOFError, RuntimeError, OverflowError,
            zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not a readable archive of learnings "
                        f"({reason})") from None


def _archive_in(folder: Path) -> Path:
    """Return the archive in a folder; UserError if there is none."""
    archive = folder / ARCHIVE
    if archive.is_file():
        return archive
    if (folder / DESCRIPTION).is_file():
        raise UserError(f"{folder}: an archive that was unpacked; give the "
                        "zip itself, or pack this folder as a zip again")
    raise UserError(f"{folder}: a folder without {ARCHIVE} in it; give the "
                    "archive itself")


def _read_members(path: Path, stream: BinaryIO) -> Bundle:
    """Return the content of an open archive.

    Raises UserError where it has another format, or a checksum differs.
    """
    with _open_zip(stream) as archive:
        names = _member_names(archive)
        text = _read_member(archive, DESCRIPTION, names)
        fields = json.loads(text)
        if not OLDEST_FORMAT <= fields["format"] <= FORMAT:
            advice = ("use a newer version of the program"
                      if fields["format"] > FORMAT else
                      "train again, or use the version that wrote it")
            raise UserError(f"{path}: has format {fields['format']}, this "
                            f"program reads formats {OLDEST_FORMAT} to "
                            f"{FORMAT}; {advice}")
        content = {}
        for name in (MODEL, OOD_DETECTOR):
            content[name] = _read_member(archive, name, names)
            digest = hashlib.sha256(content[name]).hexdigest()
            if digest != fields["sha256"][name]:
                raise UserError(f"{path}: damaged, {name} was changed; copy "
                                "or download it again")
    return Bundle(path, from_fields(fields), content[MODEL],
                  content[OOD_DETECTOR], hashlib.sha256(text).hexdigest())


def _open_zip(stream: BinaryIO) -> zipfile.ZipFile:
    """Return an opened zip; BadZipFile names the kind of any other file."""
    try:
        return zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        stream.seek(0)
        head = stream.read(FOREIGN_HEAD_BYTES)
        kind = (f"an image ({image_kind(head)})" if image_kind(head) else
                TRUNCATED if head.startswith(b"PK") else foreign_kind(head))
        raise zipfile.BadZipFile(kind or error) from None


def _member_names(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return {name of a member in train.py's archives: its name in this one}.

    A file manager that packs an unpacked archive again puts everything into
    a folder, adds further files, or writes backslashes.
    Raises ValueError where the zip holds no bundle, or several.
    """
    names = {name.replace("\\", "/"): name for name in archive.namelist()}
    folders = [name[:-len(DESCRIPTION)] for name in names
               if f"/{name}".endswith(f"/{DESCRIPTION}")
               and not name.startswith("__MACOSX/")]
    depth = min((folder.count("/") for folder in folders), default=0)
    folders = [folder for folder in folders if folder.count("/") == depth]
    if len(folders) > 1:
        raise ValueError("it holds several, in the folders "
                         + ", ".join(map(repr, sorted(folders))))
    if not folders and names and all(
            name.endswith(".npy") or name == LABELS for name in names):
        # OOD_DETECTOR is itself a zip, stored uncompressed, and the networks
        # end with one.  If the archive is truncated behind one of them,
        # zipfile finds its directory instead.
        raise ValueError(TRUNCATED)
    if not folders:
        inner = [name for name in names if name.lower().endswith(".zip")
                 and not name.startswith("__MACOSX/")]
        raise ValueError(f"it holds {inner[0]}: unpack it, and give that"
                         if inner else f"it holds no {DESCRIPTION}")
    return {name: names.get(folders[0] + name, folders[0] + name)
            for name in (DESCRIPTION, MODEL, OOD_DETECTOR)}


def _read_member(archive: zipfile.ZipFile, name: str, names: dict[str, str]
                 ) -> bytes:
    """Return a member's content.

    Raises ValueError where it is too large, or its compression is unknown.
    """
    member = archive.getinfo(names[name])
    if member.file_size > MAX_BYTES[name]:
        raise ValueError(f"{name} is too large")
    # train.py stores members, and file managers deflate them.  The other
    # decompressors raise further kinds of errors for damaged data.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} has an unknown compression")
    return archive.read(names[name])


# Write.

def write_archive(path: Path, description: Description,
                  members: dict[str, bytes], root: Path,
                  files: Iterable[Path], stale: Iterable[Path] = ()) -> None:
    """Write an archive; equal content gives equal bytes.

    members: content of MODEL, FLOAT_MODEL and OOD_DETECTOR.
    root, files: the augmented images, relative to the folder root.
    stale: files that describe an earlier archive; they need not exist.

    The new archive replaces an earlier one in one step.  Just before that
    step the earlier signature and the stale files are deleted, so that a run
    which is stopped never leaves an archive beside another's signature.
    Raises UserError where it cannot be written.
    """
    fields = {"format": FORMAT, **to_fields(description),
              "sha256": {name: hashlib.sha256(content).hexdigest()
                         for name, content in members.items()}}
    members = {DESCRIPTION: json.dumps(fields, indent=1, sort_keys=True,
                                       allow_nan=False).encode(), **members}
    for file in files:
        # Names in a zip are UTF-8; file names may be any bytes.
        name = file.as_posix().encode("utf-8", "backslashreplace").decode()
        members[f"{IMAGES}/{name}"] = root / file
    with atomic_write(path) as partial:
        _write_zip(path, partial, members)
        # In case the power fails: on the disk before it gets its name.
        fsync(partial)
        for file in (path.with_name(SIGNATURE), *stale):
            delete_if_permitted(file)


def _write_zip(path: Path, partial: Path, members: dict[str, bytes | Path]
               ) -> None:
    """Write members, content or files, in the order of their names.

    path: the archive as the user named it, for errors.
    """
    with zipfile.ZipFile(partial, "w") as archive:
        for name in progress(sorted(members), len(members), "Archive"):
            content = members[name]
            if isinstance(content, Path):
                content = _read_augmented(path, content)
            info = zipfile.ZipInfo(name, NO_DATE)
            info.external_attr = 0o644 << 16
            # Stored, as JPEGs and weights do not get smaller.
            archive.writestr(info, content)


def _read_augmented(path: Path, file: Path) -> bytes:
    """Return an image for the archive at path; UserError names the image."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {file} cannot be read "
                        f"({error.strerror or error})") from None


# Sign and verify.

def sign(path: Path, signature: Path) -> str:
    """Write a file's SHA-1 as `sha1sum` prints it; return that line."""
    line = f"{file_digest(path, 'sha1')}  {path.name}\n"
    with atomic_write(signature) as partial:
        partial.write_bytes(os.fsencode(line))
        fsync(partial)
    return line


def verify_signature(path: Path, content: BinaryIO) -> None:
    """Raise UserError where signature.txt beside an archive does not match.

    content: a stream of the archive.  A signature file that is missing, or
    cannot be read or understood, is an error.
    If the file holds one digest, the name beside it does not matter, since
    archives get renamed.  If it holds several, those with the archive's name
    must match; if none has that name, one that matches is enough.
    """
    signature = path.with_name(SIGNATURE)
    digests = read_signature(signature)
    relevant = [digest for digest in digests
                if digest.is_of(path.name)] or digests
    # Several algorithms have digests of one length, so a digest matches if
    # one of its algorithms does.  Each kind of digest in the file must match
    # at least once.
    matches = defaultdict(bool)
    for digest in relevant:
        for algorithm in digest.algorithms:
            content.seek(0)
            matches[digest.algorithms] |= (
                digest.value
                == hashlib.file_digest(content, algorithm).hexdigest())
    content.seek(0)
    if all(matches.values()):
        return
    names = sorted({digest.name for digest in digests} - {"", "-"})
    others = (f", which names {', '.join(names[:3])}; this archive needs a "
              "line of its own in it"
              if names and relevant is digests else "")
    raise UserError(
        f"{path}: is not the archive that {signature} was made for{others}; "
        "leave --verify out to take it nevertheless")
