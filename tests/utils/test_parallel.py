"""leaffliction/utils/parallel.py: same results for any number of workers."""

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
from leaffliction.utils.parallel import (BLAS_THREADS, CHUNK_SIZE,
                                         MAX_DEATHS_PER_ITEM,
                                         MIN_ITEMS_PER_PROCESS,
                                         THREAD_CHUNK_SIZE, Workers,
                                         raise_errors)

# Enough for two processes, with a last chunk that is not full.
MANY = range(2 * MIN_ITEMS_PER_PROCESS + 5)


# Functions at the top level, which can be pickled.

def square_most(number):
    """Return the square and the process; UserError for every tenth number."""
    if number % 10 == 3:
        raise UserError(f"{number} is bad")
    return number ** 2, os.getpid()


def die(number):
    os._exit(1)


def die_at_some(number):
    """Die at two numbers always, and at 100 all but the last allowed time."""
    if number in (40, 41):
        os._exit(1)
    if number == 100:
        deaths = Path(os.environ["DEATHS"])
        count = len(list(deaths.iterdir()))
        if count < MAX_DEATHS_PER_ITEM - 1:
            (deaths / str(count)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return number ** 2


def divide(number):
    return 1 / (number - 20)


def slow_after_two_chunks(number):
    """Return the signals that the process blocks."""
    if number >= 2 * CHUNK_SIZE:
        time.sleep(2)
    return signal.pthread_sigmask(signal.SIG_BLOCK, ())


def size_and_process(path):
    return path.stat().st_size, os.getpid()


def results_of(jobs, items=MANY):
    """Return the results, errors as text, and the processes that ran."""
    results = list(Workers(jobs).map(square_most, items))
    values = [str(result) if isinstance(result, UserError) else result[0]
              for result in results]
    return values, {result[1] for result in results
                    if not isinstance(result, UserError)}


def test_results_and_errors_come_in_order_for_any_number_of_jobs():
    alone, process = results_of(1)
    assert alone == [f"{number} is bad" if number % 10 == 3 else number ** 2
                     for number in MANY]
    assert process == {os.getpid()}
    shared, processes = results_of(2)
    assert shared == alone
    assert os.getpid() not in processes and 1 <= len(processes) <= 2


def test_an_item_at_which_processes_die_is_an_error_and_the_rest_goes_on(
        tmp_path, monkeypatch):
    monkeypatch.setenv("DEATHS", str(tmp_path))
    results = list(Workers(2).map(die_at_some, MANY,
                                  name_of=lambda number: f"No. {number}"))
    for number in (40, 41):
        assert str(results[number]) == (f"No. {number}: 3 worker processes "
                                        "died while they processed it")
        results[number] = number ** 2
    assert len(list(tmp_path.iterdir())) == MAX_DEATHS_PER_ITEM - 1
    assert results == [number ** 2 for number in MANY]


def test_few_items_start_no_process():
    _, processes = results_of(8, range(MIN_ITEMS_PER_PROCESS))
    assert processes == {os.getpid()}
    assert results_of(8, []) == ([], set())


@pytest.mark.parametrize("count, in_processes", [(12, True), (2, False)])
def test_a_few_large_files_are_worth_processes(tmp_path, monkeypatch, count,
                                               in_processes):
    monkeypatch.setattr(parallel, "MIN_BYTES_PER_PROCESS", 2000)
    files = [tmp_path / str(number) for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(bytes(500 + number))
    sizes, processes = zip(*Workers(2).map(size_and_process, files))
    assert sizes == tuple(range(500, 500 + count))
    assert (os.getpid() not in processes) == in_processes


def test_results_come_before_all_items_are_done():
    done = []
    results = Workers(1).map(done.append, MANY)
    next(results)
    assert 1 <= len(done) < len(MANY)


@pytest.mark.parametrize("function, jobs, error, text", [
    (die, 2, UserError, "3: 1 worker .* as with the 3 items before it: is"),
    (divide, 1, ZeroDivisionError, "division")])
def test_repeated_deaths_or_an_unexpected_error_end_the_run(
        function, jobs, error, text, monkeypatch):
    monkeypatch.setattr(parallel, "MAX_DEATHS_IN_A_ROW", 4)
    monkeypatch.setattr(parallel, "MAX_DEATHS_PER_ITEM", 1)
    with pytest.raises(error, match=text):
        list(Workers(jobs).map(function, MANY))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, UserError, None])
def test_a_stopped_run_does_not_wait_for_items_in_progress(stop):
    results = Workers(2).map(slow_after_two_chunks, MANY)
    for _ in range(CHUNK_SIZE):
        # Ctrl-C is for the parent only, which then stops the others.
        assert signal.SIGINT in next(results)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    start = time.monotonic()
    if stop is None:
        results.close()
    else:
        with pytest.raises(stop):
            results.throw(stop)
    assert time.monotonic() - start < 20
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("end", ["stop", "deaths", "error"])
def test_processes_of_the_caller_are_not_terminated(end, monkeypatch):
    monkeypatch.setattr(parallel, "MAX_DEATHS_PER_ITEM", 1)
    monkeypatch.setattr(parallel, "MAX_DEATHS_IN_A_ROW", 2)
    other = multiprocessing.get_context("spawn").Process(
        target=time.sleep, args=(60,))
    other.start()
    try:
        if end == "stop":
            results = Workers(2).map(slow_after_two_chunks, MANY)
            next(results)
            assert len(multiprocessing.active_children()) > 1
            results.close()
        else:
            with pytest.raises((UserError, ZeroDivisionError)):
                list(Workers(2).map(die if end == "deaths" else divide, MANY))
        assert multiprocessing.active_children() == [other]
        # Long enough for a signal to arrive.
        other.join(0.2)
        assert other.exitcode is None
    finally:
        other.kill()
        other.join()


def test_a_daemonic_process_starts_no_processes(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon",
                        True)
    _, processes = results_of(2)
    assert processes == {os.getpid()}


@pytest.mark.parametrize("jobs, in_threads, expected", [
    (1, False, 1), (3, False, 3), (9, False, 4), (3, True, 1)])
def test_opencv_has_no_more_threads_than_jobs(jobs, in_threads, expected):
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(4)
        counts = set(Workers(jobs).map(lambda _: cv2.getNumThreads(),
                                       range(40), in_threads=in_threads))
        assert counts == {expected}
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("value, expected", [(None, "1"), ("3", "3")])
def test_processes_have_one_blas_thread_unless_the_user_says_else(
        value, expected, monkeypatch):
    monkeypatch.delenv(BLAS_THREADS, raising=False)
    if value:
        monkeypatch.setenv(BLAS_THREADS, value)
    assert set(Workers(2).map(os.getenv, [BLAS_THREADS] * len(MANY))) == {
        expected}
    assert os.environ.get(BLAS_THREADS) == value


def test_threads_run_at_once_in_order_and_a_few_items_ahead():
    started, together = [], threading.Barrier(3, timeout=20)

    def work(number):
        started.append(number)
        if number % THREAD_CHUNK_SIZE == 0 and number < 3 * THREAD_CHUNK_SIZE:
            together.wait()     # for three threads
        time.sleep(0.001 * (number % 2))
        if number == 50:
            raise UserError("50 is bad")
        return number ** 2

    results = Workers(3).map(work, range(100), in_threads=True)
    assert [next(results) for _ in range(2)] == [0, 1]
    assert len(started) <= 5 * 3 * THREAD_CHUNK_SIZE
    rest = list(results)
    assert str(rest.pop(48)) == "50 is bad"
    assert rest == [number ** 2 for number in range(2, 100) if number != 50]
    assert list(Workers(3).map(work, [], in_threads=True)) == []


def test_an_unexpected_error_in_a_thread_is_raised_in_order():
    results = Workers(2).map(divide, range(40), in_threads=True)
    for number in range(20 // THREAD_CHUNK_SIZE * THREAD_CHUNK_SIZE):
        assert next(results) == 1 / (number - 20)
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_raise_errors_raises_the_first_error_in_order():
    results = raise_errors(Workers(1).map(square_most, range(20)))
    assert [next(results)[0] for _ in range(3)] == [0, 1, 4]
    with pytest.raises(UserError, match="3 is bad"):
        next(results)


def test_closing_the_results_starts_no_further_item():
    started = []

    def work(item):
        started.append(item)
        time.sleep(0.1 if item else 0)

    results = Workers(2).map(work, range(8), in_threads=True)
    next(results)
    results.close()
    assert len(started) <= 4
