"""The parts of a lock beside the packages, and what of a previous lock is kept."""

from __future__ import annotations

from pathlib import Path

from envbuild.core.bases import known_distribution
from envbuild.core.definition import Definition
from envbuild.core.errors import SolveError
from envbuild.core.lock import CondaPackage, Lock, LockedApt, LockedBase, LockedPython, PipPackage
from envbuild.core.names import NO_SNAPSHOT, normalize, snapshot_of
from envbuild.solve.conda import CondaAnswer
from envbuild.solve.names import provided
from envbuild.solve.options import SolveOptions
from envbuild.solve.task import Task
from envbuild.solve.virtual import locked_virtual_packages

_SNAPSHOTS = {"ubuntu": (24, 4), "debian": (13, 0)}
"""Since which release apt itself knows how to ask for the archive of a day."""


def frame(task: Task, base: LockedBase, python: LockedPython | None) -> Lock:
    """Return the lock of `task` without its packages."""
    definition = task.definition
    return Lock(
        definition_hash=definition.hash,
        platforms=task.platforms,
        channels=(),
        python=python,
        base=base,
        apt=apt_part(task, base, python),
        index_url=definition.index.index_url,
        extra_index_urls=definition.index.extra_index_urls,
        index_pins=definition.index.pins,
        extras=() if definition.user_managed else definition.extras,
        virtual_packages=() if definition.user_managed else virtual_part(task, base),
        pip_resolver=version_of(task.options.pip_resolver, task.options.pip_resolver) if definition.pip else "",
        exclude_newer=task.options.exclude_newer,
        sources=definition.sources,
        created_by="envbuild",
    )


def version_of(name: str, distribution: str) -> str:
    """Return `name` with the version of the installed `distribution` behind it, read from the name of its metadata folder.

    `importlib.metadata` would say the same, in the time of a small solve.
    """
    import importlib.util

    module = {"pip-tools": "piptools", "conda-lock": "conda_lock"}.get(name, name)
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        return name
    folder = Path(found.origin).parent.parent
    prefix = f"{distribution.replace('-', '_')}-"
    infos = sorted(one.name for one in folder.glob(f"{prefix}*.dist-info"))
    return f"{name} {infos[-1].removeprefix(prefix).removesuffix('.dist-info')}" if infos else name


def virtual_part(task: Task, base: LockedBase) -> tuple[str, ...]:
    """Return the virtual packages of the lock: wishes first, then a previous lock's for the same distribution, then defaults."""
    previous = task.previous
    distribution = base.distribution or known_distribution(base.reference)
    kept: tuple[str, ...] = ()
    if previous is not None and not task.options.update_base:
        same = previous.base.distribution in ("", distribution) or not distribution
        kept = tuple(text for text in previous.virtual_packages if same or not text.startswith("__glibc="))
    return locked_virtual_packages(distribution, (*kept, *task.options.virtual_packages))


def apt_part(task: Task, base: LockedBase, python: LockedPython | None) -> LockedApt:
    """Return the apt part. The day of the archive stays a previous lock's while the base is the same one.

    Raises:
        SolveError: the definition names a day, and the base's apt cannot ask for one.
    """
    packages = task.definition.apt
    if not packages and (python is None or python.provider != "apt"):
        return LockedApt()
    return LockedApt(packages=packages, snapshot=_snapshot(task, base))


def _snapshot(task: Task, base: LockedBase) -> str:
    import datetime as dt

    wanted = task.definition.apt_snapshot
    if wanted == NO_SNAPSHOT:
        return snapshot_of(wanted)
    distribution = base.distribution or known_distribution(base.reference)
    name, _, release = distribution.partition(" ")
    numbers = tuple(int(part) for part in release.split(".") if part.isdigit())
    if numbers < _SNAPSHOTS.get(name, (10**6,)):
        if wanted:
            raise SolveError(
                f"apt-snapshot names a day, and the apt of {distribution or base.reference} cannot ask for the archive of one",
                hint="Ubuntu 24.04, Debian 13 and later ones can; take one of those as the base, or leave apt-snapshot out",
            )
        return ""
    previous = None if task.options.update_all else task.previous
    if not wanted and previous is not None and previous.apt.snapshot and previous.base.distribution == distribution:
        return previous.apt.snapshot
    day = wanted or task.options.exclude_newer[:10] or dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d")
    return snapshot_of(day)


def kept_packages(task: Task, platform: str) -> tuple[CondaPackage, ...]:
    """Return the conda packages of the previous lock that may stay on `platform`.

    Raises:
        SolveError: a name that is to be updated is in neither the lock nor the definition.
    """
    previous, options = task.previous, task.options
    if previous is None or options.update_all:
        return ()
    here = tuple(one for one in previous.conda if one.platform == platform)
    moving = _moving(options, task.definition, here, previous.pip)
    return tuple(one for one in here if one.name not in moving)


def kept_pip(task: Task) -> tuple[PipPackage, ...]:
    """Return the pip packages of the previous lock that may stay.

    Raises:
        SolveError: a name that is to be updated is in neither the lock nor the definition.
    """
    if task.previous is None or task.options.update_all:
        return ()
    if not task.previous.conda:
        _moving(task.options, task.definition, (), task.previous.pip)
    moving = {normalize(name) for name in task.options.update}
    return tuple(one for one in task.previous.pip if one.name not in moving)


def _moving(
    options: SolveOptions, definition: Definition, conda: tuple[CondaPackage, ...], pip: tuple[PipPackage, ...]
) -> set[str]:
    """Return the conda names that `--update NAME` means: conda's own, or those that hold the distribution NAME."""
    if not options.update:
        return set()
    moving: set[str] = set()
    known = {one.name for one in conda}
    written = {spec.name for spec in definition.conda} | {one.name for one in definition.pip}
    for name in options.update:
        holders = {one.name for one in conda if normalize(name) in _held(one)}
        found = ({name.lower()} & known) | holders
        if not found and normalize(name) not in {one.name for one in pip} | {normalize(one) for one in written}:
            raise SolveError(f"{name} is to be updated, but neither the lock nor the definition has it")
        moving |= found
    return moving


def _held(package: CondaPackage) -> set[str]:
    return set(provided(CondaAnswer(platform=package.platform, packages=(package,))))
