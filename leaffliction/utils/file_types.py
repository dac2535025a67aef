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


# So many of a file's first bytes tell what it is: drawings and web pages may
# begin with comments.
FOREIGN_HEAD = 1024
AS_JPEG = "; save it as JPEG or PNG"
INSTEAD = ", saved in place of the file; download the file itself"
RAW = "a camera's raw file; develop it and save it as JPEG"
_XML = rb"(\xef\xbb\xbf)?\s*(<\?xml.*?\?>\s*)?(<!--.*?-->\s*)*"
# What a file begins with, what it is, and the way out.
FOREIGN_SIGNATURES = (
    (rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
     "a JPEG 2000 image, which is not read" + AS_JPEG),
    (rb"8BPS", "a Photoshop document" + AS_JPEG),
    (rb"....ftypcrx |IIR[OS]\x08\x00|MMOR|IIU\x00|FUJIFILMCCD-RAW|FOVb"
     rb"|\x00MRM", RAW),
    (rb"%PDF-", "a PDF document; save its pictures as JPEG or PNG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document" + AS_JPEG),
    (_XML + rb"(<!doctype svg.*?>\s*)?<svg\b", "an SVG drawing" + AS_JPEG),
    (_XML + rb"<(!doctype html|html|head|body|script|meta)\b",
     "a web page" + INSTEAD),
    (rb"(\xef\xbb\xbf)?\s*(<\?xml|<error|[{\[]\s*[\"{\[}\]])",
     "a text (XML or JSON)" + INSTEAD),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file itself; "
     "fetch that with `git lfs pull`"),
    (rb"....ftyp(isom|iso[0-9]|mp4|qt  |M4V|avc1|3g)|RIFF....AVI "
     rb"|\x1aE\xdf\xa3", "a video; save its frames as JPEG"),
    (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a zip archive; unpack it first"),
    (rb"Rar!\x1a\x07", "a RAR archive; unpack it first"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (rb"\x1f\x8b|BZh[1-9]|\xfd7zXZ\x00|\x28\xb5\x2f\xfd",
     "a compressed archive, such as .tar.gz; unpack it first"),
    (rb".{257}ustar", "a tar archive; unpack it first"),
    (rb"P[1-7]\s|Pf\s|PF\s", "a Netpbm image" + AS_JPEG),
    (rb"\x00\x00[\x01\x02]\x00[^\x00]\x00", "an icon" + AS_JPEG),
    (rb"II\xbc", "a JPEG XR image" + AS_JPEG),
    (rb"v/1\x01|#\?RADIANCE", "a high dynamic range image" + AS_JPEG),
    (rb"DDS |qoif|BPG\xfb|FLIF", "an image of a kind that is not read"
     + AS_JPEG),
    (rb".{128}DICM", "a DICOM image" + AS_JPEG),
    (rb"SIMPLE  =", "a FITS image" + AS_JPEG),
    (rb"\x00{16}", "empty: it begins with zeros; copy it again"))


def is_picture(head: bytes) -> bool:
    """Tell whether a file is an image or a video of a kind that is not read.

    head: as of foreign_kind, which says of these how to make a JPEG of them.
    """
    return "JPEG" in (foreign_kind(head) or "")


def foreign_kind(head: bytes) -> str | None:
    """Return in words what a file is that is not read, and the way out.

    head: the file's first FOREIGN_HEAD bytes, or all of a shorter file.  None where
    that is not known.
    """
    if not head:
        return "empty; copy or download it again"
    # Compiled here: most programs never meet one.
    return next((name for signature, name in FOREIGN_SIGNATURES
                 if re.match(signature, head, re.DOTALL | re.IGNORECASE)),
                None)
