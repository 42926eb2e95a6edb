"""Credentials: what they are, how they are kept out of sight, and where those for a URL are found."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from envbuild.core.errors import DefinitionError

MASK = "****"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credential:
    """A user name with a password, or a token; neither `repr` nor `str` shows a secret.

    `token` is sent as a Bearer token. `identity_token` is a registry's refresh token, `conda_token` the one that
    some conda servers take in the path (`/t/TOKEN/channel`).
    """

    username: str = ""
    password: str = ""
    token: str = ""
    identity_token: str = ""
    conda_token: str = ""

    def __repr__(self) -> str:
        # a user name alone is often a token: https://TOKEN@host/
        return f"Credential({self.username if self.password else MASK}:{MASK})"

    __str__ = __repr__

    @property
    def header(self) -> str:
        """The value of the `Authorization` header; empty where the credential goes elsewhere."""
        if self.token:
            return f"Bearer {self.token}"
        if self.username or self.password:
            pair = f"{self.username}:{self.password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        return ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must never be shown."""
        basic = self.header.removeprefix("Basic ") if self.header.startswith("Basic ") else ""
        alone = "" if self.password else self.username
        found = (self.password, self.token, self.identity_token, self.conda_token, basic, alone)
        return tuple(one for one in found if one)


def strip_credentials(url: str) -> tuple[str, Credential | None]:
    """Return `url` without its userinfo, and the credential that stood there (percent-decoded)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, None
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    username, _, password = userinfo.partition(":")
    bare = urlunsplit(parts._replace(netloc=host))
    return bare, Credential(username=unquote(username), password=unquote(password)) if userinfo else None


def mask(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every one of `secrets` replaced; the longest first, so that no rest of one is left."""
    for secret in sorted({one for one in secrets if one}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def mask_url(url: str) -> str:
    """Return `url` as a message may show it: no userinfo, no conda token, and of the query only that there is one."""
    bare, _ = strip_credentials(url)
    bare = re.sub(r"/t/[^/?#]+", f"/t/{MASK}", bare.partition("#")[0])
    before, mark, _ = bare.partition("?")
    return f"{before}?…" if mark else before


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFinder:
    """Looks for the credential of a URL where people keep them.

    In this order: the URL itself, `ENVBUILD_AUTH_<HOST>_USERNAME`, `_PASSWORD` and `_TOKEN`, the file that
    `RATTLER_AUTH_FILE` names (or `~/.rattler/credentials.json`), netrc (`NETRC` or `~/.netrc`), and the keyring where
    `use_keyring` says so and the package is installed. `<HOST>` is upper case with `_` for every other character than
    a letter or digit; `HOST_PORT` is tried before `HOST`.
    """

    environ: Mapping[str, str]
    home: Path
    use_keyring: bool = False

    def for_url(self, url: str) -> Credential | None:
        """Return the credential for `url`, or None.

        Raises:
            DefinitionError: a credentials file that speaks of this host cannot be read.
        """
        bare, own = strip_credentials(url)
        parts = urlsplit(bare)
        host = parts.hostname or ""
        if own is not None and (own.password or not host):
            return own
        found = (
            self.from_environment(parts.netloc)
            or self._rattler(host)
            or self._netrc(host)
            or self._keyring(parts.netloc, own)
        )
        return found or own

    def from_environment(self, netloc: str) -> Credential | None:
        """Return the credential that the environment holds for `netloc` (`host` or `host:port`)."""
        for name in dict.fromkeys((netloc, netloc.rpartition(":")[0] or netloc)):
            prefix = f"ENVBUILD_AUTH_{re.sub('[^A-Za-z0-9]', '_', name).upper()}"
            token = self.environ.get(f"{prefix}_TOKEN", "")
            password = self.environ.get(f"{prefix}_PASSWORD", "")
            if token or password:
                username = self.environ.get(f"{prefix}_USERNAME", "")
                return Credential(username=username, password="" if token else password, token=token)
        return None

    def _rattler(self, host: str) -> Credential | None:
        named = self.environ.get("RATTLER_AUTH_FILE")
        path = Path(named) if named else self.home / ".rattler" / "credentials.json"
        entries = read_json(path)
        labels = host.split(".")
        for name in (host, *(f"*.{'.'.join(labels[start:])}" for start in range(len(labels)))):
            if isinstance(entry := entries.get(name), dict):
                return _rattler_entry(entry)
        return None

    def _netrc(self, host: str) -> Credential | None:
        import netrc

        named = self.environ.get("NETRC")
        path = Path(named) if named else self.home / ".netrc"
        try:
            found = netrc.netrc(str(path)).authenticators(host)
        except OSError:
            return None
        except netrc.NetrcParseError as error:
            if host not in path.read_text(errors="replace"):
                return None
            raise DefinitionError(
                f"{path}: {error.msg} (line {error.lineno})", hint="mend the file or name another with NETRC"
            ) from None
        return Credential(username=found[0], password=found[2] or "") if found else None

    def _keyring(self, netloc: str, own: Credential | None) -> Credential | None:
        if not self.use_keyring:
            return None
        try:
            import keyring

            found = keyring.get_credential(netloc, own.username if own else None)
        except Exception:  # noqa: BLE001 - a keyring back end may raise anything; no keyring is no credential
            return None
        return Credential(username=found.username, password=found.password) if found else None


def read_json(path: Path) -> dict[str, object]:
    """Return the JSON object in `path`; empty where there is no such file.

    Raises:
        DefinitionError: the file cannot be read or holds something else. Its content is not shown.
    """
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise DefinitionError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise DefinitionError(f"{path} is not JSON") from None
    if not isinstance(data, dict):
        raise DefinitionError(f"{path}: a JSON object is expected")
    return data


def _rattler_entry(entry: Mapping[str, object]) -> Credential | None:
    if isinstance(token := entry.get("BearerToken"), str):
        return Credential(token=token)
    if isinstance(token := entry.get("CondaToken"), str):
        return Credential(conda_token=token)
    basic = entry.get("BasicHTTP")
    if isinstance(basic, dict):
        return Credential(username=str(basic.get("username", "")), password=str(basic.get("password", "")))
    return None
