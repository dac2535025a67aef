"""Photographs that arrive, and the queue in which they wait.

Any number of browsers may send photographs at once.  So that they cannot fill
the memory or the disk, each body has a limit and a time, only so many are
received and wait at the same time, and a fixed number is predicted at once.
Beyond that a request gets a clear answer at once, and comes again later.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import Any

# Largest photograph, in bytes: cameras write up to 40 MB.
MAX_BYTES = 64 << 20
# Seconds in which a body must have arrived; and after which one that has not
# makes room for another, where there is no room.
BODY_SECONDS, SLOW_SECONDS = 60, 5
# A body stays in memory up to this size, and goes on in a temporary file
# without a name, which vanishes with the program.
MEMORY_BYTES = 8 << 20
# Bodies received at the same time, and requests that wait for a thread.
MAX_RECEIVING, MAX_WAITING = 64, 32
# What the client is told to wait before it tries again, in seconds.
RETRY_SECONDS = 1


class Busy(Exception):
    """The queue is full."""


class TooLarge(Exception):
    """A body has more than MAX_BYTES."""


class Queue:
    """Runs functions in a few threads; refuses what it cannot take.

    Used from one thread, that of the event loop.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, "prediction")
        # In the order in which they have begun.
        self._receiving: dict[Upload, None] = {}
        self._waiting = 0

    def begin_upload(self, stop: Callable[[], None]) -> "Upload":
        """Return a new upload; raise Busy where there are too many.

        stop: called where this upload is slow, and another needs its room;
        it must close the upload.
        """
        if self._waiting >= MAX_WAITING + self.threads:
            raise Busy
        if len(self._receiving) >= MAX_RECEIVING:
            oldest = next(iter(self._receiving))
            if time.monotonic() - oldest.begun < SLOW_SECONDS:
                raise Busy
            oldest.stop()
        upload = Upload(self, stop)
        self._receiving[upload] = None
        return upload

    def end_receiving(self, upload: "Upload") -> None:
        """Make room for another upload; a second call does nothing."""
        self._receiving.pop(upload, None)

    async def run(self, function: Callable, *arguments: Any) -> Any:
        """Return function(*arguments), called in one of the threads.

        Raises Busy where too many wait already.  If this coroutine is
        cancelled before the call has begun, the call never begins.
        """
        if self._waiting >= MAX_WAITING + self.threads:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.wrap_future(
                self._pool.submit(function, *arguments))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Drop the calls that wait; those that run come to their end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Upload:
    """The body of one request, as it arrives.

    begun: time.monotonic() at its begin.  stop: ends the request early.
    """

    def __init__(self, queue: Queue, stop: Callable[[], None]) -> None:
        self.begun, self.stop = time.monotonic(), stop
        self._queue = queue
        self._size = 0
        self._file = SpooledTemporaryFile(MEMORY_BYTES)

    def add(self, chunk: bytes) -> None:
        """Add bytes; raise TooLarge where there are more than MAX_BYTES."""
        self._size += len(chunk)
        if self._size > MAX_BYTES:
            raise TooLarge
        self._file.write(chunk)

    def complete(self) -> None:
        """Make room for another upload: the whole body has arrived."""
        self._queue.end_receiving(self)

    def read(self) -> bytes:
        """Return all bytes."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Forget the body; a second call does nothing."""
        self._queue.end_receiving(self)
        self._file.close()
