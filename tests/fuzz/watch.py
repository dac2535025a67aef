"""How many cases there are, and what no case may do.

`make test` runs a few cases of each kind, always the same; `make fuzz` as
many as FUZZ says, of the seed that it prints.
"""

import faulthandler
import os
import resource
import time
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from hypothesis import HealthCheck, settings

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
