"""A socket of this machine on a TCP port of loopback, as an engine elsewhere is reached."""

from __future__ import annotations

import contextlib
import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def over_tcp(host: str) -> Iterator[str]:
    """Yield `tcp://127.0.0.1:<port>`, whose connections are passed on to `host` (`unix://…`)."""
    path = host.removeprefix("unix://")

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as inner:
                inner.connect(path)
                back = threading.Thread(target=_copy, args=(inner, self.request), daemon=True)
                back.start()
                _copy(self.request, inner)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on what `source` sends until it ends, and tell `target` of the end."""
    with (
        contextlib.suppress(OSError),
        source.makefile("rb", buffering=0) as read,
        target.makefile("wb", buffering=0) as write,
    ):
        shutil.copyfileobj(read, write, 1 << 16)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
