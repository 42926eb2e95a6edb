"""`envbuild schema`: JSON Schemas for editors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

NAMES = ("table", "pyproject", "conda", "azure-environment", "conda-lock", "pylock")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "schema",
        help="print a JSON Schema, for editors and other tools",
        description="table: [tool.envbuild]. pyproject: a pyproject.toml with it. conda: an environment.yml. azure-environment: "
        "Azure ML v2. conda-lock, pylock: what `envbuild lock` writes. Draft 2020-12.",
    )
    parser.add_argument("name", nargs="?", choices=NAMES, default="table", help="which (default: table)")
    parser.add_argument("-o", "--output", type=Path, help="the file (default: stdout)")
    parser.add_argument("--all", type=Path, metavar="DIR", help="write all of them to DIR, NAME.schema.json each")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or write."""
    from envbuild.files import write_atomic
    from envbuild.schema import schema

    wanted = {arguments.all / f"{name}.schema.json": name for name in NAMES} if arguments.all else {}
    if arguments.output is not None:
        wanted[arguments.output] = arguments.name
    for path, name in wanted.items():
        write_atomic(path, json.dumps(schema(name), indent=2) + "\n")
        print(path)
    if not wanted:
        print(json.dumps(schema(arguments.name), indent=2))
    return 0
