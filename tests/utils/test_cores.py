"""leaffliction/utils/cores.py: CPU affinity and quotas of control groups."""

import math
import os
import subprocess
import sys

import pytest
from paths import ROOT

from leaffliction.utils import cores

V1 = "4:memory:/job\n1:cpu,cpuacct:/job/step\n0::/"


@pytest.fixture
def quota(tmp_path, monkeypatch):
    """Return a function that makes control groups of {file: content}."""
    def make(membership, files):
        monkeypatch.setattr(cores, "CGROUP_ROOT", tmp_path / "cgroup")
        monkeypatch.setattr(cores, "CGROUP_MEMBERSHIP",
                            tmp_path / "membership")
        (tmp_path / "membership").write_text(membership)
        for name, content in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    return make


@pytest.mark.parametrize("membership, files, expected", [
    # Version 2: the quota of the process's group, of its parent, and of the
    # top, as in a container.
    ("0::/a/b", {"a/b/cpu.max": "200000 100000\n"}, 2),
    ("0::/a/b", {"a/b/cpu.max": "max 100000\n",
                 "a/cpu.max": "300000 100000\n"}, 3),
    ("0::/a/b", {"a/b/cpu.max": "400000 100000\n",
                 "a/cpu.max": "300000 100000\n"}, 3),
    ("0::/", {"cpu.max": "200000 100000\n"}, 2),
    # The path of the host, which is missing in the container.
    ("0::/docker/0123", {"cpu.max": "200000 100000\n"}, 2),
    ("0::/../other", {"cpu.max": "200000 100000\n"}, 2),
    # A name with a colon and a space.
    ("0::/a: b", {"a: b/cpu.max": "200000 100000\n"}, 2),
    # Another period; the default period; less than one core; fractions.
    ("0::/", {"cpu.max": "100000 50000\n"}, 2),
    ("0::/", {"cpu.max": "200000\n"}, 2),
    ("0::/", {"cpu.max": "10000 100000\n"}, 1),
    ("0::/", {"cpu.max": "150000 100000\n"}, 2),
    ("0::/", {"cpu.max": "210000 100000\n"}, 3),
    # A group that the process is not in.
    ("0::/a", {"b/cpu.max": "200000 100000\n"}, 8),
    # No quota, or nothing that can be read.
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
def test_the_smallest_quota_of_a_group_and_its_ancestors_counts(
        quota, membership, files, expected, monkeypatch):
    quota(membership, files)
    monkeypatch.setattr(cores, "_affinity", lambda: 8)
    assert cores.usable_cores() == expected


def test_the_smaller_of_affinity_and_quota_counts(quota, monkeypatch):
    quota("0::/", {"cpu.max": "400000 100000"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)))
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    assert cores.usable_cores() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(9)))
    assert cores.usable_cores() == 4
    # Python 3.13 has this call, whose result users can override.
    monkeypatch.setattr(os, "process_cpu_count", lambda: 2, raising=False)
    assert cores.usable_cores() == 2


@pytest.mark.parametrize("count, expected", [(5, 5), (None, 1)])
def test_without_affinity_and_quota_all_cores_count(
        monkeypatch, count, expected, tmp_path):
    monkeypatch.setattr(cores, "CGROUP_MEMBERSHIP", tmp_path / "missing")
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert cores._quota() == math.inf
    assert cores.usable_cores() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"),
                    reason="this system has no CPU affinity")
def test_a_pinned_process_uses_one_job_and_one_opencv_thread():
    code = ("import os\n"
            "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
            "from leaffliction.utils import cli\n"
            "parser = cli.Parser('')\n"
            "parser.add_jobs()\n"
            "print(parser.parse_args([]).jobs)\n"
            "import cv2, leaffliction.utils.parallel\n"
            "print(cv2.getNumThreads())\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT,
                          capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n1\n", "")
