"""environment.yml with exact pins: what `conda env create` and `micromamba create -f` solve to the same packages."""

from __future__ import annotations

from collections.abc import Iterator

from envbuild.core.errors import LockError
from envbuild.core.lock import CondaPackage, Lock
from envbuild.core.selection import select
from envbuild.formats.canonical import canonical
from envbuild.formats.requirements import write_requirements
from envbuild.formats.yaml_text import scalar


def write_environment_yml(lock: Lock, platform: str, name: str = "") -> str:
    """Return what `platform` installs as an environment.yml with `name=version=build` and `name==version`.

    Raises:
        LockError: the lock is not for `platform`.
        PlanError: a distribution has no file for `platform`.
    """
    if platform not in lock.platforms:
        raise LockError(f"the lock is for {', '.join(lock.platforms)}, not for {platform}")
    whole = canonical(lock)
    selection = select(whole, platform) if whole.pip else None
    conda = [one for one in whole.conda if one.platform == platform]
    pip = write_requirements(whole, platform, hashes=False).splitlines() if selection and selection.pip else []
    return "\n".join([*_head(whole, name, conda), *_dependencies(whole, conda, pip)]) + "\n"


def _head(lock: Lock, name: str, conda: list[CondaPackage]) -> Iterator[str]:
    if name:
        yield f"name: {scalar(name)}"
    channels = lock.channels or tuple(dict.fromkeys(one.channel for one in conda))
    if channels:
        yield "channels:"
        yield from (f"  - {scalar(one)}" for one in channels)
        yield "  - nodefaults"


def _dependencies(lock: Lock, conda: list[CondaPackage], pip: list[str]) -> Iterator[str]:
    yield "dependencies:" if conda or pip else "dependencies: []"
    yield from (f"  - {scalar(_spec(one, lock.channels))}" for one in conda)
    if pip:
        yield "  - pip:"
        yield from (f"      - {scalar(line)}" for line in pip)


def _spec(package: CondaPackage, channels: tuple[str, ...]) -> str:
    pin = f"{package.name}={package.version}={package.build}".rstrip("=")
    # with one channel there is nothing to choose from
    return f"{package.channel}::{pin}" if len(channels) > 1 else pin
