"""leaffliction/web/listening.py: addresses and ports."""

import gc
import socket

import pytest

from leaffliction.utils.errors import UserError
from leaffliction.web import listening
from leaffliction.web.listening import (Listening, advertised_address,
                                        host_names, listen, local_address)

# Tornado leaves a socket open that it could not bind.
leaves_a_socket = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def collected():
    """Close that socket before the next test."""
    yield
    gc.collect()


class Bound:
    """A socket that listens at an address of a network."""

    def __init__(self, address, family=socket.AF_INET):
        self.address, self.family = address, family

    def getsockname(self):
        return (self.address, 8000)


class Probe(Bound):
    """A socket of socket.socket: the network through which it would send."""

    networks = {"192.0.2.1": "192.168.1.5", "2001:db8::1": "fd00::5"}

    def __init__(self, family, kind):
        self.family = family
        assert kind == socket.SOCK_DGRAM

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def connect(self, address):
        if address[0] not in self.networks:
            raise OSError("Network is unreachable")
        self.address = self.networks[address[0]]


@pytest.fixture
def taken(collected):
    """Return a port at which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@leaves_a_socket
def test_a_taken_port_is_named_with_the_next_free_one(taken):
    with pytest.raises(UserError) as error:
        listen(Listening(port=taken))
    text, _, free = str(error.value).rpartition(" ")
    assert text == (f"port {taken} is taken, perhaps by another predict.py "
                    "--web; the next free one: --port")
    assert taken < int(free) < taken + listening.TRIED_PORTS
    # It is free; and where it is taken as well, the next one is named.
    for opened in listen(Listening(port=int(free))):
        with opened, pytest.raises(UserError) as error:
            listen(Listening(port=taken))
    assert int(str(error.value).rpartition(" ")[2]) > int(free)


@leaves_a_socket
def test_a_taken_port_without_a_free_one_is_named_alone(taken, monkeypatch):
    monkeypatch.setattr(listening, "TRIED_PORTS", 1)
    with pytest.raises(UserError, match="predict.py --web$"):
        listen(Listening(port=taken))


@leaves_a_socket
def test_another_address_than_the_own_is_one_error(collected):
    # Of a network for documentation: the tests' guard refuses it as well.
    with pytest.raises((UserError, RuntimeError), match="203.0.113.9"):
        listen(Listening("203.0.113.9", 0))


@pytest.mark.parametrize("error", [
    socket.gaierror(-2, "Name or service not known"),
    UnicodeError("label empty or too long")])
def test_an_unknown_host_is_one_error(error, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UserError, match="^--host a..b: no such host$"):
        listen(Listening("a..b", 0))


@leaves_a_socket
def test_an_address_that_is_not_allowed_is_one_error(collected, monkeypatch):
    def fail(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", fail)
    with pytest.raises(UserError) as error:
        listen(Listening(port=80))
    assert str(error.value) == (
        "cannot listen on 127.0.0.1:80: Permission denied")


@pytest.mark.parametrize("bound, address", [
    ("127.0.0.1", "http://127.0.0.1:8000/"), ("::1", "http://[::1]:8000/"),
    ("0.0.0.0", "http://127.0.0.1:8000/"), ("::", "http://[::1]:8000/"),
    ("192.168.1.5", "http://192.168.1.5:8000/")])
def test_this_computer_opens_an_address_that_listens(bound, address):
    assert local_address([Bound(bound)]) == address


@pytest.mark.parametrize("bound, host, address", [
    ("127.0.0.1", "127.0.0.1", None), ("127.0.0.1", "localhost", None),
    ("::1", "::1", None), ("127.0.1.1", "leaf", None),
    ("192.168.1.5", "192.168.1.5", "http://192.168.1.5:8000"),
    ("192.168.1.5", "leaf.lan", "http://leaf.lan:8000"),
    ("fd00::5", "fd00::5", "http://[fd00::5]:8000")])
def test_a_phone_opens_an_address_that_it_can_reach(bound, host, address):
    assert advertised_address([Bound(bound)], host) == address


@pytest.mark.parametrize("bound, family, address", [
    ("0.0.0.0", socket.AF_INET, "http://192.168.1.5:8000"),
    ("::", socket.AF_INET6, "http://[fd00::5]:8000")])
def test_of_every_address_a_phone_opens_that_of_its_network(
        bound, family, address, monkeypatch):
    monkeypatch.setattr(socket, "socket", Probe)
    assert advertised_address([Bound(bound, family)], bound) == address
    monkeypatch.setattr(Probe, "networks", {})
    assert advertised_address([Bound(bound, family)], bound) is None


@pytest.mark.parametrize("host, names", [
    ("127.0.0.1", ()), ("0.0.0.0", ()), ("::1", ()), ("fe80::1%eth0", ()),
    ("Leaf.lan", ("leaf.lan",)), ("localhost", ("localhost",))])
def test_only_names_count_as_names(host, names):
    assert host_names(host) == frozenset(names)
