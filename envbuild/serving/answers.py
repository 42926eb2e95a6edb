"""What goes back to the client: the value that run() returned, or an error, as status, headers and bytes."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any, Iterable, NamedTuple, Tuple

from .failures import RequestError

JSON_TYPE = ("Content-Type", "application/json")
Headers = Tuple[Tuple[str, str], ...]
STATUS_LINES = {status.value: f"{status.value} {status.phrase.upper()}" for status in HTTPStatus}
# RFC 9110: a field name is a token; a value has no control characters. Dates hold a comma of their own.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset(("content-length", "transfer-encoding", "connection", "x-ms-run-function-failed"))


class Answer(NamedTuple):
    """One complete answer. `run_failed` is None where run() had no part in it."""

    status: int
    body: bytes
    headers: Headers = (JSON_TYPE,)
    run_failed: bool = False


def is_field_name(text: str) -> bool:
    """Say whether a header may have this name (RFC 9110, section 5.1)."""
    return _NAME.fullmatch(text) is not None


def status_line(status: int) -> str:
    """Return the status with its phrase, as the transport wants it."""
    return STATUS_LINES.get(status) or f"{status} UNKNOWN"


def error_answer(
    status: int, message: str, headers: Iterable[tuple[str, str]] = (), *, run_failed: bool = False
) -> Answer:
    """Return an error as the documented ErrorResponse object."""
    body = json.dumps({"message": message}).encode("utf-8")
    return Answer(status, body, (JSON_TYPE, *headers), run_failed)


def answer_of(result: Any) -> Answer:
    """Turn what run() returned into an answer: a response as it is, bytes as they are, anything else as JSON.

    Raises:
        RequestError: 500 when the value cannot be written as JSON, or the response has headers that HTTP forbids.
    """
    if result is None:
        return Answer(200, b"{}")
    if hasattr(result, "get_data") and hasattr(result, "status_code"):
        return _from_response(result)
    if isinstance(result, (bytes, bytearray, memoryview)):
        return Answer(200, bytes(result), (("Content-Type", "application/octet-stream"),))
    try:
        return Answer(200, json.dumps(result).encode("utf-8"))
    except (TypeError, ValueError, RecursionError) as error:
        hint = "; return result.tolist()" if hasattr(result, "tolist") else ""
        raise RequestError(
            500,
            f"run() returned a {type(result).__name__} that is not JSON serializable: {error}{hint}",
            run_failed=True,
        ) from None


def _from_response(response: Any) -> Answer:
    """Take over an AMLResponse, or a response of Werkzeug or Flask."""
    status = int(response.status_code)
    flag = str(response.headers.get("x-ms-run-function-failed", "")).lower() == "true"
    headers = [(str(name), str(value)) for name, value in response.headers.items() if name.lower() not in _OURS]
    _check(status, headers)
    return Answer(status, response.get_data(), tuple(headers), flag or status >= 500)


def _check(status: int, headers: list[tuple[str, str]]) -> None:
    if not 200 <= status <= 599:
        raise RequestError(500, f"run() returned the status {status}; 200 to 599 is possible", run_failed=True)
    for name, value in headers:
        if not is_field_name(name) or not _VALUE.fullmatch(value):
            raise RequestError(500, f"run() returned a header that HTTP does not allow: {name!r}", run_failed=True)
