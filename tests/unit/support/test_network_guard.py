from __future__ import annotations

import socket

import pytest

from tests.support.network_guard import is_loopback


def test_a_connection_to_another_machine_fails_the_test():
    with socket.socket() as connection, pytest.raises(pytest.fail.Exception, match="use a server on loopback"):
        connection.connect(("192.0.2.1", 80))


def test_a_look_up_of_another_machine_fails_the_test():
    with pytest.raises(pytest.fail.Exception, match=r"looked up 'index\.example'"):
        socket.create_connection(("index.example", 443), timeout=1)


def test_loopback_is_allowed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", b"localhost", None, ""])
def test_names_of_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "index.example", "localhost.example", "0.0.0.0"])
def test_names_of_others(host):
    assert not is_loopback(host)
