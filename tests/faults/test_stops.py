"""A program that is stopped at any moment leaves no damaged file."""

import os
import random
import re
import signal
import time

from runs import (damaged_files, each_program, finish, group_has_ended,
                  leftovers, read_outputs, start)
from slow import REPEATS


@each_program("Augmentation")
def test_after_kill_the_same_command_completes_the_outputs(
        program, workspace, reference):
    expected, seconds = reference(program)
    rng = random.Random(program)
    for _ in range(REPEATS or 1):
        reference(program)
        process = start(program, workspace)
        moment = rng.uniform(0, seconds)
        time.sleep(moment)
        process.kill()
        finish(process)
        assert group_has_ended(process), "workers outlive the program"
        damaged = damaged_files(read_outputs(workspace), expected)
        assert not damaged, f"after {moment:.2f} s: {damaged}"
        status, stderr = finish(start(program, workspace))
        assert (status, read_outputs(workspace)) == (0, expected), (
            moment, stderr)


@each_program("predict")
def test_ctrl_c_ends_with_one_line_and_no_leftovers(
        program, workspace, reference):
    expected, seconds = reference(program)
    rng, phases = random.Random(program), set()
    for _ in range(REPEATS or 1):
        reference(program)
        process = start(program, workspace)
        # Python needs 0.02 s to start, and answers an earlier Ctrl-C with a
        # traceback.
        moment = rng.uniform(0.1, seconds)
        time.sleep(moment)
        try:
            # As in a terminal, where all processes receive it.
            os.killpg(process.pid, signal.SIGINT)
        except ProcessLookupError:
            pass
        begin = time.monotonic()
        status, stderr = finish(process)
        assert time.monotonic() - begin < 10
        assert group_has_ended(process), "a process is left"
        assert status in (0, 130, -signal.SIGINT), (moment, stderr)
        assert "Traceback" not in stderr, (moment, stderr)
        assert ("error: interrupted\n" in stderr) == (status == 130)
        phases.add(len(re.findall(r"^.*: \d+\.\d s$", stderr, re.MULTILINE)))
        outputs = read_outputs(workspace)
        assert not damaged_files(outputs, expected), moment
        assert not leftovers(outputs), (moment, leftovers(outputs))
        assert not list((workspace / "tmp").glob("tmp*"))
    # train.py prints a line when a phase ends: many different phases were
    # interrupted.  Some are too short here to be hit.
    assert program != "train" or REPEATS < 50 or len(phases) >= 5, phases
