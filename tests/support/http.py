"""A small HTTP server on a free loopback port, with validators, basic authentication and a record of what was asked."""

from __future__ import annotations

import base64
import hashlib
import http.server
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import unquote, urlsplit

LAST_MODIFIED = "Mon, 01 Jan 2024 00:00:00 GMT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked, and the status it got."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is sent: the ETag comes from the content, so a changed resource is seen as changed."""

    content: bytes
    content_type: str = "application/octet-stream"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'


class Site:
    """A server; subclasses say what stands where in `respond`. Use as a context manager.

    With `user` every request needs that user and `password`. `requests` lists what was asked, in order.
    `broken` maps a path to the status to answer instead, for tests of failures.
    """

    def __init__(self, *, user: str = "", password: str = "") -> None:
        self.requests: list[Request] = []
        self.broken: dict[str, int] = {}
        self._token = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.scheme = "http"

    @property
    def address(self) -> str:
        """Return `127.0.0.1:<port>`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def root(self) -> str:
        """Return the URL of `/`, without the slash."""
        return f"{self.scheme}://{self.address}"

    def with_credentials(self, url: str) -> str:
        """Return `url` of this site with the user and password that it asks for."""
        scheme, rest = url.split("://", 1)
        return f"{scheme}://{base64.b64decode(self._token).decode()}@{rest}" if self._token else url

    def use_tls(self, context: ssl.SSLContext) -> None:
        """Speak HTTPS from now on; call it before the server starts."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.scheme = "https"

    def paths(self) -> list[str]:
        """Return the paths that were asked, in order."""
        return [request.path for request in self.requests]

    def respond(self, path: str, accept: str) -> Response | None:
        """Return what stands at `path` (unquoted, without the query) for a client that accepts `accept`, or None."""
        raise NotImplementedError

    def __enter__(self) -> Site:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: Mapping[str, str]) -> Response:
        """Return the whole answer: authentication, then failures on order, then content and validators."""
        if self._token and headers.get("Authorization") != f"Basic {self._token}":
            return Response(status=401, content=b"", headers={"WWW-Authenticate": 'Basic realm="tests"'})
        if path in self.broken:
            return Response(status=self.broken[path], content=b"")
        found = self.respond(path, headers.get("Accept", "*/*"))
        if found is None:
            return Response(status=404, content=b"not here\n", content_type="text/plain")
        if found.status == 200 and headers.get("If-None-Match") == found.etag:
            return Response(status=304, content=b"", headers={"ETag": found.etag})
        return found


def _handler(site: Site) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            response = site.answer(path, self.headers)  # type: ignore[arg-type]
            site.requests.append(
                Request(method=self.command, path=path, headers=dict(self.headers.items()), status=response.status)
            )
            self.send_response(response.status)
            # a 304 without validators makes rattler's gateway fail, so every answer has them
            standard = {
                "Content-Type": response.content_type,
                "ETag": response.etag,
                "Last-Modified": LAST_MODIFIED,
                "Cache-Control": "no-cache",
            }
            for name, value in {**standard, **response.headers}.items():
                self.send_header(name, value)
            if response.status != 304:
                self.send_header("Content-Length", str(len(response.content)))
            self.end_headers()
            if self.command == "GET" and response.status != 304:
                self.wfile.write(response.content)

        do_HEAD = do_GET  # noqa: N815 (the name that http.server looks for)

        def log_message(self, *args: object) -> None:
            """Stay quiet: `Site.requests` has it all."""

    return Handler
