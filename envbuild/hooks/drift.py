"""Whether locks still answer their definitions: by bytes, then by hash, and only then by meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from envbuild.core.errors import EnvbuildError, Problem
from envbuild.hooks.targets import Target
from envbuild.lockfile import lock_folder
from envbuild.unchanged import header_of, sources_unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One environment whose lock does not answer: why, and the command that mends it."""

    target: Target
    reasons: tuple[Problem, ...]
    fix: str


def drifted(targets: Iterable[Target]) -> Iterator[Drift]:
    """Yield those of `targets` whose lock is missing, stale or not understood. Offline; nothing is written."""
    for target in targets:
        reasons = reasons_against(target)
        if reasons:
            yield Drift(target=target, reasons=reasons, fix=fix_of(target))


def fix_of(target: Target) -> str:
    """Return the command that makes the lock of `target` answer again."""
    verb = "package" if target.is_service else "lock"
    return f"envbuild {verb} {target.words()}"


def reasons_against(target: Target) -> tuple[Problem, ...]:
    """Return why the lock of `target` does not answer, nothing where it does; files are named from the current folder."""
    if target.lock is None:
        return (Problem(message=f"there is no lock for {target.environment or 'it'}", file=str(target.definition)),)
    if sources_unchanged(header_of(str(target.lock)), str(target.definition)):
        return ()
    try:
        found = _by_meaning(target, target.lock)
    except EnvbuildError as error:
        return error.problems
    return tuple(placed(one, target.definition) for one in found)


def placed(problem: Problem, definition: Path) -> Problem:
    """Return `problem`, whose file is named from the definition's folder, with the file named from the current one."""
    file = str(lock_folder(definition) / problem.file) if problem.file else str(definition)
    return replace(problem, file=file)


def _by_meaning(target: Target, lock: Path) -> tuple[Problem, ...]:
    from envbuild.api import read_definition
    from envbuild.formats.header import read_header
    from envbuild.lockfile import load_lock, read_text

    definition = read_definition(target.definition, target.environment)
    if target.is_service:
        from envbuild.app import service_definition

        definition = service_definition(definition)
    if definition.hash == read_header(read_text(lock)).definition_hash:
        return ()
    from envbuild.core.freshness import freshness

    return freshness(definition, load_lock(lock)).reasons
