"""Definitions without conda packages: Python comes from the base, from the base's archive, or else from conda after all."""

from __future__ import annotations

from dataclasses import replace

from envbuild.core.bases import known_distribution
from envbuild.core.lock import Lock, LockedBase
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
    """Take Python from the base or its archive; where neither has it, from conda."""
    definition, previous = task.definition, task.previous
    reference = base_reference(definition, task.folder)
    kept = previous.python if previous and previous.base.reference == reference else None
    good = still_good(definition, kept)
    stock = is_stock(reference) and has_apt_python(definition, known_distribution(reference))
    facts = look(task, read=not good and not stock)
    found = choose_python(definition, facts.contents.pythons, facts.locked.distribution)
    python = (kept if kept and kept.provider != "conda" else None) if good else found
    if python is None:
        return _lock_with_conda_python(task, facts.locked)
    virtual = virtual_part(task, facts.locked)
    with task.progress.step("solve pip"):
        pip = pip_side(pip_request(task, python.version, virtual), task.progress)
    return replace(frame(task, facts.locked, python), pip=merged(pip, task.platforms))


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
