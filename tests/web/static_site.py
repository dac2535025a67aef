"""A plain server of static files, that writes down what was asked."""

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class Handler(SimpleHTTPRequestHandler):
    """Sends files as `python -m http.server` does."""

    def __init__(self, *arguments, site, **keywords):
        self.site = site
        super().__init__(*arguments, directory=str(site.folder), **keywords)

    def do_GET(self):
        """Send a file, unless the site lacks it at this moment."""
        path = self.path.split("?")[0].lstrip("/") or "index.html"
        if path in self.site.missing:
            self.send_error(404)
            self.site.was_refused.set()
            return
        super().do_GET()

    def copyfile(self, source, target):
        """Count the bytes of a body that is sent."""
        content = source.read()
        self.site.sent += len(content)
        target.write(content)

    def log_message(self, *arguments):
        """Print nothing."""


class Site:
    """A folder that is served.

    missing: paths that are answered with 404; then was_refused is set.
    sent: bytes of all bodies.
    """

    def __init__(self, folder):
        self.folder, self.missing, self.sent, self.port = folder, set(), 0, 0
        self.was_refused = threading.Event()

    @property
    def address(self):
        """Where a browser finds it: the same after a restart."""
        return f"http://127.0.0.1:{self.port}/"

    @contextmanager
    def running(self):
        """Serve the folder during this block."""
        server = ThreadingHTTPServer(("127.0.0.1", self.port),
                                     partial(Handler, site=self))
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.01,),
                         daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
