"""Credentials for image registries: the files that `docker login` and `podman login` write, and Docker's credential helpers."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from envbuild import programs
from envbuild.core.errors import NetworkError
from envbuild.core.reference import DEFAULT_REGISTRY, ImageReference
from envbuild.net.credentials import Credential, CredentialFinder, read_json

_HELPER = re.compile(r"[A-Za-z0-9_.-]+")
_HUB_KEY = f"https://index.{DEFAULT_REGISTRY}/v1/"
_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryCredentials:
    """Looks for the credential of an image's registry.

    In this order: the environment (see `CredentialFinder`), the file that `REGISTRY_AUTH_FILE` names and nothing
    else where it is set, Docker's (`DOCKER_CONFIG` or `~/.docker`), Podman's (`XDG_RUNTIME_DIR`, then `XDG_CONFIG_HOME`
    or `~/.config`). In one file a helper for the registry comes before the general helper, that before what is written.
    """

    finder: CredentialFinder

    def find(self, reference: ImageReference) -> Credential | None:
        """Return the credential for the registry of `reference`, or None: then the registry is asked as a stranger.

        Raises:
            DefinitionError: a file is not readable JSON.
            NetworkError: a credential helper failed.
        """
        found = self.finder.from_environment(reference.registry)
        for path in () if found else self._files():
            found = found or _from_file(path, reference)
        return found

    def _files(self) -> Iterator[Path]:
        environ, home = self.finder.environ, self.finder.home
        if named := environ.get("REGISTRY_AUTH_FILE"):
            yield Path(named)
            return
        yield Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
        if runtime := environ.get("XDG_RUNTIME_DIR"):
            yield Path(runtime) / "containers" / "auth.json"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"


def _from_file(path: Path, reference: ImageReference) -> Credential | None:
    config = read_json(path)
    names = list(_names(reference))
    helpers, store, auths = _table(config.get("credHelpers")), config.get("credsStore"), _table(config.get("auths"))
    for name in names:
        if isinstance(helper := helpers.get(name), str):
            return _from_helper(helper, name, path)
    if isinstance(store, str) and store:
        # a helper is asked by the name that `docker login` used, which only the file tells
        for name in [known for known in names if known in auths] or names[-1:]:
            if found := _from_helper(store, name, path):
                return found
    entries = (auths.get(name) for name in names)
    return next((found for entry in entries if (found := _from_entry(_table(entry), path))), None)


def _names(reference: ImageReference) -> Iterator[str]:
    parts = [reference.registry, *reference.repository.split("/")]
    for length in range(len(parts), 0, -1):
        yield "/".join(parts[:length])
    for suffix in ("/", "/v1/", "/v2/"):
        yield f"https://{reference.registry}{suffix}"
    yield f"https://{reference.registry}"
    if reference.registry == DEFAULT_REGISTRY:
        yield f"index.{DEFAULT_REGISTRY}"
        yield _HUB_KEY
    else:
        yield reference.registry


def _from_entry(entry: Mapping[str, object], path: Path) -> Credential | None:
    identity = _text(entry.get("identitytoken"))
    username, password = _text(entry.get("username")), _text(entry.get("password"))
    if encoded := _text(entry.get("auth")):
        try:
            pair = base64.b64decode(encoded, validate=True).decode().rstrip("\0")
        except (binascii.Error, UnicodeDecodeError):
            raise NetworkError(f"{path}: an `auth` entry is not base64 of user:password", hint="log in again") from None
        username, _, password = pair.partition(":")
    token = _text(entry.get("registrytoken"))
    if not (identity or token or password):
        return None
    return Credential(username=username, password=password, token=token, identity_token=identity)


def _from_helper(name: str, server: str, path: Path) -> Credential | None:
    if not _HELPER.fullmatch(name):
        raise NetworkError(f"{path}: {name!r} cannot be the name of a credential helper")
    program = f"docker-credential-{name}"
    if programs.find(program) is None:
        return None
    done = programs.run([program, "get"], stdin=server, check=False, timeout=_TIMEOUT)
    if done.code != 0:
        if "not found" in done.stdout + done.stderr:
            return None
        # what a helper prints may hold the secret: its code is all that is shown
        raise NetworkError(
            f"`{program} get` for {server} ended with code {done.code}", hint=f"run it by hand; {path} names it"
        )
    try:
        answer = _table(json.loads(done.stdout))
    except ValueError:
        raise NetworkError(f"`{program} get` for {server} did not answer in JSON", hint=f"{path} names it") from None
    username, secret = _text(answer.get("Username")), _text(answer.get("Secret"))
    if username == "<token>":
        return Credential(identity_token=secret)
    return Credential(username=username, password=secret) if secret else None


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
