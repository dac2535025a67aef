"""leaffliction/model/signatures.py: signature.txt in all usual forms."""

import hashlib
import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from leaffliction.model.bundle import verify_signature
from leaffliction.model.signatures import parse_signature
from leaffliction.utils.errors import UserError

CONTENT = b"an archive"
SHA1, SHA256, SHA512, MD5 = (getattr(hashlib, name)(CONTENT).hexdigest()
                             for name in ("sha1", "sha256", "sha512", "md5"))


def grouped(value, size):
    """Return a digest in groups of `size` digits."""
    return " ".join(re.findall("." * size, value))


FORMS = {
    "sha1sum": f"{SHA1}  learnings.zip\n",
    "binary": f"{SHA1} *learnings.zip\n",
    "Windows": f"{SHA1}  learnings.zip\r\n",
    "old Macintosh": f"{SHA1}  learnings.zip\r",
    "no end of line": f"{SHA1}  learnings.zip",
    "blank lines": f"\n\n  {SHA1}  learnings.zip  \n\n",
    "current folder": f"{SHA1}  ./learnings.zip\n",
    "absolute": f"{SHA1}  /home/x y/learnings.zip\n",
    "Windows path": f"{SHA1} *C:\\Users\\x\\learnings.zip\r\n",
    "another name": f"{SHA1}  of old.zip\n",
    "stdin": f"{SHA1}  -\n",
    "escaped": f"\\{SHA1}  a\\\\b\\nlearnings.zip\n",
    "a tab": f"{SHA1}\tlearnings.zip\n",
    "a comment": f"# of today\n{SHA1}  learnings.zip\n",
    "bare": SHA1,
    "bare, with an end of line": f"{SHA1}\n",
    "capitals": f"{SHA1.upper()}  LEARNINGS.ZIP\n",
    "OpenSSL": f"SHA1(learnings.zip)= {SHA1}\n",
    "OpenSSL 3": f"SHA2-256(learnings.zip)= {SHA256}\n",
    "OpenSSL, stdin": f"(stdin)= {SHA1}\n",
    "OpenSSL, colons": "SHA1(x.zip)= " + grouped(SHA1, 2).replace(" ", ":"),
    "BSD": f"SHA1 (learnings.zip) = {SHA1}\n",
    "shasum -a 256": f"{SHA256}  learnings.zip\n",
    "sha512sum --tag": f"SHA512 (learnings.zip) = {SHA512}\n",
    "md5sum": f"{MD5}  learnings.zip\n",
    "BLAKE2": "BLAKE2b (learnings.zip) = "
              + hashlib.blake2b(CONTENT).hexdigest(),
    "certutil": f"SHA1 hash of learnings.zip:\r\n{SHA1}\r\n"
                "CertUtil: -hashfile command completed successfully.\r\n",
    "certutil, German, Windows 7":
        f"SHA1-Hash der Datei learnings.zip:\r\n{grouped(SHA1, 2)}\r\n"
        "CertUtil: -hashfile-Befehl wurde erfolgreich ausgeführt.\r\n",
    "PowerShell table":
        "\r\nAlgorithm       Hash               Path\r\n"
        "---------       ----               ----\r\n"
        f"SHA1            {SHA1.upper()}     C:\\Users\\x\\lear...\r\n\r\n",
    "PowerShell list":
        f"\r\nAlgorithm : SHA512\r\nHash      : {SHA512[:66].upper()}\r\n"
        f"            {SHA512[66:].upper()}\r\n"
        "Path      : C:\\Users\\x\\learnings.zip\r\n\r\n",
    "GnuPG": f"learnings.zip: {grouped(SHA1.upper(), 4)}\n",
    "GnuPG, SHA-256": f"learnings.zip: {grouped(SHA256[:56].upper(), 8)}\n"
                      f"               {SHA256[56:].upper()}\n",
    "GnuPG, several": f"a.zip:    MD5 = {grouped(MD5.upper(), 2)}\n"
                      f"a.zip:   SHA1 = {grouped(SHA1.upper(), 4)}\n",
    "BitConverter": grouped(SHA1.upper(), 2).replace(" ", "-"),
    # As long as a SHA-512 digest.
    "b2sum": hashlib.blake2b(CONTENT).hexdigest() + "  learnings.zip\n",
    "SHA-3": hashlib.sha3_256(CONTENT).hexdigest(),
    "labelled": f"SHA-1: {SHA1}\n", "equals": f"sha1={SHA1}",
    "name first": f"learnings.zip {SHA1}\n", "quoted": f'"{SHA1}"',
    "JSON": f'{{"sha1": "{SHA1}"}}', "a table": f"| x.zip | {SHA1} |\n",
    # Lines that name the archive must fit; if none does, any line may.
    "several": f"{'0' * 40}  a.zip\n{SHA1}  learnings.zip\n",
    "several, with folders": f"{'0' * 40} *old/a.zip\n{SHA1} *x/learnings.zip",
    "several digests": f"{SHA1}  learnings.zip\n{SHA256}  learnings.zip\n",
    "several, PowerShell lists":
        f"Hash : {'0' * 40}\nPath : C:\\a.zip\nHash : {SHA1}\n"
        "Path : C:\\learnings.zip\n",
    "several, archive renamed": f"{'0' * 40}  a.zip\n{SHA1}  b.zip\n",
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be")


def verify(folder, text, name="learnings.zip", content=CONTENT):
    """Verify an archive of this content and name by a signature's text."""
    (folder / "signature.txt").write_bytes(
        text if isinstance(text, bytes) else text.encode())
    verify_signature(folder / name, io.BytesIO(content))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_accepts_its_archive_and_refuses_another(
        tmp_path, form):
    for name in ("learnings.zip", "learnings (1).zip", "LEARNINGS.ZIP"):
        # A line that names another file is not for a renamed archive.
        if "several" not in form or name != "learnings (1).zip":
            verify(tmp_path, form, name)
        with pytest.raises(UserError, match="(?s)not the archive.*"
                                            "--verify"):
            verify(tmp_path, form, name, CONTENT + b"!")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_read(tmp_path, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    for form in ("Windows", "PowerShell table", "PowerShell list"):
        text = (mark + FORMS[form]).encode(encoding)
        verify(tmp_path, text)
        with pytest.raises(UserError, match="not the archive"):
            verify(tmp_path, text, content=b"other")


@pytest.mark.parametrize("text", [
    f"{SHA1}  a.zip\n{'0' * 40}  learnings.zip\n",
    f"{SHA1}  learnings.zip\n{'0' * 64}  learnings.zip\n",
    f"{'0' * 40}  a.zip\n{'1' * 40}  b.zip\n"])
def test_every_line_that_names_the_archive_must_fit(tmp_path, text):
    with pytest.raises(UserError, match="not the archive"):
        verify(tmp_path, text)


def test_a_powershell_list_names_the_file_of_each_digest():
    assert [digest.name for digest in parse_signature(
        FORMS["several, PowerShell lists"].encode())] == [
            "a.zip", "learnings.zip"]


@pytest.mark.parametrize("text", [
    "", " \n", "text", SHA1[:-1], SHA1 + "0", f"x{SHA1}", "\0" * 100,
    # Algorithms that not every hashlib has.
    f"RIPEMD160(learnings.zip)= {SHA1}", f"SM3(learnings.zip)= {SHA256}",
    f"SHA512/256 (learnings.zip) = {SHA256}",
    "fVfBQ8xYRGLQUvLQJlfLQbnFXa8=", "<html>404</html>", b"\xff\xfe\x00",
    f"{SHA1}  learnings.zip\n" + "x\n" * 2**20, SHA1 + " " * 9999 + "a.zip"])
def test_an_unknown_form_is_refused(tmp_path, text):
    with pytest.raises(UserError, match="signature.txt: holds no checksum in "
                                        "a known form.*--verify"):
        verify(tmp_path, text)


@pytest.mark.parametrize("make", [
    Path.mkdir, os.mkfifo, lambda path: path.symlink_to("gone"),
    lambda path: path.symlink_to(path.name),
    lambda path: path.symlink_to("/dev/null")],
    ids=["folder", "pipe", "dead link", "loop", "device"])
def test_what_is_no_regular_file_is_refused(tmp_path, make):
    make(tmp_path / "signature.txt")
    with pytest.raises(UserError, match="signature.txt: .*--verify"):
        verify_signature(tmp_path / "learnings.zip", io.BytesIO(CONTENT))


def test_a_signature_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "signature.txt").write_text(FORMS["bare"])
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=r"cannot be read \(Permission denied"):
        verify_signature(tmp_path / "learnings.zip", io.BytesIO(CONTENT))


def test_a_second_archive_needs_a_line_of_its_own(tmp_path):
    for other in (CONTENT, b"older"):
        if other != CONTENT:
            with pytest.raises(UserError, match=(
                    r"names learnings\.zip;.* a line of its own.*; "
                    "leave --verify out")):
                verify(tmp_path, FORMS["current folder"], "old.zip", other)
        line = f"{hashlib.sha1(other).hexdigest()}  old.zip\n"
        verify(tmp_path, FORMS["current folder"] + line, "old.zip", other)


def test_without_a_signature_no_archive_is_verified(tmp_path):
    with pytest.raises(UserError, match=(
            "signature.txt: no such file, .* leave --verify out")):
        verify_signature(tmp_path / "learnings.zip", io.BytesIO(CONTENT))


def test_a_signature_in_an_object_store_is_read(store, tmp_path):
    archive = store / "learnings.zip"
    with pytest.raises(UserError, match="signature.txt: no such file"):
        verify_signature(archive, io.BytesIO(CONTENT))
    (tmp_path / "text").write_text(FORMS["Windows"])
    (store / "signature.txt").put(tmp_path / "text")
    verify_signature(archive, io.BytesIO(CONTENT))
    with pytest.raises(UserError, match="not the archive"):
        verify_signature(archive, io.BytesIO(b"other"))


@pytest.mark.parametrize("command", [
    "sha1sum", "sha1sum --tag", "sha512sum", "b2sum --tag", "openssl sha1",
    "openssl dgst -sha256", "openssl dgst -sha3-256", "openssl sha1 -r",
    "shasum", "gpg --print-md sha1", "openssl sha1 -c", "b2sum",
    "gpg --print-md sha256", "gpg --print-mds"])
def test_the_output_of_installed_programs_is_read(tmp_path, command):
    if not shutil.which(command.split()[0]):
        pytest.skip("not installed")
    (tmp_path / "learnings.zip").write_bytes(CONTENT)
    done = subprocess.run([*command.split(), "learnings.zip"], cwd=tmp_path,
                          capture_output=True, text=True, check=True)
    digests = parse_signature(done.stdout.encode())
    # GnuPG prints RIPEMD-160, which not every hashlib has.
    assert len(digests) == done.stdout.count("learnings.zip") - (
        "RMD160" in done.stdout)
    for digest in digests:
        assert digest.is_of("learnings.zip")
        assert digest.value in {hashlib.new(name, CONTENT).hexdigest()
                                for name in digest.algorithms}
