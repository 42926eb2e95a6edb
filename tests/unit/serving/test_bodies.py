"""Limits of size and time for bodies."""

from __future__ import annotations

import io
import socket
import threading
from typing import Any

import pytest

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


def test_body_that_the_server_ends_is_read_in_one():
    assert BodyReader(10, 1).read(environ(b"12345", **{"wsgi.input_terminated": True})) == b"12345"
    assert status_of(BodyReader(10, 1), environ(b"123", CONTENT_LENGTH="5", **{"wsgi.input_terminated": True})) == 400


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


@pytest.mark.parametrize("length", ["-1", "1e3", "+5", "0x5", "\uff15"])
def test_length_that_is_no_number_is_refused(length):
    assert status_of(BodyReader(10, 1), environ(b"123", CONTENT_LENGTH=length)) == 400


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, _size: int = -1) -> bytes:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"),
    [(socket.timeout(), 408), (ConnectionResetError(), 400)],  # noqa: UP041 - another class before Python 3.10
)
def test_clients_that_stall_or_leave_are_answered(error, status):
    assert status_of(BodyReader(10, 1), environ(b"12345", **{"wsgi.input": Failing(error)})) == status


class Silent:
    """A client that says nothing until it is told to."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def read(self, _size: int = -1) -> bytes:
        self.released.wait(10)
        return b"12345"


def silent_reads(reader: BodyReader, count: int) -> tuple[Silent, list[threading.Thread]]:
    silent = Silent()
    request = environ(b"12345", **{"wsgi.input": silent})
    threads = [threading.Thread(target=reader.read, args=(request,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    return silent, threads


def test_many_silent_clients_are_noticed_without_another_request():
    reader, noticed = BodyReader(10, 0.05), threading.Event()
    reader.watch(3, noticed.set)
    silent, threads = silent_reads(reader, 3)
    assert noticed.wait(5)
    silent.released.set()
    for thread in threads:
        thread.join()
    assert reader.read(environ(b"123")) == b"123"


def test_few_silent_clients_or_many_quick_ones_are_no_alarm():
    reader, noticed = BodyReader(10, 0.05), threading.Event()
    reader.watch(3, noticed.set)
    silent, threads = silent_reads(reader, 2)
    for _ in range(50):
        reader.read(environ(b"123"))
    assert not noticed.wait(0.3)
    silent.released.set()
    for thread in threads:
        thread.join()
