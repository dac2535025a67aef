"""The programs in docs/how-to predict as predict.py does."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from paths import ROOT

from leaffliction.model import classifier
from leaffliction.model.bundle import (DESCRIPTION, MODEL, OOD_DETECTOR,
                                       familiarity, write_archive)
from leaffliction.model.classifier import Classifier
from leaffliction.model.metrics import log_sum_exp
from leaffliction.model.ood import OutdoorsRule
from leaffliction.utils.images import read_image

# The program of docs/how-to/phone.md runs where only LiteRT, NumPy and Pillow
# are installed: nothing else can be imported.
THREE_PACKAGES = """
import sys
for name in ("cv2", "tensorflow", "keras", "scipy", "sklearn", "matplotlib",
             "plantcv", "leaffliction"):
    sys.modules[name] = None
"""
# All that `pip install .` brings, by the names of their modules.
LIGHT = {"numpy", "PIL", "cv2", "ai_edge_litert", "rich"}
LIST_PACKAGES = """
import sys
print(*{name.split(".")[0] for name, module in sys.modules.items()
        if "site-packages" in (getattr(module, "__file__", "") or "")})
"""


def read_program(document):
    """Return the one Python program that a document contains."""
    program, = re.findall(r"```python\n(.*?)```",
                          (ROOT / document).read_text(), re.DOTALL)
    return program


@pytest.fixture
def set_threshold(learned, tmp_path):
    """Return a function that writes the archive with another OOD threshold."""
    def write(ood_threshold):
        with (zipfile.ZipFile(learned / "learnings.zip") as old,
              zipfile.ZipFile(tmp_path / "learnings.zip", "w") as new):
            fields = json.loads(old.read(DESCRIPTION))
            new.writestr(DESCRIPTION, json.dumps(
                fields | {"threshold": familiarity(ood_threshold)}))
            for name in (MODEL, OOD_DETECTOR):
                new.writestr(name, old.read(name))
    return write


# Pillow and OpenCV round an enlarged crop differently, which a network with
# random weights amplifies: so four views agree less than one.
@pytest.mark.parametrize("file, known, sure, tolerance", [
    ("Apple_healthy/image (1).JPG", True, 0.0, 0.02),
    ("Apple_healthy/image (1).JPG", False, 0.0, 0.02),
    ("Grape_Esca/image (2).JPG", True, 0.0, 0.02),
    ("Grape_Esca/image (2).JPG", False, 0.0, 0.02),
    ("Apple_healthy/image (1).JPG", True, 0.9, 0.05)])
def test_the_program_in_phone_md_agrees_with_the_classifier(
        learned, tmp_path, set_threshold, monkeypatch, file, known, sure,
        tolerance):
    monkeypatch.setattr(classifier, "SURE", sure)
    program = read_program("docs/how-to/phone.md")
    assert program.count("< 0.9:") == 1
    (tmp_path / "leaf.py").write_text(
        THREE_PACKAGES + program.replace("< 0.9:", f"< {sure}:"))
    image = learned / "images" / file
    ours = Classifier.load(learned / "learnings.zip").predict_image(
        read_image(image))
    # The document's program does not crop images that are out of
    # distribution: its probabilities are those of a known image.
    assert ours.known
    margin = 0.01 * abs(ours.ood_score) + 0.01
    set_threshold(ours.ood_score + (margin if known else -margin))
    found = Classifier.load(tmp_path / "learnings.zip").predict_image(
        read_image(image))
    assert found.known == known
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "leaf.py", image],
        cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    name, share, word = done.stdout.split()
    assert name == ours.class_name
    assert float(share) == pytest.approx(ours.confidence, abs=tolerance)
    assert word == ("known" if known else "unknown")


@pytest.mark.parametrize("outdoors, known", [
    (True, True), (True, False), (False, True)])
def test_the_program_in_phone_md_has_the_rule_for_outdoors(
        learned, tmp_path, outdoors, known):
    image = learned / "images/Apple_healthy/image (1).JPG"
    ours = Classifier.load(learned / "learnings.zip")
    logits, _, features = ours._forward(read_image(image))
    gate = np.zeros(features.shape[1] + 1, np.float32)
    gate[-1] = 1 if outdoors else -1
    energy = float(log_sum_exp(logits)[0])
    # The distance alone always takes the image for known.
    threshold = float(ours.ood_detector.scores(features)[0]) + 1
    detector = replace(ours.ood_detector, outdoors=OutdoorsRule(
        gate, threshold + energy + (-0.1 if known else 0.1)))
    write_archive(tmp_path / "learnings.zip", replace(
        ours.description, ood_threshold=threshold), {
            MODEL: ours.network.content, OOD_DETECTOR: detector.to_bytes()},
        tmp_path, [])
    found = Classifier.load(tmp_path / "learnings.zip").predict_image(
        read_image(image))
    assert found.known == known
    (tmp_path / "leaf.py").write_text(
        THREE_PACKAGES + read_program("docs/how-to/phone.md"))
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "leaf.py", image],
        cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[2] == ("known" if known else "unknown")


def test_the_five_lines_in_python_md_need_five_packages(learned, tmp_path):
    program = read_program("docs/how-to/python.md")
    assert program.count("\n") == 5
    # A file of that name comes before the released model.
    shutil.copy(learned / "learnings.zip", tmp_path / "apple-grape")
    image = learned / "images/Apple_healthy/image (1).JPG"
    shutil.copy(image, tmp_path / "leaf.jpg")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + LIST_PACKAGES],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours = Classifier.load(learned / "learnings.zip").predict_image(
        read_image(image))
    printed, packages = done.stdout.splitlines()
    assert printed == f"{ours.class_name} {ours.confidence} {ours.known}"
    # Names with an underscore belong to the installer, such as
    # _distutils_hack.
    assert {name for name in packages.split() if name[0] != "_"} <= LIGHT
