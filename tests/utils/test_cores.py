"""leaffliction/utils/cores.py: affinity, and the quotas of control groups."""

import math
import os
import subprocess
import sys

import pytest
from paths import ROOT

from leaffliction.utils import cli, cores

V1 = "4:memory:/job\n1:cpu,cpuacct:/job/step\n0::/"


@pytest.fixture
def quota(tmp_path, monkeypatch):
    """Return a function that makes {file: content} the control groups."""
    def make(membership, files):
        monkeypatch.setattr(cores, "GROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(cores, "MEMBERSHIP", tmp_path / "membership")
        (tmp_path / "membership").write_text(membership)
        for name, content in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    return make


@pytest.mark.parametrize("membership, files, expected", [
    # Version 2: in the process's own group, above it, and at the top, as in
    # a container.
    ("0::/a/b", {"a/b/cpu.max": "200000 100000\n"}, 2),
    ("0::/a/b", {"a/b/cpu.max": "max 100000\n",
                 "a/cpu.max": "300000 100000\n"}, 3),
    ("0::/a/b", {"a/b/cpu.max": "400000 100000\n",
                 "a/cpu.max": "300000 100000\n"}, 3),
    ("0::/", {"cpu.max": "200000 100000\n"}, 2),
    # The host's path, which the container does not see.
    ("0::/docker/0123", {"cpu.max": "200000 100000\n"}, 2),
    ("0::/../other", {"cpu.max": "200000 100000\n"}, 2),
    # A name with a colon and a space.
    ("0::/a: b", {"a: b/cpu.max": "200000 100000\n"}, 2),
    # Another period; none given; a share of a processor; a part of one.
    ("0::/", {"cpu.max": "100000 50000\n"}, 2),
    ("0::/", {"cpu.max": "200000\n"}, 2),
    ("0::/", {"cpu.max": "10000 100000\n"}, 1),
    ("0::/", {"cpu.max": "150000 100000\n"}, 2),
    ("0::/", {"cpu.max": "210000 100000\n"}, 3),
    # Of another group than the process's.
    ("0::/a", {"b/cpu.max": "200000 100000\n"}, 8),
    # Nothing, and nonsense.
    ("0::/", {"cpu.max": "max 100000\n"}, 8),
    ("0::/", {"cpu.max": "many\n"}, 8),
    ("0::/", {"cpu.max": "200000 0\n"}, 8),
    ("0::/", {"cpu.max": ""}, 8),
    ("0::/", {}, 8),
    ("nonsense\n", {}, 8),
    ("", {}, 8),
    # Version 1, alone and beside version 2.
    (V1, {"cpu,cpuacct/job/step/cpu.cfs_quota_us": "200000\n",
          "cpu,cpuacct/job/step/cpu.cfs_period_us": "100000\n"}, 2),
    (V1, {"cpu/job/step/cpu.cfs_quota_us": "-1\n",
          "cpu/job/step/cpu.cfs_period_us": "100000\n",
          "cpu/job/cpu.cfs_quota_us": "150000\n",
          "cpu/job/cpu.cfs_period_us": "50000\n"}, 3),
    (V1, {"cpu/cpu.cfs_quota_us": "200000\n"}, 2),
    ("3:cpu:/\n0::/", {"cpu/cpu.cfs_quota_us": "-1\n",
                       "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ("3:cpuset:/\n", {"cpu/cpu.cfs_quota_us": "200000\n"}, 8),
    ("3:cpu:/\n0::/a", {"cpu/cpu.cfs_quota_us": "-1\n",
                        "unified/a/cpu.max": "200000 100000\n"}, 2),
])
def test_the_least_quota_counts_from_the_own_group_to_the_root(
        quota, membership, files, expected, monkeypatch):
    quota(membership, files)
    monkeypatch.setattr(cores, "_allowed", lambda: 8)
    assert cores.usable_cores() == expected


def test_affinity_and_quota_together(quota, monkeypatch):
    quota("0::/", {"cpu.max": "400000 100000"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)))
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    assert cores.usable_cores() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(9)))
    assert cores.usable_cores() == 4
    # Python 3.13 has a call of its own, which users can set as well.
    monkeypatch.setattr(os, "process_cpu_count", lambda: 2, raising=False)
    assert cores.usable_cores() == 2


@pytest.mark.parametrize("count, expected", [(5, 5), (None, 1)])
def test_a_system_that_knows_neither(monkeypatch, count, expected, tmp_path):
    monkeypatch.setattr(cores, "MEMBERSHIP", tmp_path / "missing")
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert cores._quota() == math.inf
    assert cores.usable_cores() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"),
                    reason="this system pins no process")
def test_a_pinned_process_has_the_jobs_and_threads_that_it_may_use():
    code = ("import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))"
            "})\nfrom leaffliction.utils import cli\nparser = cli.Parser('')\n"
            "parser.add_jobs()\nprint(parser.parse_args([]).jobs)\n"
            "import cv2, leaffliction.utils.parallel\nprint(cv2.getNumThreads())\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT,
                          capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n1\n", "")


def test_more_processors_than_jobs_are_no_default(monkeypatch):
    monkeypatch.setattr(cli, "usable_cores", lambda: 384)
    parser = cli.Parser("")
    parser.add_jobs()
    assert parser.parse_args([]).jobs == cli.MAX_JOBS
