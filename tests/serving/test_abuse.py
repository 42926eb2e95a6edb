"""Clients that are slow, broken or hostile: each gets the right answer, and no worker is lost."""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
import threading
import time
from pathlib import Path

import pytest

SCRIPT = """
    import json, os, time

    def init(): pass

    def run(data):
        what = json.loads(data)
        if isinstance(what, dict) and "sleep" in what:
            time.sleep(what["sleep"])
        return os.getpid()
"""


@pytest.fixture
def service(start):
    """A service of which the test must leave the same worker."""
    service = start(SCRIPT, "--read-timeout-s", "2", "--max-body-bytes", "100000")
    before = service.score(1)
    yield service
    assert service.score(1) == before


def send(service, *parts: bytes, pause: float = 0.0, timeout: float = 10) -> bytes:
    """Send raw bytes and return everything that comes back until the server closes or falls silent."""
    received = b""
    with service.connect(timeout) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            while piece := connection.recv(65536):
                received += piece
                if b"\r\n\r\n" in received and _is_complete(received):
                    break
        except (ConnectionError, TimeoutError):
            pass
    return received


def _is_complete(received: bytes) -> bool:
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return length is not None and len(body) >= int(length.group(1))


def status(received: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3})", received)
    return int(found.group(1)) if found else 0


def post(length: int | str, *headers: str) -> bytes:
    lines = ["POST /score HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def test_announced_huge_body_is_refused_at_once(service):
    began = time.monotonic()
    received = send(service, post(10**12))
    assert status(received) == 413
    assert b"x-request-id" in received.lower()
    assert time.monotonic() - began < 2


def test_chunks_without_end_are_refused(service):
    head = b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = send(service, head, *[b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"] * 40)
    assert status(received) in (413, 0)  # 0: the connection was closed while we were still sending


@pytest.mark.parametrize("length", ["-1", "x", "1, 2", "99999999999999999999999999"])
def test_length_that_makes_no_sense_is_refused(service, length):
    assert status(send(service, post(length))) in (400, 413)


def test_two_lengths_are_refused(service):
    assert status(send(service, post(1, "Content-Length: 2") + b"11")) == 400


def test_a_few_silent_clients_disturb_nobody(service):
    quiet = [service.connect() for _ in range(20)]
    for connection in quiet:
        connection.sendall(post(10) + b"12")
    began = time.monotonic()
    assert isinstance(service.score(1, timeout=5), int)
    assert time.monotonic() - began < 4
    for connection in quiet:
        connection.close()


def test_silent_clients_cannot_hold_the_service(start, server_name):
    """More of them than granian has threads: it replaces the worker; the plain server answers each with 408."""
    service = start(SCRIPT, "--read-timeout-s", "2", "--stop-timeout-s", "2")
    quiet = [service.connect() for _ in range(80)]
    for connection in quiet:
        connection.sendall(post(10) + b"12")
    limit = time.monotonic() + 20
    while True:
        try:
            assert isinstance(service.score(1, timeout=2), int)
            break
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < limit, service.log
    if server_name == "stdlib":
        assert [status(connection.recv(65536)) for connection in quiet] == [408] * len(quiet)
    for connection in quiet:
        connection.close()
    assert service.process.poll() is None


def test_bytes_one_by_one_still_make_a_request(service):
    with service.connect() as connection:
        for byte in post(4) + b"1234":
            connection.sendall(bytes([byte]))
        assert status(connection.recv(65536)) == 200


def test_header_that_never_ends_is_closed(service):
    began = time.monotonic()
    with service.connect(15) as connection:
        connection.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nX-A: ")
        try:
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "head",
    [
        b"".join(b"X-%d: 1\r\n" % number for number in range(500)),
        b"X-A: " + b"a" * 1_000_000 + b"\r\n",
        b"X-" + b"a" * 1_000_000 + b": 1\r\n",
    ],
    ids=["many", "long value", "long name"],
)
def test_header_flood_is_refused(service, head):
    assert status(send(service, b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")) in (400, 431, 0)


@pytest.mark.parametrize(
    "text",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\n123",
        b"\x00" * 1000 + b"\r\n\r\n",
    ],
    ids=["word", "TLS", "version", "no colon", "long path", "bad chunk", "length and coding", "zeros"],
)
def test_what_is_not_http_is_refused(service, text):
    assert not 200 <= status(send(service, text, timeout=4)) < 300


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"{broken", 500), (b"\xff\xfe", 400), (b"", 500), (b"[" * 90_000, 500), (b"NaN", 200)],
    ids=["broken", "not UTF-8", "empty", "deep", "NaN"],
)
def test_bodies_that_are_no_json(service, body, expected):
    assert status(send(service, post(len(body)) + body)) == expected


@pytest.mark.parametrize("path", ["/..%2f..%2fetc/passwd", "/%00", "/%ff", "/score%20", "/sc%C3%B6re", "/?", "*"])
def test_odd_paths_are_not_found(service, path):
    received = send(service, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert status(received) in ((200,) if path == "/?" else (400, 404))


@pytest.mark.parametrize("value", ["caf\u00e9".encode("latin-1"), b"\xff\xfe", b"a" * 101, b"a\tb"])
def test_odd_ids_never_break_an_answer(service, value):
    received = send(
        service, b"GET / HTTP/1.1\r\nHost: x\r\nx-request-id: " + value + b"\r\nTraceId: " + value + b"\r\n\r\n"
    )
    assert status(received) in (200, 431)
    assert b"x-request-id" in received.lower()


def test_clients_that_leave(service):
    choose = random.Random(7).choice
    for _ in range(150):
        connection = service.connect()
        connection.sendall(
            choose([b"", b"GET / HT", post(10), post(10) + b"12345", post(1) + b"1", post(14) + b'{"sleep": 0.01}'])
        )
        if choose([True, False]):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # reset
        connection.close()
    assert isinstance(service.score(1), int)


def test_pipelined_requests_are_answered_in_order(service):
    with service.connect() as connection:
        connection.sendall((post(1) + b"1") * 3)
        received = b""
        while received.count(b"HTTP/1.1 200") < 3:
            piece = connection.recv(65536)
            assert piece, received
            received += piece


def test_refused_body_is_not_taken_for_the_next_request(service):
    """A request hidden in the body of one that is refused must not be answered."""
    hidden = b"GET /swagger.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with service.connect(4) as connection:
        connection.sendall(b"PUT /score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden)
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except (ConnectionError, TimeoutError):
            pass
    assert received.count(b"HTTP/1.1 ") == 1
    assert status(received) == 405


def test_many_connections_at_once(service):
    results: list[object] = []

    def call() -> None:
        try:
            results.append(service.score({"sleep": 0.001}, timeout=30))
        except OSError as error:
            results.append(error)

    threads = [threading.Thread(target=call) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 200
    assert all(isinstance(one, int) for one in results), [one for one in results if not isinstance(one, int)][:3]


def test_memory_of_refused_bodies_is_not_kept(service):
    body = json.dumps("x" * 99_000).encode()
    before = _resident(service)
    for _ in range(300):
        service.request("POST", "/score", body, {"Content-Type": "application/json"})
    assert _resident(service) - before < 30_000_000


def _resident(service) -> int:
    return int(Path(f"/proc/{service.score(1)}/statm").read_text().split()[1]) * 4096
