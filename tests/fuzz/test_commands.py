"""Any command line ends in an exit status and one line for each problem."""

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
from mutations import leaf_tables
from paths import ROOT
from watch import MAX_MEGABYTES, MAX_SECONDS, REGRESSIONS, cases

PROGRAMS = ("Distribution", "Augmentation", "Transformation", "predict",
            "train")
# Seconds; training on fifteen images takes ten if nothing else is running.
TIMEOUTS = {"train": 9 * MAX_SECONDS}
# Outputs of the programs if a command line names none.
DEFAULT_OUTPUTS = {"figures", "augmented_directory", "learnings.zip",
                   "signature.txt", "report", "out"}
# A class name that colours a terminal, and is a formula in a spreadsheet.
HOSTILE_CLASS = "odd/=1\x1b[31m\n"
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
# Values for the arguments of the parsers, by their `dest`.
VALUES = {
    **dict.fromkeys(("path", "paths", "directory", "directories", "image",
                     "src"), INPUTS),
    **dict.fromkeys(("output_dir", "save", "csv", "json", "dst", "output"),
                    OUTPUTS),
    **dict.fromkeys(("validation", "learning_rate", "field_views"), RATES),
    "groups": ("in/leaves.csv", "in/odd.csv", "in/missing", "in"),
    "learnings": ("learnings.zip", "in/odd.zip", "in/missing", "in", LEAF,
                  "apple-grape", "no-model"),
    "weights": ("none", "imagenet", "in/text.txt", "in", "in/odd.zip"),
    "size": ("32", "64", "33", "31", "1025", "x"),
    "unfreeze": ("block_13", "block_16", "0", "5", "1000", "block_99", "x"),
    "target": ("5", "12", "1", "0", "100001", "x")}


@st.composite
def command_lines(draw, program):
    """Generate arguments of a program, from its own parser."""
    arguments = []
    for action in importlib.import_module(program).build_parser()._actions:
        values = VALUES.get(action.dest, NUMBERS)
        # The first three are valid, so that many lines get past the parser.
        any_value = st.sampled_from(values[:3]) | st.sampled_from(values)
        if not action.option_strings:
            arguments += draw(st.lists(any_value, min_size=1, max_size=1)
                              | st.lists(any_value, max_size=3))
        elif draw(st.integers(0, 9)) < (1 if action.dest == "help" else 3):
            arguments.append(action.option_strings[0])
            if action.nargs != 0:
                arguments.append(draw(any_value))
    if program == "train" and draw(st.integers(0, 9)):
        arguments += ["--weights", "none", "--epochs", "1"]
    if draw(st.integers(0, 19)) == 0:
        arguments.insert(draw(st.integers(0, len(arguments))), draw(
            st.sampled_from(("--nonsense", "--", "-", "-x", "--no-disp"))))
    return arguments


def prepare(folder, learned, files):
    """Write everything that a command line may name, below a folder.

    learned: folder of a training, as the fixture returns it.  files: further
    ones, {name: content}.
    """
    shutil.copytree(learned / "images", folder / "in" / "images")
    for name in ("odd", "empty", HOSTILE_CLASS):
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


def input_state(folder):
    """Return {path: (size, time)} of the files that no program may change."""
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns)
            for path in [folder, *(folder / "in").rglob("*"),
                         *(folder / "home").rglob("*")]
            if path.is_symlink() or not path.is_dir()}


def may_write_inputs(program, arguments):
    """Return whether a command line asks for outputs among the inputs."""
    beside = "--in-place" in arguments or "--output-dir" not in arguments
    return program == "Augmentation" and beside or "in" in arguments


def run_program(program, arguments, folder, caches):
    """Run a program in a folder.

    Returns its exit status, stdout, stderr, and whether all its processes
    have ended by themselves.
    """
    environment = os.environ | {
        "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"),
        "MPLCONFIGDIR": str(caches), "KERAS_HOME": str(caches),
        "XDG_CACHE_HOME": str(caches),
        # pip runs every compiler that it finds, to learn its version.
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": "",
        # Nothing listens there, so that each download fails at once.
        "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_INDEX": "1",
        "https_proxy": "http://127.0.0.1:9", "PYTHONDEVMODE": "0"}
    process = subprocess.Popen(
        [sys.executable, ROOT / f"{program}.py", *arguments], cwd=folder,
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True)
    try:
        stdout, stderr = process.communicate(
            timeout=TIMEOUTS.get(program, MAX_SECONDS))
    finally:
        all_ended = kill_group(process)
    return process.returncode, stdout, stderr, all_ended


def kill_group(process):
    """Kill a process and its children; return whether none was left."""
    try:
        os.killpg(process.pid, 0)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    process.wait()
    return False


def check_command(program, arguments, folder, caches):
    """Run a program, and check status, messages, memory and files."""
    before = input_state(folder)
    status, stdout, stderr, all_ended = run_program(program, arguments,
                                                    folder, caches)
    message = stderr.decode("utf-8", "backslashreplace")
    assert status in (0, 1, 2, 130), message
    for word in ("Traceback", "please report it", "Exception ignored",
                 "Warning"):
        assert word not in message
    assert ("error: " in message) == (status != 0), message
    assert "\x1b" not in message and b"\x1b" not in stdout
    assert all_ended, "a process is left"
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    assert used < MAX_MEGABYTES, f"{used} MB"
    left = {path.name for path in folder.rglob(".*")
            if path.name.startswith((".partial", ".learning"))}
    assert not left and not list((folder / "tmp").iterdir())
    assert {path.name for path in folder.iterdir()} <= DEFAULT_OUTPUTS | {
        "in", "home", "tmp"}
    if not may_write_inputs(program, arguments):
        assert input_state(folder) == before, "an input was changed"


@pytest.fixture(scope="session")
def caches(tmp_path_factory):
    """Return a folder for the caches of libraries, with matplotlib's."""
    folder = tmp_path_factory.mktemp("caches")
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"],
                   env=os.environ | {"MPLCONFIGDIR": str(folder)}, check=True)
    return folder


def keep_regression(program, arguments, files):
    """Write a failing case as a regression file."""
    text = json.dumps({
        "program": program, "arguments": arguments,
        "files": {name: base64.b64encode(content).decode()
                  for name, content in files.items()}}, indent=1)
    name = sha256(text.encode()).hexdigest()[:12]
    REGRESSIONS.mkdir(exist_ok=True)
    (REGRESSIONS / f"command-{name}.json").write_text(text + "\n")


@pytest.mark.parametrize("program", PROGRAMS)
@settings(cases(few=1, share=0.01),
          # Each case takes seconds: shrinking one would take an hour.
          phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_any_command_line_ends_properly(program, data, learned, members,
                                        caches, tmp_path_factory):
    arguments = data.draw(command_lines(program))
    suffix, image = data.draw(image_files())
    files = {"in/odd/leaf.jpg": image,
             f"in/odd/other{suffix or SUFFIXES[0]}": image,
             f"in/{HOSTILE_CLASS}/leaf.jpg": images()["jpeg"],
             "in/odd.csv": data.draw(leaf_tables(
                 (learned / "leaves.csv").read_text())),
             "in/odd.zip": data.draw(archives(members))}
    folder = tmp_path_factory.mktemp("case")
    prepare(folder, learned, files)
    try:
        check_command(program, arguments, folder, caches)
    except BaseException:
        keep_regression(program, arguments, files)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("file", sorted(REGRESSIONS.glob("command-*")),
                         ids=lambda file: file.name)
def test_a_command_line_that_failed_once_passes(file, learned, caches,
                                                tmp_path):
    case = json.loads(file.read_text())
    prepare(tmp_path, learned, {
        name: base64.b64decode(content)
        for name, content in case["files"].items()})
    check_command(case["program"], case["arguments"], tmp_path, caches)
