"""`envbuild audit`: known vulnerabilities of a lock's packages, from an OSV database."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from envbuild.cli.arguments import add_environment
from envbuild.cli.locked import load


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "audit",
        help="known vulnerabilities of a lock's packages, from an OSV database",
        description="Looks up every Python distribution of the lock. Exit 1 when an advisory covers one, 0 when none does.",
    )
    parser.add_argument(
        "path", type=Path, metavar="LOCK|DEFINITION", help="a lock of any format, or a definition that has one"
    )
    add_environment(parser)
    parser.add_argument(
        "--database",
        required=True,
        metavar="FILE|URL",
        help="OSV advisories: a ZIP of JSON files, JSON lines, or a JSON list",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is known; 1 where there is something."""
    from envbuild.audit import audit

    lock, _ = load(arguments.path, arguments.environment)
    found = audit(lock, _advisories(arguments.database))
    if arguments.json:
        print(
            json.dumps(
                {
                    "packages": len(lock.pip) + len(lock.tools) + len(lock.conda),
                    "found": [one.to_dict() for one in found],
                }
            )
        )
    for one in () if arguments.json else found:
        cured = f"; fixed in {', '.join(one.fixed)}" if one.fixed else "; no fixed version is known"
        print(f"{one.package} {one.version}: {one.id} {one.summary}{cured}")
    if not found and not arguments.json:
        print(f"{arguments.path}: nothing known")
    return 1 if found else 0


def _advisories(database: str) -> Iterator[Mapping[str, Any]]:
    from tempfile import TemporaryDirectory

    from envbuild.audit import LARGEST, read_database

    if not database.startswith(("https://", "http://")):
        yield from read_database(Path(database))
        return
    from envbuild.net.http import HttpClient

    with TemporaryDirectory(prefix="envbuild-audit-") as folder:
        path = Path(folder, "database")
        path.write_bytes(HttpClient().get(database, limit=LARGEST))
        yield from read_database(path)
