"""What kind of image a file holds, told by its first bytes.

A file's name says little: phones write HEIC under .jpg, downloads are called
"x.jfif" or "x.jpg?w=300", and many files have no ending at all.
"""

import re

# So many of a file's first bytes tell its kind.
HEAD = 64
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
