"""predict.py: which archive it takes, and how it is verified."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from run_predict import run

from leaffliction.model.bundle import sign
from leaffliction.utils.files import file_digest


@pytest.fixture
def released(leaves, models_folder):
    """Return the path of a released model; learnings.zip is gone."""
    archive = models_folder / "apple-grape.zip"
    shutil.move("learnings.zip", archive)
    sign(archive, models_folder / "signature.txt")
    archive.with_suffix(".md").write_text("a card")
    return archive


def test_the_signature_is_compared_with_verify_alone(leaves, capfd):
    assert run(leaves, "--verify", "--csv", "-") == 1
    assert capfd.readouterr().err.startswith(
        "error: signature.txt: no such file")
    Path("signature.txt").write_text("0" * 40 + "  learnings.zip\n")
    for options in (["--csv", "-"], ["--evaluate"]):
        assert run(leaves, "--verify", *options) == 1
        assert capfd.readouterr().err.startswith(
            "error: learnings.zip: is not the archive that signature.txt")
    assert run(leaves, "--csv", "-") == 0
    Path("signature.txt").write_text(
        file_digest(Path("learnings.zip"), "sha1"))
    assert run(leaves, "--verify", "--csv", "-") == 0


KNOWS = "which knows 2 classes of apple and grape"


def test_without_learnings_zip_the_released_model_answers_and_a_note_says_so(
        leaves, released, capfd):
    note = (f"no learnings.zip here: using the released model apple-grape, "
            f"{KNOWS} ({released.with_suffix('.md')})\n")
    for options in ([], ["--verify"]):
        assert run(leaves / "x9.jpg", *options, "--json", "-") == 0
        printed = capfd.readouterr()
        assert printed.err == note
        learnings = json.loads(printed.out)["learnings"]
        with zipfile.ZipFile(released) as archive:
            assert learnings["sha256"] == hashlib.sha256(
                archive.read("learnings.json")).hexdigest()
        assert learnings["archive"] == "apple-grape"
    shutil.move("leaves", "Grape_Esca")
    assert run("Grape_Esca", "--evaluate") == 0
    assert capfd.readouterr().err == note


def test_learnings_zip_in_this_folder_answers_before_the_released_model(
        leaves, released, capfd):
    released.with_suffix(".md").unlink()
    shutil.copy(released, "learnings.zip")
    released.write_text("no zip")
    assert run(leaves / "x9.jpg", "--json", "-") == 0
    printed = capfd.readouterr()
    assert printed.err == (f"using learnings.zip of this folder, {KNOWS} "
                           "(--learnings apple-grape: the released model)\n")
    assert json.loads(printed.out)["learnings"]["archive"] == "learnings.zip"
    # A damaged one is an error, and not a reason to take the other.
    released.write_bytes(Path("learnings.zip").read_bytes())
    Path("learnings.zip").write_text("no zip")
    assert run(leaves / "x9.jpg", "--csv", "-") == 1
    assert capfd.readouterr().err.startswith("error: learnings.zip: not a ")


def test_learnings_names_a_released_model_without_a_note(
        leaves, released, capfd):
    Path("learnings.zip").write_text("no zip")
    for given in ("apple-grape", released):
        assert run(leaves / "x9.jpg", "--learnings", given, "--verify",
                   "--json", "-") == 0
        printed = capfd.readouterr()
        assert printed.err == ""
        assert json.loads(printed.out)["learnings"]["archive"] == (
            "apple-grape")
    # A folder of that name comes first.
    Path("apple-grape").mkdir()
    assert run(leaves / "x9.jpg", "--learnings", "apple-grape") == 1
    assert capfd.readouterr().err == (
        "error: apple-grape: a folder without learnings.zip in it; give the "
        "archive itself\n")
    shutil.copy(released, "apple-grape/learnings.zip")
    assert run(leaves / "x9.jpg", "--learnings", "apple-grape", "--json",
               "-") == 0
    assert json.loads(capfd.readouterr().out)["learnings"]["archive"] == (
        "apple-grape/learnings.zip")


def test_an_unknown_name_is_one_error_that_lists_the_released_models(
        leaves, released, capfd):
    for options in ([], ["--evaluate"]):
        assert run(leaves, "--learnings", "aple", *options) == 1
        printed = capfd.readouterr()
        assert printed.out == "" and printed.err == (
            "error: aple: no such file (train.py makes one), nor one of the "
            "released models (apple-grape)\n")


def test_the_signature_of_the_released_model_is_compared_with_verify(
        leaves, released, capfd):
    signature = released.with_name("signature.txt")
    signature.write_text("0" * 40 + "  apple-grape.zip\n")
    assert run(leaves / "x9.jpg", "--verify", "--csv", "-") == 1
    assert capfd.readouterr().err == (
        f"error: {released}: is not the archive that {signature} was made "
        "for; leave --verify out to take it nevertheless\n")
    assert run(leaves / "x9.jpg", "--csv", "-") == 0
