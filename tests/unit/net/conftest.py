"""Fixtures of the network's tests: the loopback server, and a client that does not really wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from envbuild.net.credentials import CredentialFinder
from envbuild.net.http import HttpClient, Patience

from .loopback import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@dataclass
class Waits:
    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def client(waits: Waits, tmp_path) -> HttpClient:
    finder = CredentialFinder(environ={}, home=tmp_path / "home")
    return HttpClient(offline=False, patience=Patience(connect=5, read=5, attempts=3), finder=finder, sleep=waits)
