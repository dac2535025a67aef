"""leaffliction/web/uploads.py: a queue with limits."""

import asyncio
import threading

import pytest

from leaffliction.web import uploads
from leaffliction.web.uploads import Busy, Queue, TooLarge

SECONDS = 20


@pytest.fixture
def queue():
    """Return a queue of one thread."""
    queue = Queue(1)
    yield queue
    queue.close()


def no_stop():
    """Fail: no upload is to be stopped."""
    raise AssertionError("stopped")


def test_a_body_is_what_arrived_in_memory_or_in_a_file(queue, monkeypatch):
    monkeypatch.setattr(uploads, "MEMORY_BYTES", 10)
    for chunks in ([b"abc"], [b"abc", b"", b"defghijkl", b"mno"], []):
        upload = queue.begin_upload(no_stop)
        for chunk in chunks:
            upload.add(chunk)
        assert upload.read() == upload.read() == b"".join(chunks)
        upload.close()
        upload.close()


def test_a_body_has_a_limit(queue, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_BYTES", 10)
    upload = queue.begin_upload(no_stop)
    upload.add(b"12345")
    upload.add(b"12345")
    with pytest.raises(TooLarge):
        upload.add(b"1")
    upload.close()


def test_only_so_many_bodies_arrive_at_once(queue, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_RECEIVING", 2)
    first, second = (queue.begin_upload(no_stop) for _ in range(2))
    with pytest.raises(Busy):
        queue.begin_upload(no_stop)
    first.complete()
    third = queue.begin_upload(no_stop)
    second.close()
    second.close()      # Makes room once.
    fourth = queue.begin_upload(no_stop)
    with pytest.raises(Busy):
        queue.begin_upload(no_stop)
    for upload in (first, third, fourth):
        upload.close()


def test_the_slowest_body_makes_room(queue, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_RECEIVING", 2)
    stopped = []

    def begin(name):
        upload = queue.begin_upload(
            lambda: (stopped.append(name), upload.close()))
        return upload

    begin("slow"), begin("second")
    with pytest.raises(Busy):       # Neither is slow yet.
        begin("third")
    monkeypatch.setattr(uploads, "SLOW_SECONDS", 0)
    third = begin("third")
    assert stopped == ["slow"]
    begin("fourth").close()
    assert stopped == ["slow", "second"]
    third.close()


def run_and_wait(queue, count):
    """Return the results, or errors, of calls while the first one waits."""
    gate, begun = threading.Event(), []

    def call(number):
        begun.append(number)
        assert gate.wait(SECONDS)
        return number

    async def main():
        calls = [asyncio.create_task(queue.run(call, number))
                 for number in range(count)]
        await asyncio.sleep(0)
        calls[1].cancel()
        await asyncio.wait([calls[1]])
        gate.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(main()), begun


def test_beyond_the_queue_is_busy_and_who_left_is_not_called(
        queue, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_WAITING", 2)
    results, begun = run_and_wait(queue, 5)
    assert [type(result) for result in results] == [
        int, asyncio.CancelledError, int, Busy, Busy]
    assert begun == [0, 2]
    # Afterwards there is room again.
    results, begun = run_and_wait(queue, 3)
    assert begun == [0, 2]


def test_a_full_queue_takes_no_body(queue, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_WAITING", 0)
    gate = threading.Event()

    async def main():
        waiting = asyncio.create_task(queue.run(gate.wait, SECONDS))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            queue.begin_upload(no_stop)
        gate.set()
        assert await waiting
        queue.begin_upload(no_stop).close()

    asyncio.run(main())


def test_an_error_of_the_call_is_raised_and_makes_room(queue, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_WAITING", 0)
    for _ in range(2):
        with pytest.raises(ValueError):
            asyncio.run(queue.run(int, "x"))
