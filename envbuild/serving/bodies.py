"""Read a request's body within limits of size and time."""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from typing import Any, Callable, Iterator

from .failures import RequestError

PIECE = 1 << 20
_CLOSE = ("Connection", "close")


class BodyReader:
    """Reads bodies for one process. `max_bytes` and `seconds` are the limits of each."""

    def __init__(self, max_bytes: int, seconds: float) -> None:
        """Take the limits."""
        self._max = max_bytes
        self._seconds = seconds
        self._since: dict[int, float] = {}
        self._room = 0
        self._stalled: Callable[[], None] | None = None
        self._is_watched = False

    def watch(self, room: int, stalled: Callable[[], None]) -> None:
        """Call `stalled` when `room` reads have waited longer than allowed for their clients.

        For servers whose reads cannot be interrupted: each such read keeps a thread until its client goes away.
        """
        self._room, self._stalled = room, stalled

    def read(self, environ: dict[str, Any]) -> bytes:
        """Return the whole body.

        Raises:
            RequestError: 413 too large, 408 too slow, 400 not as long as announced.
        """
        length = self.length(environ)
        if length == 0:
            return b""
        # Where the server ends the body itself, granian reads all of it at twice the speed of so many bytes.
        is_ended = environ.get("wsgi.input_terminated") and length >= 0
        body = self._timed(environ["wsgi.input"].read if is_ended else partial(self._whole, environ, length))
        if 0 <= length != len(body):
            raise self._incomplete(len(body), length)
        return body

    def length(self, environ: dict[str, Any]) -> int:
        """Return the announced length of the body, or -1 where it comes in chunks.

        Raises:
            RequestError: 413 too large, 400 not a number.
        """
        announced = environ.get("CONTENT_LENGTH")
        if not announced:
            return -1 if "HTTP_TRANSFER_ENCODING" in environ else 0
        return self._announced(announced)

    def pieces(self, environ: dict[str, Any]) -> Iterator[bytes]:
        """Yield the body as it comes, for who passes it on.

        Raises:
            RequestError: 413 too large, 408 too slow, 400 not as long as announced.
        """
        length, size = self.length(environ), 0
        stream = environ["wsgi.input"]
        while length < 0 or size < length:
            most = PIECE if length < 0 else min(PIECE, length - size)
            piece = self._timed(partial(stream.read, most))
            if not piece:
                break
            size += len(piece)
            if size > self._max:
                raise self._too_large()
            yield piece
        if 0 <= length != size:
            raise self._incomplete(size, length)

    def _announced(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise RequestError(400, "Content-Length is not a number.")
        length = int(text[:20])
        if length > self._max:
            raise self._too_large()
        return length

    def _timed(self, read: Callable[[], bytes]) -> bytes:
        me = threading.get_ident()
        self._since[me] = time.monotonic()
        if self._stalled is not None and len(self._since) >= self._room and not self._is_watched:
            self._look_later()
        try:
            return read()
        except socket.timeout:
            raise RequestError(408, f"The body did not arrive within {self._seconds:g} s.", [_CLOSE]) from None
        except ConnectionError as error:
            raise RequestError(400, f"The body is not complete: {error}", [_CLOSE]) from None
        finally:
            del self._since[me]

    def _whole(self, environ: dict[str, Any], length: int) -> bytes:
        """Read so many bytes, or (-1) to the end but not beyond the limit."""
        stream = environ["wsgi.input"]
        if length >= 0:
            body: bytes = stream.read(length)
            return body
        pieces: list[bytes] = []
        size = 0
        while piece := stream.read(PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > self._max:
                raise self._too_large()
        return b"".join(pieces)

    def _incomplete(self, size: int, length: int) -> RequestError:
        return RequestError(400, f"The body has {size} of the {length} bytes that Content-Length announces.")

    def _too_large(self) -> RequestError:
        return RequestError(413, f"The body is larger than {self._max} bytes.", [_CLOSE])

    def _look_later(self) -> None:
        self._is_watched = True
        timer = threading.Timer(self._seconds, self._look)
        timer.daemon = True
        timer.start()

    def _look(self) -> None:
        """Count the reads that are over their time; look again later while there are many reads at all."""
        self._is_watched = False
        limit = time.monotonic() - self._seconds
        waiting = list(self._since.values())
        if sum(since <= limit for since in waiting) >= self._room and self._stalled is not None:
            self._stalled()
        elif len(waiting) >= self._room:
            self._look_later()
