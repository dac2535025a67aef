"""What the server answers: each address of the page."""

from pathlib import Path

from tornado.web import Application

from leaffliction import __version__
from leaffliction.utils.errors import UserError
from leaffliction.web.corrections import Said
from leaffliction.web.page_files import language_menu, read_page_files
from leaffliction.web.prediction_json import predict_upload, read_upload
from leaffliction.web.qr import qr_svg
from leaffliction.web.request_handler import (Handler, Refusal, Site,
                                              UploadHandler)
from leaffliction.web.take_along import make_csv, make_report
from leaffliction.web.uploads import MAX_BYTES

CONTENT_TYPES = {".html": "text/html; charset=utf-8",
                 ".css": "text/css; charset=utf-8",
                 ".js": "text/javascript; charset=utf-8",
                 ".json": "application/json", ".svg": "image/svg+xml"}


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
            "languages": language_menu(),
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


class PredictHandler(UploadHandler):
    """Predicts a photograph."""

    async def post(self, session: str | None = None) -> None:
        """Send the prediction as JSON."""
        name, model = self.photograph_name(), self.classifier_name
        classifier = self.site.classifiers[model]
        prediction = await self.process(
            lambda content: predict_upload(classifier, content))
        self.finish({"model": model, "name": name} | prediction)


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
           # Read once: no request names a file of the disk.
           (base + r"(?P<file>.*)", StaticHandler,
            shared | {"files": read_page_files()})],
        # The terminal belongs to the user, not to a list of requests.
        log_function=lambda handler: None)
