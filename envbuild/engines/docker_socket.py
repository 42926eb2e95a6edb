"""Two questions to docker's Unix socket with the standard library alone: importing the `docker` package takes longer than the answers.

An image that exists already is found this way before anything else is loaded (Docker Engine API, `GET /_ping` and
`GET /images/{name}/json`). Whatever else is asked, or goes wrong, is the `docker` package's.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any
from urllib.parse import quote

USUAL = "unix:///var/run/docker.sock"


def answers(timeout: float) -> bool:
    """Tell whether an engine answers on the socket within `timeout` seconds; False where it is reached in another way."""
    answer = _get("/_ping", timeout)
    return answer is not None and answer[0] == 200


def image_attributes(name: str, timeout: float) -> dict[str, Any] | None:
    """Return what the engine says of the image `name`, an empty one where it has none, None where it cannot be asked so."""
    answer = _get(f"/images/{quote(name, safe='/:@')}/json", timeout)
    if answer is None or answer[0] not in (200, 404):
        return None
    if answer[0] == 404:
        return {}
    try:
        said = json.loads(answer[1])
    except ValueError:
        return None
    return said if isinstance(said, dict) and said else None


def _get(path: str, timeout: float) -> tuple[int, bytes] | None:
    host = os.environ.get("DOCKER_HOST") or USUAL
    if not host.startswith("unix://") or not hasattr(socket, "AF_UNIX"):
        return None
    request = f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(host.removeprefix("unix://"))
            connection.sendall(request.encode("ascii"))
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    except (OSError, ValueError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    # `HTTP/1.0 200 OK`: with version 1.0 the body is neither chunked nor followed by anything
    status = head.split(b" ", 2)[1:2]
    return (int(status[0]), body) if status and status[0].isdigit() else None
