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
from envbuild.solve.options import PYTHON, PipConflictError
from envbuild.solve.python import (
    CONDA_CHANNEL,
    accepts,
    choose_python,
    default_minor,
    has_apt_python,
    no_python,
    python_spec,
    still_good,
    wanted_python,
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

    Where nobody named a Python or a base that holds one, and what is asked has no answer for the default one, another is taken.
    """
    try:
        return _for_python(task, _chosen_before(task))
    except PipConflictError as error:
        other = error.wanted.get(PYTHON, "")
        if not other or not _may_choose(task, other):
            raise
        first = error.problems[0].message.splitlines()[0]
        task.progress.note(
            f"{first}, which nobody asked for: Python {other} is taken. Name a Python to decide yourself"
        )
        return _for_python(task, other)


def _chosen_before(task: Task) -> str:
    """Return the Python that the previous lock chose instead of the default one; empty where it did not."""
    previous, options = task.previous, task.options
    if previous is None or previous.python is None or options.update_all or options.update_base:
        return ""
    minor = ".".join(previous.python.version.split(".")[:2])
    chosen = minor != default_minor(wanted_python(task.definition)) and _may_choose(task, minor)
    return minor if chosen and not task.definition.base else ""


def _may_choose(task: Task, python: str) -> bool:
    """Tell whether the definition leaves it to us to take `python`."""
    reference = base_reference(task.definition, task.folder)
    return accepts(wanted_python(task.definition), python) and is_stock(reference)


def _for_python(task: Task, python: str) -> Lock:
    """Lock with `python`, or with the one that the definition leads to where that is empty."""
    if not python:
        return _lock(task)
    lock = _lock(replace(task, definition=replace(task.definition, python=python)))
    return replace(lock, definition_hash=task.definition.hash)


def _lock(task: Task) -> Lock:
    """Where the base's name tells its Python and its C library, the base is asked for while pip's side is solved."""
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
        if (task.definition.pip or task.definition.code) and not (task.previous and task.previous.tools):
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
