"""What was asked and answered, as JSON lines in a file: the place of Application Insights' request telemetry."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Callable

from .answers import Answer
from .logs import LOGGER

MOST = 32 * 1024
"""Characters of a body that are recorded."""
_BODY = "envbuild.body"


class Recorder:
    """Appends one line for each scored request; each is one write, so workers may share the file."""

    def __init__(self, path: str, service: str) -> None:
        """Open the file; `-` is standard error.

        Raises:
            OSError: it cannot be written.
        """
        self._service = service
        self._file = 2 if path == "-" else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def reading(self, read: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        """Return `read`, which keeps what it read for the record."""

        def keep(environ: Any) -> bytes:
            body = environ[_BODY] = read(environ)
            return body

        return keep

    def write(self, environ: Any, answer: Answer, seconds: float, request_id: str) -> None:
        """Record one request. No header is recorded: keys and tokens travel in them."""
        moment = time.time()
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z",
            "id": request_id,
            "clientRequestId": environ.get("HTTP_X_MS_CLIENT_REQUEST_ID"),
            "serviceName": self._service,
            "name": f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}",
            "resultCode": answer.status,
            "success": answer.status < 400,
            "durationMs": round(seconds * 1000, 3),
            "input": _text(environ.get(_BODY) or environ.get("QUERY_STRING", "").encode()),
            "response": _text(answer.body),
        }
        try:
            os.write(self._file, (json.dumps(line) + "\n").encode())
        except OSError as error:  # a full disk must not fail the request
            LOGGER.error("the request could not be recorded: %s", error)


def _text(body: bytes) -> str:
    text = body[: 4 * MOST].decode("utf-8", "replace")
    return text if len(text) <= MOST else text[:MOST] + f"… ({len(body)} bytes)"
