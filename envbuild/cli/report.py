"""`envbuild report`: one HTML page about a lock."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.cli.arguments import add_definition
from envbuild.cli.image import add_code
from envbuild.cli.locked import find, platform_of

if TYPE_CHECKING:
    from envbuild.core.definition import Definition
    from envbuild.core.lock import Lock
    from envbuild.core.plan import Plan
    from envbuild.report import Report


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "report",
        help="one HTML page about a lock: sizes, dependencies, licences, changes, keys",
        description="The page needs no network and no JavaScript to be read. Of a definition it has the layers and their keys too. "
        "Changes are those since --against, else since the last commit, where the lock is in a git repository and differs from it.",
    )
    add_definition(parser)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), help="the page (default: report.html)"
    )
    parser.add_argument("--against", default="", metavar="OLD", help="a lock file, or a git revision of this one")
    parser.add_argument("--platform", default="", metavar="P", help="one of the lock's platforms (default: its first)")
    add_code(parser)
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the page."""
    from envbuild.files import write_atomic
    from envbuild.report import page

    report = _report(arguments)
    write_atomic(arguments.output, page(report))
    print(arguments.output)
    if arguments.open:
        import webbrowser

        webbrowser.open(arguments.output.resolve().as_uri())
    return 0


def _report(arguments: argparse.Namespace) -> Report:
    from envbuild.api import read_definition
    from envbuild.core.selection import applicable
    from envbuild.licenses import known_licenses
    from envbuild.lockfile import load_lock
    from envbuild.report import gather

    file, path = find(arguments.definition, arguments.environment)
    lock = load_lock(file)
    platform = platform_of(arguments.platform, lock)
    definition = read_definition(path, arguments.environment) if path else None
    requested = {one.name for one in definition.conda} | {one.name for one in definition.pip} if definition else set()
    previous, against = _previous(file, arguments.against)
    return gather(
        lock,
        title=(definition.name if definition else "") or (path or file).resolve().name,
        file=str(file),
        platform=platform,
        requested=requested,
        plan=_plan(definition, lock, platform, path, arguments) if definition and path else None,
        previous=previous,
        against=against,
        licenses=known_licenses(applicable(lock, platform), file.parent),
    )


def _plan(definition: Definition, lock: Lock, platform: str, path: Path, arguments: argparse.Namespace) -> Plan:
    from envbuild.core.plan import make_plan
    from envbuild.lockfile import lock_folder
    from envbuild.own_code import built_code

    code = () if arguments.no_code else built_code(definition, lock_folder(path), lock)
    return make_plan(definition, lock, platform, code=code, allow_unpinned_base=True)


def _previous(file: Path, against: str) -> tuple[Lock | None, str]:
    """Return the lock to compare with, and how it is called; None where there is none."""
    from envbuild.core.errors import LockError
    from envbuild.formats.detect import read_lock
    from envbuild.lockfile import load_lock, read_text
    from envbuild.revisions import text_at

    if against and Path(against).is_file():
        return load_lock(Path(against)), against
    revision = against or "HEAD"
    before = text_at(revision, file)
    if before is not None and (against or before != read_text(file)):
        return read_lock(before, file.name), f"{revision} of {file.name}"
    if against:
        raise LockError(f"{against} is no file, and no git revision that has {file.name}")
    return None, ""
