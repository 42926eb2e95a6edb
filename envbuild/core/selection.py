"""From a lock, what one platform gets: its conda packages, and for each distribution the one file to install (PEP 751)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from envbuild.core.errors import PlanError, Problem
from envbuild.core.lock import CondaPackage, Lock, PipFile, PipPackage
from envbuild.core.platforms import PLATFORMS, Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A distribution and the file of it that this platform installs; None for version control and folders."""

    package: PipPackage
    file: PipFile | None

    @property
    def is_wheel(self) -> bool:
        """Whether installing it runs no code of the package's own."""
        return self.file is not None and self.file.filename.endswith(".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What `platform` installs, each side sorted by name; `code` are wheels of the user's own source code, which no lock has."""

    platform: Platform
    conda: tuple[CondaPackage, ...]
    pip: tuple[Chosen, ...]
    code: tuple[Chosen, ...] = ()


def select(lock: Lock, platform: str) -> Selection:
    """Return what `platform` (a conda subdir) installs from `lock`.

    Raises:
        PlanError: the lock is not for that platform, or a distribution has no file for it; every such one is named.
    """
    if platform not in lock.platforms:
        raise PlanError(
            f"the lock is for {', '.join(lock.platforms)}, not for {platform}",
            hint=f"add {platform} to the definition's platforms and lock again",
        )
    target = PLATFORMS[platform]
    conda = sorted((one for one in lock.conda if one.platform == platform), key=lambda one: one.name)
    return Selection(platform=target, conda=tuple(conda), pip=choose(lock.pip, lock, target))


def choose(packages: tuple[PipPackage, ...], lock: Lock, target: Platform) -> tuple[Chosen, ...]:
    """Return the file of each of `packages` that `target` installs, those whose marker is false left out.

    Raises:
        PlanError: a distribution has no file for `target`; every such one is named.
    """
    if not packages:
        return ()
    environment = marker_environment(lock, target)
    ranks = _tag_ranks(lock, target)
    chosen: list[Chosen] = []
    problems: list[Problem] = []
    for package in sorted(packages, key=lambda one: (one.name, one.version)):
        if not _applies(package, environment, target):
            continue
        file = _best_file(package, ranks)
        if file is None and package.vcs is None and not package.directory:
            problems.append(_no_file(package, lock, target))
        chosen.append(Chosen(package=package, file=file))
    if problems:
        raise PlanError(problems)
    return tuple(chosen)


def applicable(lock: Lock, platform: str) -> tuple[PipPackage, ...]:
    """Return the pip packages that `platform` installs, whether or not they have a file for it.

    On a platform that is not one of ours markers are taken to hold.
    """
    target = PLATFORMS.get(platform)
    if target is None:
        return tuple(one for one in lock.pip if not one.platforms or platform in one.platforms)
    environment = marker_environment(lock, target)
    return tuple(one for one in lock.pip if _applies(one, environment, target))


def marker_environment(lock: Lock, target: Platform) -> dict[str, str]:
    """Return the values that PEP 508 markers have on `target` with the lock's Python."""
    version = lock.python.version if lock.python else "3.12"
    minor = ".".join(version.split(".")[:2])
    return {
        "implementation_name": "cpython",
        "implementation_version": version if version.count(".") > 1 else f"{version}.0",
        "os_name": target.os_name,
        "platform_machine": target.platform_machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": target.platform_system,
        "platform_version": "",
        "python_full_version": version if version.count(".") > 1 else f"{version}.0",
        "python_version": minor,
        "sys_platform": target.sys_platform,
        "extra": "",
    }


def _applies(package: PipPackage, environment: dict[str, str], target: Platform) -> bool:
    if package.platforms and target.subdir not in package.platforms:
        return False
    if not package.marker:
        return True
    from packaging.markers import Marker

    return Marker(package.marker).evaluate(environment, context="lock_file")


def _tag_ranks(lock: Lock, target: Platform) -> Mapping[object, int]:
    return _ranks(lock.python.minor if lock.python else (3, 12), lock.glibc, target)


@lru_cache(maxsize=16)
def _ranks(minor: tuple[int, int], glibc: tuple[int, int], target: Platform) -> Mapping[object, int]:
    from packaging.tags import compatible_tags, cpython_tags

    platforms = list(target.wheel_platforms(glibc))
    interpreter = f"cp{minor[0]}{minor[1]}"
    tags = [*cpython_tags(minor, platforms=platforms), *compatible_tags(minor, interpreter, platforms)]
    ranks: dict[object, int] = {}
    for rank, tag in enumerate(tags):
        ranks.setdefault(tag, rank)
    return ranks


def _best_file(package: PipPackage, ranks: Mapping[object, int]) -> PipFile | None:
    fitting = [
        (score, wheel.filename, wheel) for wheel in package.wheels if (score := _score(wheel, ranks)) is not None
    ]
    if fitting:
        return min(fitting, key=lambda one: one[:2])[2]
    return package.archive or package.sdist


def _score(wheel: PipFile, ranks: Mapping[object, int]) -> tuple[int, int] | None:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        _, _, build, tags = parse_wheel_filename(wheel.filename)
    except InvalidWheelFilename:
        return None
    fitting = [ranks[tag] for tag in tags if tag in ranks]
    # of two that fit equally well the higher build number wins (PEP 427)
    return (min(fitting), -(build[0] if build else 0)) if fitting else None


def _no_file(package: PipPackage, lock: Lock, target: Platform) -> Problem:
    python = lock.python.version if lock.python else "?"
    names = ", ".join(sorted(one.filename for one in package.wheels)[:4])
    return Problem(
        message=f"{package.name} {package.version} has no wheel for {target.subdir} with Python {python} (it has {names or 'none'})",
        hint=f"choose a version of {package.name} that has one, or allow its source distribution by name",
    )
