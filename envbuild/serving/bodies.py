"""Read a request's body within limits of size and time."""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from typing import Any, Callable

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
        announced = environ.get("CONTENT_LENGTH")
        if announced == "0" or (not announced and "HTTP_TRANSFER_ENCODING" not in environ):
            return b""
        length = self._announced(announced) if announced else -1
        me = threading.get_ident()
        self._since[me] = time.monotonic()
        if self._stalled is not None and len(self._since) >= self._room and not self._is_watched:
            self._look_later()
        try:
            # Where the server ends the body itself, granian reads all of it at twice the speed of so many bytes.
            is_ended = environ.get("wsgi.input_terminated") and length >= 0
            body = self._take(environ["wsgi.input"].read if is_ended else partial(self._pieces, environ, length))
        finally:
            del self._since[me]
        if 0 <= length != len(body):
            raise RequestError(400, f"The body has {len(body)} of the {length} bytes that Content-Length announces.")
        return body

    def _announced(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise RequestError(400, "Content-Length is not a number.")
        length = int(text[:20])
        if length > self._max:
            raise self._too_large()
        return length

    def _take(self, read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except socket.timeout:
            raise RequestError(408, f"The body did not arrive within {self._seconds:g} s.", [_CLOSE]) from None
        except ConnectionError as error:
            raise RequestError(400, f"The body is not complete: {error}", [_CLOSE]) from None

    def _pieces(self, environ: dict[str, Any], length: int) -> bytes:
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
