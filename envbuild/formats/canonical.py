"""The order and form in which a lock is written, so that equal answers give equal bytes, and `read(write(lock))` is equal."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from envbuild.core.errors import PlanError
from envbuild.core.lock import CondaPackage, Lock, PipFile, PipPackage
from envbuild.core.platforms import PLATFORMS
from envbuild.core.selection import choose
from envbuild.formats.pip_values import canonical_time
from envbuild.formats.urls import without_credentials


def canonical(lock: Lock) -> Lock:
    """Return `lock` with everything sorted whose order has no meaning, and URLs without credentials."""
    return replace(
        lock,
        conda=tuple(sorted(map(_conda, lock.conda), key=lambda one: (one.name, one.platform, one.url))),
        pip=tuple(sorted(map(_pip, lock.pip), key=pip_key)),
        tools=tuple(sorted(map(_pip, lock.tools), key=pip_key)),
        index_url=without_credentials(lock.index_url),
        extra_index_urls=tuple(map(without_credentials, lock.extra_index_urls)),
        index_pins=tuple(replace(one, url=without_credentials(one.url)) for one in lock.index_pins),
        channels=tuple(map(without_credentials, lock.channels)),
    )


def pip_key(package: PipPackage) -> tuple[str, str, str, tuple[str, ...], str]:
    """Return what pip's packages are sorted by."""
    first = next(package.files, None)
    return package.name, package.version, package.marker, package.platforms, first.filename if first else ""


def _conda(one: CondaPackage) -> CondaPackage:
    return replace(
        one,
        url=without_credentials(one.url),
        channel=without_credentials(one.channel),
        depends=tuple(sorted(set(one.depends), key=depends_key)),
        constrains=tuple(sorted(set(one.constrains), key=depends_key)),
    )


def depends_key(spec: str) -> tuple[str, str]:
    """Return the name of a MatchSpec text and its rest, which such texts are sorted by."""
    name, _, rest = spec.partition(" ")
    return name, rest.strip()


def _pip(one: PipPackage) -> PipPackage:
    return replace(
        one,
        index=without_credentials(one.index),
        dependencies=tuple(sorted(set(one.dependencies))),
        wheels=tuple(sorted(map(_file, one.wheels), key=lambda file: file.filename)),
        sdist=one.sdist and _file(one.sdist),
        archive=one.archive and _file(one.archive),
        vcs=one.vcs and replace(one.vcs, url=without_credentials(one.vcs.url)),
        directory=one.directory.rstrip("/") or one.directory,
    )


def _file(one: PipFile) -> PipFile:
    absolute = one.path.startswith("/") and not one.url
    return replace(
        one,
        url="file://" + quote(one.path) if absolute else without_credentials(one.url),
        path="" if absolute else one.path,
        hashes=tuple(sorted(one.hashes)),
        upload_time=canonical_time(one.upload_time),
    )


def per_platform(lock: Lock) -> Lock:
    """Return the canonical lock whose every pip package has one file and says which platforms install it.

    That is what conda-lock's format can hold. A package that goes to all platforms with the same file has none named.

    Raises:
        PlanError: a distribution has no file for one of the platforms.
    """
    found: dict[PipPackage, list[str]] = {}
    for platform in lock.platforms:
        for package in _chosen(canonical(lock), platform):
            found.setdefault(package, []).append(platform)
    everywhere = list(lock.platforms)
    pip = [
        replace(package, platforms=() if platforms == everywhere else tuple(platforms))
        for package, platforms in found.items()
    ]
    return canonical(replace(lock, pip=tuple(pip)))


def _chosen(lock: Lock, platform: str) -> list[PipPackage]:
    here = [one for one in lock.pip if not one.platforms or platform in one.platforms]
    single = [one for one in here if not one.marker and _is_single(one)]
    several = tuple(one for one in here if one.marker or not _is_single(one))
    if several and platform not in PLATFORMS:
        raise PlanError(f"platform {platform} is not known, so no wheel can be chosen for it")
    narrowed = [_only(one.package, one.file) for one in choose(several, lock, PLATFORMS[platform])] if several else []
    return [replace(one, platforms=()) for one in (*single, *narrowed)]


def _is_single(package: PipPackage) -> bool:
    count = sum(1 for _ in package.files)
    return count == 1 or (count == 0 and bool(package.vcs or package.directory))


def _only(package: PipPackage, file: PipFile | None) -> PipPackage:
    return replace(
        package,
        wheels=tuple(one for one in package.wheels if one == file),
        sdist=package.sdist if package.sdist == file else None,
        archive=package.archive if package.archive == file else None,
    )
