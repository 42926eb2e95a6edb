"""Who may score: static keys, or JSON Web Tokens signed with HS256 (RFC 7515, RFC 7519)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any, Mapping

from .failures import RequestError

CHECK_INTERVAL_S = 1.0
MAX_CREDENTIAL = 8192


class SecretFile:
    """Lines of a file, read again when the file changes, so that keys can be replaced while the service runs."""

    def __init__(self, path: str) -> None:
        """Name the file; it is read at once, and must be readable."""
        self._path = Path(path)
        self._checked = 0.0
        self._stamp: tuple[int, int, int] = (0, 0, 0)
        self._lines: list[bytes] = []
        self.lines()

    def lines(self) -> list[bytes]:
        """Return the secrets. A file that cannot be read at the moment keeps what it said before."""
        now = time.monotonic()
        if now - self._checked >= CHECK_INTERVAL_S or not self._checked:
            self._checked = now
            try:
                self._refresh()
            except OSError:
                if not self._lines:
                    raise
        return self._lines

    def _refresh(self) -> None:
        stat = self._path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._stamp:
            words = (line.strip() for line in self._path.read_bytes().splitlines())
            self._lines = [word for word in words if word and not word.startswith(b"#")]
            self._stamp = stamp


class Gate:
    """Lets a request pass that carries `Authorization: Bearer` with a key of the one file, or a token of the other."""

    def __init__(self, keys_file: str, token_secret_file: str, audience: str) -> None:
        """Take the files ("" for none) and the name that a token with an audience must be made for."""
        self._keys = SecretFile(keys_file) if keys_file else None
        self._secrets = SecretFile(token_secret_file) if token_secret_file else None
        self._audience = audience

    @property
    def is_closed(self) -> bool:
        """Whether a credential is needed at all."""
        return self._keys is not None or self._secrets is not None

    def check(self, environ: Mapping[str, Any]) -> None:
        """Let the request pass.

        Raises:
            RequestError: 401, without a word about which part was wrong beyond what RFC 6750 names.
        """
        scheme, _, credential = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer" or not credential or len(credential) > MAX_CREDENTIAL:
            raise RequestError(
                401, "A key or token is needed: Authorization: Bearer …", [("WWW-Authenticate", "Bearer")]
            )
        word = credential.strip().encode("utf-8", "replace")
        if self._keys is not None and matches_any(word, self._keys.lines()):
            return
        if self._secrets is not None and token_is_valid(word, self._secrets.lines(), self._audience, time.time()):
            return
        raise RequestError(
            401, "The key or token is not valid.", [("WWW-Authenticate", 'Bearer error="invalid_token"')]
        )


def matches_any(word: bytes, secrets: list[bytes]) -> bool:
    """Compare with every secret, in a time that does not depend on where they differ or which one matches."""
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(word, secret)
    return found


def sign_token(claims: Mapping[str, Any], secret: bytes) -> str:
    """Return a token over `claims` (`exp` in seconds since 1970 is what the server asks for)."""
    parts = (_encode(json.dumps(part, sort_keys=True).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    signed = b".".join(parts)
    return (signed + b"." + _encode(_signature(signed, secret))).decode("ascii")


def token_is_valid(token: bytes, secrets: list[bytes], audience: str, now: float) -> bool:
    """Check signature, algorithm, `exp`, `nbf` and `aud` of a token."""
    signed, _, signature = token.rpartition(b".")
    try:
        head, _, payload = signed.partition(b".")
        if _object(head).get("alg") != "HS256" or not _signed_by_any(signed, _decode(signature), secrets):
            return False
        return _claims_hold(_object(payload), audience, now)
    except (ValueError, binascii.Error, RecursionError):
        return False


def _claims_hold(claims: dict[str, Any], audience: str, now: float) -> bool:
    expires, starts = claims.get("exp"), claims.get("nbf", 0)
    if isinstance(expires, bool) or not isinstance(expires, (int, float)) or not isinstance(starts, (int, float)):
        return False
    named = claims.get("aud", audience)
    return starts <= now < expires and audience in (named if isinstance(named, list) else [named])


def _signed_by_any(signed: bytes, signature: bytes, secrets: list[bytes]) -> bool:
    return matches_any(signature, [_signature(signed, secret) for secret in secrets])


def _signature(signed: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, signed, hashlib.sha256).digest()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(_decode(text))
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 - callers treat both as a malformed token
    return found
