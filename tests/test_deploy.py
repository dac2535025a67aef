"""docs/deploy.md: its program says what predict.py says, without us."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from utils.images import read_image
from utils.learnings import Learnings

DOCUMENT = Path(__file__).parent.parent / "docs" / "deploy.md"
# What is not among the three packages cannot be imported.
ALONE = """
import sys
for name in ("cv2", "tensorflow", "keras", "scipy", "sklearn", "matplotlib",
             "plantcv", "utils"):
    sys.modules[name] = None
"""


@pytest.mark.parametrize("file", ["Apple_healthy/image (1).JPG",
                                  "Grape_Esca/image (2).JPG"])
def test_the_program_of_the_document_says_the_same(learned, tmp_path, file):
    program, = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(),
                          re.DOTALL)
    (tmp_path / "leaf.py").write_text(ALONE + program)
    shutil.copy(learned / "learnings.zip", tmp_path)
    image = learned / "images" / file
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "leaf.py", image],
        cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    name, share, known = done.stdout.split()
    ours = Learnings.load(learned / "learnings.zip").predict_image(
        read_image(image))
    assert name == ours.class_name
    assert float(share) == pytest.approx(ours.confidence, abs=0.02)
    assert known == ("known" if ours.known else "unknown")
