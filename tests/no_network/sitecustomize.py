"""Refuse the network to every Python process that the tests start.

Python imports a module of this name at its start, if one is on its path
(tests/conftest.py puts it there).  Connections within this machine are
allowed: a Dask scheduler and its workers, an S3 server.
"""

import ipaddress
import socket
import sys

# Audit events of the socket module; some have variants with a longer name.
EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethost",
          "socket.sendto", "socket.bind")


def refuse(event: str, arguments: tuple) -> None:
    """Raise RuntimeError if an audit event would reach the network."""
    if event.startswith(EVENTS) and not is_local(arguments):
        raise RuntimeError(f"no network in the tests: {event} {arguments}")


def is_local(arguments: tuple) -> bool:
    """Return whether a call stays within this machine.

    arguments: those of the audit event.  The first may be a socket; then an
    address follows: (host, port, ...) or a file's name.  Otherwise the first
    is a host.
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
