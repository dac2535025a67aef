"""How many cases are generated, and what is a failure in each of them.

`make test` generates a few cases of each kind, always the same ones; `make
fuzz` generates as many as FUZZ says, from the seed that it prints.
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
MAX_SECONDS, MAX_MEGABYTES = 20, 3000        # of a case
FUZZ = int(os.environ.get("FUZZ", "0"))      # cases of the largest test
IGNORED_CHECKS = [
    HealthCheck.too_slow, HealthCheck.data_too_large,
    HealthCheck.function_scoped_fixture, HealthCheck.large_base_example]


def cases(few, share=1.0):
    """Return Hypothesis's settings: `few` cases, or a share of FUZZ."""
    if not FUZZ:
        return settings(max_examples=few,
                        suppress_health_check=IGNORED_CHECKS)
    return settings(max_examples=max(few, int(FUZZ * share)),
                    derandomize=False, suppress_health_check=IGNORED_CHECKS)


class Case:
    """Writes the files of one test, and watches the code that reads them.

    kind: begins the name of each file.
    """

    def __init__(self, kind, folder):
        self.kind, self.folder, self.regression = kind, folder, None

    @contextmanager
    def file(self, suffix, content):
        """Give the path of a file; keep its content if the block fails.

        A crash or a hang ends the whole process.  Then the file is still in
        the folder (FUZZ_FILES), where a person can find it.
        """
        path = self.folder / f"{self.kind}{suffix}"
        path.write_bytes(content)
        faulthandler.dump_traceback_later(3 * MAX_SECONDS, exit=True)
        start = time.monotonic()
        try:
            yield path
            assert time.monotonic() - start < MAX_SECONDS, "too slow"
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            assert used < MAX_MEGABYTES, f"{used} MB"
        except BaseException:
            self.keep(suffix, content)
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
        path.unlink()

    def keep(self, suffix, content):
        """Write a regression file, in place of the one before.

        Hypothesis shrinks a failing case, so the last one is the smallest.
        """
        if self.regression is not None:
            self.regression.unlink(missing_ok=True)
        REGRESSIONS.mkdir(exist_ok=True)
        name = sha256(content).hexdigest()[:12]
        self.regression = REGRESSIONS / f"{self.kind}-{name}{suffix}"
        self.regression.write_bytes(content)
