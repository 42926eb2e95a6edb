"""A plan: the ordered layers of one image, each with a key that covers all below it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from envbuild.core.bases import OLDEST_CONDA, OLDEST_PYTHON, OLDEST_UBUNTU
from envbuild.core.definition import CodeFolder, Definition, Origin
from envbuild.core.errors import PlanError, Problem
from envbuild.core.keys import chain, sha256
from envbuild.core.lock import Lock, PipPackage
from envbuild.core.selection import Chosen, Selection, choose, select

PREFIX = "/opt/env"
"""Where the environment lies in every image, conda's or a virtual environment."""

HOME = "/home/app"
USER = "1000:1000"
"""Who runs in the image: a numeric user, so that it is the same on every base and needs no `useradd`."""

OWN_VARIABLES = ("HOME", "LOGNAME", "CONDA_PREFIX", "VIRTUAL_ENV")
"""What every image that we fill sets besides PATH."""

LayerKind = Literal["base", "checks", "apt", "conda", "pip", "code", "files", "config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A folder of source code as an image gets it: the wheel that was built of it, and the hash of the files that it was built from.

    `package` has that one wheel, by its absolute path on this machine; `license` is as the wheel says it.
    """

    folder: CodeFolder
    package: PipPackage
    sources: str
    license: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFile:
    """One file of an application. `path` is absolute in the image; its bytes are `content`, or those of the file `source`."""

    path: str
    sha256: str
    mode: int = 0o644
    source: str = ""
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What runs in the image besides the environment: files, the command, and how it is reached.

    `health` is the URL path that answers 200 when all is well; `port` a TCP port, 0 for none.
    """

    files: tuple[AppFile, ...] = ()
    command: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    port: int = 0
    health: str = ""
    workdir: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The part of an image's configuration that we set (OCI image spec, `config`); the rest stays as in the base."""

    variables: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = ""
    command: tuple[str, ...] = ()
    port: int = 0
    health: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One step of the plan. `content` is what its key covers; `origins` are the lines that asked for it."""

    kind: LayerKind
    title: str
    content: Mapping[str, object]
    key: str
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a renderer or an engine needs, and nothing that it has to look up."""

    definition: Definition
    lock: Lock
    selection: Selection
    app: App | None
    config: ImageConfig
    layers: tuple[Layer, ...]
    code: tuple[Code, ...] = ()

    @property
    def image_key(self) -> str:
        """The last layer's key, 64 hexadecimal digits."""
        return self.layers[-1].key

    @property
    def image_name(self) -> str:
        """The default name of the image, from the image key."""
        return f"envbuild/envbuild_{self.image_key[:32]}"

    @property
    def path_prefix(self) -> str:
        """The folder that comes first on PATH, or an empty text where the user manages the interpreter."""
        chosen = self.selection
        return f"{PREFIX}/bin" if chosen.conda or chosen.pip or chosen.code or self._makes_prefix else ""

    @property
    def _makes_prefix(self) -> bool:
        return self.lock.python is not None and not self.definition.user_managed

    def for_platforms(self, platforms: Sequence[str]) -> tuple[Plan, ...]:
        """Return the plan for each of `platforms`, conda subdirs that the lock has.

        Raises:
            PlanError: the lock has no such platform, or a package has no file for it.
        """
        made = (
            make_plan(self.definition, self.lock, one, app=self.app, code=self.code, allow_unpinned_base=True)
            for one in dict.fromkeys(platforms)
        )
        return tuple(made)

    @property
    def chosen_code(self) -> tuple[Code, ...]:
        """Those of `code` that the platform installs."""
        chosen = [one.package for one in self.selection.code]
        return tuple(one for one in self.code if one.package in chosen)

    def layer(self, kind: LayerKind) -> Layer | None:
        """Return the layer of that kind, or None where the plan has none."""
        return next((one for one in self.layers if one.kind == kind), None)


def make_plan(
    definition: Definition,
    lock: Lock,
    platform: str = "",
    *,
    app: App | None = None,
    code: tuple[Code, ...] = (),
    allow_unpinned_base: bool = False,
) -> Plan:
    """Return the plan for `platform` (a conda subdir; the lock's first where empty).

    Raises:
        PlanError: the base has no digest (unless `allow_unpinned_base`), a package has no file for the platform, or a folder of
            `code` is locked as a package as well.
    """
    if lock.base.reference and not lock.base.digest and not allow_unpinned_base:
        raise PlanError(
            f"the digest of base image {lock.base.reference} is not known: its registry was out of reach when locking",
            hint="run `envbuild lock` again where it can be reached, or say --allow-unpinned-base",
        )
    context = definition.base.context
    if context is not None and not context.content_hash:
        raise PlanError(
            f"the build context {context.path} is not there", hint="fetch it, or name its folder in the definition"
        )
    selection = with_code(select(lock, platform or lock.platforms[0]), lock, code)
    config = _config(definition, lock, app)
    drafts = [
        _base(definition, lock),
        _checks(definition, lock),
        _apt(definition, lock),
        _conda(definition, selection),
        _pip(definition, lock, selection),
        _code(lock, selection, code),
        _files(app),
        _config_layer(config),
    ]
    present = [draft for draft in drafts if draft is not None]
    keys = chain({"kind": kind, "platform": selection.platform.oci, **content} for kind, _, content, _ in present)
    layers = tuple(
        Layer(kind=kind, title=title, content=content, key=key, origins=origins)
        for (kind, title, content, origins), key in zip(present, keys, strict=True)
    )
    return Plan(definition=definition, lock=lock, selection=selection, app=app, config=config, layers=layers, code=code)


def with_code(selection: Selection, lock: Lock, code: tuple[Code, ...]) -> Selection:
    """Return `selection` of `lock` with those of `code` that its platform installs.

    Raises:
        PlanError: the lock has another distribution of the same name.
    """
    chosen = choose(tuple(one.package for one in code), lock, selection.platform)
    locked = {one.package.name: one.package.version for one in selection.pip}
    locked |= {one.name: one.version for one in selection.conda}
    folders = {one.package.name: one.folder for one in code}
    twice = [one.package.name for one in chosen if one.package.name in locked]
    if twice:
        raise PlanError([_twice(name, locked[name], folders[name]) for name in twice])
    return replace(selection, code=chosen)


def _twice(name: str, version: str, folder: CodeFolder) -> Problem:
    return folder.origin.problem(
        f"{folder.path} is {name}, and so is a package of the lock ({version}): both would lie in one place",
        "rename one, or leave the code out of the image with --no-code",
    )


_Draft = tuple[LayerKind, str, Mapping[str, object], tuple[Origin, ...]]


def _base(definition: Definition, lock: Lock) -> _Draft:
    base = definition.base
    content: dict[str, object] = {"image": lock.base.digest or lock.base.reference}
    title = lock.base.pinned
    if base.dockerfile:
        content["dockerfile"] = sha256(base.dockerfile.encode())
        title = f"Dockerfile of {len(base.dockerfile.splitlines())} lines on {title}"
    if base.context is not None:
        content["context"] = [base.context.dockerfile_path, base.context.content_hash]
        title = f"build context {base.context.path}"
    if definition.docker_steps:
        content["steps"] = list(definition.docker_steps)
    return "base", title, content, (definition.origin,)


def _checks(definition: Definition, lock: Lock) -> _Draft:
    content: dict[str, object] = {"ubuntu": OLDEST_UBUNTU, "python": OLDEST_PYTHON, "conda": OLDEST_CONDA}
    content["allow"] = list(definition.allow_distribution)
    content["user_managed"] = definition.user_managed
    content["interpreter"] = definition.interpreter_path
    content["provider"] = lock.python.provider if lock.python else ""
    return "checks", "Ubuntu, Python and conda versions", content, ()


def _apt(definition: Definition, lock: Lock) -> _Draft | None:
    python = lock.python
    from_apt = python.version if python is not None and python.provider == "apt" else ""
    if not lock.apt.packages and not from_apt:
        return None
    content = {"packages": list(lock.apt.packages), "snapshot": lock.apt.snapshot, "python": from_apt}
    names = [*lock.apt.packages, *([f"python{from_apt}"] if from_apt else [])]
    return "apt", ", ".join(names), content, definition.apt_origins or (definition.origin,)


def _conda(definition: Definition, selection: Selection) -> _Draft | None:
    if not selection.conda:
        return None
    content = {
        "prefix": PREFIX,
        "channels": list(definition.channels),
        "requested": [spec.name for spec in definition.conda],
        "packages": [[one.subdir, one.filename, one.sha256 or one.md5] for one in selection.conda],
    }
    origins = tuple(spec.origin for spec in definition.conda)
    return "conda", _count(len(selection.conda), "conda package"), content, origins


def _pip(definition: Definition, lock: Lock, selection: Selection) -> _Draft | None:
    if not selection.pip:
        return None
    python = lock.python
    content = {
        "prefix": PREFIX,
        "python": [python.version, python.provider, python.interpreter] if python else [],
        "requested": [one.name or one.target for one in definition.pip],
        "packages": [_pip_identity(one) for one in selection.pip],
    }
    origins = tuple(one.origin for one in definition.pip)
    return "pip", _count(len(selection.pip), "Python distribution"), content, origins


def _pip_identity(chosen: Chosen) -> list[str]:
    package = chosen.package
    if chosen.file is not None:
        return [package.name, package.version, chosen.file.filename, chosen.file.sha256]
    if package.vcs is not None:
        return [package.name, package.version, package.vcs.url, package.vcs.commit]
    return [package.name, package.version, package.directory, ""]


def _code(lock: Lock, selection: Selection, code: tuple[Code, ...]) -> _Draft | None:
    if not selection.code:
        return None
    content = {
        "prefix": PREFIX,
        "python": list(lock.python.minor) if lock.python else [],
        "code": [_pip_identity(one) for one in selection.code],
    }
    title = ", ".join(f"{one.package.name} {one.package.version}" for one in selection.code)
    return "code", title, content, tuple(one.folder.origin for one in code)


def _files(app: App | None) -> _Draft | None:
    if app is None or not app.files:
        return None
    content = {"files": [[one.path, one.sha256, one.mode] for one in app.files]}
    return "files", _count(len(app.files), "file"), content, ()


def _config_layer(config: ImageConfig) -> _Draft:
    content: dict[str, object] = {
        "variables": [list(pair) for pair in config.variables],
        "user": config.user,
        "workdir": config.workdir,
        "command": list(config.command),
        "port": config.port,
        "health": config.health,
        "labels": [list(pair) for pair in config.labels],
    }
    return "config", "variables, user, command, labels", content, ()


def _config(definition: Definition, lock: Lock, app: App | None) -> ImageConfig:
    app = app or App()
    variables = dict(definition.variables) | dict(app.variables)
    own = {} if definition.user_managed else _own_variables(lock)
    labels = {"org.opencontainers.image.title": definition.name, "org.opencontainers.image.version": definition.version}
    labels["org.opencontainers.image.description"] = definition.description
    labels |= {"org.opencontainers.image.base.name": lock.base.reference.partition("@")[0]}
    labels |= {"org.opencontainers.image.base.digest": lock.base.digest} | dict(app.labels)
    return ImageConfig(
        variables=tuple((own | variables).items()),
        user="" if definition.user_managed else USER,
        workdir=app.workdir or ("" if definition.user_managed else HOME),
        command=app.command,
        port=app.port,
        health=app.health,
        labels=tuple((name, value) for name, value in sorted(labels.items()) if value),
    )


def _own_variables(lock: Lock) -> dict[str, str]:
    own = {"HOME": HOME, "LOGNAME": "app"}
    if lock.conda:
        own["CONDA_PREFIX"] = PREFIX
    elif lock.python is not None:
        own["VIRTUAL_ENV"] = PREFIX
    return own


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
