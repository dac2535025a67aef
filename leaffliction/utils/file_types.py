"""The kind of a file, recognised by its first bytes.

A file's name says little: phones write HEIC under .jpg, downloads are called
"x.jfif" or "x.jpg?w=300", and many files have no suffix at all.
"""

import re
from dataclasses import dataclass

# How many of a file's first bytes image_kind needs: the brands of HEIF and
# AVIF are the longest signature.
IMAGE_HEAD_BYTES = 64
# How many foreign_kind needs: an SVG drawing or a web page may begin with
# comments.
FOREIGN_HEAD_BYTES = 1024

JPEG_2000 = rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"
# Regular expressions of the first bytes, by Pillow's name of the kind.
IMAGE_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II[*+]\x00|MM\x00[*+]",
    "WEBP": rb"RIFF....WEBP",
    # "BM" alone begins many a text: four reserved bytes of zero and the size
    # of the second header make sure.
    "BMP": rb"BM.{8}....[\x0c-\x80]\x00\x00\x00",
    "JXL": rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n",
    "JPEG2000": JPEG_2000}
IMAGE_PATTERNS = {kind: re.compile(signature, re.DOTALL)
                  for kind, signature in IMAGE_SIGNATURES.items()}
# Brands of pictures in files of ISO's base media format (ISO/IEC 14496-12).
# An AVIF file may list HEIF's general brand "mif1", but also its own.
AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm",
               b"hevs", b"mif1", b"msf1"}


def image_kind(head: bytes) -> str | None:
    """Return Pillow's name for the kind of an image, None if it is no image.

    head: the file's first IMAGE_HEAD_BYTES, or all of a shorter file; the
    rest of the file may still be damaged.  "HEIF" includes HEIC.
    """
    if head[4:8] == b"ftyp":
        # The box's length, "ftyp", main brand, version, compatible brands.
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[start:start + 4]
                                for start in range(16, size - 3, 4))}
        return ("AVIF" if brands & AVIF_BRANDS else
                "HEIF" if brands & HEIF_BRANDS else None)
    return next((kind for kind, pattern in IMAGE_PATTERNS.items()
                 if pattern.match(head)), None)


@dataclass(frozen=True)
class ForeignKind:
    """A kind of file that is recognised, but not read.

    signature: a regular expression of the first bytes, in any case of
    letters.  description and advice: for the user, as in str().
    is_picture: whether it is an image, a document or a video that a user
    would not want to lose.
    """

    description: str
    signature: bytes
    advice: str = "save it as JPEG or PNG"
    is_picture: bool = True

    def __str__(self) -> str:
        return f"{self.description}; {self.advice}"


DOWNLOAD_AGAIN = "download the file itself"
UNPACK = "unpack it first"
# Comments and processing instructions, as XML and HTML allow them before the
# first element.  (?>...) and *+ never try a second way to divide the text:
# with * a hundred comments would take 2^100 steps.
COMMENTS = rb"(?>(?:<\?.*?\?>|<!--.*?-->)\s*)*+"
PROLOG = rb"(?:\xef\xbb\xbf)?\s*+" + COMMENTS
DOCTYPE = rb"(?>(?:<!doctype\b[^>\[]*(?:\[.*?\]\s*)?>\s*)?)"
CAMERA_RAW = ForeignKind(
    "a camera's raw file",
    rb"....ftypcrx |IIR[OS]\x08\x00|MMOR|IIU\x00|FUJIFILMCCD-RAW|FOVb"
    rb"|\x00MRM", "develop it and save it as JPEG")
# In this order: the first whose signature matches is taken.
FOREIGN_KINDS = (
    ForeignKind("empty", rb"\Z", "copy or download it again", False),
    ForeignKind("a JPEG 2000 image, which is not read", JPEG_2000),
    ForeignKind("a Photoshop document", rb"8BPS"),
    CAMERA_RAW,
    ForeignKind("a PDF document", rb"%PDF-",
                "save its pictures as JPEG or PNG"),
    ForeignKind("a PostScript document", rb"%!PS|\xc5\xd0\xd3\xc6"),
    ForeignKind("an SVG drawing", PROLOG + DOCTYPE + COMMENTS + rb"<svg\b"),
    ForeignKind("a web page, saved in place of the file",
                PROLOG + rb"<(!doctype html|html|head|body|script|meta)\b",
                DOWNLOAD_AGAIN, False),
    ForeignKind("a text (XML or JSON), saved in place of the file",
                rb"(\xef\xbb\xbf)?\s*(<\?xml|<error|[{\[]\s*[\"{\[}\]])",
                DOWNLOAD_AGAIN, False),
    ForeignKind("a pointer of Git LFS, not the file itself",
                rb"version https://git-lfs",
                "fetch that with `git lfs pull`", False),
    ForeignKind("a video",
                rb"....ftyp(isom|iso[0-9]|mp4|qt  |M4V|avc1|3g)"
                rb"|RIFF....AVI |\x1aE\xdf\xa3", "save its frames as JPEG"),
    ForeignKind("a zip archive", rb"PK(\x03\x04|\x05\x06|\x07\x08)",
                UNPACK, False),
    ForeignKind("a RAR archive", rb"Rar!\x1a\x07", UNPACK, False),
    ForeignKind("a 7-Zip archive", rb"7z\xbc\xaf\x27\x1c", UNPACK, False),
    ForeignKind("a compressed archive, such as .tar.gz",
                rb"\x1f\x8b|BZh[1-9]|\xfd7zXZ\x00|\x28\xb5\x2f\xfd",
                UNPACK, False),
    ForeignKind("a tar archive", rb".{257}ustar", UNPACK, False),
    ForeignKind("a Netpbm image", rb"P[1-7]\s|Pf\s|PF\s"),
    ForeignKind("an icon", rb"\x00\x00[\x01\x02]\x00[^\x00]\x00"),
    ForeignKind("a JPEG XR image", rb"II\xbc"),
    ForeignKind("a high dynamic range image", rb"v/1\x01|#\?RADIANCE"),
    ForeignKind("an image of a kind that is not read",
                rb"DDS |qoif|BPG\xfb|FLIF"),
    ForeignKind("a DICOM image", rb".{128}DICM"),
    ForeignKind("a FITS image", rb"SIMPLE  ="),
    ForeignKind("empty: it begins with zeros", rb"\x00{16}", "copy it again",
                False))


def foreign_kind(head: bytes) -> ForeignKind | None:
    """Return what a file is that is not read, or None if that is unknown.

    head: the file's first FOREIGN_HEAD_BYTES, or all of a shorter file.
    """
    # Compiled only here, by re: most runs never meet such a file.
    return next((kind for kind in FOREIGN_KINDS if re.match(
        kind.signature, head, re.DOTALL | re.IGNORECASE)), None)


def is_any_picture(head: bytes) -> bool:
    """Return whether a file is a picture, of a kind that is read or not.

    head: as for foreign_kind.
    """
    if image_kind(head) is not None:
        return True
    foreign = foreign_kind(head)
    return foreign is not None and foreign.is_picture
