"""A server of the page in a thread, and a client that sends anything."""

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlencode

import numpy as np
from tiny import BIAS, CLASS_NAMES, DETECTOR, OOD_THRESHOLD, WEIGHTS

from leaffliction.model import classifier as classifiers
from leaffliction.model.bundle import Description
from leaffliction.utils.images import encode_jpeg
from leaffliction.web import server
from leaffliction.web.corrections import Corrections
from leaffliction.web.request_handler import Site
from leaffliction.web.listening import Listening, listen
from leaffliction.web.uploads import Queue

SECONDS = 20        # after which a test fails that waits in vain
JSON = "application/json; charset=UTF-8"


class Network:
    """The network of tiny.py without LiteRT, with a gate before it.

    calls: of the network; a photograph of which it is unsure takes four.
    gate: closed, calls wait at it.
    """

    def __init__(self, content=b""):
        self.gate = threading.Event()
        self.gate.set()
        self.calls, self._lock = 0, threading.Lock()

    def __call__(self, images):
        with self._lock:
            self.calls += 1
        assert self.gate.wait(SECONDS)
        means = images.mean(axis=(1, 2))
        logits = means @ WEIGHTS + BIAS
        maps = np.broadcast_to(logits[:, None, None], (len(images), 2, 2, 3))
        return [logits, maps, means[:, :1], means[:, 1:]]


def make_classifier(monkeypatch, archive="tiny.zip"):
    """Return a classifier with this network: mean colours to classes."""
    monkeypatch.setattr(classifiers, "Network", Network)
    return classifiers.Classifier(
        Description(CLASS_NAMES, 8, 2.0, OOD_THRESHOLD, 3.0, {"seed": 42}),
        b"", DETECTOR, "0123abcd", archive)


def photograph(seed=0, colour=(200, 60, 60)):
    """Return the file of a small photograph; each seed gives another."""
    pixels = np.random.default_rng(seed).integers(0, 20, (24, 24, 3))
    return encode_jpeg((pixels + colour).astype(np.uint8), 90)


@dataclass
class Response:
    """A response: status, headers in lower case, and body."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


# Stands for another device: an address of this computer like any other, by
# which a test tells its requests.
ANOTHER_DEVICE = "127.0.0.2"


class Client:
    """Sends requests to a server on this computer.

    address: from which they come.
    """

    def __init__(self, port, address="127.0.0.1"):
        self.port, self.address = port, address

    def __call__(self, method, path, body=None, headers=(), **query):
        """Send one request on a connection of its own."""
        with self.connect() as connection:
            return send(connection, method, path, body, headers, **query)

    @contextmanager
    def connect(self):
        """Yield a connection for several requests."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS,
                                    source_address=(self.address, 0))
        try:
            yield connection
        finally:
            connection.close()

    def raw(self, content, end=False):
        """Send bytes; return all that come until the server has closed.

        end: say that no more will come.  The server takes this for leaving.
        """
        with self.socket(content) as stream:
            if end:
                stream.shutdown(socket.SHUT_WR)
            return read_all(stream)

    def socket(self, content=b""):
        """Return a connected socket that has sent some bytes."""
        stream = socket.create_connection(("127.0.0.1", self.port), SECONDS)
        stream.sendall(content)
        return stream

    def post(self, body=b"", size=None, path="/api/predict"):
        """Return a POST request as bytes, with a body of `size` bytes.

        size: more than there are where the rest comes later, or never.
        """
        size = len(body) if size is None else size
        return self.head("POST", path, f"Content-Length: {size}") + body

    def head(self, method, path, *headers):
        """Return the head of a request, with its Host, as bytes."""
        lines = (f"{method} {path} HTTP/1.1",
                 f"Host: 127.0.0.1:{self.port}", *headers)
        return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def send(connection, method, path, body=None, headers=(), **query):
    """Send a request on a connection; return the response."""
    if query:
        path += "?" + urlencode(query)
    headers = dict(headers)
    connection.putrequest(method, path, skip_host="Host" in headers)
    if body is not None:
        headers.setdefault("Content-Length", str(len(body)))
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    content = response.read()
    return Response(response.status, {
        name.lower(): value for name, value in response.getheaders()},
        content)


def read_all(stream):
    """Return all bytes until the other side closes the connection."""
    parts = []
    try:
        while part := stream.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass        # It closed with bytes unread.
    return b"".join(parts)


def wait_until(is_true):
    """Wait until a condition holds; fail after some seconds."""
    end = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.005)


def refused(response, status, code):
    """Return whether a response is this error, as JSON with a sentence."""
    return (response.status == status and response.json["code"] == code
            and response.headers["content-type"] == JSON
            and set(response.json) == {"error", "code"}
            and len(response.json["error"]) > 5)


@contextmanager
def serving(classifier, folder, open_browser=False, **site):
    """Serve the page in a thread; yield the Site, with its Client.

    folder: for corrections.  site: further values of the Site.
    """
    sockets = listen(Listening(port=0))
    port = sockets[0].getsockname()[1]
    queue = Queue(2)
    site = Site({"tiny": classifier}, Corrections(
        folder, classifier.class_names, "tiny.zip"), queue, port, **site)
    running = Future()

    async def run():
        running.set_result((asyncio.get_running_loop(),
                            asyncio.current_task()))
        try:
            await server.run(site, sockets, open_browser)
        except asyncio.CancelledError:
            pass

    thread = threading.Thread(target=asyncio.run, args=[run()])
    thread.start()
    loop, task = running.result(SECONDS)
    client = Client(port)
    try:
        # Then it has printed its address.
        assert client("GET", "/").status == 200
        yield site, client
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(SECONDS)
        queue.close()
