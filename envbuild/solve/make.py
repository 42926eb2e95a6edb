"""The solve on one screen: base → Python → conda and pip → lock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.core.attestation_policy import is_any, stricter
from envbuild.core.definition import Definition
from envbuild.core.lock import Lock
from envbuild.core.platforms import PLATFORMS, image_platform, parse_platform
from envbuild.core.progress import SILENT, Progress
from envbuild.files import check_writable
from envbuild.solve.conda import CondaSolver, seconds
from envbuild.solve.includes import Expanded, ParseInclude, with_includes
from envbuild.solve.options import SolveOptions
from envbuild.solve.task import Task, look
from envbuild.solve.virtual import parse_virtual_package

if TYPE_CHECKING:
    from envbuild.solve.base import InspectBase


def make_lock(
    definition: Definition,
    *,
    folder: Path,
    previous: Lock | None,
    options: SolveOptions,
    progress: Progress = SILENT,
    inspect_base: InspectBase | None = None,
    parse_include: ParseInclude | None = None,
    solver: CondaSolver | None = None,
    into: Path | None = None,
) -> Lock:
    """Return the lock of `definition`, which lies in `folder`; a `previous` lock is kept as far as it still answers.

    The same definition with its own lock gives that lock back. `inspect_base` asks a local engine for an image's digest where
    no registry answers; `parse_include` reads the requirements files that are named by URL. A `solver` that the caller started
    early (`CondaSolver()`) is used and stays the caller's to close. Nothing is solved where the folder `into` cannot be written.

    Raises:
        SolveError: no set of packages satisfies the definition, told in its own lines.
        PlanError: the base image is not supported.
        NetworkError: an index cannot be reached. (An image registry out of reach is a note, not an error.)
        FileError: `into` cannot be written.
        IntegrityError: what is attested of a file is wrong, or is missing where it is required.
    """
    cutoff = options.exclude_newer or (previous.exclude_newer if previous else "")
    seconds(cutoff)
    task = Task(
        definition=definition,
        pip=Expanded(requirements=definition.pip, constraints=definition.constraints),
        folder=folder,
        platforms=_platforms(definition, previous, options),
        previous=previous,
        options=replace(options, exclude_newer=cutoff),
        progress=progress,
        inspect_base=inspect_base,
    )
    lock = _kept(task, previous) if previous is not None else None
    if lock is None and definition.user_managed:
        from envbuild.solve.without_conda import lock_user_managed

        return lock_user_managed(task)
    if lock is None:
        if into is not None:
            check_writable(into)
        side = with_includes(definition, parse_include, offline=options.offline, progress=progress)
        lock = _with_tools(task, _solve(replace(task, pip=side), solver))
    return _attested(task, lock)


def _attested(task: Task, lock: Lock) -> Lock:
    """Return `lock` when what the definition and the options wish to be attested is."""
    policy = stricter(task.definition.attestations, task.options.attestations)
    if is_any(policy):
        from envbuild.solve.attestations import check_lock

        check_lock(lock, task, policy)
    return lock


def _solve(task: Task, solver: CondaSolver | None) -> Lock:
    definition, options = task.definition, task.options
    if not definition.uses_conda:
        from envbuild.solve.without_conda import lock_without_conda

        return lock_without_conda(task)
    from envbuild.solve.with_conda import lock_with_conda, new_solver

    if solver is not None and options.solver == "rattler":
        return lock_with_conda(task, solver)
    with new_solver(options) as own:
        return lock_with_conda(task, own)


def _with_tools(task: Task, lock: Lock) -> Lock:
    """Add the installers of a Dockerfile; a previous lock's stay while they are for the same Python."""
    from envbuild.solve.tools import CONDA_INSTALLER, lock_tools

    linux = any(PLATFORMS[name].sys_platform == "linux" for name in task.platforms)
    if not linux or lock.python is None or not (lock.conda or lock.pip or task.definition.code):
        return lock
    previous = task.previous
    if previous is not None and previous.tools and previous.python and previous.python.minor == lock.python.minor:
        conda_installer = any(one.name == CONDA_INSTALLER for one in previous.tools)
        if not task.options.update_all and (conda_installer or not lock.conda):
            return replace(lock, tools=previous.tools)
    tools = lock_tools(lock.python.version, task.definition.index, task.options, task.progress, conda=bool(lock.conda))
    return replace(lock, tools=tools)


def _platforms(definition: Definition, previous: Lock | None, options: SolveOptions) -> tuple[str, ...]:
    written = options.platforms or definition.platforms
    if not written:
        return previous.platforms if previous else (image_platform().subdir,)
    return tuple(dict.fromkeys(parse_platform(text).subdir for text in written))


def _kept(task: Task, previous: Lock) -> Lock | None:
    """Return `previous` if it still answers: as it is for the same definition, with a new hash for one that it satisfies."""
    from envbuild.core.freshness import freshness

    options = task.options
    wishes = {parse_virtual_package(text)[1] for text in options.virtual_packages}
    moving = options.update or options.update_all or options.update_base
    same_frame = previous.platforms == task.platforms and previous.exclude_newer == options.exclude_newer
    if moving or not same_frame or not wishes <= set(previous.virtual_packages):
        return None
    if previous.definition_hash == task.definition.hash:
        return _with_digest(task, previous)
    return _with_digest(task, _renewed(task, previous)) if freshness(task.definition, previous).fresh else None


def _renewed(task: Task, previous: Lock) -> Lock:
    from envbuild.solve.content_hash import conda_lock_content_hash

    definition = task.definition
    hashes = conda_lock_content_hash(definition, task.platforms) if definition.uses_conda else ()
    return replace(
        previous,
        definition_hash=definition.hash,
        sources=definition.sources,
        conda_content_hash=hashes,
        apt=replace(previous.apt, packages=definition.apt),
    )


def _with_digest(task: Task, previous: Lock) -> Lock:
    """Return `previous`, its base's digest filled in if that was missing and can be had now."""
    if previous.base.digest or not previous.base.reference:
        return previous
    # the lock may have chosen another default base than the definition alone leads to
    base = replace(task.definition.base, image=previous.base.reference, dockerfile="", context=None)
    facts = look(replace(task, definition=replace(task.definition, base=base)), read=False)
    return replace(previous, base=facts.locked) if facts.locked.digest else previous
