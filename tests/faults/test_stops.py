"""Whatever stops a program, nothing is half-written, and all can go on."""

import os
import random
import re
import signal
import time

from runs import (TIMES, each_program, finish, half_written, left_over,
                  results, start, wait_for_group)


@each_program
def test_killed_at_any_moment_it_goes_on(program, place, undisturbed):
    whole, seconds = undisturbed(program)
    rng = random.Random(program)
    for _ in range(TIMES or 1):
        undisturbed(program)
        process = start(program, place)
        moment = rng.uniform(0, seconds)
        time.sleep(moment)
        process.kill()
        finish(process)
        assert wait_for_group(process), "workers outlive the program"
        wrong = half_written(results(place), whole)
        assert not wrong, f"after {moment:.2f} s: {wrong}"
        status, said = finish(start(program, place))
        assert (status, results(place)) == (0, whole), (moment, said)


@each_program
def test_ctrl_c_at_any_moment_leaves_nothing(program, place, undisturbed):
    whole, seconds = undisturbed(program)
    rng, phases = random.Random(program), set()
    for _ in range(TIMES or 1):
        undisturbed(program)
        process = start(program, place)
        # Python itself takes 0.02 s to start, and says what it was at.
        moment = rng.uniform(0.1, seconds)
        time.sleep(moment)
        try:
            # As a terminal does: all processes get it.
            os.killpg(process.pid, signal.SIGINT)
        except ProcessLookupError:
            pass
        begin = time.monotonic()
        status, said = finish(process)
        assert time.monotonic() - begin < 10
        assert wait_for_group(process), "a process is left"
        assert status in (0, 130, -signal.SIGINT), (moment, said)
        assert "Traceback" not in said, (moment, said)
        assert ("error: interrupted\n" in said) == (status == 130)
        phases.add(len(re.findall(r"^.*: \d+\.\d s$", said, re.MULTILINE)))
        found = results(place)
        assert not half_written(found, whole), moment
        # While libraries load, nothing is there yet to be left.
        assert not left_over(found), (moment, left_over(found))
        assert not list((place / "tmp").glob("tmp*"))
    # A training says when a phase is over; some take no time here.
    assert program != "train" or TIMES < 50 or len(phases) >= 5, phases
