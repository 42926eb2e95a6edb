"""Definitions with conda packages: conda and pip are solved together while the base is asked for."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from envbuild.core.bases import known_distribution
from envbuild.core.definition import Definition
from envbuild.core.lock import Lock, LockedBase, LockedPython, PipPackage
from envbuild.core.progress import Progress
from envbuild.solve.background import Background
from envbuild.solve.base_name import base_reference
from envbuild.solve.channels import effective_channels
from envbuild.solve.conda import CondaRequest
from envbuild.solve.conda import CondaSolver as RattlerSolver
from envbuild.solve.frame import frame, kept_packages, kept_pip, version_of, virtual_part
from envbuild.solve.joint import JointAnswer, solve_jointly
from envbuild.solve.options import CondaSolver, PipRequest, SolveOptions
from envbuild.solve.python import locked_conda_python, possible_pythons, with_python
from envbuild.solve.task import Task, look
from envbuild.solve.virtual import glibc_of, virtual_packages

if TYPE_CHECKING:
    from envbuild.solve.base import BaseFacts
    from envbuild.solve.conda_lock_backend import CondaLockSolver

    Solver = RattlerSolver | CondaLockSolver


def new_solver(options: SolveOptions) -> Solver:
    """Return the solver that `options` name; it is closed at the end of its `with`."""
    if options.solver == "rattler":
        return RattlerSolver()
    from envbuild.solve.conda_lock_backend import CondaLockSolver

    return CondaLockSolver()


def lock_with_conda(task: Task, solver: Solver) -> Lock:
    """Solve conda and pip while the base is asked for; both are needed only in the end where its name tells its C library."""
    solver.open(task.options, task.folder)
    reference = base_reference(task.definition, task.folder)
    distribution = known_distribution(reference)
    if reference and not distribution:
        return _joint_lock(task, solver, look(task, read=True).locked)
    looking = Background(lambda: _look_and_import(task))
    lock = _joint_lock(task, solver, LockedBase(reference=reference, distribution=distribution))
    return replace(lock, base=looking.result().locked)


def _look_and_import(task: Task) -> BaseFacts:
    """Ask for the base, and import what the end of the solve needs: both cost nothing while another process computes."""
    for module in ("solve.content_hash", "solve.tools", "formats.conda_lock"):
        import_module(f"envbuild.{module}")
    import_module("tempfile")
    return look(task, read=False)


def _joint_lock(task: Task, solver: Solver, base: LockedBase) -> Lock:
    from envbuild.solve.content_hash import conda_lock_content_hash

    definition = task.definition
    if definition.pip and not any(spec.name == "pip" for spec in definition.conda):
        task.progress.note(
            "the definition has pip requirements but no pip; as conda does, it is added to the conda packages"
        )
    lock = solve_both(task, solver, base, definition)
    return replace(lock, conda_content_hash=conda_lock_content_hash(definition, task.platforms))


def solve_both(task: Task, solver: Solver, base: LockedBase, conda_side: Definition) -> Lock:
    """Return the lock with the conda packages that `conda_side` asks for and pip's over them.

    Raises:
        SolveError: as `solve_jointly`.
    """
    virtual = virtual_part(task, base)
    answer = solve_jointly(
        solver,
        conda_requests(task, conda_side, virtual),
        pip_request(task, conda_side.python, virtual),
        definition=task.definition,
        resolve=pip_side,
        progress=task.progress,
    )
    lock = _with_answer(frame(task, base, conda_python(answer)), answer, task.options.solver)
    return replace(lock, channels=effective_channels(conda_side.channels))


def _with_answer(lock: Lock, answer: JointAnswer, solver: CondaSolver) -> Lock:
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
        requirements=task.pip.requirements,
        python=python,
        constraints=task.pip.constraints,
        index=definition.index,
        platforms=task.platforms if len(task.platforms) == 1 else (),
        glibc=glibc_of(virtual),
        provided=declared,
        previous=kept_pip(task),
        folder=str(task.folder),
        pythons=possible_pythons(definition) if definition.pip else (),
        options=replace(task.options, platforms=task.platforms),
    )


def pip_side(request: PipRequest, progress: Progress) -> tuple[PipPackage, ...]:
    """Answer `request` (see `resolve_pip`, which is imported only where there is something to ask)."""
    from envbuild.solve.pip import resolve_pip

    return resolve_pip(request, progress)
