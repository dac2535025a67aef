"""The programs ask for nothing but the weights; the tests for nothing."""

import socket
import subprocess
import sys

import pytest

CALL = "socket.create_connection(('127.0.0.1', 9), timeout=1)"


def test_who_asks_for_the_network_is_stopped():
    with pytest.raises(RuntimeError, match="the network is asked for"):
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    done = subprocess.run([sys.executable, "-c", f"import socket; {CALL}"],
                          capture_output=True, text=True)
    assert "RuntimeError: the network is asked for" in done.stderr
