"""The server of the page: what is too much, too slow, or gone."""

import json
import socket
import struct
import time

import pytest
from serving import photograph, read_all, refused, send, wait_until

from leaffliction.web import handlers, request_handler, server, uploads
from leaffliction.web.request_handler import Handler


@pytest.fixture
def small_limit(monkeypatch):
    """Make 100 kB the largest photograph."""
    for module in (handlers, request_handler, uploads):
        monkeypatch.setattr(module, "MAX_BYTES", 100_000)


@pytest.mark.parametrize("size", [100_001, 200_001, 10 ** 12])
def test_a_body_that_says_it_is_too_long_is_not_read(page, small_limit, size):
    with page.client.socket(page.client.post(size=size)) as stream:
        head, _, body = read_all(stream).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["code"] == "too_large"


@pytest.mark.parametrize("chunk", [100, 70_000])
def test_a_body_without_end_is_cut_off(page, small_limit, chunk):
    head = page.client.head("POST", "/api/predict",
                            "Transfer-Encoding: chunked")
    part = b"%x\r\n" % chunk + b"x" * chunk + b"\r\n"
    sent = 0
    with page.client.socket(head) as stream:
        try:
            while sent < 50_000_000:
                stream.sendall(part)
                sent += chunk
        except ConnectionError:
            pass
        answer = read_all(stream)
    # What lay in the buffers of the system has been sent as well.
    assert sent < 20_000_000
    assert answer.startswith(b"HTTP/1.1 413 ") and b"too_large" in answer
    wait_until(lambda: not page.site.queue._receiving)


def test_a_body_in_parts_is_read(page, small_limit):
    body = photograph()
    parts = b"".join(b"%x\r\n" % len(body[start:start + 99])
                     + body[start:start + 99] + b"\r\n"
                     for start in range(0, len(body), 99))
    with page.client.socket(page.client.head(
            "POST", "/api/predict", "Transfer-Encoding: chunked")
            + parts + b"0\r\n\r\n") as stream:
        assert stream.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("path", ["/", "/api/corrections/undo", "/join/x"])
def test_other_bodies_are_small(page, path):
    for size, status in ((1000, b"40"), (65537, b"400"), (10 ** 9, b"400")):
        with page.client.socket(page.client.post(
                b"x" * min(size, 1000), size, path)) as stream:
            assert stream.recv(12).startswith(b"HTTP/1.1 " + status)


def test_slow_senders_are_cut_off(page, monkeypatch):
    monkeypatch.setattr(request_handler, "BODY_SECONDS", 0.1)
    for head in (page.client.post(b"x", 100), page.client.head(
            "POST", "/api/predict", "Transfer-Encoding: chunked")):
        with page.client.socket(head) as stream:
            answer = read_all(stream)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "slow"
    assert not page.site.queue._receiving


def test_who_waits_for_a_prediction_is_not_slow(page, monkeypatch):
    # Long enough for the body, also on a busy machine.
    monkeypatch.setattr(request_handler, "BODY_SECONDS", 0.3)
    page.network.gate.clear()
    with page.client.socket(page.client.post(photograph())) as stream:
        wait_until(lambda: page.network.calls)
        time.sleep(0.4)
        page.network.gate.set()
        assert stream.recv(12) == b"HTTP/1.1 200"


def test_a_hundred_slow_senders_keep_nobody_waiting(page, monkeypatch):
    monkeypatch.setattr(uploads, "SLOW_SECONDS", 0.1)
    slow = [page.client.socket(page.client.post(b"x", 1000))
            for _ in range(100)]
    wait_until(lambda: len(page.site.queue._receiving) == 64)
    answers = []
    while 200 not in answers:
        response = page.client("POST", "/api/predict", photograph())
        assert response.status == 200 or refused(response, 503, "busy")
        answers.append(response.status)
        assert len(answers) < 1000
    assert slow[0].recv(12) == b"HTTP/1.1 408"
    for stream in slow:
        stream.close()
    wait_until(lambda: not page.site.queue._receiving)


def test_two_hundred_at_once_are_predicted_or_told_to_come_later(page):
    page.network.gate.clear()
    request = page.client.post(photograph()).replace(
        b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    streams = [page.client.socket(request) for _ in range(200)]
    wait_until(lambda: page.site.queue._waiting == 34
               and not page.site.queue._receiving)
    # The page itself is still there.
    assert page.client("GET", "/api/models").status == 200
    page.network.gate.set()
    answers = []
    for stream in streams:
        with stream:
            answers.append(read_all(stream))
    busy = [answer for answer in answers
            if answer.startswith(b"HTTP/1.1 503 ")]
    assert len(busy) == 166
    assert all(b"\r\nRetry-After: 1\r\n" in answer and b'"busy"' in answer
               for answer in busy)
    assert sum(answer.startswith(b"HTTP/1.1 200 ") for answer in answers
               ) == 34
    assert page.client("POST", "/api/predict", photograph()).status == 200
    assert page.site.queue._waiting == len(page.site.queue._receiving) == 0


def test_what_a_client_that_left_waited_for_never_begins(page):
    page.network.gate.clear()
    streams = [page.client.socket(page.client.post(photograph(seed)))
               for seed in range(10)]
    # Two of them have begun: otherwise these could be called off, too.
    wait_until(lambda: page.site.queue._waiting == 10
               and page.network.calls == 2)
    for stream in streams:
        stream.close()
    wait_until(lambda: page.site.queue._waiting == 0)
    page.network.gate.set()
    assert page.client("POST", "/api/predict", photograph()).status == 200
    # Two, and this one, which came after the others: four views of each.
    wait_until(lambda: page.network.calls >= 3 * 4)
    assert page.network.calls == 3 * 4


def test_who_leaves_at_any_moment_leaves_nothing(page):
    request = page.client.post(photograph())
    for length in (*range(0, len(request), 97), len(request)):
        stream = page.client.socket(request[:length])
        # Closing sends a reset, as when a program is killed.
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
        stream.close()
    assert page.client("POST", "/api/predict", photograph()).status == 200
    wait_until(lambda: page.site.queue._waiting == 0
               and not page.site.queue._receiving)


def test_who_leaves_before_the_check_leaves_nothing(page, monkeypatch):
    set_headers = Handler.set_default_headers

    def leave(handler):
        set_headers(handler)
        handler.request.connection.stream.close()

    monkeypatch.setattr(Handler, "set_default_headers", leave)
    for request in (page.client.head("GET", "/"),
                    page.client.post(photograph())):
        assert page.client.raw(request) == b""


def test_connections_have_a_limit(page, monkeypatch):
    def is_answered(connection):
        try:
            return send(connection, "GET", "/").status == 200
        except ConnectionError:
            connection.close()
            return False

    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    with page.client.connect() as third:
        with page.client.connect() as first, page.client.connect() as second:
            for connection in (first, second):
                wait_until(lambda: is_answered(connection))
            assert not is_answered(third)
        wait_until(lambda: is_answered(third))


def test_other_devices_leave_connections_to_this_computer(monkeypatch):
    class Stream:
        closed = False

        def close(self):
            self.closed = True

    for name in ("handle_stream", "on_close"):
        monkeypatch.setattr(server.HTTPServer, name, lambda *_: None)
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    limited = server.Server(print)

    def connect(address):
        stream = Stream()
        limited.handle_stream(stream, (address, 1))
        return not stream.closed

    assert [connect("192.168.1.6") for _ in range(3)] == [True, True, False]
    assert [connect("127.0.0.1") for _ in range(3)] == [True, True, False]
    limited.on_close(None)
    assert not connect("192.168.1.6")
    assert connect("127.0.0.1")


def test_an_idle_connection_is_closed(serve, monkeypatch):
    # Long enough for the first request, also on a busy machine.
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.3)
    page = serve()
    for content in (b"", b"GET / HT"):
        with page.client.socket(content) as stream:
            assert read_all(stream) == b""


@pytest.mark.parametrize("files, limit", [
    (1024, 512), (256, 128), (1 << 20, 512),
    (server.resource.RLIM_INFINITY, 512)])
def test_half_of_the_files_that_may_be_open_are_connections(
        files, limit, monkeypatch):
    monkeypatch.setattr(server.resource, "getrlimit", lambda _: (files, files))
    assert server.connection_limit() == limit
