"""Two questions to docker's Unix socket with the standard library alone: importing the `docker` package takes longer than the answers.

An image that exists already is found this way before anything else is loaded (Docker Engine API, `GET /_ping` and
`GET /images/{name}/json`). Whatever else is asked, or goes wrong, is the `docker` package's.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from typing import Any
from urllib.parse import quote

USUAL = "unix:///var/run/docker.sock"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


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
    connection = _Connection(host.removeprefix("unix://"), timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
