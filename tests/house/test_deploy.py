"""The programs in docs/how-to/phone.md and README.md say what predict.py says."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from paths import ROOT

from leaffliction.model.bundle import DESCRIPTION, FAMILIARITY, MODEL
from leaffliction.model.classifier import Classifier
from leaffliction.utils.images import read_image

# What is not among the three packages cannot be imported.
ALONE = """
import sys
for name in ("cv2", "tensorflow", "keras", "scipy", "sklearn", "matplotlib",
             "plantcv", "utils"):
    sys.modules[name] = None
"""


def read_program(document):
    """Return the one program in Python that a document shows."""
    program, = re.findall(r"```python\n(.*?)```",
                          (ROOT / document).read_text(), re.DOTALL)
    return program


@pytest.fixture
def move_threshold(learned, tmp_path):
    """Return a function that writes the archive with another threshold."""
    def write(threshold):
        with (zipfile.ZipFile(learned / "learnings.zip") as old,
              zipfile.ZipFile(tmp_path / "learnings.zip", "w") as new):
            fields = json.loads(old.read(DESCRIPTION))
            new.writestr(DESCRIPTION, json.dumps(
                fields | {"threshold": threshold}))
            for name in (MODEL, FAMILIARITY):
                new.writestr(name, old.read(name))
    return write


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("file", ["Apple_healthy/image (1).JPG",
                                  "Grape_Esca/image (2).JPG"])
def test_the_program_of_the_document_says_the_same(
        learned, tmp_path, move_threshold, file, known):
    (tmp_path / "leaf.py").write_text(ALONE + read_program("docs/how-to/phone.md"))
    image = learned / "images" / file
    ours = Classifier.load(learned / "learnings.zip").predict_image(
        read_image(image))
    # The document's program looks once, as ours does at what is known.
    assert ours.known
    reach = 0.01 * abs(ours.familiarity) + 0.01
    move_threshold(ours.familiarity + (-reach if known else reach))
    found = Classifier.load(tmp_path / "learnings.zip").predict_image(
        read_image(image))
    assert found.known == known
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "leaf.py", image],
        cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    name, share, said = done.stdout.split()
    assert name == ours.class_name
    assert float(share) == pytest.approx(ours.confidence, abs=0.02)
    assert said == ("known" if known else "unknown")


def test_the_five_lines_of_the_readme_predict(learned, tmp_path):
    program = read_program("docs/how-to/python.md")
    assert program.count("\n") == 5
    shutil.copy(learned / "learnings.zip", tmp_path)
    image = learned / "images/Apple_healthy/image (1).JPG"
    shutil.copy(image, tmp_path / "leaf.jpg")
    done = subprocess.run([sys.executable, "-W", "error", "-c", program],
                          cwd=tmp_path, env=os.environ | {
                              "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours = Classifier.load(learned / "learnings.zip").predict_image(
        read_image(image))
    assert done.stdout == (f"{ours.class_name} {ours.confidence} "
                           f"{ours.known}\n")
