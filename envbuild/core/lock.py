"""A lock: the exact answer for one definition. The file formats are in `envbuild/formats`; this is what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from envbuild.core.definition import IndexPin, Source
from envbuild.core.platforms import DEFAULT_GLIBC


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPackage:
    """One conda package for one platform. `size` is in bytes; `depends` and `constrains` are MatchSpec texts."""

    name: str
    version: str
    build: str
    platform: str
    subdir: str
    channel: str
    url: str
    md5: str = ""
    sha256: str = ""
    size: int | None = None
    build_number: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    license: str = ""
    noarch: str = ""

    @property
    def filename(self) -> str:
        """The archive's file name."""
        return self.url.rsplit("/", 1)[-1].partition("#")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipFile:
    """One wheel, source distribution or archive. Either `url`, or `path` relative to the lock; `size` in bytes.

    `hashes` are pairs of algorithm and hexadecimal digest, sorted.
    """

    filename: str
    url: str = ""
    path: str = ""
    size: int | None = None
    hashes: tuple[tuple[str, str], ...] = ()
    upload_time: str = ""

    @property
    def sha256(self) -> str:
        """The SHA-256 digest, or an empty text where the lock has none."""
        return dict(self.hashes).get("sha256", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vcs:
    """A package from version control, at one commit (PEP 751 `packages.vcs`)."""

    type: str
    url: str
    commit: str
    requested_revision: str = ""
    subdirectory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipPackage:
    """One Python distribution from pip's side; its files for every target that the lock is for.

    `platforms` is empty where it is for all of the lock's (a `pylock.toml` chooses by marker and tags).
    `dependencies` are the normalised names of packages of the same lock.
    """

    name: str
    version: str
    marker: str = ""
    requires_python: str = ""
    index: str = ""
    dependencies: tuple[str, ...] = ()
    wheels: tuple[PipFile, ...] = ()
    sdist: PipFile | None = None
    archive: PipFile | None = None
    vcs: Vcs | None = None
    directory: str = ""
    platforms: tuple[str, ...] = ()

    @property
    def files(self) -> Iterator[PipFile]:
        """All files of it, wheels first."""
        yield from self.wheels
        if self.sdist is not None:
            yield self.sdist
        if self.archive is not None:
            yield self.archive


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedBase:
    """The base image: the reference as written, and the digest that its tag stood for when locked.

    An empty `digest` says that the tag could not be resolved; the next lock that can fills it in. `platform_digests` maps
    a platform to its manifest's digest. `distribution` is `ubuntu 22.04`, read from the image, or empty.
    """

    reference: str = ""
    digest: str = ""
    platform_digests: tuple[tuple[str, str], ...] = ()
    distribution: str = ""

    @property
    def pinned(self) -> str:
        """The reference with its digest where it is known."""
        name = self.reference.partition("@")[0]
        return f"{name}@{self.digest}" if self.digest else self.reference


PythonProvider = Literal["conda", "base", "apt", "user"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPython:
    """Which Python the packages are for, and who brings it. `version` is `3.11`, or the full one where it is known."""

    version: str
    provider: PythonProvider
    interpreter: str = ""

    @property
    def minor(self) -> tuple[int, int]:
        """The version's first two numbers."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedApt:
    """The apt part: names in written order (with `=version` where it is known) and the snapshot date (`20261121T000000Z`)."""

    packages: tuple[str, ...] = ()
    snapshot: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The answer. `python` is None only where nothing of Python's is asked for.

    `exclude_newer` is the cutoff (RFC 3339) that the solve used, so that the same definition gives the same lock any day.
    `tools` are the installers that a Dockerfile uses (`uv`, `py-rattler`), pinned and hashed like everything else.
    `extras` are those that the definition asked of pip's packages, `name[one,two]` each.
    """

    definition_hash: str
    platforms: tuple[str, ...]
    channels: tuple[str, ...] = ()
    conda: tuple[CondaPackage, ...] = ()
    pip: tuple[PipPackage, ...] = ()
    python: LockedPython | None = None
    base: LockedBase = LockedBase()
    apt: LockedApt = LockedApt()
    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    index_pins: tuple[IndexPin, ...] = ()
    virtual_packages: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    tools: tuple[PipPackage, ...] = ()
    solver: str = ""
    pip_resolver: str = ""
    exclude_newer: str = ""
    conda_content_hash: tuple[tuple[str, str], ...] = ()
    sources: tuple[Source, ...] = field(default=(), compare=False)
    created_by: str = field(default="", compare=False)

    @property
    def further_indexes(self) -> tuple[str, ...]:
        """The URLs of all indexes but the first: the extra ones, then those that single packages are pinned to."""
        return tuple(dict.fromkeys((*self.extra_index_urls, *(one.url for one in self.index_pins))))

    @property
    def glibc(self) -> tuple[int, int]:
        """The C library's version that wheels may ask for."""
        for text in self.virtual_packages:
            name, _, version = text.partition("=")
            if name == "__glibc" and version.count(".") >= 1:
                major, minor = version.split("=")[0].split(".")[:2]
                return int(major), int(minor)
        return DEFAULT_GLIBC
