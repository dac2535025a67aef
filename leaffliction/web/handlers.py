"""What the server answers: each address of the page, and each refusal."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tornado.web import (Application, Finish, HTTPError, RequestHandler,
                         stream_request_body)

from leaffliction import __version__
from leaffliction.model.classifier import Classifier
from leaffliction.prediction.languages import FOLDER as TEXTS
from leaffliction.prediction.languages import (Language, choose_language,
                                               language_codes, load_language)
from leaffliction.utils.console import print_error
from leaffliction.utils.errors import UserError
from leaffliction.web.access import (Sessions, host_is_allowed,
                                     is_same_computer, origin_is_allowed)
from leaffliction.web.corrections import Corrections, Said
from leaffliction.web.prediction_json import predict_upload, read_upload
from leaffliction.web.qr import qr_svg
from leaffliction.web.take_along import make_csv, make_report
from leaffliction.web.uploads import (BODY_SECONDS, MAX_BYTES, RETRY_SECONDS,
                                      Busy, Queue, TooLarge, Upload)

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {".html": "text/html; charset=utf-8",
                 ".css": "text/css; charset=utf-8",
                 ".js": "text/javascript; charset=utf-8",
                 ".json": "application/json", ".svg": "image/svg+xml"}
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


class StaticHandler(Handler):
    """The files of the page, which were read when the server started."""

    answers_people = True

    def initialize(self, site: Site, files: dict[str, bytes]) -> None:
        """Keep the files: {path below the page's address: content}."""
        super().initialize(site)
        self.files = files

    def get(self, file: str, session: str | None = None) -> None:
        """Send a file; the page itself for the empty path."""
        file = file or "index.html"
        if file not in self.files:
            raise Refusal(404, "request", "there is no such page")
        self.set_header("Content-Type", CONTENT_TYPES[Path(file).suffix])
        # The browser asks each time; unchanged files are not sent again.
        self.set_header("Cache-Control", "no-cache")
        self.finish(self.files[file])

    head = get


class JoinHandler(Handler):
    """Exchanges the token of the QR code for a session."""

    answers_people = True

    def is_joining(self) -> bool:
        """Let any device in: it has no session yet."""
        return True

    def get(self, token: str) -> None:
        """Lead to the page of a new session."""
        session = self.site.sessions.join(token)
        if session is None:
            raise Refusal(403, "forbidden", "this QR code has been used or "
                          "has expired: scan the one that the page shows now")
        self.redirect(f"/s/{session}/", status=303)


class ModelsHandler(Handler):
    """The models, and what this server can do."""

    def get(self, session: str | None = None) -> None:
        """Send them as JSON."""
        self.finish({
            "version": __version__, "max_bytes": MAX_BYTES,
            "parallel": self.site.queue.threads, "corrections": True,
            "local": self.is_local(),
            "languages": [{"code": code, "name": load_language(code).name}
                          for code in language_codes()],
            "models": [{"name": name, "classes": classifier.class_names}
                       for name, classifier in
                       self.site.classifiers.items()]})


class PhoneHandler(Handler):
    """The address for another device, with a token, and its QR code."""

    def get(self, session: str | None = None) -> None:
        """Send both as JSON, to this computer alone."""
        if not self.is_local():
            raise Refusal(403, "forbidden", "the computer shows the code")
        address = self.site.join_address
        self.finish({"address": address} | (
            {"qr": qr_svg(address)} if address else {}))


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


class PredictHandler(UploadHandler):
    """Predicts a photograph."""

    async def post(self, session: str | None = None) -> None:
        """Send the prediction as JSON."""
        name, model = self.photograph_name(), self.classifier_name
        classifier = self.site.classifiers[model]
        answer = await self.process(
            lambda content: predict_upload(classifier, content))
        self.finish({"model": model, "name": name} | answer)


class CorrectionsHandler(UploadHandler):
    """Files a photograph under the class that a person has named."""

    def get(self, session: str | None = None) -> None:
        """Send how many corrections there are."""
        self.finish(self.site.corrections.state())

    async def post(self, session: str | None = None) -> None:
        """Copy the photograph into the folder of its class."""
        class_name = self.get_query_argument("class")
        name, model = self.photograph_name(), self.classifier_name
        classifier = self.site.classifiers[model]
        corrections = self.site.corrections

        def add(content: bytes) -> str:
            # Predicted again, so that the table holds what this model says
            # of these bytes, whatever the browser remembers.
            prediction = classifier.predict_image(
                read_upload(classifier, content))
            return corrections.add(content, Said(
                class_name, name, prediction, model, classifier.checksum))

        identity = await self.process(add, "correction")
        self.finish({"id": identity, "state": corrections.state()})


class UndoHandler(Handler):
    """Takes a correction back."""

    def post(self, session: str | None = None) -> None:
        """Move its photograph out of the folder of its class."""
        try:
            self.site.corrections.undo(self.get_query_argument("id"))
        except UserError as error:
            raise Refusal(500, "request", str(error)) from None
        self.finish({"state": self.site.corrections.state()})


class ReportHandler(UploadHandler):
    """Makes the report of what the page shows."""

    async def post(self, session: str | None = None) -> None:
        """Send it as an HTML file to save."""
        language = self.language()
        model = self.classifier_name
        report = await self.process(
            lambda rows: make_report(rows, language, model), "request")
        self.send_file(report, "text/html; charset=utf-8", "report.html")


class CSVHandler(UploadHandler):
    """Makes a table of what the page shows."""

    async def post(self, session: str | None = None) -> None:
        """Send it as a CSV file to save."""
        language = self.language()
        table = await self.process(
            lambda rows: make_csv(rows, language), "request")
        self.send_file(table, "text/csv; charset=utf-8", "predictions.csv")


def too_large() -> Refusal:
    """Return the refusal of a body of more than MAX_BYTES."""
    return Refusal(413, "too_large", "this file is larger than "
                   f"{MAX_BYTES >> 20} MB")


def busy() -> Refusal:
    """Return the refusal of a request beyond the queue."""
    return Refusal(503, "busy", "the server is busy; try again in a moment")


def make_application(site: Site) -> Application:
    """Return the Tornado application of a site.

    Each address exists twice: at the top, for this computer, and below
    /s/SESSION/, for other devices.
    """
    shared = {"site": site}
    routes = [
        ("api/models", ModelsHandler), ("api/phone", PhoneHandler),
        ("api/predict", PredictHandler),
        ("api/corrections", CorrectionsHandler),
        ("api/corrections/undo", UndoHandler),
        ("api/report", ReportHandler), ("api/csv", CSVHandler)]
    base = r"/(?:s/(?P<session>[\w-]+)/)?"
    return Application(
        [(base + path, handler, shared) for path, handler in routes]
        + [(r"/join/(?P<token>[\w-]+)", JoinHandler, shared),
           (base + r"(?P<file>.*)", StaticHandler,
            shared | {"files": read_static_files()})],
        # The terminal belongs to the user, not to a list of requests.
        log_function=lambda handler: None)


def read_static_files() -> dict[str, bytes]:
    """Return the files of the page: {path below its address: content}.

    Read once, when the server starts: no request names a file of the disk.
    """
    files = {path.relative_to(STATIC).as_posix(): path.read_bytes()
             for path in STATIC.rglob("*") if path.is_file()}
    return files | {f"texts/{path.name}": path.read_bytes()
                    for path in TEXTS.glob("*.json")}
