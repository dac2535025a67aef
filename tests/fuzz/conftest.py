"""What all fuzzing needs: how many cases, and what no case may do.

`make test` runs a few cases of each kind, always the same; `make fuzz` as
many as FUZZ says, of the seed that it prints.
"""

import faulthandler
import os
import resource
import time
import zipfile
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tiny import make_model, write

from utils.learnings import FLOAT_MODEL

REGRESSIONS = Path(__file__).parent / "regressions"
SECONDS, MEGABYTES = 20, 3000
CASES = int(os.environ.get("FUZZ", "0"))
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture, HealthCheck.large_base_example]


def cases(few, part=1.0):
    """Return Hypothesis's settings: a few cases, or a part of FUZZ."""
    if not CASES:
        return settings(max_examples=few, suppress_health_check=SLOW)
    return settings(max_examples=max(few, int(CASES * part)),
                    derandomize=False, suppress_health_check=SLOW)


class Case:
    """One file that a reader is given, and a watch over the reader."""

    def __init__(self, kind, folder):
        self.kind, self.folder, self.kept = kind, folder, None

    @contextmanager
    def file(self, suffix, content):
        """Give the path of a file, which is kept if its reader fails.

        A crash or a hang takes this process along: then the file is still
        in FUZZ_FILES, a folder, for whoever looks.
        """
        path = self.folder / f"{self.kind}{suffix}"
        path.write_bytes(content)
        faulthandler.dump_traceback_later(3 * SECONDS, exit=True)
        start = time.monotonic()
        try:
            yield path
            assert time.monotonic() - start < SECONDS, "too slow"
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            assert used < MEGABYTES, f"{used} MB"
        except BaseException:
            self.keep(suffix, content)
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
        path.unlink()

    def keep(self, suffix, content):
        """Keep what fails; of a case that shrinks the smallest alone."""
        if self.kept is not None:
            self.kept.unlink(missing_ok=True)
        REGRESSIONS.mkdir(exist_ok=True)
        name = sha256(content).hexdigest()[:12]
        self.kept = REGRESSIONS / f"{self.kind}-{name}{suffix}"
        self.kept.write_bytes(content)


@pytest.fixture(scope="session")
def members(tmp_path_factory):
    """Return {name: content} of small learnings."""
    path = tmp_path_factory.mktemp("small") / "learnings.zip"
    write(path, make_model())
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()
                if name != FLOAT_MODEL} | {
            "augmented_directory/a.jpg": b"an image"}


@pytest.fixture
def case(request, tmp_path):
    """Return a Case for the kind that the test names as its parameter."""
    folder = Path(os.environ.get("FUZZ_FILES", tmp_path))
    folder = folder / os.environ.get("PYTEST_XDIST_WORKER", "alone")
    folder.mkdir(parents=True, exist_ok=True)
    return Case(request.param, folder)
