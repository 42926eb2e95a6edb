"""What `requests` is told: authorization of our own, and words for what goes wrong. Imported only where HTTP is spoken."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

import requests
import requests.auth
import urllib3.exceptions

from envbuild import __name__ as project
from envbuild.core.errors import NetworkError

BROKEN: tuple[type[Exception], ...] = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""Everything that an attempt raises when the network, not the answer, is at fault."""

_MALFORMED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
_LOST = "check the connection and the proxy (HTTPS_PROXY, NO_PROXY); with --offline only what is in the cache is used"
_TLS = "name a private certificate authority with REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
_PROXY = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"


class Session(requests.Session):
    """A session that never takes a credential from anywhere by itself, and never carries one to another host."""

    def __init__(self) -> None:
        """Make a session."""
        super().__init__()
        self.headers["User-Agent"] = project
        self.auth = Authorization("")

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Drop the credential when a redirect leaves the host (requests would look one up in netrc)."""
        before, after = response.request.url or "", prepared_request.url or ""
        if "Authorization" in prepared_request.headers and self.should_strip_auth(before, after):  # type: ignore[no-untyped-call]
            del prepared_request.headers["Authorization"]


class Authorization(requests.auth.AuthBase):
    """Sets the `Authorization` header to a value, or sees to it that there is none."""

    def __init__(self, header: str) -> None:
        """Take the whole value of the header."""
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header:
            request.headers["Authorization"] = self._header
        return request


def ca_bundle() -> str | bool:
    """Return the file with the certificate authorities that the environment names, or True for the usual ones."""
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    return next((value for name in names if (value := os.environ.get(name))), True)


def is_lasting(error: BaseException) -> bool:
    """Tell whether trying again cannot help: a certificate, a malformed URL, a host that does not exist."""
    if isinstance(error, (*_MALFORMED, requests.TooManyRedirects)):
        return True
    causes = list(_causes(error))
    if not isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError)):
        return not isinstance(error, (ConnectionError, TimeoutError, ssl.SSLError))
    return any(isinstance(one, ssl.SSLCertVerificationError) or _is_unknown_name(one) for one in causes)


def _is_unknown_name(error: BaseException) -> bool:
    # a name server that was not reached says EAI_AGAIN instead, which may pass
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME


def explain(place: str, error: BaseException) -> NetworkError:
    """Return the error that says in a person's words what happened at `place` (a masked URL).

    The texts of `requests` are not used: they hold whole URLs.
    """
    causes = list(_causes(error))
    if isinstance(error, OSError) and not isinstance(error, (requests.RequestException, ConnectionError, TimeoutError)):
        return NetworkError(f"{place}: {error.strerror or error}")
    for kinds, words, hint in _WORDS:
        if found := next((one for one in causes if isinstance(one, kinds)), None):
            detail = getattr(found, "verify_message", "") if isinstance(found, ssl.SSLError) else ""
            return NetworkError(f"{place}: {words}{f' ({detail})' if detail else ''}", hint=hint)
    return NetworkError(f"{place}: {type(error).__name__}", hint=_LOST)


_WORDS: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    ((ssl.SSLCertVerificationError,), "its certificate is not trusted", _TLS),
    ((requests.exceptions.ProxyError, urllib3.exceptions.ProxyError), "the proxy cannot be reached or refuses", _PROXY),
    ((requests.exceptions.SSLError, ssl.SSLError), "no TLS connection could be made", _TLS),
    ((urllib3.exceptions.NameResolutionError, socket.gaierror), "the host name cannot be resolved", _LOST),
    ((ConnectionRefusedError,), "the connection was refused", _LOST),
    ((requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError), "no connection in time", _LOST),
    ((requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError), "no answer in time", _LOST),
    ((requests.TooManyRedirects,), "too many redirects", ""),
    (
        (ConnectionError, urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError),
        "the connection broke",
        _LOST,
    ),
    ((urllib3.exceptions.NewConnectionError, requests.ConnectionError), "the network cannot be reached", _LOST),
    (
        _MALFORMED,
        "not a URL of http or https",
        "",
    ),
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]
