"""What only a service or an endpoint itself may read: its keys, the secret of its tokens, its certificate and private key.

They are files of their own, never part of a record, a state or a log. The service reads keys and the secret again when they
change, so new ones hold without a restart.
"""

from __future__ import annotations

import secrets
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

from envbuild.azureml.records import Record
from envbuild.core.errors import ServiceError
from envbuild.files import write_atomic
from envbuild.serving.auth import sign_token

IN_CONTAINER = "/run/envbuild-secrets"
VARIABLES = {
    "keys": "ENVBUILD_AUTH_KEYS_FILE",
    "token-secret": "ENVBUILD_TOKEN_SECRET_FILE",
    "cert.pem": "ENVBUILD_TLS_CERT",
    "key.pem": "ENVBUILD_TLS_KEY",
}
"""How the server is told of each file."""
TOKEN_LIFE_S = 12 * 3600
REFRESH_BEFORE_S = 600
"""So long before a token ends a new one should be asked for."""


class ServiceSecrets:
    """The secrets of one service or endpoint, in its folder of the workspace."""

    def __init__(self, record: Record) -> None:
        """Refer to them; they need not be there."""
        self._name = record.id
        self._closed = record.folder / "secrets"
        # a container sees this folder, as another user; the one above keeps everybody else out
        self.folder = self._closed / "files"

    def write(
        self,
        *,
        keys: bool,
        tokens: bool,
        given: tuple[str | None, str | None] = (None, None),
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        """Make what is asked for and is not there yet, and drop what is no longer asked for.

        `given` are the keys in the place of random ones, `certificate` is one and its private key.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._closed.chmod(0o700)
        self.folder.chmod(0o755)
        if keys:
            self._write_keys(given)
        if tokens and not self._file("token-secret").is_file():
            self._put("token-secret", secrets.token_urlsafe(48))
        for name, source in zip(("cert.pem", "key.pem"), certificate or (), strict=False):
            self._put(name, source.read_text(encoding="utf-8"))
        tls = certificate is not None
        for name, needed in {"keys": keys, "token-secret": tokens, "cert.pem": tls, "key.pem": tls}.items():
            if not needed:
                self._file(name).unlink(missing_ok=True)

    def _write_keys(self, given: tuple[str | None, str | None]) -> None:
        before = self.keys() if self._file("keys").is_file() else (_new_key(), _new_key())
        self._put("keys", "\n".join(new or old for new, old in zip(given, before, strict=True)))

    def keys(self) -> tuple[str, str]:
        """Return the two keys.

        Raises:
            ServiceError: the service needs none.
        """
        if not self._file("keys").is_file():
            raise ServiceError(f"{self._name} needs no key", hint="auth_enabled=True, or auth_mode: key")
        first, second = self._file("keys").read_text(encoding="utf-8").split()
        return first, second

    def change_key(self, which: str, value: str | None) -> None:
        """Replace the `Primary` or the `Secondary` key by `value`, or by a new one.

        Raises:
            ServiceError: the service needs no key, or `which` is neither.
        """
        names = ("primary", "secondary")
        if which.lower() not in names:
            raise ServiceError(f"{which!r} is not a key", hint="Primary or Secondary")
        keys = list(self.keys())
        if value is not None and (not value.isascii() or not value.isprintable() or len(value.split()) != 1):
            raise ServiceError("a key is printable ASCII without blanks")
        keys[names.index(which.lower())] = value or _new_key()
        self._put("keys", "\n".join(keys))

    def new_token(self, life: int = TOKEN_LIFE_S) -> tuple[str, datetime, datetime]:
        """Return a token, the moment from which a new one should be asked for, and the moment when it ends; in UTC.

        Raises:
            ServiceError: the service takes no tokens.
        """
        if not self._file("token-secret").is_file():
            raise ServiceError(
                f"{self._name} takes no tokens", hint="token_auth_enabled=True in a cluster, or auth_mode: aml_token"
            )
        start = int(time.time())
        end = start + life
        claims = {"iss": "envbuild", "aud": self._name, "iat": start, "nbf": start, "exp": end}
        token = sign_token(claims, self._file("token-secret").read_bytes().strip())
        moments = [datetime.fromtimestamp(at, timezone.utc) for at in (end - REFRESH_BEFORE_S, end)]
        return token, moments[0], moments[1]

    def change_token_secret(self) -> None:
        """Make every token that was given out worthless."""
        self.new_token()
        self._put("token-secret", secrets.token_urlsafe(48))

    @property
    def certificate(self) -> Path | None:
        """The certificate that the service shows, or None where it answers over plain http."""
        path = self._file("cert.pem")
        return path if path.is_file() else None

    def files(self) -> dict[str, str]:
        """Return all of them by name, for a Kubernetes Secret."""
        return {one.name: one.read_text(encoding="utf-8") for one in sorted(self.folder.glob("[!.]*"))}

    def variables(self, folder: str = "") -> dict[str, str]:
        """Return what the server is told, with the files in `folder` (a container's), or where they are."""
        place = folder or str(self.folder.resolve())
        found = {name: f"{place}/{file}" for file, name in VARIABLES.items() if self._file(file).is_file()}
        return {"SERVICE_NAME": self._name, **found}

    def remove(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._closed, ignore_errors=True)

    def _file(self, name: str) -> Path:
        return self.folder / name

    def _put(self, name: str, text: str) -> None:
        write_atomic(self._file(name), text, mode=0o644)


def _new_key() -> str:
    return secrets.token_urlsafe(32)
