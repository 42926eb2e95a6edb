"""`envbuild diff`: what moved between two locks, or in all locks since a git revision."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envbuild.core.diff import LockDiff
    from envbuild.revisions import Moved


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "diff",
        help="what moved between two locks, or in all locks since a git revision",
        description="OLD and NEW may be locks of different formats. With --against REV every conda-lock.yml and pylock.toml below here "
        "that differs from that revision is told of, or those that are named.",
    )
    parser.add_argument("locks", nargs="*", type=Path, metavar="LOCK", help="OLD NEW; with --against: only these")
    parser.add_argument("--against", default="", metavar="REV", help="a git revision: HEAD, main, v1.2, a commit")
    add_form(parser)
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="as --format json")
    parser.add_argument("--exit-code", action="store_true", help="exit 1 where anything moved")
    parser.set_defaults(run=run)


def add_form(parser: argparse.ArgumentParser) -> None:
    """Add how a difference is printed."""
    parser.add_argument(
        "--format",
        choices=["text", "markdown", "json"],
        default="text",
        help="text for a terminal, Markdown for a pull request, or JSON",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the difference."""
    from envbuild.core.diff import diff_locks
    from envbuild.core.errors import UsageError
    from envbuild.lockfile import load_lock

    if arguments.against:
        from envbuild.revisions import moved_since

        moved = list(moved_since(arguments.against, arguments.locks))
        _print_all(moved, arguments.format)
        return 1 if arguments.exit_code and moved else 0
    if len(arguments.locks) != 2:
        raise UsageError(
            "two locks are compared with each other, OLD and NEW",
            hint="or all locks here with a git revision: --against HEAD",
        )
    old, new = arguments.locks
    difference = diff_locks(load_lock(old), load_lock(new))
    print_diff(difference, arguments.format)
    return 1 if arguments.exit_code and difference else 0


def print_diff(difference: LockDiff, form: str) -> None:
    """Print `difference` as text, markdown or json; nothing where nothing moved, but for the latter two."""
    text = _formatted(difference, form).rstrip("\n")
    if text:
        print(text)


def _formatted(difference: LockDiff, form: str) -> str:
    from envbuild.formats import diff_text

    text: str = getattr(diff_text, f"diff_{form}")(difference)
    return text


def _print_all(moved: Sequence[Moved], form: str) -> None:
    if form == "json":
        print(json.dumps({"locks": [_facts(one) for one in moved]}, indent=2))
        return
    if form == "markdown" and not moved:
        print("No lock changed.")
    for at, one in enumerate(moved):
        lines = _words(one, form).rstrip("\n").splitlines()
        if form == "markdown":
            print(*([""] if at else []), f"### {one.path}", "", *lines, sep="\n")
        else:
            print(f"{one.path}:", *(f"  {line}" for line in lines), sep="\n")


def _words(one: Moved, form: str) -> str:
    from envbuild.core.diff import diff_locks

    if one.old is not None and one.new is not None:
        return _formatted(diff_locks(one.old, one.new), form) or "other facts, no package moved"
    known = one.old or one.new
    count = len(known.conda) + len(known.pip) if known else 0
    return f"new, {count} packages" if one.new else f"removed, {count} packages"


def _facts(one: Moved) -> dict[str, object]:
    from envbuild.core.diff import diff_locks

    if one.old is None or one.new is None:
        return {"lock": str(one.path), "kind": "added" if one.new else "removed"}
    return {"lock": str(one.path), "kind": "changed", **json.loads(_formatted(diff_locks(one.old, one.new), "json"))}
