"""Read a request's body within limits of size and time, so that no client can hold a thread or the memory."""

from __future__ import annotations

import socket
import threading
from typing import Any

from .failures import RequestError

# So many reads may be waiting for their client directly; the rest wait in a thread that can be left behind.
DIRECT_READS = 8
PIECE = 1 << 20
_CLOSE = ("Connection", "close")


class BodyReader:
    """Reads bodies for one process. `max_bytes` and `seconds` are the limits of each."""

    def __init__(self, max_bytes: int, seconds: float) -> None:
        """Take the limits."""
        self._max = max_bytes
        self._seconds = seconds
        self._waiting: list[None] = []  # its length counts; append and pop are atomic, an integer's += is not

    def read(self, environ: dict[str, Any]) -> bytes:
        """Return the whole body.

        Raises:
            RequestError: 413 too large, 408 too slow, 400 not as long as announced.
        """
        announced = environ.get("CONTENT_LENGTH")
        if announced == "0" or (not announced and "HTTP_TRANSFER_ENCODING" not in environ):
            return b""
        length = self._announced(announced) if announced else -1
        if len(self._waiting) < DIRECT_READS:
            self._waiting.append(None)
            try:
                body = self._take(environ["wsgi.input"], length)
            finally:
                self._waiting.pop()
        else:
            body = self._take_in_time(environ["wsgi.input"], length)
        if 0 <= length != len(body):
            raise RequestError(400, f"The body has {len(body)} of the {length} bytes that Content-Length announces.")
        return body

    def _announced(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise RequestError(400, "Content-Length is not a number.")
        length = int(text)
        if length > self._max:
            raise self._too_large()
        return length

    def _take(self, stream: Any, length: int) -> bytes:
        try:
            return self._take_all(stream, length)
        except socket.timeout:
            raise self._too_slow() from None
        except ConnectionError as error:
            raise RequestError(400, f"The body is not complete: {error}", [_CLOSE]) from None

    def _take_all(self, stream: Any, length: int) -> bytes:
        if length >= 0:
            body: bytes = stream.read(length)
            return body
        pieces: list[bytes] = []
        size = 0
        while True:
            piece = stream.read(PIECE)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            size += len(piece)
            if size > self._max:
                raise self._too_large()

    def _take_in_time(self, stream: Any, length: int) -> bytes:
        """Read in another thread; answering 408 closes the connection, which ends that thread's read."""
        result: list[Any] = []

        def read() -> None:
            try:
                result.append(self._take(stream, length))
            except Exception as error:  # noqa: BLE001 - handed to the request's own thread
                result.append(error)

        thread = threading.Thread(target=read, name="slow-body", daemon=True)
        thread.start()
        thread.join(self._seconds)
        if not result:
            raise self._too_slow()
        if isinstance(result[0], Exception):
            raise result[0]
        body: bytes = result[0]
        return body

    def _too_large(self) -> RequestError:
        return RequestError(413, f"The body is larger than {self._max} bytes.", [_CLOSE])

    def _too_slow(self) -> RequestError:
        return RequestError(408, f"The body did not arrive within {self._seconds:g} s.", [_CLOSE])
