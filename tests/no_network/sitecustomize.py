"""Loaded by every Python that the tests start: the network is refused.

Each Python imports a module of this name, where its path has one.  What
stays on this machine is none: a scheduler and its workers, a server of
objects.
"""

import ipaddress
import socket
import sys

CALLS = ("socket.connect", "socket.getaddrinfo", "socket.gethost",
         "socket.sendto", "socket.bind")


def refuse(event: str, arguments: tuple) -> None:
    """Raise where the network is asked for."""
    if event.startswith(CALLS) and not is_here(arguments):
        raise RuntimeError(f"the network is asked for: {event} {arguments}")


def is_here(arguments: tuple) -> bool:
    """Tell whether a call concerns this machine alone.

    arguments: those of the event; a socket may be the first of them, and an
    address is (host, port, ...), a file's name, or host alone.
    """
    if isinstance(arguments[0], socket.socket):
        if arguments[0].family == getattr(socket, "AF_UNIX", None):
            return True
        arguments = arguments[1]
    try:
        return ipaddress.ip_address(arguments[0]).is_loopback
    except (ValueError, IndexError):
        return arguments[0] == "localhost"


sys.addaudithook(refuse)
