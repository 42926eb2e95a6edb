"""What the router understands of an answer, byte by byte."""

import socket
import struct

import pytest

from envbuild.serving.upstream import BrokenError, Connection, LateError, UnreachableError, Upstream


@pytest.fixture
def ends():
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 5, 0))
    yield Connection(here), there
    here.close()
    there.close()


def read(ends, answer, method="POST", *, close=True):
    connection, there = ends
    there.sendall(answer)
    if close:
        there.shutdown(socket.SHUT_WR)
    head = connection.head(method)
    return head, b"".join(connection.body(head.length))


@pytest.mark.parametrize(
    ("answer", "body", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nT: 1\r\n\r\n", b"hi!", True),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    ],
)  # fmt: skip
def test_every_framing_is_read_to_its_end(ends, answer, body, keeps):
    head, found = read(ends, answer)
    assert (found, head.keeps) == (body, keeps)


def test_an_answer_to_head_has_no_body_whatever_its_length_says(ends):
    head, body = read(ends, b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HEAD", close=False)
    assert (head.length, body, ("content-length", "7") in head.headers) == (0, b"", True)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nName : folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000,
    ],
)
def test_what_is_cut_short_or_no_http_is_told(ends, answer):
    with pytest.raises(BrokenError):
        read(ends, answer)


def test_a_deployment_that_is_silent_is_late(ends):
    connection, _ = ends
    connection._link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 1000))
    with pytest.raises(LateError):
        connection.head("GET")


def test_nobody_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(UnreachableError):
        Upstream("127.0.0.1", port, 1).connect()


def test_a_connection_that_was_closed_meanwhile_is_not_used_again():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = Upstream(*listener.getsockname()[:2], 1)
        first = upstream.connect()
        there, _ = listener.accept()
        upstream.give_back(first)
        assert upstream.free() is first
        upstream.give_back(first)
        there.close()
        assert upstream.free() is None
