"""A definition: what a person wrote, understood, in written order."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from envbuild.core.attestation_policy import Policy
from envbuild.core.errors import Problem
from envbuild.core.image_settings import ImageSettings
from envbuild.core.keys import canonical, sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where something was written. `line` counts from 1; `key` is the path as in `Problem.key`."""

    file: str = ""
    line: int | None = None
    key: str = ""

    def problem(self, message: str, hint: str = "") -> Problem:
        """Return a problem at this place."""
        return Problem(message=message, file=self.file, line=self.line, key=self.key, hint=hint)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line is not None else self.file


NOWHERE = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaSpec:
    """One conda MatchSpec. `text` is the canonical form that a conda solver takes (`channel::name[version='…']` or `name =1.2`).

    `name` is lower case; `channel`, `version` and `build` are empty where the spec leaves them open. `platforms` are the
    conda subdirs that it is asked for; empty means all. `written` is what the person wrote, for messages.
    """

    text: str
    name: str
    version: str = ""
    build: str = ""
    channel: str = ""
    platforms: tuple[str, ...] = ()
    origin: Origin = field(default=NOWHERE, compare=False)
    written: str = field(default="", compare=False)


RequirementKind = Literal["name", "url", "vcs", "path", "editable", "include"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipRequirement:
    """One requirement of pip's side (PEP 508, or pip's path and editable forms), or a file of them at a URL (`include`).

    `text` is one canonical line without hashes or options. `name` is normalised (PEP 503) and empty only where neither the
    line nor the file name tells it. `target` is the URL or path of the kinds other than `name`. What an `include`
    holds is read when the definition is locked: reading a definition never uses the network.
    """

    text: str
    kind: RequirementKind = "name"
    name: str = ""
    extras: tuple[str, ...] = ()
    specifier: str = ""
    marker: str = ""
    target: str = ""
    hashes: tuple[str, ...] = ()
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPin:
    """The one index that the distribution `name` comes from, where `marker` (PEP 508) holds; no other name is looked up there."""

    name: str
    url: str
    marker: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.url}{f' ; {self.marker}' if self.marker else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """Where pip's side looks, as the options of a requirements file say, and the pins; URLs hold no credentials."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    pre: bool = False
    only_binary: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    pins: tuple[IndexPin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """A folder (or URL) with a Dockerfile of the user's own. `content_hash` covers its files where it is a folder."""

    path: str
    dockerfile_path: str = "Dockerfile"
    content_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What the image starts from: an image reference, the text of a Dockerfile, or a build context; at most one.

    Nothing given means the default base for the Python version.
    """

    image: str = ""
    dockerfile: str = ""
    context: BuildContext | None = None
    registry: str = ""

    def __bool__(self) -> bool:
        return bool(self.image or self.dockerfile or self.context)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFolder:
    """A folder of source code that the definition names, by its path from there. What it needs is locked, its code is not.

    An image gets its code where `marker` (PEP 508) holds, unless `left_out` says why not.
    """

    path: str
    marker: str = ""
    left_out: str = ""
    origin: Origin = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file that was read, by its path relative to the definition, and the SHA-256 of its bytes."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """An environment as a person wrote it.

    `python` is a version specifier as written, without the name (`3.11`, `>=3.10,<3.13`); a bare version means `==3.11.*`.
    It is filled from the conda list's `python` entry where that is where it was written. `base_packages` are distributions
    (`name==version`) that the base image is declared to hold. `attestations` says which distributions must be attested, by whom
    (PEP 740); it decides whether a lock is written, not what is in it. `code` are the folders whose code an image gets besides what is
    locked. `apt_snapshot` is the day of the archive that apt packages are from (`2026-11-21`), `none`, or empty for the day of
    locking. `notes` say what was read but has no effect here, or was mended.
    """

    kind: str
    name: str = ""
    version: str = ""
    description: str = ""
    python: str = ""
    channels: tuple[str, ...] = ()
    conda: tuple[CondaSpec, ...] = ()
    pip: tuple[PipRequirement, ...] = ()
    constraints: tuple[PipRequirement, ...] = ()
    index: IndexOptions = IndexOptions()
    apt: tuple[str, ...] = ()
    apt_snapshot: str = ""
    base: Base = Base()
    docker_steps: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    platforms: tuple[str, ...] = ()
    user_managed: bool = False
    interpreter_path: str = ""
    allow_distribution: tuple[str, ...] = ()
    base_packages: tuple[str, ...] = ()
    templates: str = ""
    run_arguments: tuple[str, ...] = ()
    image: ImageSettings = field(default_factory=ImageSettings)
    tags: tuple[tuple[str, str], ...] = ()
    attestations: Policy = ()
    code: tuple[CodeFolder, ...] = ()
    notes: tuple[Problem, ...] = field(default=(), compare=False)
    sources: tuple[Source, ...] = field(default=(), compare=False)
    apt_origins: tuple[Origin, ...] = field(default=(), compare=False)
    origin: Origin = field(default=NOWHERE, compare=False)

    @property
    def uses_conda(self) -> bool:
        """Whether anything, Python included, comes from conda."""
        return bool(self.conda)

    @property
    def hash(self) -> str:
        """The definition hash: SHA-256 over all that can change the answer, in written order."""
        return sha256(canonical(_answer_relevant(self)))

    @property
    def extras(self) -> tuple[str, ...]:
        """The extras that are asked of pip's packages, `name[one,two]` for each name that has any, sorted."""
        asked: dict[str, set[str]] = {}
        for one in self.pip:
            if one.name and one.extras:
                asked.setdefault(one.name, set()).update(one.extras)
        return tuple(f"{name}[{','.join(sorted(extras))}]" for name, extras in sorted(asked.items()))

    def conda_for(self, platform: str) -> tuple[CondaSpec, ...]:
        """Return the conda specs that `platform` (a conda subdir) asks for."""
        return tuple(spec for spec in self.conda if not spec.platforms or platform in spec.platforms)

    def with_pip(self, *requirements: PipRequirement) -> Definition:
        """Return the definition with `requirements` added behind those that it has; a name that it has stays as it is."""
        present = {one.name for one in self.pip}
        added = tuple(one for one in requirements if one.name not in present)
        return replace(self, pip=(*self.pip, *added))

    def to_dict(self) -> dict[str, object]:
        """Return what was understood, as `envbuild show --json` prints it; what is not set is left out."""
        full: dict[str, object] = {
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "python": self.python,
            **_answer_relevant(self),
            "variables": dict(self.variables),
            "run_arguments": list(self.run_arguments),
            "image": {name: value for name, value in asdict(self.image).items() if value not in ("", None)},
            "tags": dict(self.tags),
            "attestations": dict(self.attestations),
            "code": [one.path for one in self.code if not one.left_out],
            "hash": self.hash,
            "notes": [note.to_dict() for note in self.notes],
        }
        return {key: value for key, value in full.items() if value not in ("", [], {}, None, False)}


def _answer_relevant(definition: Definition) -> dict[str, object]:
    base, context = definition.base, definition.base.context
    return {
        "base": {
            name: value
            for name, value in {
                "image": base.image,
                "registry": base.registry,
                "dockerfile": base.dockerfile,
                "context": context and [context.path, context.dockerfile_path, context.content_hash],
                "packages": list(definition.base_packages),
            }.items()
            if value
        },
        "docker_steps": list(definition.docker_steps),
        "channels": list(definition.channels),
        "conda": [
            f"{spec.text} # [{', '.join(spec.platforms)}]" if spec.platforms else spec.text for spec in definition.conda
        ],
        "pip": [" ".join([one.text, *(f"--hash={text}" for text in one.hashes)]) for one in definition.pip],
        "constraints": [one.text for one in definition.constraints],
        "index": _index(definition.index),
        "apt": list(definition.apt),
        **({"apt_snapshot": definition.apt_snapshot} if definition.apt_snapshot else {}),
        "python": definition.python,
        "platforms": list(definition.platforms),
        "user_managed": definition.user_managed,
        "interpreter_path": definition.interpreter_path,
        "allow_distribution": list(definition.allow_distribution),
    }


def _index(options: IndexOptions) -> dict[str, object]:
    written: dict[str, object] = {
        "index_url": options.index_url,
        "extra_index_urls": list(options.extra_index_urls),
        "find_links": list(options.find_links),
        "no_index": options.no_index,
        "pre": options.pre,
        "only_binary": list(options.only_binary),
        "no_binary": list(options.no_binary),
        "trusted_hosts": list(options.trusted_hosts),
        "pins": list(map(str, options.pins)),
    }
    return {name: value for name, value in written.items() if value not in ("", [], False)}
