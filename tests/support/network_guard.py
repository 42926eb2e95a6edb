"""Keep this process on loopback: a connection or a name look-up to anywhere else fails the test that made it.

It guards Python's sockets. Programs that a test starts, and libraries with sockets of their own (rattler, uv), are not seen.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest


def is_loopback(host: object) -> bool:
    """Tell whether `host` is this machine: a loopback address, `localhost`, or nothing at all."""
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the guard until `monkeypatch` is undone."""
    look_up = socket.getaddrinfo

    class LoopbackSocket(socket.socket):
        def connect(self, address: Any) -> None:
            _refuse_others(self, address)
            super().connect(address)

        def connect_ex(self, address: Any) -> int:
            _refuse_others(self, address)
            return super().connect_ex(address)

    def loopback_look_up(host: Any, *args: Any, **options: Any) -> Any:
        if not is_loopback(host):
            pytest.fail(f"a unit test looked up {host!r}: use a server on loopback")
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "socket", LoopbackSocket)
    monkeypatch.setattr(socket, "getaddrinfo", loopback_look_up)


def _refuse_others(connection: socket.socket, address: Any) -> None:
    if connection.family in {socket.AF_INET, socket.AF_INET6} and not is_loopback(address[0]):
        pytest.fail(f"a unit test connected to {address!r}: use a server on loopback")
