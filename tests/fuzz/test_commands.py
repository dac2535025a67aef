"""Whatever the command line, a program says what is wrong, or does it."""

import base64
import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256

import pytest
from archive_files import archives
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from image_files import SUFFIXES, image_files, images
from mutations import tables
from paths import ROOT
from watch import MEGABYTES, REGRESSIONS, SECONDS, cases

PROGRAMS = ("Distribution", "Augmentation", "Transformation", "predict",
            "train")
# Seconds; to learn from fifteen images takes ten on a free machine.
PATIENCE = {"train": 9 * SECONDS}
# What a program may write where no output is named.
DEFAULTS = {"figures", "augmented_directory", "learnings.zip",
            "signature.txt", "report", "out"}
# A class that would colour a terminal, and is a formula.
STRANGE = "odd/=1\x1b[31m\n"
LEAF = "in/images/Apple_healthy/image (1).JPG"

INPUTS = ("in/images", "in/images/Apple_healthy", LEAF, "in/odd",
          "in/odd/leaf.jpg", "in/empty", "in/missing", "in/text.txt", "", ".",
          "in/images/../odd", "/dev/null", "-", "in/" + "x" * 300, "in/loop",
          "in/pipe.jpg", "\udcff", "in/images\n", "in/dangling.jpg")
OUTPUTS = ("out/a.png", "out/a.csv", "out/a.json", "out/new/a.pdf", "out", "",
           "-", "/dev/null", "/dev/full", "out/" + "x" * 300 + ".png",
           "out/a.xyz", "in/text.txt/a.png", "out/=\x1b.csv", "out/a.svg",
           "/proc/none/a.csv", "out/\udcff.png", "in")
NUMBERS = ("1", "2", "3", "0", "-1", "", "x", "1.5", "1e9", "nan", "inf",
           "٣", " 2 ", "9" * 30, "0x2")
RATES = ("0.2", "0.5", "0", "1", "-0.1", "nan", "inf", "1e-9", "0.999", "",
         "x", "9" * 400)
VALUES = {
    **dict.fromkeys(("path", "paths", "directory", "directories", "image",
                     "src"), INPUTS),
    **dict.fromkeys(("output_dir", "save", "csv", "json", "dst", "output"),
                    OUTPUTS),
    **dict.fromkeys(("validation", "learning_rate", "field_views"), RATES),
    "groups": ("in/leaves.csv", "in/odd.csv", "in/missing", "in"),
    "learnings": ("learnings.zip", "in/odd.zip", "in/missing", "in", LEAF),
    "weights": ("none", "imagenet", "in/text.txt", "in", "in/odd.zip"),
    "size": ("32", "64", "33", "31", "1025", "x"),
    "unfreeze": ("block_13", "block_16", "0", "5", "1000", "block_99", "x"),
    "target": ("5", "12", "1", "0", "100001", "x")}


@st.composite
def command_lines(draw, program):
    """Draw the arguments of a program, from its own parser."""
    arguments = []
    for action in importlib.import_module(program).build_parser()._actions:
        values = VALUES.get(action.dest, NUMBERS)
        # Mostly what is right, so that a program gets beyond its parser.
        a_value = st.sampled_from(values[:3]) | st.sampled_from(values)
        if not action.option_strings:
            arguments += draw(st.lists(a_value, min_size=1, max_size=1)
                              | st.lists(a_value, max_size=3))
        elif draw(st.integers(0, 9)) < (1 if action.dest == "help" else 3):
            arguments.append(action.option_strings[0])
            if action.nargs != 0:
                arguments.append(draw(a_value))
    if program == "train" and draw(st.integers(0, 9)):
        arguments += ["--weights", "none", "--epochs", "1"]
    if draw(st.integers(0, 19)) == 0:
        arguments.insert(draw(st.integers(0, len(arguments))), draw(
            st.sampled_from(("--nonsense", "--", "-", "-x", "--no-disp"))))
    return arguments


def prepare(folder, learned, files):
    """Lay out what a command line may name; files: {name: content}."""
    shutil.copytree(learned / "images", folder / "in" / "images")
    for name in ("odd", "empty", STRANGE):
        (folder / "in" / name).mkdir()
    for name in ("out", "home", "tmp"):
        (folder / name).mkdir()
    (folder / "in/text.txt").write_text("no image")
    shutil.copy(learned / "leaves.csv", folder / "in")
    shutil.copy(learned / "learnings.zip", folder)
    (folder / "in/loop").symlink_to(folder / "in")
    (folder / "in/dangling.jpg").symlink_to("nowhere")
    os.mkfifo(folder / "in/pipe.jpg")
    for name, content in files.items():
        (folder / name).write_bytes(content)


def facts(folder):
    """Return {file: size and time} of what no program may change."""
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns)
            for path in [folder, *(folder / "in").rglob("*"),
                         *(folder / "home").rglob("*")]
            if path.is_symlink() or not path.is_dir()}


def may_write_inputs(program, arguments):
    """Tell whether a command line asks for files among its inputs."""
    beside = "--in-place" in arguments or "--output-dir" not in arguments
    return program == "Augmentation" and beside or "in" in arguments


def run_case(program, arguments, folder, common):
    """Run a program and see to it that it behaves."""
    before = facts(folder)
    environment = os.environ | {
        "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"),
        "MPLCONFIGDIR": str(common), "KERAS_HOME": str(common),
        "XDG_CACHE_HOME": str(common),
        # pip asks whatever compilers it finds for their versions.
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": "",
        # Nobody answers there: the announced downloads fail at once.
        "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_INDEX": "1",
        "https_proxy": "http://127.0.0.1:9", "PYTHONDEVMODE": "0"}
    process = subprocess.Popen(
        [sys.executable, ROOT / f"{program}.py", *arguments], cwd=folder,
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = process.communicate(timeout=PATIENCE.get(
            program, SECONDS))
    finally:
        is_alone = ended(process)
    said = err.decode("utf-8", "backslashreplace")
    assert process.returncode in (0, 1, 2, 130), said
    for word in ("Traceback", "internal error", "Exception ignored",
                 "Warning"):
        assert word not in said
    assert ("error: " in said) == (process.returncode != 0), said
    assert "\x1b" not in said and b"\x1b" not in out
    assert is_alone, "a process is left"
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    assert used < MEGABYTES, f"{used} MB"
    left = {path.name for path in folder.rglob(".*")
            if path.name.startswith((".partial", ".learning"))}
    assert not left and not list((folder / "tmp").iterdir())
    assert {path.name for path in folder.iterdir()} <= DEFAULTS | {
        "in", "home", "tmp"}
    if not may_write_inputs(program, arguments):
        assert facts(folder) == before, "an input was changed"


def ended(process):
    """Tell whether a process took all it had started along; kill the rest."""
    try:
        os.killpg(process.pid, 0)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    process.wait()
    return False


@pytest.fixture(scope="session")
def common(tmp_path_factory):
    """Return a folder for the caches of libraries, filled."""
    folder = tmp_path_factory.mktemp("common")
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"],
                   env=os.environ | {"MPLCONFIGDIR": str(folder)}, check=True)
    return folder


def keep(program, arguments, files):
    """Keep a case that fails as a regression file."""
    text = json.dumps({
        "program": program, "arguments": arguments,
        "files": {name: base64.b64encode(content).decode()
                  for name, content in files.items()}}, indent=1)
    name = sha256(text.encode()).hexdigest()[:12]
    REGRESSIONS.mkdir(exist_ok=True)
    (REGRESSIONS / f"command-{name}.json").write_text(text + "\n")


@pytest.mark.parametrize("program", PROGRAMS)
@settings(cases(few=3, part=0.01),
          # To shrink a case of seconds would take an hour.
          phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_commands(program, data, learned, members, common,
                  tmp_path_factory):
    arguments = data.draw(command_lines(program))
    suffix, image = data.draw(image_files())
    files = {"in/odd/leaf.jpg": image,
             f"in/odd/other{suffix or SUFFIXES[0]}": image,
             f"in/{STRANGE}/leaf.jpg": images()["jpeg"],
             "in/odd.csv": data.draw(tables(
                 (learned / "leaves.csv").read_text())),
             "in/odd.zip": data.draw(archives(members))}
    folder = tmp_path_factory.mktemp("case")
    prepare(folder, learned, files)
    try:
        run_case(program, arguments, folder, common)
    except BaseException:
        keep(program, arguments, files)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("file", sorted(REGRESSIONS.glob("command-*")),
                         ids=lambda file: file.name)
def test_a_command_that_failed_does_not_fail_again(file, learned, common,
                                                   tmp_path):
    case = json.loads(file.read_text())
    prepare(tmp_path, learned, {
        name: base64.b64decode(content)
        for name, content in case["files"].items()})
    run_case(case["program"], case["arguments"], tmp_path, common)
