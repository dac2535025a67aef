"""samples/demo.py: the leaves that `make demo` shows."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT

from leaffliction.utils.errors import UserError
from leaffliction.utils.images import write_image
from leaffliction.utils.tables import write_csv
from samples import demo

IMAGE = np.zeros((9, 9, 3), np.uint8)
NAMES = ["Apple_rust/a b.PNG", "Apple_rust/c.png", "Grape_Esca/it's \"1\".tif",
         "Grape_Esca/line\nbreak, $x.webp", os.fsdecode(b"Pear/caf\xe9.JPEG")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the working directory, with images/ and report/split.csv."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        write_image(Path("images", name), IMAGE)
    Path("images/Apple_rust/a a.jpg").write_bytes(b"no image")
    write_csv(Path("report/split.csv"), ("file", "class", "leaf", "part"), [
        (name, name.split("/")[0], "leaf", "training" if name == NAMES[0]
         else "validation") for name in NAMES])
    return tmp_path


def test_the_first_leaf_is_readable_and_of_any_file_type(folder):
    assert demo.first_leaf(Path("images")) == Path("images", NAMES[0])


def test_validation_prints_one_leaf_of_each_class(folder, capfdbinary):
    assert demo.main(["validation"]) == 0
    names = capfdbinary.readouterr().out.split(b"\0")
    assert [os.fsdecode(name) for name in names] == [
        f"images/{NAMES[index]}" for index in (1, 2, 4)] + [""]
    # The CSV has this name's line break escaped; the path is the real one.
    Path("images", NAMES[2]).unlink()
    assert Path("images", NAMES[3]) in demo.validation_leaves(
        demo.IMAGES, demo.SPLIT)


def test_missing_or_replaced_images_are_one_error(folder):
    Path("other").mkdir()
    with pytest.raises(UserError, match="other: no readable image"):
        demo.first_leaf(Path("other"))
    with pytest.raises(UserError, match="split.csv: names no image of other"):
        demo.validation_leaves(Path("other"), demo.SPLIT)


def test_make_demo_passes_any_file_name_unchanged(folder):
    """Run the recipe of `make demo`; its programs log their arguments."""
    Path(".venv").mkdir()
    Path(".venv/.installed").touch()
    Path("augmented_directory").mkdir()
    Path("learnings.zip").touch()
    write_image(Path("images/Apple_rust/a b.PNG"), IMAGE)
    Path("images/Apple_rust/0\n\"'$x.png").write_bytes(
        Path("images/Apple_rust/c.png").read_bytes())
    fake = Path("python")
    fake.write_text(
        '#!/bin/sh\ncase "$1" in -m) cd "$OLD"; PYTHONPATH="' + str(ROOT)
        + '" exec "$REAL" "$@";;\n'
        '*) for part; do printf "<%s>" "$part" >>"$OLD/log"; done; '
        'echo >>"$OLD/log";; esac\n')
    fake.chmod(0o755)
    done = subprocess.run(
        ["make", "-f", ROOT / "Makefile", "-o", ".venv/.installed", "demo",
         "RUN=./python"], capture_output=True, text=True,
        env=os.environ | {"REAL": sys.executable, "OLD": str(folder)})
    log = Path("log").read_text("utf-8", "surrogateescape")
    leaf = "images/Apple_rust/0\n\"'$x.png"
    assert f"<Augmentation.py><{leaf}><--output-dir>" in log, done.stderr
    assert f"<Transformation.py><{leaf}><--no-display>" in log
    # The network that was just trained, and the released model.
    leaves = "".join(f"<images/{NAMES[index]}>" for index in (1, 2, 4)) + "\n"
    assert log.count(leaves) == 2 and log.endswith(leaves)
    assert log.count("<predict.py>") == 2
    assert log.count("<predict.py><--learnings><apple-grape>") == 1
    assert not list(Path("figures").glob(".*"))
