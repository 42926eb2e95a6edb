"""Pip packages that were listed platform by platform, brought together where they are equal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from envbuild.core.lock import CondaPackage, PipPackage
from envbuild.core.names import normalize


def fold(packages: Iterable[PipPackage], platforms: tuple[str, ...]) -> tuple[PipPackage, ...]:
    """Return `packages` with equal ones joined; what is on all of `platforms` names none."""
    found: dict[PipPackage, set[str]] = {}
    for one in packages:
        found.setdefault(replace(one, platforms=()), set()).update(one.platforms or platforms)
    ordered = {one: tuple(name for name in platforms if name in names) for one, names in found.items()}
    return tuple(replace(one, platforms=() if names == platforms else names) for one, names in ordered.items())


def only_known_dependencies(
    packages: Iterable[PipPackage], conda: Iterable[CondaPackage] = ()
) -> tuple[PipPackage, ...]:
    """Return `packages` without the dependencies that nobody installs: those of extras that were not asked for."""
    whole = tuple(packages)
    names = {one.name for one in whole} | {normalize(one.name) for one in conda}
    return tuple(replace(one, dependencies=tuple(name for name in one.dependencies if name in names)) for one in whole)
