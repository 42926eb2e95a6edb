"""`envbuild init`: the first table of a project."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "init",
        help="write the first [tool.envbuild] of a project",
        description="Looks for environment.yml, requirements, pyproject.toml, a Dockerfile, an Azure ML folder or file, an MLflow model, "
        "and writes the few keys that name or retell it to pyproject.toml. What stands there is kept; a table that is there is left alone.",
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
        answer = {"found": list(start.found), "file": str(start.path), "table": start.table, "written": written}
        print(json.dumps(answer))
    elif not start.text:
        print(f"{start.path} has a [tool.envbuild] already; nothing was changed")
    elif arguments.dry_run:
        print(start.table, end="")
    else:
        print(
            f"found {', '.join(start.found)}\n{start.path}: written\n\n{start.table}\nnext: envbuild lock {start.path}"
        )
    return 0
