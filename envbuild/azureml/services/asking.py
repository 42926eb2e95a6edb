"""Ask a service of this machine, over http or https."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from envbuild.engines.local_service import trusting


class AnsweredError(Exception):
    """The service answered with an error; the message is what it said."""

    def __init__(self, status: int, said: str) -> None:
        """Take the HTTP status and the body."""
        self.status = status
        super().__init__(said)


def ask(
    port: int,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    trust: Path | None = None,
    limit: float = 300,
) -> bytes:
    """Return the body of an answer of 127.0.0.1:`port`; `trust` is the certificate that it must show.

    Raises:
        AnsweredError: the status is 400 or more.
        OSError: it does not answer within `limit` seconds, or shows another certificate.
    """
    return ask_url(f"{'https' if trust else 'http'}://127.0.0.1:{port}{path}", body, headers, trust=trust, limit=limit)


def ask_url(
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    trust: Path | None = None,
    limit: float = 300,
) -> bytes:
    """Return the body of an answer of `url`; see `ask`."""
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310 - http or https on loopback
    # a proxy for the outer world must not be asked about this machine
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting(trust))]
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=limit) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        raise AnsweredError(error.code, error.read().decode(errors="replace")) from error
    except http.client.HTTPException as error:
        raise ConnectionError(f"what answers is not this service: {error!r}") from error
