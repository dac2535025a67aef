"""Folders that several tests need."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Real photographs, where this machine has them.
DATA = ROOT.parent / "shared" / "data"
