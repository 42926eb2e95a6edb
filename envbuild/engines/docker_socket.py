"""Docker's Unix socket with the standard library alone: importing the `docker` package takes longer than most answers.

An image that exists already is found this way before anything else is loaded, and one that was just assembled is handed over
(Docker Engine API: `GET /_ping`, `GET /images/{name}/json`, `POST /images/load`, …). Whatever else is asked is the `docker` package's.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote

_NO_SENDFILE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a system says that has no sendfile for such a socket, or such a file."""
_BLOCK = 1 << 20

USUAL = "unix:///var/run/docker.sock"


def answers(timeout: float) -> bool:
    """Tell whether an engine answers on the socket within `timeout` seconds; False where it is reached in another way."""
    answer = ask("GET", "/_ping", timeout)
    return answer is not None and answer[0] == 200


def image_attributes(name: str, timeout: float) -> dict[str, Any] | None:
    """Return what the engine says of the image `name`, an empty one where it has none, None where it cannot be asked so."""
    answer = ask("GET", f"/images/{quote(name, safe='/:@')}/json", timeout)
    if answer is None or answer[0] not in (200, 404):
        return None
    if answer[0] == 404:
        return {}
    try:
        said = json.loads(answer[1])
    except ValueError:
        return None
    return said if isinstance(said, dict) and said else None


def is_near() -> bool:
    """Tell whether the engine is one that is reached by a Unix socket."""
    return (os.environ.get("DOCKER_HOST") or USUAL).startswith("unix://") and hasattr(socket, "AF_UNIX")


def api_version(timeout: float) -> tuple[int, ...]:
    """Return the version of the API that the engine speaks, (1, 41); nothing where it cannot be asked so."""
    found = _exchange("GET", "/_ping", timeout)
    for line in found[1].splitlines() if found is not None else ():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "api-version" and value.strip().replace(".", "").isdigit():
            return tuple(int(part) for part in value.strip().split("."))
    return ()


def ask(method: str, path: str, timeout: float) -> tuple[int, bytes] | None:
    """Return the status and the body of the engine's answer, None where it cannot be asked so."""
    found = _exchange(method, path, timeout)
    return (found[0], found[2]) if found is not None else None


def _exchange(method: str, path: str, timeout: float) -> tuple[int, bytes, bytes] | None:
    if not is_near():
        return None
    request = f"{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n"
    try:
        with _connected(timeout) as connection:
            connection.sendall(request.encode("ascii"))
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    except (OSError, ValueError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    # `HTTP/1.0 200 OK`: with version 1.0 the body is neither chunked nor followed by anything
    status = head.split(b" ", 2)[1:2]
    return (int(status[0]), head, body) if status and status[0].isdigit() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """`size` bytes of an open file, from `offset` on; whoever opened it sees to it that they are there."""

    file: BinaryIO
    offset: int
    size: int

    def read(self) -> bytes:
        """Return the bytes, wherever the file stands."""
        return os.pread(self.file.fileno(), self.size, self.offset)


def in_memory(pieces: Iterable[bytes | FilePart]) -> Iterator[bytes]:
    """Yield `pieces` for who takes nothing but bytes."""
    return (one if isinstance(one, bytes) else one.read() for one in pieces)


def send(path: str, size: int, pieces: Iterable[bytes | FilePart], timeout: float) -> tuple[int, bytes]:
    """Post `pieces`, of `size` bytes together, to `path`, and return the status and the body of the answer.

    Raises:
        OSError, http.client.HTTPException: the engine does not answer, or went away.
    """
    import http.client

    connection = http.client.HTTPConnection("docker")
    taker = connection.sock = _connected(timeout)
    try:
        # who refuses what is sent does not read it to its end, but says why
        with contextlib.suppress(BrokenPipeError, ConnectionResetError), _waiting_in_the_kernel(taker, timeout):
            connection.putrequest("POST", path)
            connection.putheader("Content-Type", "application/x-tar")
            connection.putheader("Content-Length", str(size))
            connection.endheaders()
            for piece in pieces:
                if isinstance(piece, bytes):
                    taker.sendall(piece)
                else:
                    _send_part(taker, piece)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextlib.contextmanager
def _waiting_in_the_kernel(connection: socket.socket, timeout: float) -> Iterator[None]:
    """Let the kernel wait until there is room for what is sent: with a timeout of Python's, each small piece is a call and a wait."""
    whole = int(timeout)
    connection.settimeout(None)
    connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", whole, int((timeout - whole) * 1_000_000))
    )
    try:
        yield
    finally:
        connection.settimeout(timeout)


def _send_part(connection: socket.socket, part: FilePart) -> None:
    at, end = part.offset, part.offset + part.size
    while at < end:
        try:
            sent = os.sendfile(connection.fileno(), part.file.fileno(), at, end - at)
        except OSError as error:
            if error.errno not in _NO_SENDFILE:
                raise
            data = os.pread(part.file.fileno(), min(end - at, _BLOCK), at)
            connection.sendall(data)
            sent = len(data)
        if not sent:
            raise OSError("a layer became shorter while it was sent")
        at += sent


def _connected(timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect((os.environ.get("DOCKER_HOST") or USUAL).removeprefix("unix://"))
    except BaseException:
        connection.close()
        raise
    return connection
