"""A small HTTP client: timeouts, bounded retries, resumed downloads, nothing secret in a message."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from urllib.parse import urlsplit, urlunsplit

from envbuild.core.errors import NetworkError, Problem
from envbuild.net.credentials import Credential, CredentialFinder, mask_url, strip_credentials
from envbuild.net.offline import is_offline

if TYPE_CHECKING:
    import requests

_T = TypeVar("_T")
Body = bytes | Callable[[], BinaryIO]

LARGEST_ANSWER = 64 << 20
"""Bytes of an answer that is held in memory, decoded."""

_CHUNK = 1 << 18
_HEADWAY = 1 << 20
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often: seconds to connect, to wait for bytes, to wait between attempts at most; attempts in all."""

    connect: float = 15.0
    read: float = 60.0
    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def wait(self, attempt: int) -> float:
        """Return the seconds to wait after `attempt` (from 1): doubling, between half and all of it by chance."""
        return float(min(self.first_wait * 2 ** (attempt - 1), self.longest_wait) * random.uniform(0.5, 1.0))  # noqa: S311


class PassingError(NetworkError):
    """Something that may go well the next time. `wait` is what the server asked for, in seconds."""

    def __init__(self, problem: str | Problem, *, wait: float | None = None, hint: str = "") -> None:
        """Take one problem."""
        super().__init__(problem, hint=hint)
        self.wait = wait


class Tries:
    """Counts the failures of one piece of work and waits after each."""

    def __init__(self, patience: Patience, sleep: Callable[[float], object]) -> None:
        """Start from none."""
        self._patience, self._sleep = patience, sleep
        self._count, self._position = 0, 0

    def failed(self, error: PassingError, position: int = 0) -> None:
        """Wait for the next attempt; after a mebibyte of headway since the last failure, the count begins anew.

        Raises:
            NetworkError: patience is at its end.
        """
        self._count = 1 if position - self._position >= _HEADWAY else self._count + 1
        self._position = max(position, self._position)
        wait = self._patience.wait(self._count) if error.wait is None else error.wait
        if self._count >= self._patience.attempts or wait > self._patience.longest_wait:
            raise _final(error, self._count, wait) from error.__cause__
        self._sleep(wait)


@dataclass(slots=True, kw_only=True)
class HttpClient:
    """Speaks HTTP for everybody else. Safe to share between threads: each has a session of its own.

    `offline` refuses every request. `ca` is a file with certificate authorities to trust instead of the environment's
    (`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_FILE`). Proxies come from the environment, never for loopback.
    """

    offline: bool = field(default_factory=is_offline)
    patience: Patience = Patience()
    ca: Path | None = None
    finder: CredentialFinder | None = field(
        default_factory=lambda: CredentialFinder(environ=os.environ, home=Path.home())
    )
    sleep: Callable[[float], object] = time.sleep
    _local: threading.local = field(default_factory=threading.local, repr=False)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        credential: Credential | None = None,
        accept: Collection[int] = (200,),
        stream: bool = False,
    ) -> requests.Response:
        """Return the answer when its status is among `accept`; try again while that may help.

        A callable `body` is opened anew for each attempt. Without `credential` the one for the URL is looked up. With
        `stream` the caller closes the response.

        Raises:
            NetworkError: offline, not reached, refused, or another status.
        """
        return self.retry(
            lambda: self.attempt(
                method, url, headers=headers, body=body, credential=credential, accept=accept, stream=stream
            )
        )

    def get(self, url: str, *, limit: int = LARGEST_ANSWER) -> bytes:
        """Return the body at `url`.

        Raises:
            NetworkError: as `request`, or the body is larger than `limit` bytes.
        """
        return self.read(url, limit=limit)[1]

    def read(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (200,),
        limit: int = LARGEST_ANSWER,
    ) -> tuple[requests.Response, bytes]:
        """Return the answer at `url`, closed, and its body.

        Raises:
            NetworkError: as `get`.
        """

        def once() -> tuple[requests.Response, bytes]:
            response = self.attempt("GET", url, headers=headers, accept=accept, stream=True)
            return response, read_body(response, limit)

        return self.retry(once)

    def retry(self, operation: Callable[[], _T], *, position: Callable[[], int] = lambda: 0) -> _T:
        """Return what `operation` returns, calling it again while it raises `PassingError` and patience lasts.

        `position` tells in bytes how far the work has come: headway forgives earlier failures.
        """
        tries = self.tries()
        while True:
            try:
                return operation()
            except PassingError as error:  # noqa: PERF203 - trying again is the purpose
                tries.failed(error, position())

    def tries(self) -> Tries:
        """Return a fresh count of failures."""
        return Tries(self.patience, self.sleep)

    def attempt(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        credential: Credential | None = None,
        accept: Collection[int] = (200,),
        stream: bool = False,
    ) -> requests.Response:
        """Do what `request` does, once.

        Raises:
            PassingError: it may go well the next time.
            NetworkError: it will not.
        """
        bare, _ = strip_credentials(url)
        place = f"{method} {mask_url(bare)}"
        if self.offline:
            raise NetworkError(
                f"{place}: not asked, because the network is off", hint="leave out --offline (ENVBUILD_OFFLINE)"
            )
        known = credential or (self.finder.for_url(url) if self.finder else strip_credentials(url)[1]) or Credential()
        full = _with_conda_token(bare, known)
        response = self._send(place, method, full, headers=dict(headers or {}), body=body, known=known, stream=stream)
        if response.status_code in accept:
            return response
        response.close()
        raise refusal(place, response)

    def _send(
        self,
        place: str,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        body: Body,
        known: Credential,
        stream: bool,
    ) -> requests.Response:
        from envbuild.net import session

        data = body() if callable(body) else body or None
        try:
            return self._session().request(
                method,
                url,
                headers=headers,
                data=data,
                auth=session.Authorization(known.header),
                timeout=(self.patience.connect, self.patience.read),
                stream=stream,
                verify=str(self.ca) if self.ca else session.ca_bundle(),
                proxies=_NO_PROXIES if _is_loopback(url) else None,
                allow_redirects=method in ("GET", "HEAD"),
            )
        except session.BROKEN as error:
            said = session.explain(place, error)
            raise (said if session.is_lasting(error) else PassingError(said.problems[0])) from error
        finally:
            if data is not None and not isinstance(data, bytes):
                data.close()

    def _session(self) -> requests.Session:
        from envbuild.net.session import Session

        if not hasattr(self._local, "session"):
            self._local.session = Session()
        found: requests.Session = self._local.session
        return found


def refusal(place: str, response: requests.Response, detail: str = "") -> NetworkError:
    """Return the error for a status that nobody wanted; a `PassingError` where it may change."""
    status = response.status_code
    message = f"{place}: {status} {response.reason or ''}".rstrip() + (f" ({detail})" if detail else "")
    if status in _PASSING:
        return PassingError(message, wait=_retry_after(response.headers.get("Retry-After", "")))
    return NetworkError(message, hint=_HINTS.get(status, ""))


def read_body(response: requests.Response, limit: int) -> bytes:
    """Return the decoded body of a streamed `response` and close it.

    Raises:
        PassingError: the connection broke.
        NetworkError: there are more than `limit` bytes.
    """
    from envbuild.net import session

    place = f"{response.request.method} {mask_url(response.request.url or '')}"
    found = bytearray()
    try:
        with response:
            for chunk in response.iter_content(_CHUNK):
                found += chunk
                if len(found) > limit:
                    raise NetworkError(f"{place}: the answer is larger than {limit} bytes")
    except session.BROKEN as error:
        raise PassingError(session.explain(place, error).problems[0]) from error
    return bytes(found)


_HINTS = {
    401: "no credential, or a wrong one: see `envbuild doctor` for where they are looked for",
    403: "the credential may not do this, or the server wants one",
    407: "the proxy wants a credential: put it into HTTPS_PROXY",
}
_NO_PROXIES = {"no_proxy": "*"}


def _final(error: PassingError, attempts: int, wait: float) -> NetworkError:
    problem = error.problems[0]
    asked = (
        f"; the server asks to wait {wait:.0f} s" if error.wait is not None and error.wait == wait and wait > 0 else ""
    )
    times = f" ({attempts} attempts{asked})" if attempts > 1 or asked else ""
    return NetworkError(Problem(message=f"{problem.message}{times}", hint=problem.hint))


def _retry_after(value: str) -> float | None:
    from email.utils import parsedate_to_datetime

    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _with_conda_token(url: str, credential: Credential) -> str:
    parts = urlsplit(url)
    if not credential.conda_token or parts.path.startswith("/t/"):
        return url
    return urlunsplit(parts._replace(path=f"/t/{credential.conda_token}{parts.path}"))


def _is_loopback(url: str) -> bool:
    from envbuild.core.reference import is_loopback_host

    return is_loopback_host(urlsplit(url).hostname or "")
