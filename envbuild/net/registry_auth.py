"""Access to one image registry: where it answers, and the tokens that it wants (Docker's token authentication)."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin, urlsplit

from envbuild.core.errors import NetworkError
from envbuild.core.reference import DEFAULT_REGISTRY, is_loopback_host
from envbuild.net.credentials import Credential, mask, mask_url
from envbuild.net.http import Body, HttpClient, PassingError, read_body, refusal

if TYPE_CHECKING:
    import requests

_HUB_HOST = f"registry-1.{DEFAULT_REGISTRY}"
_NOBODY = Credential()
_SHORTEST_LIFE = 60
_LONGEST_HEADER = 8192
_PARAMETER = re.compile(r'(?<![A-Za-z_])([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a `WWW-Authenticate` header asks for (RFC 9110 §11.6.1)."""

    scheme: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, header: str) -> Challenge:
        """Read `Bearer realm="…",service="…",scope="…"` or `Basic realm="…"`."""
        scheme, _, rest = header.strip().partition(" ")
        found = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest[:_LONGEST_HEADER])}
        return cls(scheme=scheme.lower(), parameters=found)


@dataclass(slots=True, kw_only=True)
class Access:
    """Speaks to one registry. Safe to share between threads."""

    registry: str
    http: HttpClient
    credential: Credential | None = None
    plain_http: bool = False
    _base: str = ""
    _challenge: Challenge | None = None
    _tokens: dict[frozenset[str], tuple[Credential, float]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def request(
        self,
        method: str,
        path: str,
        *,
        scopes: Collection[str],
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        accept: Collection[int] = (200,),
        stream: bool = False,
    ) -> requests.Response:
        """Do `attempt` until it goes well or patience ends.

        Raises:
            NetworkError: as `HttpClient.request`; the message has the registry's own words.
        """
        return self.http.retry(
            lambda: self.attempt(method, path, scopes=scopes, headers=headers, body=body, accept=accept, stream=stream)
        )

    def attempt(
        self,
        method: str,
        path: str,
        *,
        scopes: Collection[str],
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
        accept: Collection[int] = (200,),
        stream: bool = False,
    ) -> requests.Response:
        """Return the answer for `path` (or a whole URL that the registry gave) with a token for `scopes`.

        Raises:
            PassingError: it may go well the next time.
            NetworkError: it will not.
        """
        base = self._find_base()
        url = urljoin(base, path)
        # an upload may lead to another host, which has its own ways to know us
        ours = urlsplit(url)[:2] == urlsplit(base)[:2]

        def send(*, fresh: bool) -> requests.Response:
            credential = self._authorization(frozenset(scopes), fresh=fresh) if ours else _NOBODY
            return self.http.attempt(
                method, url, headers=headers, body=body, credential=credential, accept=_ANYTHING, stream=True
            )

        response = send(fresh=False)
        if response.status_code == 401 and ours:
            response.close()
            self._heed(response)
            response = send(fresh=True)
        if response.status_code not in accept:
            raise self._refusal(method, url, response)
        if not stream:
            read_body(response, 1 << 20)  # or the connection could not be used again
        return response

    def _find_base(self) -> str:
        with self._lock:
            if not self._base:
                self._base = self._ping()
            return self._base

    def _ping(self) -> str:
        host = _HUB_HOST if self.registry == DEFAULT_REGISTRY else self.registry
        if not self.plain_http:
            return self._ping_at(f"https://{host}/v2/")
        try:
            return self._ping_at(f"http://{host}/v2/", refuse=(400,))
        except NetworkError as error:
            try:
                return self._ping_at(f"https://{host}/v2/")
            except PassingError:
                # nothing speaks TLS there either: the first answer tells more
                raise error from None

    def _ping_at(self, url: str, refuse: Collection[int] = ()) -> str:
        answer = self.http.attempt("GET", url, credential=_NOBODY, accept=_ANYTHING - set(refuse), stream=True)
        answer.close()
        if answer.status_code == 401:
            self._heed(answer)
        return url

    def _heed(self, refused: requests.Response) -> None:
        if header := refused.headers.get("WWW-Authenticate"):
            with self._lock:
                self._challenge = Challenge.parse(header)

    def _authorization(self, scopes: frozenset[str], *, fresh: bool) -> Credential:
        with self._lock:
            challenge = self._challenge
            if self.credential is not None and self.credential.token:
                return self.credential
            if challenge is None:
                return _NOBODY
            if challenge.scheme == "basic":
                return self.credential or _NOBODY
            if challenge.scheme != "bearer":
                raise NetworkError(f"{self.registry} wants an unknown kind of login: {challenge.scheme!r}")
            token, until = self._tokens.get(scopes, (_NOBODY, 0.0))
            if fresh or time.monotonic() >= until:
                token, until = self._ask_token(challenge, scopes)
                self._tokens[scopes] = token, until
            return token

    def _ask_token(self, challenge: Challenge, scopes: frozenset[str]) -> tuple[Credential, float]:
        realm = challenge.parameters.get("realm", "")
        parts = urlsplit(realm)
        trusted = parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.hostname or ""))
        if not trusted:
            raise NetworkError(f"{self.registry} asks to log in at {mask_url(realm)!r}, which is not https")
        query = [("service", challenge.parameters["service"])] if challenge.parameters.get("service") else []
        own = challenge.parameters.get("scope", "").split()
        known = self.credential or _NOBODY
        # one scope parameter for each: registries differ in how they split one that holds several
        query += [("scope", scope) for scope in dict.fromkeys([*sorted(scopes), *own])]
        answer = self._post_token(realm, query, known) if known.identity_token else self._get_token(realm, query, known)
        document = _object(read_body(answer, 1 << 20))
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token:
            raise NetworkError(f"{mask_url(realm)} answered without a token", hint=self._hint())
        life = document.get("expires_in")
        seconds = max(_SHORTEST_LIFE, life if isinstance(life, int) else 0)
        return Credential(token=token), time.monotonic() + seconds * 0.8

    def _get_token(self, realm: str, query: list[tuple[str, str]], known: Credential) -> requests.Response:
        joint = "&" if "?" in realm else "?"
        return self._token_answer("GET", f"{realm}{joint}{urlencode(query)}", b"", known)

    def _post_token(self, realm: str, query: list[tuple[str, str]], known: Credential) -> requests.Response:
        scope = " ".join(value for name, value in query if name == "scope")
        form = [one for one in query if one[0] != "scope"] + [("scope", scope), ("grant_type", "refresh_token")]
        form += [("client_id", "envbuild"), ("refresh_token", known.identity_token)]
        return self._token_answer("POST", realm, urlencode(form).encode(), _NOBODY)

    def _token_answer(self, method: str, url: str, body: bytes, known: Credential) -> requests.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        answer = self.http.attempt(
            method, url, headers=headers, body=body, credential=known, accept=_ANYTHING, stream=True
        )
        if answer.status_code != 200:
            raise self._refusal(method, url, answer)
        return answer

    def _refusal(self, method: str, url: str, response: requests.Response) -> NetworkError:
        detail = ""
        if method != "HEAD":
            try:
                detail = _said(read_body(response, 1 << 20))
            except NetworkError:
                detail = ""
        response.close()
        secrets = self.credential.secrets if self.credential else ()
        error = refusal(f"{method} {mask_url(url)}", response, mask(detail, secrets))
        if response.status_code in (401, 403) and not isinstance(error, PassingError):
            return NetworkError(error.problems[0].message, hint=self._hint())
        return error

    def _hint(self) -> str:
        found = "the credential that was found is not enough" if self.credential else "no credential was found"
        return f"{found}: `docker login {self.registry}`, or set ENVBUILD_AUTH_<HOST>_USERNAME and _PASSWORD"


_ANYTHING = frozenset(range(200, 500)) - {408, 425, 429}


def _said(data: bytes) -> str:
    errors = _object(data).get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    text = ": ".join(str(first[key]) for key in ("code", "message") if first.get(key))
    return "".join(character if character.isprintable() else " " for character in text)[:200]


def _object(data: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
