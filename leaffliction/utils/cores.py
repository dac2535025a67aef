"""How many processor cores this process may use.

os.cpu_count() is the number of cores of the host.  A process may have fewer:
a batch scheduler pins it to some of them (CPU affinity), and a container or
a systemd unit has a quota of CPU time (Linux control groups).  On 2 of a
host's 64 cores, 64 worker processes would take the memory of 64, and run two
at a time.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# Where Linux mounts the control groups, and lists those of this process.
CGROUP_ROOT = Path("/sys/fs/cgroup")
CGROUP_MEMBERSHIP = Path("/proc/self/cgroup")
# Hierarchies below CGROUP_ROOT: of version 2, alone or beside version 1; and
# of version 1, with one controller or with two that are mounted together.
VERSION_2 = ("", "unified")
VERSION_1 = ("cpu", "cpu,cpuacct", "cpuacct,cpu")
# CPU time is measured over this many microseconds, unless a file says else.
DEFAULT_PERIOD = "100000"


def usable_cores() -> int:
    """Return the number of cores that this process can keep busy, at least 1.

    It is the minimum of the CPU affinity and of the quotas of the process's
    control group and its ancestors.  A quota of 1.5 cores counts as 2: one
    process would leave a third of it unused, while two only have to pause at
    the end of each period of 0.1 s.
    """
    return max(1, math.ceil(min(_affinity(), _quota())))


def _affinity() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "process_cpu_count"):    # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):    # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota() -> float:
    """Return the smallest quota, in cores; infinity without one."""
    try:
        lines = CGROUP_MEMBERSHIP.read_text(
            errors="surrogateescape").splitlines()
    except OSError:
        return math.inf     # Not Linux, or /proc is not mounted.
    smallest = math.inf
    for line in lines:
        # "ID:controllers:path"; version 2 has no controllers here.
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if not controllers:
            hierarchies, quota_of = VERSION_2, _quota_version_2
        elif "cpu" in controllers.split(","):
            hierarchies, quota_of = VERSION_1, _quota_version_1
        else:
            continue
        for hierarchy in hierarchies:
            for group in _with_ancestors(CGROUP_ROOT / hierarchy, path):
                smallest = min(smallest, quota_of(group))
    return smallest


def _with_ancestors(hierarchy: Path, path: str) -> Iterator[Path]:
    """Yield the folders of a control group and of its ancestors.

    In a container, the path may be that of the host, whose folders are
    missing there: the container's group is then the top of the hierarchy.
    """
    parts = PurePosixPath(path).parts[1:]
    if ".." in parts:
        parts = ()      # The group is outside of the cgroup namespace.
    for count in range(len(parts), -1, -1):
        yield hierarchy.joinpath(*parts[:count])


def _quota_version_2(group: Path) -> float:
    """Return the quota in cpu.max, "150000 100000" or "max 100000"."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    return _quotient(quota, period)


def _quota_version_1(group: Path) -> float:
    """Return the quota in two files, in microseconds; -1 means no quota."""
    return _quotient(_read(group / "cpu.cfs_quota_us"),
                     _read(group / "cpu.cfs_period_us"))


def _quotient(quota: str, period: str) -> float:
    """Return quota / period, or infinity if that is no positive number."""
    try:
        cores = int(quota) / int(period or DEFAULT_PERIOD)
    except (ValueError, ZeroDivisionError):
        return math.inf
    return cores if cores > 0 else math.inf


def _read(file: Path) -> str:
    """Return a file's text, without white space around it; "" without one."""
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
