"""`envbuild lock`: from a definition to its lock, and whether a lock is fresh."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.arguments import add_definition, add_quiet, add_solve, definition_or_default, solve_options

if TYPE_CHECKING:
    from envbuild.api import Locked


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "lock",
        help="resolve a definition to a pinned, hashed lock",
        description="Write conda-lock.yml (where conda is used) or pylock.toml beside the definition. A lock that is there is "
        "kept as far as it still answers. --check: exit 0 when the lock is fresh, 1 with the reasons when not; offline.",
    )
    add_definition(parser, many=True)
    parser.add_argument(
        "--check", action="store_true", help="only say whether the lock is fresh: offline, nothing is written"
    )
    parser.add_argument("-o", "--output", type=Path, help="the lock's file")
    parser.add_argument("--dry-run", action="store_true", help="print what would change, write nothing")
    add_solve(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Lock, or check, each definition."""
    paths = [definition_or_default(path) for path in arguments.definition or [None]]
    if arguments.check:
        # every one is checked, so that one run names all that is stale
        return max([_check(path, arguments) for path in paths])
    for path in paths:
        _lock(path, arguments)
    return 0


def _check(path: Path, arguments: argparse.Namespace) -> int:
    from envbuild.lockfile import find_lock, sources_unchanged

    found = find_lock(path, arguments.environment)
    if found is not None and sources_unchanged(found, path):
        # proven without importing the road, which would take longer than all the rest
        print(
            json.dumps({"definition": str(path), "fresh": True, "reasons": []}) if arguments.json else f"{path}: fresh"
        )
        return 0
    return _check_by_meaning(path, arguments)


def _check_by_meaning(path: Path, arguments: argparse.Namespace) -> int:
    from envbuild.api import check

    answer = check(path, environment=arguments.environment)
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


def _lock(path: Path, arguments: argparse.Namespace) -> None:
    from envbuild.api import lock
    from envbuild.cli.progress import progress_for

    done = lock(
        path,
        environment=arguments.environment,
        output=arguments.output,
        options=solve_options(arguments),
        write=not arguments.dry_run,
        progress=progress_for(quiet=arguments.quiet),
    )
    if arguments.json:
        print(json.dumps(_summary(path, done)))
    else:
        print(_words(done, dry_run=arguments.dry_run))


def _summary(path: Path, done: Locked) -> dict[str, object]:
    lock = done.lock
    return {
        "definition": str(path),
        "lock": str(done.path),
        "written": done.written,
        "definition_hash": lock.definition_hash,
        "platforms": list(lock.platforms),
        "conda": len(lock.conda),
        "pip": len(lock.pip),
        "base": lock.base.pinned,
        "base_resolved": bool(lock.base.digest) or not lock.base.reference,
    }


def _words(done: Locked, *, dry_run: bool) -> str:
    lock = done.lock
    counts = [f"{len(lock.conda)} conda" if lock.conda else "", f"{len(lock.pip)} pip" if lock.pip else ""]
    what = " and ".join(filter(None, counts)) or "no"
    verb = "would be written" if dry_run else ("written" if done.written else "unchanged")
    return f"{done.path}: {verb}, {what} packages for {', '.join(lock.platforms)}"
