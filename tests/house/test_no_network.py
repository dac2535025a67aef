"""No test reaches the network: tests/no_network refuses every attempt."""

import socket
import subprocess
import sys

import pytest

# Reserved for documentation (RFC 5737): no machine has this address.
ELSEWHERE = "192.0.2.1"
CONNECT = f"socket.create_connection(({ELSEWHERE!r}, 9), timeout=1)"
REFUSED = "no network in the tests"


def send_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"", (ELSEWHERE, 9))


@pytest.mark.parametrize("call", [
    lambda: socket.create_connection((ELSEWHERE, 9), timeout=1),
    lambda: socket.getaddrinfo("example.org", 80),
    lambda: socket.gethostbyname("example.org"), send_datagram],
    ids=["connect", "getaddrinfo", "gethostbyname", "sendto"])
def test_network_is_refused(call):
    with pytest.raises(RuntimeError, match=REFUSED):
        call()


def test_network_is_refused_to_processes_that_tests_start():
    done = subprocess.run(
        [sys.executable, "-c", f"import socket; {CONNECT}"],
        capture_output=True, text=True)
    assert f"RuntimeError: {REFUSED}" in done.stderr


def test_this_machine_itself_may_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address, timeout=5) as client:
            assert client.getpeername() == address
    assert socket.getaddrinfo("localhost", 80)
