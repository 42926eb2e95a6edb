"""Limits of size and time for bodies."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest

from envbuild.serving import bodies
from envbuild.serving.bodies import BodyReader
from envbuild.serving.failures import RequestError


def environ(body: bytes, **changes: Any) -> dict[str, Any]:
    return {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), **changes}


def status_of(reader: BodyReader, request: dict[str, Any]) -> int:
    with pytest.raises(RequestError) as caught:
        reader.read(request)
    return caught.value.status


def test_body_is_read():
    assert BodyReader(10, 1).read(environ(b"12345")) == b"12345"


def test_no_length_and_no_coding_means_no_body():
    assert BodyReader(10, 1).read({"wsgi.input": None}) == b""
    assert BodyReader(10, 1).read({"CONTENT_LENGTH": "", "wsgi.input": None}) == b""


def test_chunked_body_is_read_to_its_end():
    request = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"x" * 10)}
    assert BodyReader(10, 1).read(request) == b"x" * 10


def test_announced_size_over_the_limit_is_refused_unread():
    stream = io.BytesIO(b"x" * 11)
    assert status_of(BodyReader(10, 1), environ(b"", CONTENT_LENGTH="11", **{"wsgi.input": stream})) == 413
    assert stream.tell() == 0


def test_chunked_body_over_the_limit_is_refused():
    request = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"x" * 11)}
    assert status_of(BodyReader(10, 1), request) == 413


def test_body_that_ends_early_is_refused():
    assert status_of(BodyReader(10, 1), environ(b"123", CONTENT_LENGTH="5")) == 400


@pytest.mark.parametrize("length", ["-1", "1e3", "+5", "0x5", "５"])
def test_length_that_is_no_number_is_refused(length):
    assert status_of(BodyReader(10, 1), environ(b"123", CONTENT_LENGTH=length)) == 400


class Silent:
    """A client that says nothing until it is told to."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def read(self, _size: int) -> bytes:
        self.released.wait(10)
        return b"12345"


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, _size: int) -> bytes:
        raise self.error


@pytest.mark.parametrize(("error", "status"), [(TimeoutError(), 408), (ConnectionResetError(), 400)])
@pytest.mark.parametrize("direct", [0, 8])
def test_clients_that_stall_or_leave_are_answered(monkeypatch, error, status, direct):
    monkeypatch.setattr(bodies, "DIRECT_READS", direct)
    assert status_of(BodyReader(10, 1), environ(b"12345", **{"wsgi.input": Failing(error)})) == status


def test_beyond_the_direct_reads_a_silent_client_is_given_up(monkeypatch):
    monkeypatch.setattr(bodies, "DIRECT_READS", 1)
    reader = BodyReader(10, 0.05)
    first, second = Silent(), Silent()
    result: list[bytes] = []
    thread = threading.Thread(target=lambda: result.append(reader.read(environ(b"12345", **{"wsgi.input": first}))))
    thread.start()
    while not reader._waiting:
        pass
    assert status_of(reader, environ(b"12345", **{"wsgi.input": second})) == 408
    first.released.set()
    second.released.set()
    thread.join()
    assert result == [b"12345"]
    assert reader.read(environ(b"123")) == b"123"
