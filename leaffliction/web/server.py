"""Start the server of the page, open the browser, and end with Ctrl-C."""

import asyncio
import logging
import os
import resource
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from typing import NoReturn

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

from leaffliction.model.classifier import Classifier
from leaffliction.utils.console import print_note
from leaffliction.web.access import is_local
from leaffliction.web.corrections import FOLDER, Corrections
from leaffliction.web.handlers import make_application
from leaffliction.web.listening import (Listening, advertised_address,
                                        host_names, listen, local_address)
from leaffliction.web.request_handler import Site
from leaffliction.web.uploads import BODY_SECONDS, Queue

# Seconds after which a connection without a request is closed.
IDLE_SECONDS = 60
# Connections at the same time.  Each needs a file descriptor: without any
# left, Tornado would neither accept nor wait.
MAX_CONNECTIONS = 512
# Largest body of a request that is no upload: it is read into memory before
# anything is checked.
MAX_SMALL_BODY = 1 << 16


def serve(classifiers: list[Classifier], listening: Listening, threads: int,
          open_browser: bool) -> NoReturn:
    """Serve the page until Ctrl-C, which ends the process with status 0.

    classifiers: for the page's menu; the first is chosen at first.
    threads: photographs that are predicted at once.
    open_browser: open the page in the browser of this computer.
    Raises UserError where the port is taken or the address is not one of
    this computer's.
    """
    sockets = listen(listening)
    port = sockets[0].getsockname()[1]
    queue = Queue(threads)
    class_names = tuple(dict.fromkeys(
        name for classifier in classifiers
        for name in classifier.class_names))
    corrections = Corrections(Path(FOLDER), class_names,
                              classifiers[0].archive)
    site = Site(menu_names(classifiers), corrections, queue, port,
                host_names(listening.host),
                advertised_address(sockets, listening.host))
    try:
        asyncio.run(run(site, sockets, open_browser))
    except KeyboardInterrupt:
        # What is being written is written; nothing more is.
        corrections.close()
        sys.stdout.flush()
        # Otherwise Python would wait for the predictions that run, of which
        # nobody reads the result: 10 s for 256 megapixels.
        os._exit(0)
    finally:
        queue.close()


def menu_names(classifiers: list[Classifier]) -> dict[str, Classifier]:
    """Return {name in the menu: classifier}, in the order given.

    The name is that of the released model or of the file, and its whole
    path where two files have the same name.
    """
    short = [Path(classifier.archive).name for classifier in classifiers]
    return {name if short.count(name) == 1 else classifier.archive: classifier
            for name, classifier in zip(short, classifiers)}


class Server(HTTPServer):
    """An HTTP server that closes connections beyond a number at once."""

    connections = 0

    def handle_stream(self, stream: IOStream, address: tuple) -> None:
        """Serve a new connection, or close it."""
        limit = connection_limit()
        # Other devices leave half of them to this computer's browser.
        if self.connections >= (limit if is_local(address[0]) else limit // 2):
            stream.close()
            return
        self.connections += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: HTTP1ServerConnection) -> None:
        """Count a connection less."""
        self.connections -= 1
        super().on_close(server_conn)


def connection_limit() -> int:
    """Return how many connections there may be at the same time.

    At most half of the files that this process may open: bodies in temporary
    files and corrections need some as well.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(
        MAX_CONNECTIONS, files // 2)


async def run(site: Site, sockets: list[socket.socket], open_browser: bool
              ) -> None:
    """Answer requests until this coroutine is cancelled."""
    # Tornado's own lines about refused requests are not for the user.
    logging.getLogger("tornado").addHandler(logging.NullHandler())
    logging.getLogger("tornado").propagate = False
    server = Server(
        make_application(site), body_timeout=BODY_SECONDS,
        idle_connection_timeout=IDLE_SECONDS, max_body_size=MAX_SMALL_BODY)
    server.add_sockets(sockets)
    address = local_address(sockets)
    # For people and for programs that start this one, and wait for it.
    print(address, flush=True)
    print_note("drop photographs of leaves there; Ctrl-C ends it")
    if site.advertised:     # This computer may have no screen for the QR code.
        print_note("one device in this network may open "
                   f"{site.join_address}, and more by the QR code in the page")
    if open_browser and has_screen():
        # It may wait for the browser.
        threading.Thread(target=webbrowser.open, args=(address,),
                         daemon=True).start()
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
        await server.close_all_connections()


def has_screen() -> bool:
    """Return whether a browser can open a window here."""
    return sys.platform == "darwin" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
