"""The programs ask for nothing but the weights; the tests for nothing."""

import socket
import subprocess
import sys

import pytest

# Kept for documentation by the internet's own rules: nobody has it.
ELSEWHERE = "192.0.2.1"
CALL = f"socket.create_connection(({ELSEWHERE!r}, 9), timeout=1)"


def test_who_asks_for_the_network_is_stopped():
    with pytest.raises(RuntimeError, match="the network is asked for"):
        socket.create_connection((ELSEWHERE, 9), timeout=1)
    with pytest.raises(RuntimeError, match="the network is asked for"):
        socket.getaddrinfo("example.org", 80)
    with pytest.raises(RuntimeError, match="the network is asked for"):
        socket.gethostbyname("example.org")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        with pytest.raises(RuntimeError, match="the network is asked for"):
            datagrams.sendto(b"", (ELSEWHERE, 9))
    done = subprocess.run([sys.executable, "-c", f"import socket; {CALL}"],
                          capture_output=True, text=True)
    assert "RuntimeError: the network is asked for" in done.stderr


def test_this_machine_is_no_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address, timeout=5) as asking:
            assert asking.getpeername() == address
    assert socket.getaddrinfo("localhost", 80)
