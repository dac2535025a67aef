"""Read signature.txt, which holds a digest of an archive, in any usual form.

train.py writes it as sha1sum does.  People also write it with sha256sum,
shasum, openssl, certutil, PowerShell or GnuPG, which print a digest in other
forms, and editors and shells change its encoding and line ends.
"""

import codecs
import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

from leaffliction.utils.errors import UserError
from leaffliction.utils.storage import lexists

SIGNATURE = "signature.txt"
# Enough for the digests of thousands of files.
MAX_BYTES = 2**20
# A digest and a path; Linux allows 4,096 bytes in a path.
MAX_LINE_LENGTH = 5000
ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16",
             codecs.BOM_UTF16_BE: "utf-16"}

# The hexadecimal digits of MD5, SHA-1, and the SHA-2, SHA-3 and BLAKE2
# digests of 224, 256, 384 and 512 bits.
HEX_DIGEST = "|".join(f"[0-9a-f]{{{digits}}}"
                      for digits in (32, 40, 56, 64, 96, 128))
# Lines of BSD's and OpenSSL's programs: "SHA1 (a.zip) = 01..",
# "SHA2-256(a.zip)= 01..", "(stdin)= 01..".
BSD_LINE = re.compile(
    rf"(?P<label>[a-z0-9/-]*) *\((?P<name>.*)\) ?= ?(?P<value>{HEX_DIGEST})",
    re.IGNORECASE)
# Lines of sha1sum and its like: "01..", "01..  a.zip", "01.. *a.zip".  A
# backslash in front means that backslashes and line ends in the name are
# escaped.
SUM_LINE = re.compile(rf"(?P<escaped>\\?)(?P<value>{HEX_DIGEST})"
                      r"(?:[ \t]+[*?^]?(?P<name>.*))?", re.IGNORECASE)
# Lines of GnuPG and of Windows 7's CertUtil: "a.zip: 0123 4567 ..".
GROUPED_LINE = re.compile(r"(?:(?P<name>.*): +)?(?:(?P<label>[a-z]+\d+) = )?"
                          r"(?P<value>(?:[0-9a-f]{2}){1,8}"
                          r"(?: +(?:[0-9a-f]{2}){1,8}){5,})", re.IGNORECASE)
# Any other text around one digest: "sha1: 01..", "| a.zip | 01.. |", and the
# tables and lists of PowerShell.
FREE_LINE = re.compile(
    rf"(?P<before>.*(?<![a-z0-9])|)(?P<value>{HEX_DIGEST})"
    r"(?P<after>(?![a-z0-9]).*|)", re.IGNORECASE)
LINE_FORMS = BSD_LINE, SUM_LINE, GROUPED_LINE, FREE_LINE
# The name of an algorithm in the text around a digest.
LABEL = re.compile(r"\b(?:sha|md|blake|rmd|ripemd|sm)-?\d[\w/-]*",
                   re.IGNORECASE)
# "Path : C:\a.zip", the line after the digest in a list of PowerShell.
LIST_PATH = re.compile(r"Path *: *(?P<name>.+)", re.IGNORECASE)
# "01:23:.." of openssl -c, and "01-23-.." of PowerShell's BitConverter.
BYTE_PAIRS = re.compile(r"(?:[0-9a-f]{2}[:-]){15,}[0-9a-f]{2}",
                        re.IGNORECASE)
# PowerShell and GnuPG break a long digest and indent what follows.
BROKEN_DIGEST = re.compile(r"(?<=[0-9A-Fa-f])\r?\n {8,}(?=[0-9A-Fa-f])")


@dataclass(frozen=True)
class Digest:
    """A digest in a signature, and the name of the file that it is of.

    algorithms: hashlib's names of the algorithms that may have made it; a
    digest of sha512sum, without a label, could also be one of b2sum.
    value: in lower-case hexadecimal.
    name: of the file, without its folder; "" if the line gives none.
    """

    algorithms: tuple[str, ...]
    value: str
    name: str

    def is_of(self, name: str) -> bool:
        """Return whether the digest is of a file with this name.

        Case and the encoding of accents do not count: some file systems
        change them.
        """
        return _normalized(self.name) == _normalized(name)


def _normalized(name: str) -> str:
    """Return a name that is equal for all spellings that a disk may store."""
    return unicodedata.normalize("NFC", name).casefold()


def read_signature(path: Path) -> list[Digest]:
    """Return all digests in a signature, at least one.

    Raises UserError where there is no such file, it can't be read, is larger
    than MAX_BYTES, or holds no digest in a known form.
    """
    advice = "leave --verify out to skip this check"
    try:
        # Opening a pipe would wait forever for a writer.
        if lexists(path) and not path.is_file():
            raise UserError(f"{path}: not a regular file; {advice}")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file, so the archive beside it "
                        f"cannot be verified; {advice}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error});"
                        f" {advice}") from None
    digests = parse_signature(content)
    if not digests or len(content) > MAX_BYTES:
        raise UserError(
            f"{path}: holds no checksum in a known form, such as the one "
            f"that sha1sum prints; {advice}")
    return digests


def parse_signature(content: bytes) -> list[Digest]:
    """Return the digests in a signature; other lines are ignored."""
    encoding = next((name for mark, name in ENCODINGS.items()
                     if content.startswith(mark)), "utf-8")
    # File names need not be valid UTF-8.
    text = content.decode(encoding, "replace" if encoding == "utf-16"
                          else "surrogateescape")
    text = BROKEN_DIGEST.sub("", text)
    digests: list[Digest] = []
    for line in map(str.strip, re.split(r"[\r\n]+", text)):
        path = LIST_PATH.fullmatch(line)
        if path and digests:
            digests[-1] = replace(digests[-1], name=_base_name(path["name"]))
        digest = _parse_line(line)
        if digest is not None:
            digests.append(digest)
    return digests


def _parse_line(line: str) -> Digest | None:
    """Return the digest on a line, or None where there is none."""
    if len(line) > MAX_LINE_LENGTH:
        return None
    line = BYTE_PAIRS.sub(lambda pairs: re.sub("[:-]", "", pairs[0]), line)
    match = next(filter(None, (form.fullmatch(line) for form in LINE_FORMS)),
                 None)
    if match is None:
        return None
    fields = match.groupdict(default="")
    label, name = fields.get("label", ""), fields.get("name", "")
    if match.re is FREE_LINE:
        text = fields["before"] + fields["after"]
        label = (LABEL.findall(text) or [""])[0]
        name = text.replace(label, "", 1).strip(" \t:=|,*\"'")
    value = fields["value"].replace(" ", "").lower()
    algorithms = _algorithms(label, len(value))
    if not algorithms:
        return None
    is_escaped = bool(fields.get("escaped"))
    return Digest(algorithms, value, _base_name(name, is_escaped))


def _algorithms(label: str, digits: int) -> tuple[str, ...]:
    """Return hashlib's names of the algorithms that a digest may be of.

    label: the algorithm as a program prints it ("SHA1", "SHA2-256",
    "BLAKE2b512"), or "".  digits: of the digest in hexadecimal.
    """
    label = re.sub(r"[^a-z0-9]", "", label.lower()).removesuffix("sum")
    label = re.sub(r"^sha2(?=\d{3}$)", "sha", label)
    label = {"blake2b512": "blake2b", "blake2s256": "blake2s"}.get(label,
                                                                   label)
    return tuple(
        name for name in sorted(hashlib.algorithms_guaranteed)
        if label in ("", name.replace("_", "")) and digits
        == 2 * hashlib.new(name, usedforsecurity=False).digest_size)


def _base_name(name: str, is_escaped: bool = False) -> str:
    """Return a file's name without its folder, by "/" or by "\\".

    is_escaped: whether sha1sum has escaped backslashes and line ends in it.
    Then a backslash belongs to the name, and "/" alone ends a folder.
    """
    if is_escaped:
        name = re.sub(r"\\(.)", lambda match: {"n": "\n", "r": "\r"}.get(
            match[1], match[1]), name)
        return name.rsplit("/", 1)[-1]
    return re.split(r"[/\\]", name.strip().strip("\"'"))[-1]
