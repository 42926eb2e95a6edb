"""Talk HTTP/1.1 to one deployment over kept connections (RFC 9112): what the router needs of a client, and no more."""

from __future__ import annotations

import socket
import struct
import time
from typing import Iterator, List, NamedTuple, Tuple

Headers = List[Tuple[str, str]]
CONNECT_LIMIT_S = 5.0
# Less than any server keeps a silent connection: one that is used again has not just been closed by its other end.
IDLE_LIMIT_S = 1.0
MAX_HEAD = 64 * 1024
PIECE = 64 * 1024
_FRAMING = frozenset(("content-length", "transfer-encoding", "connection"))
CHUNKED = -1
UNTIL_CLOSE = -2


class UnreachableError(Exception):
    """No connection could be made: nothing of the request was sent, so it can go elsewhere."""


class BrokenError(Exception):
    """The connection ended, or what came is not HTTP, before the answer was complete."""


class LateError(Exception):
    """Nothing came within the limit."""


class Head(NamedTuple):
    """The head of an answer. `length` is its body's, or CHUNKED, or UNTIL_CLOSE; `keeps`: another request may follow."""

    status: int
    headers: Headers
    length: int
    keeps: bool


class Connection:
    """One connection: a request is sent, its answer read, again and again."""

    def __init__(self, link: socket.socket) -> None:
        """Take the connected socket: a blocking one, whose own timeouts in the kernel are the limit of each wait."""
        self._link = link
        self._data = b""
        self.since = 0.0

    def is_usable(self) -> bool:
        """Whether it can carry another request: it was used a moment ago, and the other end has not closed it."""
        if self._data or time.monotonic() - self.since >= IDLE_LIMIT_S:
            return False
        try:
            self._link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # its end, or bytes that nobody asked for

    def close(self) -> None:
        """End it."""
        self._link.close()

    def send(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            BrokenError: the other end is gone.
            LateError: it does not take them.
        """
        try:
            self._link.sendall(data)
        except BlockingIOError as error:
            raise LateError from error
        except OSError as error:
            raise BrokenError(str(error)) from error

    def head(self, method: str) -> Head:
        """Read the head of the answer to a request with `method`; interim answers (1xx) are passed over.

        Raises:
            BrokenError: it is not there, or not HTTP.
            LateError: it does not come.
        """
        while True:
            found = _parse(self._until(b"\r\n\r\n"), method)
            if found.status >= 200:
                return found

    def body(self, length: int) -> Iterator[bytes]:
        """Yield the body in pieces; `length` is that of `Head`.

        Raises:
            BrokenError: it ended early.
            LateError: it does not come.
        """
        if length == CHUNKED:
            return self._chunks()
        return self._rest() if length == UNTIL_CLOSE else self._bytes(length)

    def whole(self, length: int) -> bytes:
        """Return a body of so many bytes.

        Raises:
            BrokenError: it ended early.
            LateError: it does not come.
        """
        if len(self._data) == length:  # the usual case: it came with its head
            found, self._data = self._data, b""
            return found
        return b"".join(self._bytes(length))

    def _more(self) -> None:
        self._data += self._receive() or _broken("the connection ended")

    def _receive(self) -> bytes:
        try:
            return self._link.recv(PIECE)
        except BlockingIOError as error:
            raise LateError from error
        except OSError as error:
            raise BrokenError(str(error)) from error

    def _until(self, end: bytes) -> bytes:
        while (at := self._data.find(end)) < 0:
            if len(self._data) > MAX_HEAD:
                raise BrokenError("a head or line is too long")
            self._more()
        found, self._data = self._data[:at], self._data[at + len(end) :]
        return found

    def _bytes(self, length: int) -> Iterator[bytes]:
        while length:
            if not self._data:
                self._more()
            piece, self._data = self._data[:length], self._data[length:]
            length -= len(piece)
            yield piece

    def _rest(self) -> Iterator[bytes]:
        yield self._data
        self._data = b""
        while piece := self._receive():
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while size := _chunk_size(self._until(b"\r\n")):
            yield from self._bytes(size)
            if self._until(b"\r\n"):
                raise BrokenError("a chunk is longer than it says")
        while self._until(b"\r\n"):
            pass  # trailers may be dropped (RFC 9110, section 6.5.1)


class Upstream:
    """Connections to one address; those that are free are used again. Threads may share it."""

    def __init__(self, host: str, port: int, answer_limit_s: float) -> None:
        """Name the address, and how many whole seconds a wait for it may take (0: for ever); nothing is connected yet."""
        self.place = (host, port)
        self._limit = struct.pack("ll", int(answer_limit_s), 0)  # a timeval
        self._free: list[Connection] = []

    def free(self) -> Connection | None:
        """Return a connection that is open already, or None."""
        while self._free:
            try:
                found = self._free.pop()
            except IndexError:  # another thread was faster
                return None
            if found.is_usable():
                return found
            found.close()
        return None

    def connect(self) -> Connection:
        """Return a new connection.

        Raises:
            UnreachableError: nobody listens, or not in time.
        """
        try:
            link = socket.create_connection(self.place, CONNECT_LIMIT_S)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise UnreachableError(f"{self.place[0]}:{self.place[1]}: {error}") from error
        # not settimeout(): that makes Python ask with poll() before each call, and never lets MSG_DONTWAIT through
        link.settimeout(None)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            link.setsockopt(socket.SOL_SOCKET, direction, self._limit)
        return Connection(link)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end."""
        connection.since = time.monotonic()
        self._free.append(connection)

    def close(self) -> None:
        """End the free connections."""
        while self._free:
            self._free.pop().close()


def _broken(why: str) -> bytes:
    raise BrokenError(why)


def _chunk_size(line: bytes) -> int:
    digits = line.split(b";", 1)[0].strip()
    if not 0 < len(digits) <= 15 or digits.strip(b"0123456789abcdefABCDEF"):
        raise BrokenError(f"a chunk's size is {line[:40]!r}")
    return int(digits, 16)


def _parse(text: bytes, method: str) -> Head:
    first, *lines = text.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not (rest[:3].isascii() and rest[:3].isdigit()):
        raise BrokenError(f"the answer is not HTTP/1: {first[:80]!r}")
    headers: Headers = []
    framing: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name[-1] in " \t" or name[0] in " \t":
            raise BrokenError(f"a header is not one: {line[:80]!r}")
        name, value = name.lower(), value.strip(" \t")
        headers.append((name, value))
        if name in _FRAMING and framing.setdefault(name, value) != value:
            raise BrokenError(f"two values of {name}")
    status, told = int(rest[:3]), framing.get("connection", "").lower()
    keeps = told == "keep-alive" if version == "HTTP/1.0" else told != "close"
    length = _length(framing)
    if method == "HEAD" or status < 200 or status in (204, 304):
        return Head(status, headers, 0, keeps)
    return Head(status, headers, length, keeps and length != UNTIL_CLOSE)


def _length(framing: dict[str, str]) -> int:
    """Return the body's length as RFC 9112, section 6.3 says."""
    if "transfer-encoding" in framing:
        return CHUNKED
    value = framing.get("content-length")
    if value is None:
        return UNTIL_CLOSE
    if not (value.isascii() and value.isdigit()):
        raise BrokenError(f"Content-Length is {value[:40]!r}")
    return int(value)
