"""What all requests of the page have in common: checks, errors, uploads."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from tornado.web import (Finish, HTTPError, RequestHandler,
                         stream_request_body)

from leaffliction.model.classifier import Classifier
from leaffliction.prediction.languages import Language, choose_language
from leaffliction.utils.console import print_error
from leaffliction.utils.errors import UserError
from leaffliction.web.access import (Sessions, host_is_allowed,
                                     is_same_computer, origin_is_allowed)
from leaffliction.web.corrections import Corrections
from leaffliction.web.uploads import (BODY_SECONDS, MAX_BYTES, RETRY_SECONDS,
                                      Busy, Queue, TooLarge, Upload)

# Nothing from another server, no script or style within the page.
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'",
    "img-src 'self' data: blob:", "connect-src 'self'", "base-uri 'none'",
    "form-action 'none'", "frame-ancestors 'none'"))
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store"}
MAX_NAME = 200      # characters of a photograph's name that are kept


@dataclass(frozen=True)
class Site:
    """What all requests share.

    classifiers: {name in the page's menu: classifier}, the first is chosen
    where a request names none.  names: host names of this computer that the
    user gave.  advertised: the address for another device, without a token;
    None where the server listens on this computer alone.
    """

    classifiers: dict[str, Classifier]
    corrections: Corrections
    queue: Queue
    port: int
    names: frozenset[str] = frozenset()
    advertised: str | None = None
    sessions: Sessions = field(default_factory=Sessions)

    @property
    def join_address(self) -> str | None:
        """The address by which the next device joins, or None."""
        return self.advertised and (
            f"{self.advertised}/join/{self.sessions.token}")


class Refusal(HTTPError):
    """An error with a code for the page and a sentence for the reader."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(status)
        self.code, self.sentence = code, sentence


class Handler(RequestHandler):
    """Checks who asks; answers errors as JSON, or to people as text."""

    # Whether a person opens this address, and not the page.
    answers_people = False

    def initialize(self, site: Site) -> None:
        """Keep what all requests share."""
        self.site = site

    def set_default_headers(self) -> None:
        """Send the headers that keep the page to itself."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse requests that come from elsewhere."""
        request = self.request
        if not (host_is_allowed(request.host, self.own_address(),
                                self.site.port, self.site.names)
                and origin_is_allowed(request.headers.get("Origin"),
                                      request.host)):
            raise Refusal(403, "forbidden", "this request does not come from "
                          "the page of this server")
        if not (self.is_local() or self.is_joining()
                or self.site.sessions.is_valid(
                    self.path_kwargs.get("session"))):
            raise Refusal(403, "forbidden", "scan the QR code that the page "
                          "shows on the computer: this address has expired")

    def own_address(self) -> str:
        """Return the IP address of this computer that the client reached."""
        connected = self.request.connection.stream.socket
        if connected is None:       # The client has left.
            raise Finish
        return connected.getsockname()[0]

    def is_local(self) -> bool:
        """Return whether the browser runs on this computer."""
        return is_same_computer(self.request.remote_ip, self.own_address())

    def is_joining(self) -> bool:
        """Return whether this request exchanges a token for a session."""
        return False

    @property
    def classifier_name(self) -> str:
        """The model that the request names, or the first one."""
        names = self.site.classifiers
        name = self.get_query_argument("model", next(iter(names)))
        if name not in names:
            raise Refusal(404, "model", f"there is no model {name[:99]!r}")
        return name

    def photograph_name(self) -> str:
        """Return the name of the photograph, for the reader alone."""
        return self.get_query_argument("name", "photograph")[:MAX_NAME]

    def language(self) -> Language:
        """Return the language that the request names, or English."""
        return choose_language([self.get_query_argument("lang", "")])

    def send_file(self, content: bytes, content_type: str, name: str) -> None:
        """Send a file for the browser to save under a name."""
        self.set_header("Content-Type", content_type)
        self.set_header("Content-Disposition",
                        f'attachment; filename="{name}"')
        self.finish(content)

    def write_error(self, status_code: int, **details: Any) -> None:
        """Send an error: a sentence, and for the page a code."""
        error = details.get("exc_info", (None, None))[1]
        if status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self.set_header("Retry-After", RETRY_SECONDS)
        if isinstance(error, Refusal):
            code, sentence = error.code, error.sentence
        else:
            code, sentence = "request", HTTPStatus(status_code).phrase
        if self.answers_people:
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"{sentence}\n")
        else:
            self.finish({"error": sentence, "code": code})

    def log_exception(self, *details: Any) -> None:
        """Print one line for a bug; none for a request that is refused."""
        error = details[1]
        if not isinstance(error, HTTPError):
            print_error(f"internal error, please report it: {error!r}")


@stream_request_body
class UploadHandler(Handler):
    """Receives one photograph, and answers when it has been processed."""

    upload: Upload | None = None
    # Why the request is refused, once its body has been read: a browser
    # that is still sending would not see an earlier answer.
    refusal: Refusal | None = None
    # Stops a body that takes too long.
    deadline: asyncio.TimerHandle | None = None
    # The call that waits for a thread of the queue, or runs in one.
    call: asyncio.Task | None = None

    def prepare(self) -> None:
        """Check the request before its body is read."""
        super().prepare()
        # Also for larger bodies it is this class that answers, not Tornado.
        self.request.connection.set_max_body_size(2 * MAX_BYTES)
        if self.declared_size() > MAX_BYTES:
            raise too_large()
        if self.request.method == "POST":
            try:
                self.upload = self.site.queue.begin_upload(self.stop)
            except Busy:
                self.refusal = busy()
            self.deadline = asyncio.get_running_loop().call_later(
                BODY_SECONDS, self.stop)

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body."""
        if self.upload is not None:
            try:
                self.upload.add(chunk)
            except TooLarge:
                self.answer_early(too_large())

    def stop(self) -> None:
        """Answer a body that takes too long."""
        self.answer_early(Refusal(408, "slow", "this file took too long to "
                                  "arrive"))

    def answer_early(self, refusal: Refusal) -> None:
        """Answer before the body has arrived.

        Then Tornado closes the connection; the rest is not read.
        """
        self.end_upload()
        self.send_error(refusal.status_code, exc_info=(Refusal, refusal, None))

    def declared_size(self) -> int:
        """Return the Content-Length; 0 without one."""
        length = self.request.headers.get("Content-Length", "0")
        return int(length) if length.isascii() and length.isdigit() else 0

    async def process(self, function: Callable, code: str = "unreadable"
                      ) -> Any:
        """Return function(body), called in a thread of the queue.

        Raises Refusal where the queue is full, and, with this code, where
        function raises a UserError.
        """
        if self.refusal is not None:
            raise self.refusal
        upload = self.upload
        if upload is None:      # Its time has run out, just now.
            raise Finish
        self.deadline.cancel()
        upload.complete()
        self.call = asyncio.ensure_future(
            self.site.queue.run(lambda: function(upload.read())))
        try:
            return await self.call
        except (Busy, asyncio.CancelledError):
            # Cancelled: the client has left, or the server ends.
            raise busy() from None
        except UserError as error:
            raise Refusal(422, code, str(error)) from None

    def on_finish(self) -> None:
        """Forget the body."""
        self.end_upload()

    def on_connection_close(self) -> None:
        """Forget a client that has left, and the call that waits for it."""
        super().on_connection_close()
        if self.call is not None:
            self.call.cancel()
        self.end_upload()

    def end_upload(self) -> None:
        """Forget the body."""
        if self.deadline is not None:
            self.deadline.cancel()
        if self.upload is not None:
            self.upload.close()
            self.upload = None


def too_large() -> Refusal:
    """Return the refusal of a body of more than MAX_BYTES."""
    return Refusal(413, "too_large", "this file is larger than "
                   f"{MAX_BYTES >> 20} MB")


def busy() -> Refusal:
    """Return the refusal of a request beyond the queue."""
    return Refusal(503, "busy", "the server is busy; try again in a moment")
