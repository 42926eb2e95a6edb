"""What follows where uv has no answer: who is to blame, what would do instead, and what else is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NoReturn

from packaging.version import InvalidVersion, Version

from envbuild.core.errors import EnvbuildError, Problem, SolveError
from envbuild.core.lock import PipPackage
from envbuild.solve.distributions import python_minor, takes
from envbuild.solve.failures import ResolverError
from envbuild.solve.options import PYTHON, PipConflictError
from envbuild.solve.uv_question import Question

Attempt = Callable[[Question], tuple[PipPackage, ...]]
"""Asks uv once.

Raises:
    ResolverError: it has no answer.
"""

_AT_ONCE = 3
_MORE = 8
"""How many further problems of one question are looked for."""

_PATIENCE = 45.0
"""Seconds after which nothing more is tried: what fails slowly may fail slowly for every Python."""


def raise_failure(question: Question, error: ResolverError, attempt: Attempt) -> NoReturn:
    """Raise what `error` means for `question`.

    Raises:
        PipConflictError: what is provided, or the Python, is to blame: with other ones there is an answer.
        NetworkError: a server is at fault.
        SolveError: the requirements have no answer by themselves; every problem of them is told.
    """
    deadline = time.monotonic() + _PATIENCE
    freed = _raise_provided(question, error, attempt) if error.stubs else error
    if freed.blames_python:
        _raise_python(question, freed, attempt, deadline)
    first = error.explained(question.asked, question.access)
    if not isinstance(first, SolveError):
        raise first from None
    raise SolveError([*first.problems, *_more_problems(question, error, attempt, deadline)]) from None


def _raise_provided(question: Question, error: ResolverError, attempt: Attempt) -> ResolverError:
    """Raise a PipConflictError with what pip's side would take if the provided names in `error` were free.

    Returns what stands in the way where it would not work either, so that what is provided is not alone to blame.
    """
    freed = error.stubs
    found = None
    while found is None:
        left = {name: version for name, version in question.provided.items() if name not in freed}
        try:
            found = attempt(replace(question, provided=left, graph=False))
        except ResolverError as again:
            if not again.stubs - freed:
                return again
            freed = freed | again.stubs
    versions = {one.name: one.version for one in found}
    provided = {name: question.provided[name] for name in sorted(freed) if name in question.provided}
    problems = error.problems(question.asked, question.access, provided)
    raise PipConflictError(problems, {name: versions.get(name, "") for name in provided})


def _raise_python(question: Question, error: ResolverError, attempt: Attempt, deadline: float) -> None:
    """Raise a PipConflictError that wants the first of the request's other Pythons that has an answer; return where none has.

    All that is provided counts as free, for it is provided for the Python of now.
    """

    def answers(minor: str) -> bool:
        request = replace(question.request, python=minor)
        try:
            attempt(replace(question, request=request, provided={}, graph=False))
        except (ResolverError, EnvbuildError):
            return False
        return True

    here = python_minor(question.request.python)
    others = _with_wheels(question, error, [one for one in question.request.pythons if python_minor(one) != here])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for start in range(0, len(others), _AT_ONCE):
            if time.monotonic() > deadline:
                return
            some = others[start : start + _AT_ONCE]
            wanted = next((one for one, works in zip(some, pool.map(answers, some), strict=True) if works), "")
            if wanted:
                problems = error.problems(question.asked, question.access, {}, python=(question.request.python, wanted))
                raise PipConflictError(problems, {PYTHON: wanted})


def _with_wheels(question: Question, error: ResolverError, pythons: list[str]) -> list[str]:
    """Return those of `pythons` that have a wheel of each version that `error` names; all where the index cannot tell.

    One page of the index spares a run of uv for each Python where there is only a source distribution.
    """
    access = question.access
    if question.request.options.offline or access.extra or access.find_links or access.no_index:
        return pythons
    from envbuild.net.http import HttpClient
    from envbuild.solve.indexes import default_index
    from envbuild.solve.simple_index import is_of, project_files

    client = HttpClient()
    for name, version in sorted(error.pins_without_wheel):
        try:
            files = project_files(access.default or default_index(), name, client) or ()
            wanted = is_of(name, Version(version))
        except (EnvbuildError, InvalidVersion):
            continue
        wheels = [one.file.filename for one in files if one.file.filename.endswith(".whl") and wanted(one)]
        pythons = [one for one in pythons if any(takes(python_minor(one), wheel) for wheel in wheels)]
    return pythons


def _more_problems(question: Question, error: ResolverError, attempt: Attempt, deadline: float) -> list[Problem]:
    """Return what else is wrong: uv tells one contradiction, so its names are left out and uv is asked again."""
    found: list[Problem] = []
    excluded = question.excluded
    while len(found) < _MORE and time.monotonic() < deadline:
        blamed = error.blamed(question.asked)
        if not blamed - excluded:
            break
        excluded |= blamed
        try:
            attempt(replace(question, excluded=excluded, graph=False))
            break
        except ResolverError as again:
            error = again
            more = again.explained(question.asked, question.access)
            if not isinstance(more, SolveError):
                break
            found += more.problems
        except EnvbuildError:
            break
    return found
