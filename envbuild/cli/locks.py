"""The commands that look into locks: `export`, `import`, `why`, `tree`, `outdated`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.arguments import (
    add_definition,
    add_quiet,
    add_solve,
    solve_options,
    take_definitions,
)
from envbuild.cli.diff import add_form, print_diff
from envbuild.cli.locked import find, load, platform_of
from envbuild.cli.parsers import nearest

if TYPE_CHECKING:
    from envbuild.core.graph import Branch, Node
    from envbuild.core.lock import Lock

FORMATS = ("explicit", "requirements", "pylock", "conda-lock", "environment", "cyclonedx")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    _add_export(commands)
    _add_import(commands)
    _add_why(commands)
    _add_tree(commands)
    _add_outdated(commands)


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("export", help="write a lock in another tool's form")
    add_definition(parser)
    parser.add_argument(
        "-f",
        "--format",
        choices=FORMATS,
        required=True,
        help="explicit: conda's list of URLs; requirements: pip's, hashed; environment: an environment.yml of exact pins; "
        "cyclonedx: a bill of materials",
    )
    parser.add_argument(
        "--platform", default="", metavar="P", help="for one platform (default: the lock's only or first one)"
    )
    parser.add_argument("--urls", action="store_true", help="requirements: name each file by its URL")
    parser.add_argument(
        "--sha256", action="store_true", help="explicit: #sha256: instead of the md5 that every conda checks"
    )
    parser.add_argument(
        "--licences",
        action="store_true",
        help="cyclonedx: licences of pip's packages too, of those that this machine has a wheel or an installation of",
    )
    parser.add_argument("-o", "--output", type=Path, help="the file (default: stdout)")
    parser.set_defaults(run=run_export)


def _add_import(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "import",
        help="start from a lock that another tool wrote",
        description="Reads conda-lock.yml, pixi.lock, pylock.toml, uv.lock, poetry.lock, Pipfile.lock or an @EXPLICIT list and writes "
        "conda-lock.yml or pylock.toml.",
    )
    parser.add_argument("file", type=Path, help="the other tool's lock")
    parser.add_argument(
        "-o", "--output", type=Path, help="the lock's file (default: conda-lock.yml or pylock.toml beside it)"
    )
    parser.add_argument(
        "-e", "--environment", default="", metavar="NAME", help="one of several environments in a pixi.lock"
    )
    parser.set_defaults(run=run_import)


def _add_why(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "why",
        help="who asked for a package",
        description="The shortest way to PACKAGE from each package that the definition asks for, or that nothing depends on where "
        "a lock alone is named. Exit 1 where the lock does not have it.",
    )
    parser.add_argument("package", metavar="PACKAGE", help="its name, in any spelling")
    add_definition(parser)
    _add_platform(parser)
    parser.add_argument("--json", action="store_true", help="print a list of ways, each a list of packages, as JSON")
    parser.set_defaults(run=run_why)


def _add_platform(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--platform", default="", metavar="P", help="one of the lock's platforms (default: its first)")


def _add_tree(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "tree",
        help="the packages of a lock under those that need them",
        description="Behind a package stands what the one above asks of it; … says that its own packages stand where it came up first.",
    )
    add_definition(parser)
    _add_platform(parser)
    parser.add_argument("--json", action="store_true", help="print nested lists as JSON")
    parser.set_defaults(run=run_tree)


def _add_outdated(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "outdated", help="what would change if the definition were locked afresh today; exit 1 where anything would"
    )
    add_definition(parser)
    add_form(parser)
    add_solve(parser)
    add_quiet(parser)
    parser.set_defaults(run=run_outdated)


def run_export(arguments: argparse.Namespace) -> int:
    """Write the lock in the form asked for."""
    from envbuild.files import write_atomic

    lock, _ = load(arguments.definition, arguments.environment)
    text = _exported(lock, arguments)
    if left := _left_out(lock, arguments.format):
        print(f"note: {left}", file=sys.stderr)
    if arguments.output is None:
        print(text, end="")
    else:
        write_atomic(arguments.output, text)
        print(arguments.output)
    return 0


def _left_out(lock: Lock, form: str) -> str:
    """Return what the other tool's form has no place for.

    Raises:
        LockError: that is everything.
    """
    from envbuild.core.errors import LockError

    if form == "explicit" and lock.pip:
        if not lock.conda:
            raise LockError(
                "the lock has no conda packages, and an explicit list has no others", hint="--format requirements"
            )
        return f"{len(lock.pip)} pip packages are not in it; --format requirements has them"
    if form in ("requirements", "pylock") and lock.conda:
        return f"{len(lock.conda)} conda packages are not in it; --format explicit has them"
    return ""


def _exported(lock: Lock, arguments: argparse.Namespace) -> str:
    from envbuild.formats.conda_lock import write_conda_lock
    from envbuild.formats.cyclonedx import write_cyclonedx
    from envbuild.formats.environment_yml import write_environment_yml
    from envbuild.formats.explicit import write_explicit
    from envbuild.formats.pylock import write_pylock
    from envbuild.formats.requirements import write_requirements

    named = platform_of(arguments.platform, lock) if arguments.platform else ""
    platform = named or lock.platforms[0]
    if arguments.format == "explicit":
        return write_explicit(lock, platform, digest="sha256" if arguments.sha256 else "md5")
    if arguments.format == "requirements":
        one = platform if arguments.urls or len(lock.platforms) == 1 else named
        return write_requirements(lock, one, urls=arguments.urls)
    if arguments.format == "environment":
        return write_environment_yml(lock, platform)
    if arguments.format == "cyclonedx":
        return write_cyclonedx(lock, named, licenses=_licenses(lock, arguments))
    # a pylock.toml has no place for conda packages; the pip half of a mixed lock is what its readers can install
    return write_pylock(lock, pip_part=bool(lock.conda)) if arguments.format == "pylock" else write_conda_lock(lock)


def _licenses(lock: Lock, arguments: argparse.Namespace) -> dict[tuple[str, str], str]:
    if not arguments.licences:
        return {}
    from envbuild.licenses import known_licenses

    file, _ = find(arguments.definition, arguments.environment)
    return known_licenses(lock.pip, file.parent)


def run_import(arguments: argparse.Namespace) -> int:
    """Read another tool's lock and write ours."""
    from envbuild.core.errors import LockError
    from envbuild.formats.detect import read_lock
    from envbuild.lockfile import read_text, store_lock

    lock = read_lock(read_text(arguments.file), str(arguments.file), arguments.environment)
    name = "conda-lock.yml" if lock.conda else "pylock.toml"
    target = arguments.output or arguments.file.with_name(name)
    if target.exists() and arguments.output is None:
        raise LockError(f"{target} already exists", hint="name another file with --output")
    store_lock(target, lock)
    print(target)
    return 0


def run_why(arguments: argparse.Namespace) -> int:
    """Print the shortest way to the package from each package that was asked for."""
    from envbuild.core.graph import why

    lock, requested = load(arguments.definition, arguments.environment)
    platform = platform_of(arguments.platform, lock)
    ways = why(lock, arguments.package, platform, requested)
    if arguments.json:
        print(json.dumps([[_facts(step.node, step.asks) for step in way] for way in ways]))
        return 0 if ways else 1
    for way in ways:
        print(" → ".join(f"{step.node}{f' ({step.asks})' if step.asks else ''}" for step in way))
    if not ways:
        names = sorted({one.name for one in lock.conda if one.platform == platform} | {one.name for one in lock.pip})
        print(f"{arguments.package} is not in the lock{nearest(arguments.package, names)}")
    return 0 if ways else 1


def _facts(node: Node, asks: str) -> dict[str, object]:
    facts: dict[str, object] = {"name": node.name, "version": node.version, "manager": node.manager}
    return {**facts, "asks": asks} if asks else facts


def run_tree(arguments: argparse.Namespace) -> int:
    """Print the packages as trees."""
    from envbuild.core.graph import tree

    lock, requested = load(arguments.definition, arguments.environment)
    branches = tree(lock, platform_of(arguments.platform, lock), requested)
    if arguments.json:
        print(json.dumps([_nested(one) for one in branches]))
        return 0
    for branch in branches:
        for line in _lines(branch, ""):
            print(line)
    return 0


def _nested(branch: Branch) -> dict[str, object]:
    facts = _facts(branch.node, branch.asks)
    if branch.repeated:
        return {**facts, "repeated": True}
    return {**facts, "needs": [_nested(one) for one in branch.branches]} if branch.branches else facts


def _lines(branch: Branch, indent: str) -> Iterator[str]:
    asks = f" ({branch.asks})" if branch.asks else ""
    yield f"{indent}{branch.node}{asks}{' …' if branch.repeated else ''}"
    for one in branch.branches:
        yield from _lines(one, f"{indent}  ")


def run_outdated(arguments: argparse.Namespace) -> int:
    """Lock afresh without writing, and print what would change."""
    from dataclasses import replace
    from datetime import datetime, timezone

    from envbuild.api import lock
    from envbuild.cli.progress import progress_for
    from envbuild.core.diff import diff_locks
    from envbuild.core.errors import LockError, UsageError
    from envbuild.lockfile import find_lock, load_lock

    path, *others = take_definitions(arguments)
    if others:
        raise UsageError("outdated looks at one definition at a time", hint=f"leave out {others[0]}")
    found = find_lock(path, arguments.environment)
    if found is None:
        raise LockError(f"{path} has no lock", hint=f"run `envbuild lock {path}`")
    previous = load_lock(found)
    options = replace(solve_options(arguments), update_all=True, update_base=True)
    if previous.exclude_newer and not options.exclude_newer:
        # today is meant, not the day that the lock is for
        options = replace(options, exclude_newer=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    done = lock(
        path,
        environment=arguments.environment,
        options=options,
        write=False,
        progress=progress_for(quiet=arguments.quiet),
    )
    difference = diff_locks(previous, replace(done.lock, exclude_newer=previous.exclude_newer))
    form = "json" if arguments.json else arguments.format
    if difference or form != "text":
        print_diff(difference, form)
    else:
        print("nothing would change")
    return 1 if difference else 0
