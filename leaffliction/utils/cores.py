"""How many processors this process may use, which is not all of the host's.

A scheduler pins a job to some processors (affinity); a container or a systemd
unit gets a quota of their time (Linux control groups).  os.cpu_count() knows
neither: with 2 of a host's 64 processors, 64 processes would take the memory
of 64, and wait for each other.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# Where Linux shows control groups, and in which of them this process is.
GROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# Below GROUPS: version 2 alone, or beside version 1.
VERSION_2 = ("", "unified")
# Version 1 has a tree for each controller, or for those mounted together.
VERSION_1 = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


def usable_cores() -> int:
    """Return the number of processors that this process may keep busy.

    The least of affinity and of the quotas of the process's control group
    and of all above it; at least 1.  A quota of 1.5 processors counts as 2:
    with one process a third of it would never be used, and with two the
    system only makes them wait at the end of each period of 0.1 s.
    """
    return max(1, math.ceil(min(_allowed(), _quota())))


def _allowed() -> int:
    """Return the number of processors that affinity leaves."""
    if hasattr(os, "process_cpu_count"):    # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):    # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(groups: Path | None = None, membership: Path | None = None
           ) -> float:
    """Return the least quota, in processors; infinite where there is none.

    groups, membership: instead of GROUPS and MEMBERSHIP.
    """
    groups, membership = groups or GROUPS, membership or MEMBERSHIP
    try:
        lines = membership.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return math.inf     # No Linux, or no /proc.
    least = math.inf
    for line in lines:
        # Number, controllers, path; version 2 has the number 0 and no names.
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if not controllers:
            trees, quota_of = VERSION_2, _version_2
        elif "cpu" in controllers.split(","):
            trees, quota_of = VERSION_1, _version_1
        else:
            continue
        for tree in trees:
            for group in _upwards(groups / tree, path):
                least = min(least, quota_of(group))
    return least


def _upwards(tree: Path, path: str) -> Iterator[Path]:
    """Yield the folders of a control group and of all above it.

    In a container the path may be the host's, and be missing below the tree,
    which then begins with the container's own group.
    """
    parts = PurePosixPath(path).parts[1:]
    if ".." in parts:
        parts = ()      # The process has moved out of what it can see.
    for count in range(len(parts), -1, -1):
        yield tree.joinpath(*parts[:count])


def _version_2(group: Path) -> float:
    """Return the quota in cpu.max: "150000 100000", or "max 100000"."""
    quota, _, period = _line(group / "cpu.max").partition(" ")
    return _ratio(quota, period or "100000")


def _version_1(group: Path) -> float:
    """Return the quota of two files, in microseconds; -1 is none."""
    return _ratio(_line(group / "cpu.cfs_quota_us"),
                  _line(group / "cpu.cfs_period_us") or "100000")


def _ratio(quota: str, period: str) -> float:
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return math.inf
    return share if share > 0 else math.inf


def _line(file: Path) -> str:
    """Return a file's content; "" where there is none."""
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
