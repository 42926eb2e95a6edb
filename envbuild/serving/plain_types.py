"""Stand-ins for Werkzeug's request and response where it is not installed: the parts that scoring scripts use."""

from __future__ import annotations

import json
from http.client import HTTPMessage
from typing import Any
from urllib.parse import parse_qsl, quote


class PlainHeaders(HTTPMessage):
    """Headers: case-insensitive, in order, with repeats."""

    def add(self, name: str, value: str) -> None:
        """Add one more header of this name."""
        self.add_header(name, value)

    def pop(self, name: str, default: str | None = None) -> str | None:
        """Remove every header of this name; return the first."""
        found = self.get(name, default)
        del self[name]
        return found


class PlainRequest:
    """A request: method, path, args, headers and body."""

    def __init__(self, environ: dict[str, Any]) -> None:
        """Take a WSGI environment whose input holds the whole body."""
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ["PATH_INFO"].encode("latin-1", "replace").decode("utf-8", "replace")
        self.query_string: bytes = environ.get("QUERY_STRING", "").encode("latin-1", "replace")
        self.args: dict[str, str] = dict(reversed(parse_qsl(self.query_string.decode("ascii", "replace"))))
        self.headers = PlainHeaders()
        for key, value in environ.items():
            if key.startswith("HTTP_"):
                self.headers.add(key[5:].replace("_", "-").title(), value)
        for key, name in (("CONTENT_TYPE", "Content-Type"), ("CONTENT_LENGTH", "Content-Length")):
            if environ.get(key):
                self.headers.add(name, environ[key])
        self._cached: bytes | None = None

    @property
    def full_path(self) -> str:
        """The path with its query."""
        return quote(self.path) + "?" + self.query_string.decode("latin-1")

    @property
    def url(self) -> str:
        """The address as the client wrote it."""
        host = self.headers.get("Host", "localhost")
        query = self.full_path if self.query_string else quote(self.path)
        return f"{self.environ.get('wsgi.url_scheme', 'http')}://{host}{query}"

    @property
    def content_type(self) -> str:
        """The Content-Type header, or ""."""
        return self.headers.get("Content-Type", "")

    def get_data(self, cache: bool = True, as_text: bool = False) -> bytes | str:
        """Return the body; kept for the next call if `cache`."""
        found = self._cached if self._cached is not None else self.environ["wsgi.input"].read()
        if cache:
            self._cached = found
        return found.decode("utf-8", "replace") if as_text else found

    @property
    def data(self) -> bytes | str:
        """The body."""
        return self.get_data()

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """Return the body read as JSON; None if it is not JSON and `silent`."""
        try:
            if not force and "json" not in self.content_type:
                raise ValueError("the content type is not JSON")
            return json.loads(self.get_data())
        except ValueError:
            if silent:
                return None
            raise

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return self.get_json()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url!r} [{self.method}]>"


class PlainResponse:
    """A response: status, headers and body."""

    def __init__(self, response: str | bytes | None = None, status: int = 200, mimetype: str = "") -> None:
        """Take the body as text or bytes."""
        self.status_code = status
        self.headers = PlainHeaders()
        self.headers["Content-Type"] = mimetype or "text/html; charset=utf-8"
        self.set_data(response or b"")

    def set_data(self, value: str | bytes) -> None:
        """Replace the body."""
        self._body = value.encode("utf-8") if isinstance(value, str) else bytes(value)

    def get_data(self, as_text: bool = False) -> bytes | str:
        """Return the body."""
        return self._body.decode("utf-8") if as_text else self._body
