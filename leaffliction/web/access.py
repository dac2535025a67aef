"""Who may use the page: the checks that each request passes.

A web page from anywhere may send requests to a server on this computer, in
the name of whoever reads it.  Two checks stop that.  The Host header must
name the address on which the connection arrived, or a name that the user
gave: a foreign domain whose address was changed to this computer's (DNS
rebinding) is none.  And the Origin header, where a browser sends one, must be
this server's.

This computer needs no more.  Another device needs a secret in the path of
each address, since a cookie would be sent in the name of foreign pages too:

    /join/TOKEN     what the QR code holds; works once, and leads to
    /s/SESSION/     the page, for this device

Both are random, and forgotten when the server ends.
"""

import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Collection

# Devices that have joined; beyond this the one that joined first is
# forgotten.
MAX_SESSIONS = 50
TOKEN_BYTES = 16
HTTP_PORT = 80


def is_local(address: str) -> bool:
    """Return whether an IP address is this computer's loopback."""
    return _plain(address).is_loopback


def is_same_computer(client: str, address: str) -> bool:
    """Return whether a client runs on the computer that it reached.

    client: IP address of the client.  address: the one that it reached.
    Who connects to an address of the own computer comes from that address;
    the system drops what others send in its name.
    """
    return is_local(client) or _plain(client) == _plain(address)


def host_is_allowed(host: str, address: str, port: int,
                    names: Collection[str] = ()) -> bool:
    """Return whether a Host header names this server.

    address, port: where the connection arrived.  names: further names of
    this computer, in lower case, as the user gave them.
    """
    name, given_port = split_host(host)
    if given_port != port:
        return False
    if name in names or name == "localhost" and is_local(address):
        return True
    try:
        return _plain(name) == _plain(address)
    except ValueError:      # A name, and none of those.
        return False


def origin_is_allowed(origin: str | None, host: str) -> bool:
    """Return whether a request comes from this server's own page.

    origin: the Origin header; None for a program that is no browser, and
    for addresses that a user types.  host: the Host header.
    """
    return origin is None or origin.lower() == f"http://{host.lower()}"


def split_host(host: str) -> tuple[str, int]:
    """Return the name, in lower case, and the port of a Host header.

    The port is -1 where it is no number.
    """
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):     # [::1] without a port
        name, port = host, str(HTTP_PORT)
    is_number = port.isascii() and port.isdigit() and len(port) <= 5
    return name.strip("[]").lower(), int(port) if is_number else -1


def join_host(name: str, port: int) -> str:
    """Return a name or an address with its port, as in a Host header."""
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


class Sessions:
    """The token for the next device, and the sessions of those that joined."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self._sessions: OrderedDict[str, None] = OrderedDict()

    def join(self, token: str) -> str | None:
        """Return a new session for the token; None if it is not valid.

        The token is replaced: it works once.
        """
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return None
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        session = secrets.token_urlsafe(TOKEN_BYTES)
        self._sessions[session] = None
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def is_valid(self, session: str | None) -> bool:
        """Return whether a device has joined with this session."""
        return session in self._sessions


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an IP address; of an IPv4 address within IPv6, the former.

    Raises ValueError for a text that is no address.
    """
    # "fe80::1%eth0": the interface is no part of the address.
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return getattr(parsed, "ipv4_mapped", None) or parsed
