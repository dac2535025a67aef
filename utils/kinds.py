"""What kind of image a file holds, told by its first bytes.

A file's name says little: phones write HEIC under .jpg, downloads are called
"x.jfif" or "x.jpg?w=300", and many files have no ending at all.
"""

import re

# So many of a file's first bytes tell its kind.
HEAD = 64
# And so many what it is that is no image.
FOREIGN_HEAD = 1024
# The first bytes of each kind, by Pillow's name.
SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II[*+]\x00|MM\x00[*+]",
    "WEBP": rb"RIFF....WEBP",
    # Reserved bytes of zero and the size of the second header: two letters
    # alone begin many a text.
    "BMP": rb"BM.{8}....[\x0c-\x80]\x00\x00\x00",
    "JXL": rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n",
    "JPEG2000": rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"}
PATTERNS = {kind: re.compile(signature, re.DOTALL)
            for kind, signature in SIGNATURES.items()}
# The brands by which files of ISO's base media format (ISO/IEC 14496-12) say
# that they hold pictures.  "mif1" alone is in both: AVIF names itself, too.
AVIF = {b"avif", b"avis"}
HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm",
        b"hevs", b"mif1", b"msf1"}

# The first bytes of what is given for something else, and what to do.
FOREIGN = {
    "a pointer of Git LFS, not the file itself: git lfs pull fetches that":
        rb"version https://git-lfs",
    "a web page, saved in place of the file: download the file itself":
        rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*"
        rb"<(?:!doctype html|html|head|body)\b",
    "an XML text": rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|svg)\b",
    "a JSON text": rb"\s*[{[]\s*[\"}\]]",
    "a zip archive: unpack it first": rb"PK(?:\x03\x04|\x05\x06|\x07\x08)",
    "a RAR archive: unpack it first": rb"Rar!\x1a\x07",
    "a 7-Zip archive: unpack it first": rb"7z\xbc\xaf\x27\x1c",
    "a compressed archive, such as .tar.gz: unpack it first":
        rb"\x1f\x8b|BZh[1-9]|\xfd7zXZ\x00|\x28\xb5\x2f\xfd",
    "a tar archive: unpack it first": rb".{257}ustar",
    "a PDF": rb"%PDF-",
    "a video": rb"....ftyp(?:isom|iso[2-6]|mp4[12]|avc1|qt  |M4V )|"
               rb"RIFF....AVI |\x1aE\xdf\xa3",
    "empty: copy or download it again": rb"\Z"}
FOREIGN_PATTERNS = {kind: re.compile(signature, re.DOTALL | re.IGNORECASE)
                    for kind, signature in FOREIGN.items()}


def foreign_kind(head: bytes) -> str | None:
    """Return in words what a file is that is no image, or None.

    head: the file's first FOREIGN_HEAD bytes, or all of a shorter file.
    """
    return next((kind for kind, pattern in FOREIGN_PATTERNS.items()
                 if pattern.match(head)), None)


def image_kind(head: bytes) -> str | None:
    """Return Pillow's name of a kind of image, or None for anything else.

    head: the file's first HEAD bytes, or all of a shorter file.
    "HEIF" stands for HEIC as well.  The rest of the file may be damaged.
    """
    if head[4:8] == b"ftyp":
        # The length of this box, its main brand, a version, more brands.
        size = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[start:start + 4]
                                for start in range(16, size - 3, 4))}
        return ("AVIF" if brands & AVIF else
                "HEIF" if brands & HEIF else None)
    return next((kind for kind, pattern in PATTERNS.items()
                 if pattern.match(head)), None)
