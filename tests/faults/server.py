"""An index on loopback whose answers go wrong on order: refused, cut short, altered, slow, or broken off."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

FAULTS = ("429", "503", "500", "truncated", "corrupted", "slow", "reset", "garbage")


@dataclass(slots=True, kw_only=True)
class FaultyServer:
    """Answers every GET with `content`, but the first ones as `faults` say, in order; a `*` at its end goes on for ever.

    `asked` counts requests. A `Range` is honoured, so that a download can go on.
    """

    content: bytes
    faults: Sequence[str] = ()
    asked: int = 0
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultyServer]:
        """Serve while the block runs."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0.1)
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/file-1.0-py3-none-any.whl"
            stop = threading.Event()
            thread = threading.Thread(target=self._accept, args=(listener, stop), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                stop.set()
                thread.join(5)

    def _accept(self, listener: socket.socket, stop: threading.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _next(self) -> str:
        with self._lock:
            self.asked += 1
            if self.faults and self.faults[-1] == "*":
                return self.faults[min(self.asked, len(self.faults) - 1) - 1]
            return self.faults[self.asked - 1] if self.asked <= len(self.faults) else ""

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            asked = b""
            while b"\r\n\r\n" not in asked and (block := connection.recv(65536)):
                asked += block
            if asked:
                self._answer(connection, asked.decode("latin-1"), self._next())

    def _answer(self, connection: socket.socket, asked: str, fault: str) -> None:
        if fault.isdigit():
            connection.sendall(
                f"HTTP/1.1 {fault} No\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
            return
        if fault == "garbage":
            connection.sendall(b"\x00\xff not http at all\r\n\r\n")
            return
        start = int(asked.lower().partition("range: bytes=")[2].partition("-")[0] or 0)
        body = self.content[start:]
        if fault == "corrupted":
            body = bytes([body[0] ^ 1]) + body[1:]
        kind = (
            f"206 Partial Content\r\nContent-Range: bytes {start}-{len(self.content) - 1}/{len(self.content)}"
            if start
            else "200 OK"
        )
        head = f"HTTP/1.1 {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        self._body(connection, body, fault)

    def _body(self, connection: socket.socket, body: bytes, fault: str) -> None:
        half = len(body) // 2
        if fault == "truncated":
            connection.sendall(body[:half])
        elif fault == "reset":
            connection.sendall(body[:half])
            # an abortive close: the peer sees a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault == "slow":
            for at in range(0, len(body), max(1, len(body) // 20)):
                connection.sendall(body[at : at + max(1, len(body) // 20)])
                time.sleep(0.02)
        elif fault == "stalled":
            connection.sendall(body[:half])
            time.sleep(3)
        else:
            connection.sendall(body)
