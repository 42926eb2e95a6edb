"""Request ids: taken from the request or made here, and sent back on every answer."""

from __future__ import annotations

import random
import re
from typing import Any, Callable, Mapping

from .failures import RequestError

MAX_LENGTH = 100
_SENDABLE = re.compile(r"[\x20-\x7e]+")


def id_maker() -> Callable[[], str]:
    """Return a function that makes random UUIDs (version 4); call it once in each process, after the fork.

    Not uuid.uuid4: that asks the kernel for entropy on each call, and an id need only be unique.
    """
    bits = random.Random().getrandbits  # noqa: S311 - an id is no secret

    def make() -> str:
        digits = f"{bits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    return make


class Identity:
    """The ids of one request and the headers that carry them."""

    __slots__ = ("headers", "refusal", "request_id")

    def __init__(self, environ: Mapping[str, Any], make_id: Callable[[], str]) -> None:
        """Read the ids; an id that is too long is replaced, and `refusal` says so."""
        self.refusal = ""
        get = environ.get
        given = get("HTTP_X_REQUEST_ID")
        legacy = get("HTTP_X_MS_REQUEST_ID")
        client = get("HTTP_X_MS_CLIENT_REQUEST_ID")
        trace = get("HTTP_TRACEID")
        if not (given or legacy or client or trace):  # the usual case, kept short
            self.request_id = made = make_id()
            self.headers: list[tuple[str, str]] = [("x-request-id", made), ("x-ms-request-id", made)]
            return
        if (legacy and len(legacy) > MAX_LENGTH) or (client and len(client) > MAX_LENGTH):
            self.refusal = "x-ms-request-id and x-ms-client-request-id must not exceed 100 characters"
            legacy = client = None
        if given and len(given) > MAX_LENGTH:
            self.refusal = "x-request-id must not exceed 100 characters"
            given = None
        self.request_id = _sendable(given) or make_id()
        legacy, client, trace = _sendable(legacy), _sendable(client), _sendable(trace)
        self.headers = [("x-request-id", self.request_id), ("x-ms-request-id", legacy or client or self.request_id)]
        if client or legacy:
            self.headers.append(("x-ms-client-request-id", client or legacy))
        if trace:
            self.headers.append(("TraceId", trace[:MAX_LENGTH]))

    def check(self) -> None:
        """Refuse a request whose ids are too long.

        Raises:
            RequestError: 431.
        """
        if self.refusal:
            raise RequestError(431, self.refusal)


def _sendable(value: Any) -> str:
    """Return an id only if it can be sent back as it is."""
    return value if value and _SENDABLE.fullmatch(value) else ""
