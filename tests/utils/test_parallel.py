"""leaffliction/utils/parallel.py: many items, one or two processes, the same results."""

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import cv2
import pytest

from leaffliction.utils import parallel
from leaffliction.utils.errors import UserError
from leaffliction.utils.parallel import (CHUNK_SIZE, MAX_DEATHS_PER_ITEM, MIN_ITEMS_PER_PROCESS,
                                         THREAD_CHUNK_SIZE, Workers, raise_errors)

# Enough for two processes, and a last chunk that is not full.
MANY = range(2 * MIN_ITEMS_PER_PROCESS + 5)


def tenth_is_bad(number):
    """Return the square and the process; of the top level, to travel."""
    if number % 10 == 3:
        raise UserError(f"{number} is bad")
    return number ** 2, os.getpid()


def die(number):
    os._exit(1)


def die_of_some(number):
    """Die of two numbers always, of another one not the last time."""
    if number in (40, 41):
        os._exit(1)
    if number == 100:
        marks = Path(os.environ["MAX_DEATHS_PER_ITEM"])
        count = len(list(marks.iterdir()))
        if count < MAX_DEATHS_PER_ITEM - 1:
            (marks / str(count)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return number ** 2


def fault(number):
    return 1 / (number - 20)


def slow_later(number):
    """Do the first chunks at once, and the others slowly."""
    if number >= 2 * CHUNK_SIZE:
        time.sleep(2)
    return signal.pthread_sigmask(signal.SIG_BLOCK, ())


def environment_of(name):
    return os.environ.get(name)


def results_of(jobs, items=MANY):
    """Return results in order, errors as text, and the processes seen."""
    results = list(Workers(jobs).map(tenth_is_bad, items))
    values = [str(result) if isinstance(result, UserError) else result[0]
              for result in results]
    return values, {result[1] for result in results
                    if not isinstance(result, UserError)}


def test_order_is_kept_errors_stand_in_place_and_jobs_do_not_matter():
    alone, process = results_of(1)
    assert alone == [f"{number} is bad" if number % 10 == 3 else number ** 2
                     for number in MANY]
    assert process == {os.getpid()}
    shared, processes = results_of(2)
    assert shared == alone
    assert os.getpid() not in processes and 1 <= len(processes) <= 2


def test_processes_may_die_of_an_item_and_the_rest_goes_on(
        tmp_path, monkeypatch):
    monkeypatch.setenv("MAX_DEATHS_PER_ITEM", str(tmp_path))
    results = list(
    Workers(2).map(
        die_of_some,
        MANY,
         name_of=lambda number: f"No. {number}"))
    for number in (40, 41):
        assert str(results[number]) == (
            f"No. {number}: worker processes die of it, 3 did")
        results[number] = number ** 2
    assert len(list(tmp_path.iterdir())) == MAX_DEATHS_PER_ITEM - 1
    assert results == [number ** 2 for number in MANY]


def test_few_items_stay_in_this_process():
    _, processes = results_of(8, range(MIN_ITEMS_PER_PROCESS))
    assert processes == {os.getpid()}
    assert results_of(8, []) == ([], set())


def size_and_process(path):
    return path.stat().st_size, os.getpid()


@pytest.mark.parametrize("count, several", [(12, True), (2, False)])
def test_few_large_files_are_worth_processes(tmp_path, monkeypatch, count,
                                             several):
    monkeypatch.setattr(parallel, "MIN_BYTES_PER_PROCESS", 2000)
    for number in range(count):
        (tmp_path / str(number)).write_bytes(bytes(500 + number))
    sizes, processes = zip(*Workers(2).map(size_and_process, [tmp_path / str(number) for number in
                           range(count)]))
    assert sizes == tuple(range(500, 500 + count))
    assert (os.getpid() not in processes) == several


def test_results_come_while_later_items_are_waiting():
    seen = []
    results = Workers(1).map(seen.append, MANY)
    next(results)
    assert 1 <= len(seen) < len(MANY)


@pytest.mark.parametrize("function, jobs, error, text", [
    (die, 2, UserError, "3: worker processes die .* 3 before it: is there"),
    (fault, 1, ZeroDivisionError, "division")])
def test_dead_processes_or_a_fault_end_it(function, jobs, error, text,
                                          monkeypatch):
    monkeypatch.setattr(parallel, "MAX_DEATHS_IN_A_ROW", 4)
    monkeypatch.setattr(parallel, "MAX_DEATHS_PER_ITEM", 1)
    with pytest.raises(error, match=text):
        list(Workers(jobs).map(function, MANY))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, UserError, None])
def test_who_stops_does_not_wait_for_what_is_under_way(stop):
    results = Workers(2).map(slow_later, MANY)
    for _ in range(CHUNK_SIZE):
        next(results)
    start = time.monotonic()
    if stop is None:
        results.close()
    else:
        with pytest.raises(stop):
            results.throw(stop)
    assert time.monotonic() - start < 20
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("end", ["stop", "deaths", "fault"])
def test_processes_of_others_are_left_alone(end, monkeypatch):
    monkeypatch.setattr(parallel, "MAX_DEATHS_PER_ITEM", 1)
    monkeypatch.setattr(parallel, "MAX_DEATHS_IN_A_ROW", 2)
    other = multiprocessing.get_context("spawn").Process(
        target=time.sleep, args=(60,))
    other.start()
    try:
        if end == "stop":
            results = Workers(2).map(slow_later, MANY)
            next(results)
            assert len(multiprocessing.active_children()) > 1
            results.close()
        else:
            with pytest.raises((UserError, ZeroDivisionError)):
                list(Workers(2).map(die if end == "deaths" else fault, MANY))
        assert multiprocessing.active_children() == [other]
        # A signal that was sent would have arrived by now.
        other.join(0.2)
        assert other.exitcode is None
    finally:
        other.kill()
        other.join()


def test_a_process_that_may_start_none_does_the_work_itself(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon",
                        True)
    _, processes = results_of(2)
    assert processes == {os.getpid()}


@pytest.mark.parametrize("jobs, in_threads, threads", [
    (1, False, 1), (3, False, 3), (9, False, 4), (3, True, 1)])
def test_opencv_has_no_more_threads_than_jobs(jobs, in_threads, threads):
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(4)
        found = set(
    Workers(jobs).map(
        lambda _: cv2.getNumThreads(),
        range(40),
         in_threads=in_threads))
        assert found == {threads}
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("own, expected", [(None, "1"), ("3", "3")])
def test_processes_have_one_thread_for_numpy(own, expected, monkeypatch):
    monkeypatch.delenv(parallel.BLAS_THREADS, raising=False)
    if own:
        monkeypatch.setenv(parallel.BLAS_THREADS, own)
    found = set(Workers(2).map(environment_of, [parallel.BLAS_THREADS]
                               * len(MANY)))
    assert found == {expected}
    assert os.environ.get(parallel.BLAS_THREADS) == own


def test_ctrl_c_is_this_process_s_to_see():
    results = Workers(2).map(slow_later, MANY)
    assert signal.SIGINT in next(results)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    results.close()


def test_threads_keep_the_order_and_take_a_few_items_ahead():
    started, together = [], threading.Barrier(3, timeout=20)

    def work(number):
        started.append(number)
        if number % THREAD_CHUNK_SIZE == 0 and number < 3 * THREAD_CHUNK_SIZE:
            together.wait()  # passes only if three run at once
        time.sleep(0.01 if number % 2 else 0)
        if number == 50:
            raise UserError("50 is bad")
        return number ** 2

    results = Workers(3).map(work, range(100), in_threads=True)
    assert [next(results) for _ in range(2)] == [0, 1]
    assert len(started) <= 5 * 3 * THREAD_CHUNK_SIZE
    found = list(results)
    assert str(found.pop(48)) == "50 is bad"
    assert found == [number ** 2 for number in range(2, 100) if number != 50]
    assert list(Workers(3).map(work, [], in_threads=True)) == []


def test_a_fault_in_a_thread_is_raised_in_its_place():
    results = Workers(2).map(fault, range(40), in_threads=True)
    for number in range(20 // THREAD_CHUNK_SIZE * THREAD_CHUNK_SIZE):
        assert next(results) == 1 / (number - 20)
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_the_first_error_is_raised_where_none_is_expected():
    results = raise_errors(Workers(1).map(tenth_is_bad, range(20)))
    assert [next(results)[0] for _ in range(3)] == [0, 1, 4]
    with pytest.raises(UserError, match="3 is bad"):
        next(results)


def test_an_end_waits_for_no_item_that_no_thread_has_begun():
    begun = []

    def slow(item):
        begun.append(item)
        time.sleep(0.1 if item else 0)

    results = Workers(2).map(slow, range(8), in_threads=True)
    next(results)
    results.close()
    assert len(begun) <= 4
