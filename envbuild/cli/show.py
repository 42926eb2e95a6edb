"""`envbuild show`: definitions as they are understood."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.annotations import add_format, annotated, wants_annotations
from envbuild.cli.arguments import add_environment
from envbuild.core.errors import EnvbuildError

if TYPE_CHECKING:
    from envbuild.core.definition import Definition
    from envbuild.core.errors import Problem


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "show",
        help="print definitions as envbuild understands them",
        description="Any number of files or folders; exit 0 only if all are understood. --json: one line a file, "
        '{"file", "ok", "definition" | "problems"}.',
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a definition: a file, or a folder that is one"
    )
    add_environment(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON line a file")
    add_format(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show each file; one that is not understood does not stop the others."""
    if wants_annotations(arguments):
        return annotated(arguments.files, lambda path: _problems(path, arguments.environment), arguments, rule="show")
    results = [_show(path, arguments.environment, as_json=arguments.json) for path in arguments.files]
    return max(results)


def _show(path: Path, environment: str, *, as_json: bool) -> int:
    from envbuild.api import read_definition

    try:
        definition = read_definition(path, environment)
    except EnvbuildError as error:
        problems = [problem.to_dict() for problem in error.problems]
        if as_json:
            print(json.dumps({"file": str(path), "ok": False, "problems": problems}))
        else:
            print(f"{path}: not understood")
            for problem in error.problems:
                print(f"  {problem}")
        return error.exit_code
    if as_json:
        print(json.dumps({"file": str(path), "ok": True, "definition": definition.to_dict()}))
    else:
        print(_words(path, definition))
    return 0


def _problems(path: Path, environment: str) -> tuple[Problem, ...]:
    from envbuild.api import read_definition

    read_definition(path, environment)
    return ()


def _words(path: Path, definition: Definition) -> str:
    lines = [f"{path}: {definition.kind}{f' {definition.name!r}' if definition.name else ''}"]
    for key, value in definition.to_dict().items():
        if key in ("kind", "name", "notes", "hash"):
            continue
        if isinstance(value, list):
            lines.append(f"  {key}:")
            lines.extend(f"    {one}" for one in value)
        elif isinstance(value, dict):
            lines.append(f"  {key}:")
            lines.extend(f"    {name}: {one}" for name, one in value.items())
        else:
            lines.append(f"  {key}: {value}")
    lines.extend(f"  note: {note.message}" for note in definition.notes)
    return "\n".join(lines)
