"""What this machine offers and what envbuild will use of it, and why. Looks, and changes nothing; asks no server outside."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envbuild import programs
from envbuild.core.errors import EnvbuildError
from envbuild.files import cache_root
from envbuild.net.credentials import mask_url, read_json

State = Literal["ok", "note", "missing", "wrong"]

_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
_LITTLE = 5 * 1024**3
"""Bytes of free disk below which an image with scientific packages may not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: `topic` groups, `value` says what there is, `why` what follows from it."""

    topic: str
    name: str
    state: State
    value: str
    why: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return all fields."""
        fields = {"topic": self.topic, "name": self.name, "state": self.state, "value": self.value, "why": self.why}
        return {name: text for name, text in fields.items() if text}


def diagnose(environ: Mapping[str, str] = os.environ, home: Path | None = None) -> Iterator[Finding]:
    """Yield what there is, topic by topic; what fails to look is itself a finding."""
    place = home or Path.home()
    topics: dict[str, Callable[[], Iterator[Finding]]] = {
        "envbuild": _envbuild,
        "engines": _engines,
        "registries": lambda: _registries(environ, place),
        "certificates": lambda: _certificates(environ),
        "proxies": lambda: _proxies(environ),
        "indexes": lambda: _indexes(environ, place),
        "interpreters": lambda: _interpreters(environ),
        "disk": _disk,
    }
    for topic, look in topics.items():
        try:
            yield from look()
        except EnvbuildError as error:  # noqa: PERF203 - what fails to look must not hide the rest
            yield Finding(topic=topic, name=topic, state="wrong", value=str(error.problems[0]))


def _envbuild() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    from envbuild import __version__

    yield Finding(topic="envbuild", name="envbuild", state="ok", value=__version__)
    yield Finding(topic="envbuild", name="python", state="ok", value=f"{platform.python_version()} ({sys.executable})")
    uses = {
        "py-rattler": "solves conda",
        "uv": "solves pip",
        "conda-lock": "--solver conda-lock",
        "pip-tools": "--pip-resolver",
    }
    for name, use in uses.items():
        try:
            yield Finding(topic="envbuild", name=name, state="ok", value=version(name), why=use)
        except PackageNotFoundError:  # noqa: PERF203 - four names
            yield Finding(topic="envbuild", name=name, state="missing", value="not installed", why=use)


def _engines() -> Iterator[Finding]:
    from envbuild.engines.detect import ENGINES

    chosen = ""
    for name, make in ENGINES.items():
        reason = make().available()
        if reason is None and not chosen:
            chosen = name
            why = "the first that works: --engine auto takes it"
        else:
            why = "with --engine" if reason is None else ""
        state: State = "missing" if reason is not None else "ok"
        yield Finding(topic="engines", name=name, state=state, value=reason or "works", why=why)
    yield from _docker_builders()


def _docker_builders() -> Iterator[Finding]:
    from envbuild.engines.docker import choose_builder, find_clients

    clients = find_clients()
    for client in clients:
        plugin = "with buildx" if client.buildx else "without buildx"
        yield Finding(
            topic="engines", name="docker client", state="ok", value=f"{client.path} {client.version}, {plugin}"
        )
    kind, path = choose_builder(clients, rest=False)
    words = {
        "buildx": "builds go through buildx: secrets, caches, several platforms",
        "buildkit": "builds go through the client's own BuildKit: secrets and caches, one platform",
        "classic": "no client with BuildKit: builds go through the engine's socket, by BuildKit where it has one",
    }
    state: State = "note" if kind == "classic" else "ok"
    yield Finding(topic="engines", name="docker builder", state=state, value=path or "none", why=words.get(kind, ""))


def _registries(environ: Mapping[str, str], home: Path) -> Iterator[Finding]:
    files = (
        Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json",
        Path(environ.get("XDG_RUNTIME_DIR") or home / ".none") / "containers" / "auth.json",
        Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json",
    )
    named = environ.get("REGISTRY_AUTH_FILE")
    seen = False
    for path in (Path(named),) if named else files:
        config = read_json(path)
        for registry in sorted(_names(config.get("auths"))):
            seen = True
            yield Finding(topic="registries", name=mask_url(registry), state="ok", value=f"a login in {path}")
        helpers = config.get("credHelpers")
        for registry, helper in sorted(helpers.items()) if isinstance(helpers, dict) else ():
            seen = True
            yield _helper(str(registry), str(helper))
        if store := config.get("credsStore"):
            seen = True
            yield _helper("every registry", str(store))
    if not seen:
        why = "public images can be read; push needs a login (docker login, or ENVBUILD_AUTH_<HOST>_TOKEN)"
        yield Finding(topic="registries", name="logins", state="note", value="none", why=why)


def _names(table: object) -> set[str]:
    return set(map(str, table)) if isinstance(table, dict) else set()


def _helper(registry: str, helper: str) -> Finding:
    program = f"docker-credential-{helper}"
    if programs.find(program):
        return Finding(topic="registries", name=registry, state="ok", value=f"asks {program}")
    return Finding(
        topic="registries",
        name=registry,
        state="wrong",
        value=f"{program} is not installed",
        why="its images cannot be pushed",
    )


def _certificates(environ: Mapping[str, str]) -> Iterator[Finding]:
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    given = [(name, environ[name]) for name in names if environ.get(name)]
    for place, (name, file) in enumerate(given):
        there = Path(file).is_file()
        why = "is used for downloads" if place == 0 else f"{given[0][0]} comes first"
        if name == "SSL_CERT_FILE" and there:
            why += "; builds get it as the secret `ca`"
        value = file if there else f"{file} is not there"
        yield Finding(topic="certificates", name=name, state="ok" if there else "wrong", value=value, why=why)
    if not given:
        why = "behind a proxy with an authority of its own, name its file with SSL_CERT_FILE"
        yield Finding(topic="certificates", name="authorities", state="ok", value="the usual ones", why=why)


def _proxies(environ: Mapping[str, str]) -> Iterator[Finding]:
    found = False
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        for spelling in (name, name.lower()):
            if value := environ.get(spelling):
                found = True
                shown = value if name == "NO_PROXY" else mask_url(value)
                yield Finding(topic="proxies", name=spelling, state="ok", value=shown)
    if not found:
        yield Finding(topic="proxies", name="proxy", state="ok", value="none")


def _indexes(environ: Mapping[str, str], home: Path) -> Iterator[Finding]:
    for name in _INDEXES:
        if value := environ.get(name):
            shown = " ".join(map(mask_url, value.split()))
            yield Finding(
                topic="indexes", name=name, state="note", value=shown, why="a definition's own index goes before it"
            )
    if not any(environ.get(name) for name in _INDEXES):
        why = "where a definition names none; --index-url, or `index-url` in [tool.envbuild], names another"
        yield Finding(topic="indexes", name="index", state="ok", value="the public one", why=why)
    files = {"netrc": Path(environ.get("NETRC") or home / ".netrc"), "conda": home / ".rattler" / "credentials.json"}
    for name, path in files.items():
        if path.is_file():
            yield Finding(
                topic="indexes", name=name, state="ok", value=str(path), why="credentials are looked up there"
            )
    hosts = sorted({name for name in environ if name.startswith("ENVBUILD_AUTH_")})
    for name in hosts:
        yield Finding(topic="indexes", name=name, state="ok", value="set")


def _interpreters(environ: Mapping[str, str]) -> Iterator[Finding]:
    from envbuild.engines.interpreters import find_interpreter

    for minor in range(9, 15):
        try:
            path = find_interpreter((3, minor), environ)
        except EnvbuildError:
            continue
        why = "`envbuild serve`, --engine local and bytecode of images use it"
        yield Finding(topic="interpreters", name=f"3.{minor}", state="ok", value=str(path), why=why)


def _disk() -> Iterator[Finding]:
    root = cache_root()
    named = "ENVBUILD_CACHE_DIR" if os.environ.get("ENVBUILD_CACHE_DIR") else "the default; ENVBUILD_CACHE_DIR moves it"
    existing = next(one for one in (root, *root.parents) if one.exists())
    writable = os.access(existing, os.W_OK)
    value = str(root) if writable else f"{root} cannot be written"
    yield Finding(topic="disk", name="cache", state="ok" if writable else "wrong", value=value, why=named)
    yield _caches()
    for name, path in {"cache's disk": root, "this folder's disk": Path.cwd(), "temporary files": Path("/tmp")}.items():  # noqa: S108
        existing = next(one for one in (path, *path.parents) if one.exists())
        usage = shutil.disk_usage(existing)
        free = f"{usage.free / 1024**3:.1f} GiB free of {usage.total / 1024**3:.1f}"
        little = usage.free < _LITTLE
        why = "`envbuild clean` makes room" if little else ""
        yield Finding(topic="disk", name=name, state="note" if little else "ok", value=free, why=why)


def _caches() -> Finding:
    from envbuild.cleaning import CACHES, find_items
    from envbuild.formats.diff_text import size_text

    items = list(find_items(tuple(CACHES)))
    kinds = ", ".join(dict.fromkeys(one.kind for one in items)) or "nothing"
    total = size_text(sum(one.size for one in items))
    return Finding(
        topic="disk", name="caches", state="ok", value=f"{total}: {kinds}", why="`envbuild clean` lists them"
    )
