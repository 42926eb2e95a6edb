"""`envbuild lock`: from a definition to its lock, and whether a lock is fresh."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.annotations import add_format, annotated, wants_annotations
from envbuild.cli.arguments import add_definition, add_quiet, add_solve, solve_options, take_definitions
from envbuild.core.errors import UsageError
from envbuild.unchanged import unchanged_lock

if TYPE_CHECKING:
    from envbuild.api import Locked
    from envbuild.core.errors import Problem, UsageError
    from envbuild.solve.conda import CondaSolver
    from envbuild.solve.conda_process import SolverProcess


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "lock",
        help="resolve a definition to a pinned, hashed lock",
        description="Write conda-lock.yml (where conda is used) or pylock.toml beside the definition. A lock that is there is "
        "kept as far as it still answers. --check: exit 0 when the lock is fresh, 1 with the reasons when not; offline.",
    )
    add_definition(parser, many=True)
    parser.add_argument("--all", action="store_true", help="every environment that the definition holds, not one")
    parser.add_argument(
        "--check", action="store_true", help="only say whether the lock is fresh: offline, nothing is written"
    )
    parser.add_argument("-o", "--output", type=Path, help="the lock's file")
    parser.add_argument("--dry-run", action="store_true", help="print which packages would move, write nothing")
    add_solve(parser)
    add_quiet(parser)
    add_format(parser, "with --check: ")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Lock, or check, each definition."""
    paths = take_definitions(arguments)
    if arguments.check and wants_annotations(arguments):
        wanted = _wanted(paths, arguments)
        return annotated(wanted, _reasons, arguments, rule="lock-check")
    if arguments.check:
        # every one is checked, so that one run names all that is stale
        return max([_check(path, name, arguments) for path, name in _wanted(paths, arguments)])
    process = _early_process(paths, arguments)
    from envbuild.solve.conda import CondaSolver

    # what the solver has read of a channel serves all definitions
    with CondaSolver(process) as solver:
        for path, name in _wanted(paths, arguments):
            _lock(path, name, arguments, solver)
    return 0


def _wanted(paths: list[Path], arguments: argparse.Namespace) -> Iterator[tuple[Path, str]]:
    """Yield each definition and the environment that is meant in it, all of them with `--all`."""
    if not arguments.all:
        yield from ((path, arguments.environment) for path in paths)
        return
    if arguments.environment or arguments.output:
        raise UsageError("--all locks every environment to its own file: leave out --environment and --output")
    from envbuild.api import environment_names

    for path in paths:
        yield from ((path, name) for name in environment_names(path))


def _early_process(paths: list[Path], arguments: argparse.Namespace) -> SolverProcess | None:
    """Start the conda solver before anything else is imported, unless it runs already."""
    from envbuild.solve.conda_process import SolverProcess, starts_early_for

    started: SolverProcess | None = arguments.solver_process
    if started is not None:
        return started
    if arguments.solver != "rattler" or not any(starts_early_for(str(path)) for path in paths):
        return None
    moves = arguments.update or arguments.update_all or arguments.update_base
    if not moves and all(_unchanged(path, arguments.environment) for path in paths):
        return None
    return SolverProcess()


def _unchanged(path: Path, environment: str) -> bool:
    # proven without importing the road, which would take longer than all the rest
    return bool(unchanged_lock(str(path), environment))


def _check(path: Path, environment: str, arguments: argparse.Namespace) -> int:
    if _unchanged(path, environment):
        print(
            json.dumps({"definition": str(path), "fresh": True, "reasons": []}) if arguments.json else f"{path}: fresh"
        )
        return 0
    return _check_by_meaning(path, environment, arguments)


def _check_by_meaning(path: Path, environment: str, arguments: argparse.Namespace) -> int:
    from envbuild.api import check

    answer = check(path, environment=environment)
    if arguments.json:
        reasons = [reason.to_dict() for reason in answer.reasons]
        print(json.dumps({"definition": str(path), "fresh": answer.fresh, "reasons": reasons}))
    elif answer.fresh:
        print(f"{path}: fresh")
    else:
        print(f"{path}: stale")
        for reason in answer.reasons:
            print(f"  {reason}")
    return 0 if answer.fresh else 1


def _reasons(wanted: tuple[Path, str]) -> tuple[Problem, ...]:
    from envbuild.api import check
    from envbuild.hooks.drift import placed

    path, environment = wanted
    if _unchanged(path, environment):
        return ()
    return tuple(placed(one, path) for one in check(path, environment=environment).reasons)


def _lock(path: Path, environment: str, arguments: argparse.Namespace, solver: CondaSolver) -> None:
    from envbuild.api import lock
    from envbuild.cli.progress import progress_for

    done = lock(
        path,
        environment=environment,
        output=arguments.output,
        options=solve_options(arguments),
        write=not arguments.dry_run,
        progress=progress_for(quiet=arguments.quiet),
        solver=solver,
    )
    if arguments.json:
        print(json.dumps(_summary(path, environment, done)))
    else:
        print(_words(done, dry_run=arguments.dry_run))
        print(_moved(done), end="")


def _summary(path: Path, environment: str, done: Locked) -> dict[str, object]:
    lock = done.lock
    return {
        "definition": str(path),
        "environment": environment,
        "lock": str(done.path),
        "written": done.written,
        "definition_hash": lock.definition_hash,
        "platforms": list(lock.platforms),
        "conda": len(lock.conda),
        "pip": len(lock.pip),
        "base": lock.base.pinned,
        "base_resolved": bool(lock.base.digest) or not lock.base.reference,
        "changes": json.loads(_diff(done, "json"))["changes"] if done.previous is not None else [],
    }


def _words(done: Locked, *, dry_run: bool) -> str:
    lock = done.lock
    counts = [f"{len(lock.conda)} conda" if lock.conda else "", f"{len(lock.pip)} pip" if lock.pip else ""]
    what = " and ".join(filter(None, counts)) or "no"
    same = done.previous == lock
    verb = "written" if done.written else "would be written" if dry_run and not same else "unchanged"
    return f"{done.path}: {verb}, {what} packages for {', '.join(lock.platforms)}"


def _moved(done: Locked) -> str:
    """Return which packages moved since the lock before, a line each; nothing for a first lock."""
    if done.previous is None or done.previous == done.lock:
        return ""
    return "".join(f"  {line}\n" for line in _diff(done, "text").splitlines())


def _diff(done: Locked, form: str) -> str:
    from envbuild.core.diff import diff_locks
    from envbuild.formats import diff_text

    if done.previous is None:
        return ""
    text: str = getattr(diff_text, f"diff_{form}")(diff_locks(done.previous, done.lock))
    return text
