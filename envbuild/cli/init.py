"""`envbuild init`: the first table of a project."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envbuild.start import Start


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "init",
        help="write the first [tool.envbuild] of a project",
        description="Looks for conda files, requirements, a pyproject.toml, a Dockerfile, Azure ML files, an MLflow model, and writes "
        "the few keys that name or retell the one that says most to pyproject.toml. What stands there is kept; a table that is there is "
        "left alone; a file that no table can retell is named as the definition that it is.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), help="the project (default: the current folder)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the table, write nothing")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the table, and say what comes next."""
    from envbuild.start import begin, write

    start = begin(arguments.folder)
    written = bool(start.text) and not arguments.dry_run
    if written:
        write(start)
    if arguments.json:
        answer = {"used": start.used, "unused": start.unused, "refused": start.refused, "file": str(start.path)}
        print(json.dumps({**answer, "table": start.table, "written": written}))
    elif not start.used:
        print(f"{start.path} has a [tool.envbuild] already; nothing was changed")
    elif not start.table:
        print(f"{start.used} is a definition as it is, and needs no table\nnext: envbuild lock {start.path}")
    elif arguments.dry_run:
        print(start.table, end="")
    else:
        print(_words(start))
    return 0


def _words(start: Start) -> str:
    lines = [f"found {start.used}"]
    if start.unused:
        lines.append(f"not used: {', '.join(start.unused)} (`envbuild lock FILE` takes each as it is)")
    if start.refused:
        lines.append(f"not understood: {', '.join(start.refused)} (`envbuild show FILE` says why)")
    return "\n".join([*lines, f"{start.path}: written", "", start.table, f"next: envbuild lock {start.path}"])
