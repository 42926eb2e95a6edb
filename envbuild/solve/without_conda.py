"""Definitions without conda packages: Python comes from the base, from the base's archive, or else from conda after all."""

from __future__ import annotations

from dataclasses import replace

from envbuild.core.bases import known_distribution
from envbuild.core.lock import Lock, LockedBase, LockedPython
from envbuild.core.progress import SILENT
from envbuild.solve.background import Background
from envbuild.solve.base import BaseFacts
from envbuild.solve.base_name import base_reference, is_stock
from envbuild.solve.conda import ChannelError
from envbuild.solve.frame import frame, virtual_part
from envbuild.solve.joint import merged
from envbuild.solve.python import (
    CONDA_CHANNEL,
    choose_python,
    has_apt_python,
    no_python,
    python_spec,
    still_good,
)
from envbuild.solve.task import Task, look
from envbuild.solve.with_conda import new_solver, pip_request, pip_side, solve_both


def lock_user_managed(task: Task) -> Lock:
    """Return a lock of the base alone: all else is the user's."""
    facts = look(task, read=True)
    python = choose_python(task.definition, facts.contents.pythons, facts.locked.distribution)
    return frame(task, facts.locked, python)


def lock_without_conda(task: Task) -> Lock:
    """Take Python from the base or its archive; where neither has it, from conda.

    Where the base's name tells its Python and its C library, the base is asked for while pip's side is solved.
    """
    definition, previous = task.definition, task.previous
    reference = base_reference(definition, task.folder)
    kept = previous.python if previous and previous.base.reference == reference else None
    good = still_good(definition, kept)
    distribution = known_distribution(reference)
    stock = is_stock(reference) and has_apt_python(definition, distribution)
    if distribution and (good or stock):
        facts = BaseFacts(locked=LockedBase(reference=reference, distribution=distribution))
        looking = Background(lambda: look(task, read=False))
    else:
        facts, looking = look(task, read=not good and not stock), None
    found = choose_python(definition, facts.contents.pythons, facts.locked.distribution)
    python = (kept if kept and kept.provider != "conda" else None) if good else found
    if python is None:
        return _lock_with_conda_python(task, looking.result().locked if looking else facts.locked)
    tools = _prepare_tools(task, python)
    with task.progress.step("solve pip"):
        pip = pip_side(pip_request(task, python.version, virtual_part(task, facts.locked)), task.progress)
    tools.result()
    base = looking.result().locked if looking else facts.locked
    return replace(frame(task, base, python), pip=merged(pip, task.platforms))


def _prepare_tools(task: Task, python: LockedPython) -> Background[object]:
    """Begin to have a Dockerfile's installers in the cache, for the lock asks for them in the end."""
    from envbuild.solve.tools import (
        lock_tools,
    )  # here and not on the thread: two threads that import are in each other's way

    def work() -> None:
        if task.definition.pip and not (task.previous and task.previous.tools):
            lock_tools(python.version, task.definition.index, task.options, SILENT)

    return Background(work)


def _lock_with_conda_python(task: Task, base: LockedBase) -> Lock:
    definition = task.definition
    channels = definition.channels or (CONDA_CHANNEL,)
    conda_side = replace(definition, channels=channels, conda=(python_spec(definition),), pip=())
    with new_solver(task.options) as solver:
        solver.open(task.options, task.folder)
        try:
            return solve_both(task, solver, base, conda_side)
        except ChannelError as error:
            if definition.channels:
                raise
            raise no_python(definition, base.reference, base.distribution) from error
