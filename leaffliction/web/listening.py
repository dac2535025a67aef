"""Where the server listens, and what its addresses are."""

import errno
import socket
from dataclasses import dataclass

from leaffliction.utils.errors import UserError
from leaffliction.web.access import is_local, join_host

LOCALHOST, PORT = "127.0.0.1", 8000
# Ports tried after one that is taken, to name one that is free.
TRIED_PORTS = 100
# For every address of this computer, by version of IP, one of a network for
# documentation (RFC 5737, RFC 3849).  Nothing is sent there: the system only
# says from which of its own addresses it would go.
SOMEWHERE = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}


@dataclass(frozen=True)
class Listening:
    """Where the server listens.

    host: an address or a name of this computer; 0.0.0.0 for all of them.
    port: 0 for any that is free.
    """

    host: str = LOCALHOST
    port: int = PORT


def listen(listening: Listening) -> list[socket.socket]:
    """Return sockets that listen; UserError where that is not possible."""
    from tornado.netutil import bind_sockets
    host, port = listening.host, listening.port
    try:
        return bind_sockets(port, host)
    except (socket.gaierror, UnicodeError):     # UnicodeError: "a..b"
        raise UserError(f"--host {host}: no such host") from None
    except OSError as error:
        if not is_taken(error):
            raise UserError(f"cannot listen on {join_host(host, port)}: "
                            f"{error.strerror}") from None
    raise UserError(f"port {port} is taken, perhaps by another predict.py "
                    f"--web{free_port_hint(host, port)}")


def is_taken(error: OSError) -> bool:
    """Return whether another program listens on the port."""
    return error.errno == errno.EADDRINUSE


def free_port_hint(host: str, taken: int) -> str:
    """Return which port after `taken` is free, as the end of a sentence."""
    from tornado.netutil import bind_sockets
    for port in range(taken + 1, min(taken + TRIED_PORTS, 65535)):
        try:
            for free in bind_sockets(port, host):
                free.close()
        except OSError:
            continue
        return f"; the next free one: --port {port}"
    return ""


def local_address(sockets: list[socket.socket]) -> str:
    """Return the address of the page for a browser on this computer."""
    host, port = sockets[0].getsockname()[:2]
    # Every address includes the loopback of the same version of IP.
    host = {"0.0.0.0": LOCALHOST, "::": "::1"}.get(host, host)
    return f"http://{join_host(host, port)}/"


def advertised_address(sockets: list[socket.socket], host: str
                       ) -> str | None:
    """Return the address for another device; None where it can't connect.

    host: as the user gave it: another device may know its name.
    """
    bound, port = sockets[0].getsockname()[:2]
    if bound in SOMEWHERE:
        try:
            with socket.socket(sockets[0].family, socket.SOCK_DGRAM) as probe:
                probe.connect((SOMEWHERE[bound], 9))
                host = bound = probe.getsockname()[0]
        except OSError:     # There is no network.
            return None
    return None if is_local(bound) else f"http://{join_host(host, port)}"


def host_names(host: str) -> frozenset[str]:
    """Return the names that the user gave; none where it is an address."""
    try:
        is_local(host)
    except ValueError:
        return frozenset({host.lower()} - {""})
    return frozenset()
