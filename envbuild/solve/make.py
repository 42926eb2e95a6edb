"""The solve on one screen: base → Python → conda and pip → lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.core.bases import known_distribution
from envbuild.core.definition import Definition
from envbuild.core.errors import SolveError
from envbuild.core.freshness import freshness
from envbuild.core.lock import Lock, LockedBase, LockedPython, PipPackage
from envbuild.core.platforms import PLATFORMS, image_platform, parse_platform
from envbuild.core.progress import SILENT, Progress
from envbuild.solve.background import Background
from envbuild.solve.base_name import base_reference, is_stock
from envbuild.solve.channels import effective_channels
from envbuild.solve.conda import CondaRequest, CondaSolver, seconds
from envbuild.solve.frame import frame, kept_packages, kept_pip, version_of, virtual_part
from envbuild.solve.joint import JointAnswer, merged, solve_jointly
from envbuild.solve.options import CondaSolver as CondaSolverName
from envbuild.solve.options import PipRequest, SolveOptions
from envbuild.solve.python import (
    CONDA_CHANNEL,
    choose_python,
    has_apt_python,
    locked_conda_python,
    no_python,
    python_spec,
    still_good,
    with_python,
)
from envbuild.solve.virtual import glibc_of, parse_virtual_package, virtual_packages

if TYPE_CHECKING:
    from envbuild.solve.base import BaseFacts, InspectBase
    from envbuild.solve.conda_lock_backend import CondaLockSolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All that is given for one lock. `options.exclude_newer` is the cutoff that counts, a previous lock's if none is given."""

    definition: Definition
    folder: Path
    platforms: tuple[str, ...]
    previous: Lock | None
    options: SolveOptions
    progress: Progress
    inspect_base: InspectBase | None


def make_lock(
    definition: Definition,
    *,
    folder: Path,
    previous: Lock | None,
    options: SolveOptions,
    progress: Progress = SILENT,
    inspect_base: InspectBase | None = None,
    solver: CondaSolver | None = None,
) -> Lock:
    """Return the lock of `definition`, which lies in `folder`; a `previous` lock is kept as far as it still answers.

    The same definition with its own lock gives that lock back. `inspect_base` asks a local engine for an image's digest where
    no registry answers. A `solver` that the caller started early (`CondaSolver()`) is used and stays the caller's to close.

    Raises:
        SolveError: no set of packages satisfies the definition, told in its own lines.
        PlanError: the base image is not supported.
        NetworkError: an index cannot be reached. (An image registry out of reach is a note, not an error.)
    """
    cutoff = options.exclude_newer or (previous.exclude_newer if previous else "")
    seconds(cutoff)
    task = Task(
        definition=definition,
        folder=folder,
        platforms=_platforms(definition, previous, options),
        previous=previous,
        options=replace(options, exclude_newer=cutoff),
        progress=progress,
        inspect_base=inspect_base,
    )
    if previous is not None and (kept := _kept(task, previous)) is not None:
        return kept
    if definition.user_managed:
        return _lock_user_managed(task)
    return _with_tools(task, _solve(task, solver))


def _solve(task: Task, solver: CondaSolver | None) -> Lock:
    definition, options = task.definition, task.options
    if not definition.uses_conda:
        return _lock_without_conda(task)
    if solver is not None and options.solver == "rattler":
        return _lock_with_conda(task, solver)
    with _solver(options) as own:
        return _lock_with_conda(task, own)


def _with_tools(task: Task, lock: Lock) -> Lock:
    """Add the installers of a Dockerfile; a previous lock's stay while they are for the same Python."""
    from envbuild.solve.tools import CONDA_INSTALLER, lock_tools

    linux = any(PLATFORMS[name].sys_platform == "linux" for name in task.platforms)
    if not linux or lock.python is None or not (lock.conda or lock.pip):
        return lock
    previous = task.previous
    if previous is not None and previous.tools and previous.python and previous.python.minor == lock.python.minor:
        conda_installer = any(one.name == CONDA_INSTALLER for one in previous.tools)
        if not task.options.update_all and (conda_installer or not lock.conda):
            return replace(lock, tools=previous.tools)
    tools = lock_tools(lock.python.version, task.definition.index, task.options, task.progress, conda=bool(lock.conda))
    return replace(lock, tools=tools)


def _solver(options: SolveOptions) -> CondaSolver | CondaLockSolver:
    if options.solver == "rattler":
        return CondaSolver()
    from envbuild.solve.conda_lock_backend import CondaLockSolver

    return CondaLockSolver()


def _platforms(definition: Definition, previous: Lock | None, options: SolveOptions) -> tuple[str, ...]:
    written = options.platforms or definition.platforms
    if not written:
        return previous.platforms if previous else (image_platform().subdir,)
    return tuple(dict.fromkeys(parse_platform(text).subdir for text in written))


def _kept(task: Task, previous: Lock) -> Lock | None:
    """Return `previous` if it still answers: as it is for the same definition, with a new hash for one that it satisfies."""
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
    facts = _look(task, read=False)
    return replace(previous, base=facts.locked) if facts.locked.digest else previous


def _look(task: Task, *, read: bool) -> BaseFacts:
    """Ask for the base, its files only where `read`, and check what is known of it."""
    from envbuild.solve.base import BaseQuestion, check_base, look_at_base

    previous = task.previous.base if task.previous and not task.options.update_base else LockedBase()
    question = BaseQuestion(
        reference=base_reference(task.definition, task.folder),
        registry=task.definition.base.registry,
        platforms=task.platforms,
        read=read,
        offline=task.options.offline,
        previous=previous,
        inspect=task.inspect_base,
    )
    facts = look_at_base(question, task.progress)
    check_base(task.definition, facts)
    return facts


def _resolve_pip(request: PipRequest, progress: Progress) -> tuple[PipPackage, ...]:
    from envbuild.solve.pip import resolve_pip

    return resolve_pip(request, progress)


def _lock_user_managed(task: Task) -> Lock:
    facts = _look(task, read=True)
    python = choose_python(task.definition, facts.contents.pythons, facts.locked.distribution)
    return frame(task, facts.locked, python)


def _lock_with_conda(task: Task, solver: CondaSolver | CondaLockSolver) -> Lock:
    """Solve conda and pip while the base is asked for; both are needed only in the end where its name tells its C library."""
    solver.open(task.options, task.folder)
    reference = base_reference(task.definition, task.folder)
    distribution = known_distribution(reference)
    if reference and not distribution:
        return _joint_lock(task, solver, _look(task, read=True).locked)
    looking = Background(lambda: _look_and_import(task))
    lock = _joint_lock(task, solver, LockedBase(reference=reference, distribution=distribution))
    return replace(lock, base=looking.result().locked)


def _look_and_import(task: Task) -> BaseFacts:
    """Ask for the base, and import what the end of the solve needs: both cost nothing while another process computes."""
    for module in ("content_hash", "tools"):
        import_module(f"envbuild.solve.{module}")
    return _look(task, read=False)


def _joint_lock(task: Task, solver: CondaSolver | CondaLockSolver, base: LockedBase) -> Lock:
    from envbuild.solve.content_hash import conda_lock_content_hash

    definition = task.definition
    if definition.pip and not any(spec.name == "pip" for spec in definition.conda):
        task.progress.note(
            "the definition has pip requirements but no pip; as conda does, it is added to the conda packages"
        )
    virtual = virtual_part(task, base)
    channels = effective_channels(definition.channels)
    answer = solve_jointly(
        solver,
        conda_requests(task, definition, virtual),
        pip_request(task, definition.python, virtual),
        definition=definition,
        resolve=_resolve_pip,
        progress=task.progress,
    )
    return replace(
        _with_answer(frame(task, base, conda_python(answer)), answer, task.options.solver),
        channels=channels,
        conda_content_hash=conda_lock_content_hash(definition, task.platforms),
    )


def _with_answer(lock: Lock, answer: JointAnswer, solver: CondaSolverName) -> Lock:
    conda = [package for one in answer.conda for package in one.packages]
    names = {"rattler": "py_rattler", "conda-lock": "conda_lock"}
    return replace(
        lock,
        conda=tuple(sorted(conda, key=lambda one: (one.name, one.platform, one.url))),
        pip=answer.pip,
        solver=version_of(solver, names[solver]),
    )


def conda_python(answer: JointAnswer) -> LockedPython | None:
    """Return the Python that conda's answer brings."""
    return locked_conda_python(
        package.version for one in answer.conda for package in one.packages if package.name == "python"
    )


def conda_requests(task: Task, definition: Definition, virtual: tuple[str, ...]) -> list[CondaRequest]:
    """Return conda's question for each platform of `task`."""
    return [_conda_request(task, definition, platform, virtual) for platform in task.platforms]


def _conda_request(task: Task, definition: Definition, platform: str, virtual: tuple[str, ...]) -> CondaRequest:
    specs = with_python(definition, platform)
    return CondaRequest(
        platform=platform,
        specs=specs,
        channels=effective_channels(definition.channels, specs),
        virtual_packages=virtual_packages(platform, virtual),
        locked=kept_packages(task, platform),
        exclude_newer=task.options.exclude_newer,
    )


def pip_request(task: Task, python: str, virtual: tuple[str, ...]) -> PipRequest:
    """Return pip's question, for all platforms at once."""
    definition = task.definition
    declared = dict(text.partition("==")[::2] for text in definition.base_packages)
    return PipRequest(
        requirements=definition.pip,
        python=python,
        constraints=definition.constraints,
        index=definition.index,
        platforms=task.platforms if len(task.platforms) == 1 else (),
        glibc=glibc_of(virtual),
        provided=declared,
        previous=kept_pip(task),
        folder=str(task.folder),
        options=replace(task.options, platforms=task.platforms),
    )


def _lock_without_conda(task: Task) -> Lock:
    """Take Python from the base or its archive; where neither has it, from conda."""
    definition, previous = task.definition, task.previous
    reference = base_reference(definition, task.folder)
    kept = previous.python if previous and previous.base.reference == reference else None
    good = still_good(definition, kept)
    stock = is_stock(reference) and has_apt_python(definition, known_distribution(reference))
    facts = _look(task, read=not good and not stock)
    found = choose_python(definition, facts.contents.pythons, facts.locked.distribution)
    python = (kept if kept and kept.provider != "conda" else None) if good else found
    if python is None:
        return _lock_with_conda_python(task, facts.locked)
    virtual = virtual_part(task, facts.locked)
    with task.progress.step("solve pip"):
        pip = _resolve_pip(pip_request(task, python.version, virtual), task.progress)
    return replace(frame(task, facts.locked, python), pip=merged(pip, task.platforms))


def _lock_with_conda_python(task: Task, base: LockedBase) -> Lock:
    definition = task.definition
    channels = definition.channels or (CONDA_CHANNEL,)
    conda_side = replace(definition, channels=channels, conda=(python_spec(definition),), pip=())
    virtual = virtual_part(task, base)
    with _solver(task.options) as solver:
        solver.open(task.options, task.folder)
        try:
            answer = solve_jointly(
                solver,
                conda_requests(task, conda_side, virtual),
                pip_request(task, "", virtual),
                definition=definition,
                resolve=_resolve_pip,
                progress=task.progress,
            )
        except SolveError as error:
            if not definition.channels and "channel" in str(error):
                raise no_python(definition, base.reference, base.distribution) from error
            raise
    return replace(
        _with_answer(frame(task, base, conda_python(answer)), answer, task.options.solver), channels=channels
    )
