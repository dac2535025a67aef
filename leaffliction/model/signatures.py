"""What signature.txt says of an archive, however it was written.

Our own is what sha1sum prints.  People make others: sha256sum, shasum,
openssl, certutil and PowerShell print the same number in forms of their own,
and editors and shells change the encoding and the ends of lines.
"""

import codecs
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from leaffliction.utils.errors import UserError
from leaffliction.utils.storage import is_local

SIGNATURE = "signature.txt"
# A signature of a few hundred files is smaller.
MOST_BYTES = 2**20
# Digest and path: a path has 4,096 bytes at most.
LONGEST_LINE = 5000
LENGTHS = "|".join(f"[0-9a-f]{{{length}}}"
                   for length in (32, 40, 56, 64, 96, 128))
ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16",
             codecs.BOM_UTF16_BE: "utf-16"}
# "SHA1 (a.zip) = 01..", "SHA2-256(a.zip)= 01.." and "(stdin)= 01..".
TAGGED = re.compile(
    rf"(?P<label>[a-z0-9/-]*) *\((?P<name>.*)\) ?= ?(?P<value>{LENGTHS})",
    re.IGNORECASE)
# "01..", "01..  a.zip", "01.. *a.zip"; a backslash in front marks a name in
# which one, or the end of a line, is escaped.
PLAIN = re.compile(rf"(?P<escaped>\\?)(?P<value>{LENGTHS})"
                   r"(?:[ \t]+[*?^]?(?P<name>.*))?", re.IGNORECASE)
# Anything else around one digest: "sha1: 01..", "| a.zip | 01.. |", and the
# tables and lists of PowerShell.
FREE = re.compile(rf"(?P<before>.*(?<![a-z0-9])|)(?P<value>{LENGTHS})"
                  r"(?P<after>(?![a-z0-9]).*|)", re.IGNORECASE)
LABEL = re.compile(r"\b(?:sha|md|blake|rmd|ripemd|sm)-?\d[\w/-]*",
                   re.IGNORECASE)
LIST_PATH = re.compile(r"Path *: *(?P<name>.+)", re.IGNORECASE)
# openssl -c, and BitConverter of PowerShell.
PAIRS = re.compile(r"(?:[0-9a-f]{2}[:-]){15,}[0-9a-f]{2}", re.IGNORECASE)
# GnuPG, and CertUtil of Windows 7: digits in groups.
GROUPS = re.compile(r"(?:(?P<name>.*): +)?(?:(?P<label>[a-z]+\d+) = )?"
                    r"(?P<value>(?:[0-9a-f]{2}){1,8}"
                    r"(?: +(?:[0-9a-f]{2}){1,8}){5,})", re.IGNORECASE)


@dataclass(frozen=True)
class Digest:
    """A digest in hexadecimal, and what it is of.

    algorithms: those of hashlib that it may be of: sha512sum and b2sum print
    the same form.  name: the file's without its folder, "" where it was not
    given.
    """

    algorithms: tuple[str, ...]
    value: str
    name: str

    def speaks_of(self, name: str) -> bool:
        """Tell whether this is the name that was given.

        Neither capitals nor the form of an accent tell two files apart: some
        disks change them.
        """
        return _folded(self.name) == _folded(name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def read_signature(path: Path) -> list[Digest]:
    """Return all digests that a signature holds; none where it is not there.

    Raises UserError where it can't be read, or holds none that is understood.
    """
    ignore = "--no-verify leaves it unread"
    try:
        is_there = path.exists() or is_local(path) and path.is_symlink()
        # Opening a pipe would wait for its writer for ever.
        if is_there and not path.is_file():
            raise UserError(f"{path}: not a regular file; {ignore}")
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error});"
                        f" {ignore}") from None
    found = parse_signature(content)
    if not found or len(content) > MOST_BYTES:
        raise UserError(
            f"{path}: holds no digest in a form that is known, such as what "
            f"sha1sum prints; {ignore}")
    return found


def parse_signature(content: bytes) -> list[Digest]:
    """Return the digests in a file's content; those in no known form miss."""
    encoding = next((name for mark, name in ENCODINGS.items()
                     if content.startswith(mark)), "utf-8")
    # A name in it may be any bytes.
    text = content.decode(encoding, "replace" if encoding == "utf-16"
                          else "surrogateescape")
    # PowerShell and GnuPG break long values, and align what follows.
    text = re.sub(r"(?<=[0-9A-Fa-f])\r?\n {8,}(?=[0-9A-Fa-f])", "", text)
    found = []
    for line in map(str.strip, re.split(r"[\r\n]+", text)):
        path = LIST_PATH.fullmatch(line)
        if path and found:
            found[-1] = Digest(found[-1].algorithms, found[-1].value,
                               _base_name(path["name"]))
        digest = _parse_line(line)
        if digest is not None:
            found.append(digest)
    return found


def _parse_line(line: str) -> Digest | None:
    """Return the digest on a line, or None where none is understood."""
    if len(line) > LONGEST_LINE:
        return None
    line = PAIRS.sub(lambda pairs: re.sub("[:-]", "", pairs[0]), line)
    for form in (TAGGED, PLAIN, GROUPS, FREE):
        match = form.fullmatch(line)
        if match:
            break
    else:
        return None
    given = match.groupdict(default="")
    label, name = given.get("label", ""), given.get("name", "")
    if form is FREE:
        rest = given["before"] + given["after"]
        label = (LABEL.findall(rest) or [""])[0]
        name = rest.replace(label, "", 1).strip(" \t:=|,*\"'")
    value = given["value"].replace(" ", "").lower()
    algorithms = _algorithms(label, len(value))
    return Digest(algorithms, value, _base_name(
        name, bool(given.get("escaped")))) if algorithms else None


def _algorithms(label: str, length: int) -> tuple[str, ...]:
    """Return hashlib's names of the algorithms that a digest may be of.

    label: its name as programs print it ("SHA1", "SHA2-256", "BLAKE2b512"),
    "" where they print none.  length: of the digest, hexadecimal digits.
    """
    plain = re.sub(r"[^a-z0-9]", "", label.lower()).removesuffix("sum")
    plain = re.sub(r"^sha2(?=\d{3}$)", "sha", plain)
    plain = {"blake2b512": "blake2b", "blake2s256": "blake2s"}.get(plain,
                                                                   plain)
    return tuple(name for name in sorted(hashlib.algorithms_guaranteed)
                 if plain in ("", name.replace("_", ""))
                 and 2 * hashlib.new(name, usedforsecurity=False).digest_size
                 == length)


def _base_name(name: str, is_escaped: bool = False) -> str:
    """Return a file's name without its folder, of any system."""
    if is_escaped:
        # "C:\\a" would be no name that sha1sum escapes.
        name = re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(
            found[1], found[1]), name)
        return name.rsplit("/", 1)[-1]
    return re.split(r"[/\\]", name.strip().strip("\"'"))[-1]
