"""The whole repository keeps the norm."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_subject_2_flake8_without_configuration_is_silent():
    done = subprocess.run([sys.executable, "-m", "flake8"], cwd=ROOT,
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_subject_2_nothing_configures_flake8():
    for name in ("setup.cfg", "tox.ini", ".flake8"):
        assert not (ROOT / name).exists()
