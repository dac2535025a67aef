"""Loaded by every Python that the tests start: the network is refused.

Each Python imports a module of this name, where its path has one.
"""

import sys

CALLS = ("socket.connect", "socket.getaddrinfo", "socket.gethost",
         "socket.sendto", "socket.bind")


def refuse(event: str, arguments: tuple) -> None:
    """Raise where the network is asked for."""
    if event.startswith(CALLS):
        raise RuntimeError(f"the network is asked for: {event} {arguments}")


sys.addaudithook(refuse)
