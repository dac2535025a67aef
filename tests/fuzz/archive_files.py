"""Files that claim to be learnings.zip."""

import io
import json
import tarfile
import warnings
import zipfile
from functools import cache
from hashlib import sha256

from hypothesis import strategies as st
from mutations import changed, changes

JUNK = (None, True, 0, -1, 1e308, float("nan"), 10**30, "", "x", "\udcff", [],
        {}, ["a", "a"], [None], [[]], {"a": {}}, 2.5, "2", "../x", 1000, 3)
STRANGE_NAMES = ("../evil", "/etc/evil", "..\\evil", "C:\\evil", "a/../../b",
                 "", "learnings.json/x", "model.tflite\0x", "\N{RED APPLE}")


def renamed(members, name, other):
    members[other] = members.pop(name, b"")


def dropped(members, name, other):
    members.pop(name, None)


def exchanged(members, name, other):
    members[name] = members.get(other, b"not there")


def added(members, name, other):
    members[other] = b"evil"


def many(members, name, other):
    members.update((f"{number}/{other}", b"") for number in range(2000))


LARGE = 201 * 2**20      # bytes: more than any member may have
SURGERY = (renamed, dropped, exchanged, added, many)


def pack(members, compression, link=None):
    """Return a zip; link: the member that is a symbolic link."""
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(
            content, "w", compression) as archive:
        warnings.simplefilter("ignore")     # of the same name twice
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            if name == link:
                info.external_attr = 0o120777 << 16
                data = b"/etc/passwd"
            archive.writestr(info, data)
    return content.getvalue()


@cache
def bombs(name):
    """Return a small zip of which one member is large; made once."""
    return pack({name: bytes(LARGE)}, zipfile.ZIP_DEFLATED)


def tarred(members):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


@st.composite
def archives(draw, members):
    """Draw the content of a file that claims to be learnings.zip.

    members: {name: content} of a true one.
    """
    members = dict(members)
    names = sorted(members)
    a_name = st.sampled_from(names)
    for _ in range(draw(st.integers(0, 2))):
        draw(st.sampled_from(SURGERY))(
            members, draw(a_name), draw(st.sampled_from(
                STRANGE_NAMES + tuple(names))))
    name = draw(a_name)
    if name in members:
        members[name] = changed(members[name], draw(changes))
    members = _description(draw, members)
    compression = draw(st.sampled_from((
        zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA) if draw(st.booleans()) else (
            zipfile.ZIP_STORED,)))
    what = draw(st.integers(0, 19))
    if what == 0:
        return draw(st.binary(max_size=200))
    if what == 1:
        return tarred(members)
    if what == 2:
        return bombs(draw(a_name))
    if what == 3:
        return members.get(draw(a_name), b"")
    content = pack(members, compression,
                   draw(a_name) if what == 4 else None)
    if what < 10:
        content = changed(content, draw(changes))
    return content


def _description(draw, members):
    """Return members with another learnings.json, and perhaps its sums."""
    try:
        fields = json.loads(members["learnings.json"])
    except (KeyError, ValueError):
        return members
    if not isinstance(fields, dict):
        return members
    for _ in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(sorted(fields)))
        what = draw(st.integers(0, 3))
        if what == 0:
            del fields[key]
        else:
            fields[key] = draw(st.sampled_from(JUNK))
        if not fields:
            break
    # An attacker makes the sums fit.
    if draw(st.booleans()) and isinstance(fields.get("sha256"), dict):
        fields["sha256"] = {name: sha256(members.get(name, b"")).hexdigest()
                            for name in fields["sha256"]}
    text = json.dumps(fields).encode()
    if draw(st.integers(0, 4)) == 0:
        text = changed(text, draw(changes))
    return members | {"learnings.json": text}
