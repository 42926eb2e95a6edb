"""A loopback server whose answers a test writes down: any status, any header, a connection that breaks half way."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    status: int = 200  # 0: drop the connection without a word
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None  # send only so many bytes of the body, then drop the connection


Route = Callable[[Request], Answer]


@dataclass
class Server:
    port: int
    requests: list[Request] = field(default_factory=list)
    routes: dict[str, Route] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, path: str, *answers: Answer | Route) -> None:
        """Answer `path` (any method) with one after the other; the last one stays."""
        waiting = list(answers)

        def route(request: Request) -> Answer:
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return answer(request) if callable(answer) else answer

        self.routes[path] = route

    def asked(self, path: str) -> list[Request]:
        return [one for one in self.requests if one.path.partition("?")[0] == path]


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    handler.send_response(answer.status)
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    if answer.headers.get("Connection") == "close":
        handler.close_connection = True
    elif "Content-Length" not in answer.headers:
        handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(answer.body[: answer.cut])
    if answer.cut is not None:
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            server.requests.append(request)
            route = server.routes.get(self.path.partition("?")[0]) or server.routes.get("*")
            answer = route(request) if route else Answer(status=404)
            if answer.status:
                _send(self, answer)
            else:
                self.close_connection = True

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self._serve
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    found = Server(port=0)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    httpd.daemon_threads = True
    found.port = httpd.server_address[1]
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield found
    httpd.shutdown()
    httpd.server_close()


def ranged(data: bytes, *, etag: str = "") -> Route:
    """A route that serves `data` and honours Range."""

    def route(request: Request) -> Answer:
        wanted = request.headers.get("range", "")
        if not wanted:
            return Answer(body=data)
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(data):
            return Answer(status=416)
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        return Answer(status=206, body=data[start:], headers=headers)

    return route
