"""HTTP/1.1 over the standard library: a thread for each connection, with limits on time, size and number."""

from __future__ import annotations

import contextlib
import io
import selectors
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any, Callable, Iterable
from urllib.parse import unquote

from .answers import error_answer, is_field_name
from .logs import LOGGER
from .settings import Settings

MAX_CONNECTIONS = 512
POLL_S = 0.2
LINE = 65536


class ScoringServer:
    """Accepts connections from a shared listening socket and lets a WSGI application answer them."""

    def __init__(
        self, listener: socket.socket, application: Any, settings: Settings, tls: ssl.SSLContext | None
    ) -> None:
        """Take the socket, which must be bound."""
        self.application = application
        self.settings = settings
        self.stopping = threading.Event()
        self._listener = listener
        self._tls = tls
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._talks: dict[threading.Thread, socket.socket] = {}
        self.idle: set[threading.Thread] = set()

    def serve_while(self, goes_on: Callable[[], bool]) -> None:
        """Accept connections as long as `goes_on()` says so."""
        self._listener.setblocking(False)  # several processes wait for the same connection; one gets it
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while goes_on():
                if selector.select(POLL_S) and self._room.acquire(timeout=POLL_S):
                    self._accept()

    def _accept(self) -> None:
        try:
            connection, address = self._listener.accept()
        except OSError:
            self._room.release()
            return
        thread = threading.Thread(target=self._converse, args=(connection, address), daemon=True)
        self._talks[thread] = connection
        thread.start()

    def _converse(self, connection: socket.socket, address: tuple[Any, ...]) -> None:
        try:
            connection.settimeout(self.settings.read_timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._talks[threading.current_thread()] = connection
            _Conversation(connection, address, self)  # type: ignore[arg-type]
        except OSError:  # the client left, or was too slow
            return
        except Exception:  # noqa: BLE001 - the connection fails, the worker lives
            LOGGER.exception("a defect of the server, please report it")
        finally:
            self._talks.pop(threading.current_thread(), None)
            self.idle.discard(threading.current_thread())
            connection.close()
            self._room.release()

    def finish(self, seconds: float) -> None:
        """Let the requests that are being answered finish, for so many seconds at most."""
        self.stopping.set()
        deadline = time.monotonic() + seconds
        talks = dict(self._talks)
        for thread in self.idle & talks.keys():
            with contextlib.suppress(OSError):  # the client may have left at this moment
                talks[thread].shutdown(socket.SHUT_RD)
        for thread in talks:
            thread.join(max(0.0, deadline - time.monotonic()))


class _Conversation(BaseHTTPRequestHandler):
    """One connection: request after request until a side ends it."""

    protocol_version = "HTTP/1.1"
    server_version = "envbuild"
    sys_version = ""
    wbufsize = -1  # one write for headers and body
    _has_length = False
    server: ScoringServer  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        """Read one request and answer it."""
        if self.server.stopping.is_set() or not self._begins():
            self.close_connection = True
            return
        if not self.parse_request():
            return
        if self.headers.defects or self.headers.get_payload() or not all(map(is_field_name, self.headers)):
            self.send_error(400, "The headers are malformed.")
            return
        body = _BodyStream(self.rfile, self.headers, time.monotonic() + self.server.settings.read_timeout_s)
        if self.server.stopping.is_set():
            self.close_connection = True
        if not body.is_clear:
            self.send_error(400, "Content-Length and Transfer-Encoding contradict each other.")
            return
        self._answer(body)
        if not body.is_exhausted():
            self.close_connection = True

    def _begins(self) -> bool:
        """Wait for a request line; False when the client has no more to say."""
        self.requestline = ""
        self.server.idle.add(threading.current_thread())
        self.raw_requestline = self.rfile.readline(LINE + 1)
        self.server.idle.discard(threading.current_thread())
        if len(self.raw_requestline) > LINE:
            self.request_version = self.command = ""
            self.send_error(414)
            return False
        return bool(self.raw_requestline)

    def _answer(self, body: _BodyStream) -> None:
        pieces = self.server.application(self._environ(body), self._start_response)
        if not body.is_exhausted() or self.close_connection:
            self.close_connection = True
            self.send_header("Connection", "close")
        try:
            self._send(pieces)
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def _send(self, pieces: Iterable[bytes]) -> None:
        """Send the body; one whose length nobody said goes in chunks (RFC 9112, section 7.1), or until the end of the connection."""
        chunked = not self._has_length and self.command != "HEAD" and self.request_version != "HTTP/1.0"
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not self._has_length:
            self.close_connection = True
        self.end_headers()
        for piece in pieces:
            if piece:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _start_response(self, status: str, headers: list[tuple[str, str]]) -> None:
        code, _, phrase = status.partition(" ")
        self.send_response(int(code), phrase)
        self._has_length = code in ("204", "304") or any(name.lower() == "content-length" for name, _ in headers)
        for name, value in headers:
            if name != "Connection":
                self.send_header(name, value)

    def _environ(self, body: _BodyStream) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        environ = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": self.server.settings.host,
            "SERVER_PORT": str(self.server.settings.port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": str(self.client_address[0]),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if self.server.settings.tls_cert else "http",
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if body.length is not None:
            environ["CONTENT_LENGTH"] = str(body.length)
        for name, value in self.headers.items():
            key = "HTTP_" + name.upper().replace("-", "_")
            if key not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is not HTTP as we know it."""
        del explain
        answer = error_answer(code, message or self.responses.get(code, ("Bad request", ""))[0])
        self.close_connection = True
        self.send_response(code)
        for name, value in (*answer.headers, ("Content-Length", str(len(answer.body))), ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Leave logging to the application."""


class _BodyStream(io.RawIOBase):
    """A request's body: so many bytes, or chunks (RFC 9112, section 7.1), until a deadline."""

    def __init__(self, stream: io.BufferedIOBase, headers: Any, deadline: float) -> None:
        """Take the connection's stream, the request's headers, and when the body must have arrived."""
        super().__init__()
        self._stream = stream
        self._deadline = deadline
        lengths, coding = headers.get_all("Content-Length", []), headers.get("Transfer-Encoding", "")
        self._chunked = coding.strip().lower() == "chunked"
        is_number = len(set(lengths)) <= 1 and all(text.isascii() and text.isdigit() for text in lengths)
        self.is_clear = is_number and not (coding and lengths) and (self._chunked or not coding)
        self.length = int(lengths[0]) if is_number and lengths else None
        self._left = self.length or 0
        self._ended = not self._chunked and not self._left

    def is_exhausted(self) -> bool:
        """Whether the whole body has been read, so that the next request begins here."""
        return self._ended

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, fewer only at the end; what has arrived by the deadline if that passes."""
        pieces, wanted = [], size if size >= 0 else sys.maxsize
        while wanted and not self._ended:
            piece = self._piece(min(wanted, LINE))
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        if time.monotonic() > self._deadline:
            raise socket.timeout("the body is too slow")
        if self._chunked and not self._left:
            self._left = self._next_chunk()
            if self._ended:
                return b""
        piece = self._stream.read1(min(size, self._left))
        if not piece:
            self._ended = True
            raise ConnectionResetError("the client left")
        self._left -= len(piece)
        if not self._left:
            self._end_of_part()
        return bytes(piece)

    def _next_chunk(self) -> int:
        text = self._stream.readline(LINE).split(b";", 1)[0].strip()
        if not text or not all(digit in b"0123456789abcdefABCDEF" for digit in text) or len(text) > 12:
            raise ConnectionResetError("not a chunk")
        size = int(text, 16)
        if not size:
            while self._stream.readline(LINE).strip():
                pass  # trailers say nothing to us
            self._ended = True
        return size

    def _end_of_part(self) -> None:
        if not self._chunked:
            self._ended = True
        elif self._stream.readline(3) != b"\r\n":
            raise ConnectionResetError("not a chunk")
