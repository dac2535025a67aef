"""Files that claim to be learnings.zip, as a Hypothesis strategy."""

import io
import json
import warnings
import zipfile
from functools import cache
from hashlib import sha256

from hypothesis import strategies as st
from mutations import mutate, mutations
from tar_files import pack_tar

# Values for a field of learnings.json.
JSON_VALUES = (None, True, 0, -1, 1e308, float("nan"), 10**30, "", "x",
               "\udcff", [], {}, ["a", "a"], [None], [[]], {"a": {}}, 2.5,
               "2", "../x", 1000, 3)
# Names of members that lead out of a folder, or are hardly names.
HOSTILE_NAMES = ("../evil", "/etc/evil", "..\\evil", "C:\\evil",
                 "a/../../b", "", "learnings.json/x", "model.tflite\0x",
                 "\N{RED APPLE}")
BOMB_BYTES = 201 * 2**20     # more than any member of an archive may have


# Each operation changes members, {name: content}; name and other are two of
# their names, or hostile ones.

def rename_member(members, name, other):
    members[other] = members.pop(name, b"")


def remove_member(members, name, other):
    members.pop(name, None)


def copy_member(members, name, other):
    members[name] = members.get(other, b"not there")


def add_member(members, name, other):
    members[other] = b"evil"


def add_many_members(members, name, other):
    members.update((f"{number}/{other}", b"") for number in range(2000))


OPERATIONS = (rename_member, remove_member, copy_member, add_member,
              add_many_members)


def pack_zip(members, compression, link=None):
    """Return a zip; link: the member that becomes a symbolic link."""
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(
            content, "w", compression) as archive:
        warnings.simplefilter("ignore")     # about duplicate names
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            if name == link:
                info.external_attr = 0o120777 << 16
                data = b"/etc/passwd"
            archive.writestr(info, data)
    return content.getvalue()


@cache
def zip_bomb(name):
    """Return a small zip with one member of BOMB_BYTES."""
    return pack_zip({name: bytes(BOMB_BYTES)}, zipfile.ZIP_DEFLATED)


@st.composite
def archives(draw, members):
    """Generate the content of a file that claims to be learnings.zip.

    members: {name: content} of a valid one.
    """
    members = dict(members)
    names = sorted(members)
    any_name = st.sampled_from(names)
    for _ in range(draw(st.integers(0, 2))):
        draw(st.sampled_from(OPERATIONS))(
            members, draw(any_name), draw(st.sampled_from(
                HOSTILE_NAMES + tuple(names))))
    name = draw(any_name)
    if name in members:
        members[name] = mutate(members[name], draw(mutations))
    members = _change_description(draw, members)
    compression = draw(st.sampled_from((
        zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA) if draw(st.booleans()) else (
            zipfile.ZIP_STORED,)))
    choice = draw(st.integers(0, 19))
    if choice == 0:
        return draw(st.binary(max_size=200))
    if choice == 1:
        return pack_tar(members)
    if choice == 2:
        return zip_bomb(draw(any_name))
    if choice == 3:
        return members.get(draw(any_name), b"")
    content = pack_zip(members, compression,
                       draw(any_name) if choice == 4 else None)
    if choice < 10:
        content = mutate(content, draw(mutations))
    return content


def _change_description(draw, members):
    """Return members with a changed learnings.json, if it is valid JSON."""
    try:
        fields = json.loads(members["learnings.json"])
    except (KeyError, ValueError):
        return members
    if not isinstance(fields, dict):
        return members
    for _ in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(sorted(fields)))
        if draw(st.integers(0, 3)) == 0:
            del fields[key]
        else:
            fields[key] = draw(st.sampled_from(JSON_VALUES))
        if not fields:
            break
    # An attacker would correct the checksums.
    if draw(st.booleans()) and isinstance(fields.get("sha256"), dict):
        fields["sha256"] = {name: sha256(members.get(name, b"")).hexdigest()
                            for name in fields["sha256"]}
    text = json.dumps(fields).encode()
    if draw(st.integers(0, 4)) == 0:
        text = mutate(text, draw(mutations))
    return members | {"learnings.json": text}
