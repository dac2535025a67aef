"""leaffliction/web/access.py: who may use the page."""

import pytest

from leaffliction.web import access
from leaffliction.web.access import (Sessions, host_is_allowed, is_local,
                                     is_same_computer, join_host,
                                     origin_is_allowed, split_host)


@pytest.mark.parametrize("address, local", [
    ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True),
    ("::ffff:127.0.0.1", True), ("192.168.1.5", False), ("0.0.0.0", False),
    ("::", False), ("fe80::1%eth0", False), ("::ffff:10.0.0.1", False)])
def test_local_is_the_loopback_alone(address, local):
    assert is_local(address) == local


@pytest.mark.parametrize("client, address, same", [
    ("127.0.0.1", "127.0.0.1", True),
    ("192.168.1.5", "192.168.1.5", True),
    ("::ffff:192.168.1.5", "192.168.1.5", True),
    ("fe80::1%eth0", "fe80::1", True),
    ("192.168.1.6", "192.168.1.5", False),
    ("fe80::2", "fe80::1", False)])
def test_this_computer_is_known_by_each_of_its_addresses(
        client, address, same):
    assert is_same_computer(client, address) == same


@pytest.mark.parametrize("host, address, allowed", [
    ("127.0.0.1:8000", "127.0.0.1", True),
    ("localhost:8000", "127.0.0.1", True),
    ("LocalHost:8000", "127.0.0.1", True),
    ("localhost:8000", "::1", True),
    ("[::1]:8000", "::1", True),
    ("192.168.1.5:8000", "192.168.1.5", True),
    ("192.168.1.5:8000", "::ffff:192.168.1.5", True),
    ("leaf.lan:8000", "192.168.1.5", True),
    ("LEAF.lan:8000", "192.168.1.5", True),
    # DNS rebinding: a foreign name that leads here.
    ("evil.example:8000", "127.0.0.1", False),
    ("localhost.evil.example:8000", "127.0.0.1", False),
    ("127.0.0.1.evil.example:8000", "127.0.0.1", False),
    ("127.0.0.1:8000.evil.example", "127.0.0.1", False),
    ("evil@127.0.0.1:8000", "127.0.0.1", False),
    # Another address, also of this computer.
    ("192.168.1.5:8000", "127.0.0.1", False),
    ("127.0.0.1:8000", "192.168.1.5", False),
    ("127.0.0.2:8000", "127.0.0.1", False),
    ("localhost:8000", "192.168.1.5", False),
    ("0.0.0.0:8000", "127.0.0.1", False),
    ("2130706433:8000", "127.0.0.1", False),
    ("0x7f.1:8000", "127.0.0.1", False),
    # Another port, or none.
    ("127.0.0.1:8001", "127.0.0.1", False),
    ("127.0.0.1", "127.0.0.1", False),
    ("[::1]", "::1", False),
    ("127.0.0.1:", "127.0.0.1", False),
    ("127.0.0.1:-8000", "127.0.0.1", False),
    ("127.0.0.1:\u0668\u0660\u0660\u0660", "127.0.0.1", False),
    ("", "127.0.0.1", False), (":8000", "127.0.0.1", False)])
def test_the_host_is_an_address_of_this_server(host, address, allowed):
    assert host_is_allowed(host, address, 8000, {"leaf.lan"}) == allowed


def test_without_a_port_it_is_that_of_http():
    assert split_host("leaf.lan") == ("leaf.lan", 80)
    assert split_host("[::1]") == ("::1", 80)
    assert host_is_allowed("127.0.0.1", "127.0.0.1", 80)


@pytest.mark.parametrize("name, host", [
    ("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"),
    ("leaf.lan", "leaf.lan:80")])
def test_a_host_is_split_as_it_was_joined(name, host):
    assert join_host(name, 80) == host
    assert split_host(host) == (name, 80)


@pytest.mark.parametrize("origin, allowed", [
    (None, True), ("http://127.0.0.1:8000", True),
    ("HTTP://127.0.0.1:8000", True), ("null", False), ("", False),
    ("https://127.0.0.1:8000", False), ("http://127.0.0.1", False),
    ("http://localhost:8000", False), ("http://127.0.0.1:8000.evil", False),
    ("http://evil.example", False),
    ("http://127.0.0.1:8000, http://evil.example", False)])
def test_the_origin_is_this_servers(origin, allowed):
    assert origin_is_allowed(origin, "127.0.0.1:8000") == allowed


def test_a_token_works_once():
    sessions = Sessions()
    token = sessions.token
    assert sessions.join("é" + token) is None
    assert sessions.join("") is None
    assert sessions.token == token      # Those were only tries.
    session = sessions.join(token)
    assert sessions.is_valid(session) and session != token
    assert sessions.join(token) is None
    assert sessions.token != token
    assert not sessions.is_valid(token)
    assert not sessions.is_valid(sessions.token)
    assert not sessions.is_valid(None) and not sessions.is_valid("")


def test_tokens_are_long_and_differ():
    tokens = {Sessions().token for _ in range(20)}
    # 16 bytes in Base64, for an address.
    assert len(tokens) == 20 and {len(token) for token in tokens} == {22}


def test_beyond_the_limit_the_first_session_is_forgotten(monkeypatch):
    monkeypatch.setattr(access, "MAX_SESSIONS", 3)
    sessions = Sessions()
    joined = [sessions.join(sessions.token) for _ in range(4)]
    assert [sessions.is_valid(session) for session in joined] == [
        False, True, True, True]
