"""What all tests need: the programs importable, no screen, small trees."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# For the programs started as processes of their own as well.
os.environ["MPLBACKEND"] = "Agg"
os.environ.pop("DISPLAY", None)
os.environ.pop("WAYLAND_DISPLAY", None)
# Users have it buffered, and a full disk then shows at the very end.
os.environ.pop("PYTHONUNBUFFERED", None)


@pytest.fixture
def tree(tmp_path):
    """Return a function that makes {class folder: number of empty files}."""
    def make(counts, name="images"):
        for folder, count in counts.items():
            place = tmp_path / name / folder
            place.mkdir(parents=True)
            for number in range(1, count + 1):
                (place / f"image ({number}).JPG").touch()
        return tmp_path / name
    return make
