"""The request and response that scripts see: Werkzeug's where it is installed, the standard library's where not."""

from __future__ import annotations

import io
import json
from typing import Any, Mapping

try:
    from werkzeug.wrappers import Request as BaseRequest
    from werkzeug.wrappers import Response as BaseResponse
except ImportError:
    from .plain_types import PlainRequest as BaseRequest  # type: ignore[assignment]
    from .plain_types import PlainResponse as BaseResponse  # type: ignore[assignment]

_UNDIVIDED = frozenset(("date", "expires", "last-modified", "set-cookie", "if-modified-since"))


class AMLRequest(BaseRequest):
    """The raw HTTP request that a run() decorated with @rawhttp gets."""


class AMLResponse(BaseResponse):
    """An HTTP answer made by the script.

    Args:
        message: the body, as text or bytes; None is sent as `{}`.
        status_code: the HTTP status.
        response_headers: further headers; a value with commas becomes one header for each part.
        json_str: whether `message` is to be written as JSON.
        run_function_failed: what the header x-ms-run-function-failed says; a status of 500 or more also sets it.
    """

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        """Make the answer."""
        if message is None or json_str:
            super().__init__(
                json.dumps({} if message is None else message), status=status_code, mimetype="application/json"
            )
        else:
            super().__init__(message, status=status_code)
        self.headers["x-ms-run-function-failed"] = str(run_function_failed)
        given = response_headers or {}
        for name in given:
            self.headers.pop(name, None)
        for name, value in given.items():
            parts = [value] if name.lower() in _UNDIVIDED else str(value).split(",")
            for part in parts:
                self.headers.add(name, part.strip())


class RequestText(str):  # noqa: SLOT000 - a str cannot have slots
    """The body as text that can also be asked what a request can be asked: method, full_path, get_data(), headers.

    For the documented script shape `def run(request)` without @rawhttp, which uses its text as a request.
    """

    _request: AMLRequest

    @classmethod
    def of(cls, text: str, request: AMLRequest) -> RequestText:
        """Join a body's text and the request that it came with."""
        joined = cls(text)
        joined._request = request
        return joined

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._request, name)


def make_request(environ: dict[str, Any], body: bytes) -> AMLRequest:
    """Return the request with its body, which has been read already."""
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return AMLRequest(environ)


def rawhttp(function: Any) -> Any:
    """Mark a run() that takes the raw request."""
    function.__rawhttp__ = True
    return function
