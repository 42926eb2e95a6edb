"""Virtual packages: what a conda solve may assume of the machine that the environment will live on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from envbuild.core.bases import GLIBC
from envbuild.core.errors import SolveError
from envbuild.core.platforms import DEFAULT_GLIBC, PLATFORMS

_VIRTUAL = re.compile(r"(__[a-z0-9_]+)=([0-9A-Za-z_.]+)(?:=([0-9A-Za-z_.]+))?")

LINUX = "5.10"
"""The kernel that containers are taken to run on: the oldest with long-term support."""

MACOS = "13.0"
WINDOWS = "10.0.17763"

_FAMILIES = {"linux": ("__unix", "__linux", "__glibc"), "darwin": ("__unix", "__osx"), "win32": ("__win",)}
_ARCHSPEC = {"ARM64": "aarch64", "AMD64": "x86_64", "arm64": "m1"}


def parse_virtual_package(text: str) -> tuple[str, str]:
    """Return name and canonical text of `__cuda=12.4` (`name=version` or `name=version=build`; the underscores may be missing).

    Raises:
        SolveError: the text is something else.
    """
    full = text.strip() if text.strip().startswith("__") else f"__{text.strip()}"
    found = _VIRTUAL.fullmatch(full)
    if found is None:
        raise SolveError(
            f"virtual package {text!r} is not understood", hint="write name=version, for example __cuda=12.4"
        )
    return found[1], full


def locked_virtual_packages(distribution: str, wishes: Iterable[str]) -> tuple[str, ...]:
    """Return what a lock records: the C library of `distribution` (`ubuntu 22.04`) unless a wish names it, and the wishes."""
    glibc = GLIBC.get(distribution, ".".join(map(str, DEFAULT_GLIBC)))
    chosen = {"__glibc": f"__glibc={glibc}"}
    chosen.update(parse_virtual_package(text) for text in wishes)
    return tuple(chosen[name] for name in sorted(chosen))


def virtual_packages(platform: str, locked: Iterable[str]) -> tuple[str, ...]:
    """Return all virtual packages of `platform` (a conda subdir) as `name=version=build`, those of the lock in the lead.

    A wish that belongs to another family of systems (`__glibc` on Windows) is left out; `__cuda` is there only by wish.
    """
    target = PLATFORMS[platform]
    present = _defaults(target.sys_platform, _ARCHSPEC.get(target.platform_machine, target.platform_machine))
    foreign = {name for names in _FAMILIES.values() for name in names} - set(present)
    present.update(item for item in map(parse_virtual_package, locked) if item[0] not in foreign)
    return tuple(text if text.count("=") == 2 else f"{text}=0" for _, text in sorted(present.items()))


def glibc_of(locked: Iterable[str]) -> tuple[int, int]:
    """Return the C library's version in a lock's virtual packages."""
    versions = dict(text.split("=")[:2] for text in locked)
    numbers = versions.get("__glibc", "").split(".")
    return (int(numbers[0]), int(numbers[1])) if len(numbers) > 1 else DEFAULT_GLIBC


def _defaults(system: str, machine: str) -> dict[str, str]:
    versions: Mapping[str, str] = {
        "__unix": "0",
        "__linux": LINUX,
        "__glibc": ".".join(map(str, DEFAULT_GLIBC)),
        "__osx": MACOS,
        "__win": WINDOWS,
    }
    present = {name: f"{name}={versions[name]}" for name in _FAMILIES[system]}
    return {**present, "__archspec": f"__archspec=1={machine}"}
