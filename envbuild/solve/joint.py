"""conda and pip together: what conda provides is fixed for pip; what pip cannot accept goes back to conda as a constraint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from envbuild.core.definition import Definition
from envbuild.core.errors import Problem, SolveError
from envbuild.core.lock import PipPackage
from envbuild.core.progress import Progress
from envbuild.solve.background import Background
from envbuild.solve.conda import CondaAnswer, CondaRequest
from envbuild.solve.conflict import indented, written
from envbuild.solve.names import conda_name, pep440, provided
from envbuild.solve.options import PYTHON, PipConflictError, PipRequest

ROUNDS = 8
"""How often pip's side may send a wish back before it counts as a contradiction."""


class Solver(Protocol):
    """What answers conda's side."""

    def solve(self, requests: Sequence[CondaRequest], advance: Callable[[str], None]) -> tuple[CondaAnswer, ...]:
        """Answer all `requests`, in their order."""
        ...


PipResolve = Callable[[PipRequest, Progress], tuple[PipPackage, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JointAnswer:
    """What both sides agreed on. `rounds` is how often pip's side sent a wish back; `constraints` are those wishes."""

    conda: tuple[CondaAnswer, ...]
    pip: tuple[PipPackage, ...] = ()
    rounds: int = 0
    constraints: tuple[str, ...] = ()


def solve_jointly(
    solver: Solver,
    requests: Sequence[CondaRequest],
    question: PipRequest,
    *,
    definition: Definition,
    resolve: PipResolve,
    progress: Progress,
) -> JointAnswer:
    """Solve conda's side for all `requests`, then pip's `question` for each platform over it, until both agree.

    Raises:
        SolveError: conda's side has no answer, pip's side has none, or they contradict each other; both sides are then shown
            in the lines that were written.
    """
    constraints: tuple[str, ...] = ()
    conflict: PipConflictError | None = None
    for round_ in range(ROUNDS + 1):
        try:
            answers = _conda_round(solver, [replace(one, constraints=constraints) for one in requests], progress)
        except SolveError as error:
            if conflict is None:
                raise
            explanation = "\n".join(one.message for one in error.problems)
            raise _contradiction(definition, conflict, explanation) from error
        try:
            pip = _pip_round(answers, question, resolve, progress)
            return JointAnswer(conda=answers, pip=pip, rounds=round_, constraints=constraints)
        except PipConflictError as error:
            conflict = error
        more = _constraints(conflict.wanted, answers)
        if not set(more) - set(constraints):
            break
        progress.note(f"pip's side cannot take what conda chose; conda solves again with {', '.join(more)}")
        constraints = tuple(sorted({*constraints, *more}))
    raise _contradiction(definition, conflict, "") if conflict else SolveError("conda and pip did not agree")


def _conda_round(solver: Solver, requests: Sequence[CondaRequest], progress: Progress) -> tuple[CondaAnswer, ...]:
    title = f"solve conda for {', '.join(one.platform for one in requests)}"
    with progress.step(title, total=len(requests)) as step:
        return solver.solve(requests, lambda name: step.advance(detail=name))


def _pip_round(
    answers: Sequence[CondaAnswer], question: PipRequest, resolve: PipResolve, progress: Progress
) -> tuple[PipPackage, ...]:
    if not question.requirements:
        return ()
    with progress.step("solve pip", total=len(answers)) as step:
        # a resolver is a process that mostly waits for the index: all platforms ask at once
        work = [Background(partial(resolve, _pip_question(one, question), progress)) for one in answers]
        for one in work:
            one.wait()
        found: list[PipPackage] = []
        for answer, one in zip(answers, work, strict=True):
            found.extend(replace(package, platforms=(answer.platform,)) for package in one.result())
            step.advance(detail=answer.platform)
    return merged(found, tuple(answer.platform for answer in answers))


def _pip_question(answer: CondaAnswer, question: PipRequest) -> PipRequest:
    """Return `question` for one platform, over what conda provides there."""
    return replace(
        question,
        platforms=(answer.platform,),
        python=_python(answer) or question.python,
        provided={**question.provided, **provided(answer)},
        previous=tuple(one for one in question.previous if not one.platforms or answer.platform in one.platforms),
    )


def merged(packages: Sequence[PipPackage], platforms: tuple[str, ...]) -> tuple[PipPackage, ...]:
    """Return each package once, with the platforms that install it (none named where all of `platforms` do), sorted."""
    where: dict[PipPackage, set[str]] = {}
    for package in packages:
        where.setdefault(replace(package, platforms=()), set()).update(package.platforms or platforms)
    folded = [
        replace(package, platforms=() if names == set(platforms) else tuple(one for one in platforms if one in names))
        for package, names in where.items()
    ]
    return tuple(sorted(folded, key=lambda one: (one.name, one.version, one.platforms)))


def _python(answer: CondaAnswer) -> str:
    return next((one.version for one in answer.packages if one.name == "python"), "")


def _constraints(wanted: Mapping[str, str], answers: Sequence[CondaAnswer]) -> list[str]:
    """Return the MatchSpecs that steer conda towards what pip's side would take (`wanted`, see PipConflictError)."""
    found = {f"python {wanted[PYTHON]}.*"} if PYTHON in wanted else set()
    for answer in answers:
        here = provided(answer)
        for name, version in wanted.items():
            package = conda_name(name, answer)
            if package and name in here and (spec := _towards(here[name], version)):
                found.add(f"{package} {spec}")
    return sorted(found)


def _towards(has: str, wants: str) -> str:
    from packaging.version import Version

    target = pep440(wants) if wants else ""
    if not target:
        return f"<{has}"
    if Version(target) == Version(has):
        return ""
    public = Version(target).public
    return f"<={public}" if Version(target) < Version(has) else f">={public}"


def _contradiction(definition: Definition, conflict: PipConflictError, explanation: str) -> SolveError:
    names = set(conflict.wanted)
    conda = [spec for spec in definition.conda if spec.name in names] or list(definition.conda)
    pip_side = "\n".join(str(one) for one in conflict.problems)
    lines = [
        f"conda and pip cannot agree on {', '.join(sorted(names)) or 'a package'}",
        "  conda's side:",
        *(f"    {line}" for line in written(conda)),
        "  pip's side:",
        indented(pip_side),
        *(["  with what pip wants, conda has no answer:", indented(explanation)] if explanation else []),
    ]
    return SolveError(Problem(message="\n".join(lines), hint="loosen one of these lines"))
