"""Downloaded files: several sources, verification, a cache.

A downloaded file is used only if its SHA-256 is the expected one.  It is then
stored in the user's cache folder, where the next run finds it.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path

from leaffliction.utils.console import print_note
from leaffliction.utils.errors import UserError
from leaffliction.utils.files import atomic_write, file_digest

DOWNLOAD_TIMEOUT = 30    # seconds without a response


def home_folder() -> Path:
    """Return the user's home folder; UserError if the user has none."""
    try:
        return Path.home()
    except RuntimeError:
        raise UserError("there is no home folder") from None


def cache_folder() -> Path:
    """Return this project's cache folder, which may not exist yet.

    It is $XDG_CACHE_HOME/leaffliction, or ~/.cache/leaffliction.
    Raises UserError if the user has no home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else home_folder() / ".cache") / "leaffliction"


def first_available(sources: Mapping[str, Callable[[], Path]]
                    ) -> tuple[Path, str]:
    """Return the file of the first source that has it, and its name.

    sources: for each name a function that returns the file, tried in order;
    OSError, HTTPException and UserError mean that the source does not have
    it.  Raises UserError with the reason of each source if none has it.
    """
    failures = []
    for name, fetch in sources.items():
        try:
            return fetch(), name
        except (OSError, HTTPException, UserError) as error:
            failures.append(f"{name} ({error})")
    raise UserError(", ".join(failures))


def find_cached(name: str, sha256: str) -> Path:
    """Return a file of the cache folder; delete it if it is damaged.

    Raises UserError if there is no such file, or no intact one.
    """
    path = cache_folder() / name
    if not path.is_file():
        raise UserError("not there")
    if file_digest(path) != sha256:
        path.unlink()
        raise UserError("damaged, removed")
    return path


def download(url: str) -> bytes:
    """Return the content at a URL; the caller verifies it.

    Raises OSError if there is no response within DOWNLOAD_TIMEOUT seconds,
    and HTTPException if the response is truncated.
    """
    # Imported here: of all programs only train.py downloads anything.
    from urllib.request import urlopen
    with urlopen(url, timeout=DOWNLOAD_TIMEOUT) as response:
        return response.read()


def check_sha256(content: bytes, expected: str, name: str) -> None:
    """Raise UserError unless a content has the expected SHA-256 (in hex).

    name: of the content, for the message.
    """
    if hashlib.sha256(content).hexdigest() != expected:
        raise UserError(f"{name}: wrong SHA-256 checksum")


def add_to_cache(content: bytes, locate: Callable[[], Path], fallback: Path
                 ) -> Path:
    """Write a verified content to a cache; return the file.

    locate: function that returns the path in the cache.  If it raises
    UserError (no home folder), or the file cannot be written, the content
    goes to fallback, which lasts only for this run; a note says so.
    """
    try:
        path = locate()
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            # Only the user may change it later, whatever the umask is.
            partial.chmod(0o600)
            partial.write_bytes(content)
    except (OSError, UserError) as error:
        print_note(f"{fallback.name}: not kept for the next time ({error})")
        path = fallback
        path.write_bytes(content)
    return path
