"""One address in front of several deployments: each request goes to one of them, as it is, and so does the answer.

A WSGI application like `app.Application`, so the same servers carry it, with the same limits, TLS, keys and logs.
"""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from typing import Any, Dict, Iterable, Iterator, NamedTuple
from urllib.parse import quote

from .answers import error_answer, status_line
from .auth import Gate
from .bodies import BodyReader
from .deployments import MISSES, Deployments
from .failures import RequestError
from .identity import Identity, id_maker
from .logs import LOGGER, Access, AccessLog
from .routes import SCORE, Route
from .settings import Settings
from .upstream import BrokenError, Connection, Head, Headers, LateError, UnreachableError, Upstream

Environ = Dict[str, Any]
NAMED = "azureml-model-deployment"
"""The header that asks for one deployment by name; on answers it says who answered. As v2's endpoints have it."""
_NAMED_KEY = f"HTTP_{NAMED.upper().replace('-', '_')}"
OPEN = frozenset(("/", "/swagger.json", "/try"))
WHOLE = 1 << 20
"""Bodies up to so many bytes are passed on in one piece; longer ones as they come."""
MAX_COPIES = 64
THREADS = 256
"""Requests that are passed on at one time. A deployment that hangs may hold three quarters of them, so that the others answer."""
_HOP_BY_HOP = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
))  # fmt: skip
# the server has answered an Expect already; the others are written anew
_OURS = _HOP_BY_HOP | {"expect", "content-length", "x-forwarded-for", "x-forwarded-proto"}
_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS"))


class Request(NamedTuple):
    """A request as it came: its headers without framing. `length` is -1 and `body` None where it comes in chunks or is long."""

    method: str
    path: str
    query: str
    headers: bytes
    length: int
    body: bytes | None

    def start(self, route: Route) -> bytes:
        """What is sent to a deployment first: the head, and a short body at once."""
        path = route.scoring if self.path == SCORE else self.path
        head = f"{self.method} {path}{self.query} HTTP/1.1\r\n".encode("latin-1", "replace") + self.headers
        if self.length < 0:
            return head + b"transfer-encoding: chunked\r\n\r\n"
        framing = b"content-length: %d\r\n\r\n" % self.length if self.length or self.method == "POST" else b"\r\n"
        return head + framing + (self.body or b"")


class Router:
    """Passes requests on. Built in each worker."""

    def __init__(self, settings: Settings) -> None:
        """Read the routes and begin to watch the deployments.

        Raises:
            RoutesError: the file of routes is not understood.
            OSError: it cannot be read.
        """
        self._deployments = Deployments(settings.app_root / settings.routes, settings.answer_timeout_s)
        self.bodies = BodyReader(settings.max_body_bytes, settings.read_timeout_s)
        self._gate = Gate(settings.auth_keys_file, settings.token_secret_file, settings.service_name)
        self._make_id = id_maker()
        self._access = AccessLog(settings)
        self._busy: dict[str, threading.BoundedSemaphore] = {}
        self._copies = threading.BoundedSemaphore(MAX_COPIES)
        self._deployments.start_watching()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        started = time.perf_counter()
        try:
            return self._respond(environ, start_response)
        except RequestError as refusal:
            identity = Identity(environ, self._make_id)
            answer = error_answer(refusal.status, refusal.message, refusal.headers)
            spent = time.perf_counter() - started
            LOGGER.warning("%s %s", refusal.message, identity.request_id)
            self._access.write(Access(environ, answer.status, len(answer.body), spent, identity.request_id))
            length = ("content-length", str(len(answer.body)))
            start_response(status_line(answer.status), [*answer.headers, length, *identity.headers])
            return [answer.body]

    def _respond(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/" and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._health(environ, start_response)
        if self._gate.is_closed and path not in OPEN:
            self._gate.check(environ)
        return self._pass_on(environ, self._routes(environ.get(_NAMED_KEY, "")), start_response)

    def _health(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if not self._deployments.is_healthy:
            raise RequestError(503, "No deployment that gets traffic answers.")
        start_response("200 OK", [("content-type", "text/html; charset=utf-8"), ("content-length", "7")])
        return [b"Healthy"] if environ["REQUEST_METHOD"] == "GET" else []

    def _routes(self, name: str) -> list[Route]:
        routes = self._deployments.candidates(name)
        if not routes and name:
            raise RequestError(404, f"There is no deployment {name[:80]}.")
        if not routes:
            raise RequestError(503, f"No deployment gets traffic; name one with the header {NAMED}.")
        return routes

    def _pass_on(self, environ: Environ, routes: list[Route], start_response: Any) -> Iterable[bytes]:
        request = self._read(environ)
        may_move = _NAMED_KEY not in environ
        tried = []
        while routes:
            route = routes.pop(0)
            tried.append(route.name)
            slots = self._slots(route)
            try:
                connection, head = self._ask(route, request, environ)
            except UnreachableError as error:
                slots.release()
                self._deployments.missed(route, str(error), count=MISSES)
                if may_move and not routes:
                    routes = [one for one in self._deployments.instead(route) if one.name not in tried]
                continue
            except BaseException:
                slots.release()
                raise
            self._copy(request, route)
            return self._answer(route, connection, head, slots, start_response)
        raise RequestError(503, f"No connection to {', '.join(tried)}.", [("Retry-After", "5")])

    def _slots(self, route: Route) -> threading.BoundedSemaphore:
        found = self._busy.get(route.name)
        if found is None:
            found = self._busy.setdefault(route.name, threading.BoundedSemaphore(THREADS * 3 // 4))
        if not found.acquire(blocking=False):
            raise RequestError(503, f"Deployment {route.name} is busy with too many requests.", [("Retry-After", "1")])
        return found

    def _read(self, environ: Environ) -> Request:
        length = self.bodies.length(environ)
        body = self.bodies.read(environ) if 0 <= length <= WHOLE else None
        path = environ["PATH_INFO"]
        if not path.isascii() or not path.replace("/", "").isalnum():
            path = quote(path.encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
        query = environ.get("QUERY_STRING")
        return Request(environ["REQUEST_METHOD"], path, f"?{query}" if query else "", _headers(environ), length, body)

    def _ask(self, route: Route, request: Request, environ: Environ) -> tuple[Connection, Head]:
        """Send the request and read the head of the answer.

        A kept connection may end while a request is under way; only what can be repeated without harm is sent again.

        Raises:
            UnreachableError: nothing was sent.
            RequestError: 502, 504, or what is wrong with the body.
        """
        upstream = self._deployments.upstream(route)
        kept = upstream.free()
        try:
            if kept is not None:
                try:
                    return kept, self._exchange(kept, route, request, environ)
                except BrokenError:
                    if request.method not in _REPEATABLE:
                        raise
            fresh = upstream.connect()
            return fresh, self._exchange(fresh, route, request, environ)
        except BrokenError as error:
            LOGGER.warning("deployment %s broke off: %s", route.name, error)
            raise RequestError(502, f"Deployment {route.name} ended the connection before it answered.") from error
        except LateError as error:
            raise RequestError(504, f"Deployment {route.name} took too long.") from error

    def _exchange(self, connection: Connection, route: Route, request: Request, environ: Environ) -> Head:
        try:
            connection.send(request.start(route))
            if request.body is None:
                for piece in self.bodies.pieces(environ):
                    connection.send(piece if request.length >= 0 else b"%x\r\n%b\r\n" % (len(piece), piece))
                if request.length < 0:
                    connection.send(b"0\r\n\r\n")
            return connection.head(request.method)
        except BaseException:
            connection.close()
            raise

    def _answer(
        self, route: Route, connection: Connection, head: Head, slots: threading.BoundedSemaphore, start_response: Any
    ) -> Iterable[bytes]:
        headers = [*_end_to_end(head.headers), (NAMED, route.name)]
        upstream = self._deployments.upstream(route)
        if 0 <= head.length <= WHOLE:
            try:
                body = connection.whole(head.length)
            except (BrokenError, LateError) as error:
                connection.close()
                raise RequestError(502, f"The answer of deployment {route.name} is not complete.") from error
            finally:
                slots.release()
            _finish(upstream, connection, keeps=head.keeps)
            start_response(status_line(head.status), headers)
            return [body] if body else []
        start_response(status_line(head.status), headers)
        return _stream(upstream, connection, head, slots)

    def _copy(self, request: Request, answered: Route) -> None:
        """Send copies to who mirrors, without waiting; nobody sees the answers."""
        for route in self._deployments.table.copies():
            if request.body is not None and route.name != answered.name and self._copies.acquire(blocking=False):
                threading.Thread(target=self._send_copy, args=(route, request), daemon=True).start()

    def _send_copy(self, route: Route, request: Request) -> None:
        try:
            connection = self._deployments.upstream(route).connect()
            try:
                connection.send(request.start(route))
                for _ in connection.body(connection.head(request.method).length):
                    pass
            finally:
                connection.close()
        except (UnreachableError, BrokenError, LateError) as error:
            self._deployments.missed(route, f"a copy was not answered: {error}")
        finally:
            self._copies.release()


def _stream(
    upstream: Upstream, connection: Connection, head: Head, slots: threading.BoundedSemaphore
) -> Iterator[bytes]:
    """Yield a long answer as it comes. One that breaks off ends the client's connection too: the error is raised."""
    done = False
    try:
        yield from connection.body(head.length)
        done = True
    finally:
        slots.release()
        _finish(upstream, connection, keeps=done and head.keeps)


def _finish(upstream: Upstream, connection: Connection, *, keeps: bool) -> None:
    if keeps:
        upstream.give_back(connection)
    else:
        connection.close()


def _end_to_end(headers: Headers) -> Headers:
    """Leave out what concerns one connection only (RFC 9110, section 7.6.1)."""
    dropped = _HOP_BY_HOP
    for name, value in headers:
        if name == "connection" and value.lower() not in ("close", "keep-alive"):
            dropped = dropped | {one.strip().lower() for one in value.split(",")}
    return [one for one in headers if one[0] not in dropped]


@lru_cache(maxsize=1024)
def _field(key: str) -> str:
    """Return the header that a key of the environ stands for, or "" where it stays here."""
    name = key[5:].replace("_", "-").lower()
    return "" if name in _OURS else name


def _headers(environ: Environ) -> bytes:
    """Write the request's headers anew, but for its framing and its end."""
    lines = []
    dropped = {one.strip().lower() for one in environ.get("HTTP_CONNECTION", "").split(",")}
    for key, value in environ.items():
        if key.startswith("HTTP_") and (name := _field(key)) and name not in dropped:
            lines.append(f"{name}: {value}")
    if environ.get("CONTENT_TYPE"):
        lines.append(f"content-type: {environ['CONTENT_TYPE']}")
    before = environ.get("HTTP_X_FORWARDED_FOR")
    client = environ.get("REMOTE_ADDR", "").rpartition(":")[0] or environ.get("REMOTE_ADDR", "")
    lines.append(f"x-forwarded-for: {f'{before}, ' if before else ''}{client}")
    lines.append(f"x-forwarded-proto: {environ['wsgi.url_scheme']}")
    return ("\r\n".join(lines) + "\r\n").encode("latin-1", "replace")
