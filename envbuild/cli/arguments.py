"""Arguments that several commands share, so that they are spelled and explained once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.unchanged import DEFAULT_FILES, default_definitions

if TYPE_CHECKING:
    from envbuild.solve.options import SolveOptions


def add_definition(parser: argparse.ArgumentParser, *, many: bool = False) -> None:
    """Add the definition: a file or folder, by default the one in the current folder."""
    parser.add_argument(
        "definition",
        nargs="*" if many else "?",
        type=Path,
        help=f"environment.yml, requirements.txt, pyproject.toml, Azure ML file or folder (default: the first of {', '.join(DEFAULT_FILES)} here)",
    )
    add_environment(parser)


def add_environment(parser: argparse.ArgumentParser) -> None:
    """Add the choice among several environments of one file."""
    parser.add_argument(
        "-e", "--environment", default="", metavar="NAME", help="one of several environments in a pyproject.toml"
    )


def add_workspace(parser: argparse.ArgumentParser) -> None:
    """Add where the workspace is."""
    parser.add_argument(
        "-w", "--workspace", type=Path, help="the folder whose .envbuild is the workspace (default: found upwards)"
    )


def definition_or_default(path: Path | None) -> Path:
    """Return `path`, or the definition of the current folder.

    Raises:
        DefinitionError: none was named and there is none here.
    """
    from envbuild.core.errors import DefinitionError

    found = [path] if path else [Path(one) for one in default_definitions("")]
    if not found:
        raise DefinitionError(
            "no definition was named, and the current folder has none", hint=f"one of {', '.join(DEFAULT_FILES)}"
        )
    return next(one for one in found if one == found[-1] or _defines_environment(one))


def _defines_environment(path: Path) -> bool:
    if path.name != "pyproject.toml":
        return True
    from envbuild.core.errors import DefinitionError
    from envbuild.read.pyproject import defines_environment

    try:
        return defines_environment(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, DefinitionError):
        return True  # reading it says what is wrong


def take_definitions(arguments: argparse.Namespace) -> list[Path]:
    """Return the definitions, by default the one of the current folder, and take them out of `--update NAME… FILE`.

    Raises:
        DefinitionError: none was named and there is none here.
    """
    given = arguments.definition
    named = list(given) if isinstance(given, list) else [given] if given else []
    files = [one for one in arguments.update if "/" in one or Path(one).is_file()]
    arguments.update = [one for one in arguments.update if one not in files]
    return [*named, *map(Path, files)] or [definition_or_default(None)]


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add `--quiet` and `--json`."""
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_solve(parser: argparse.ArgumentParser) -> None:
    """Add the wishes of a solve."""
    group = parser.add_argument_group("solving")
    group.add_argument(
        "--update",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="let these packages move, all else stays; a file among them is the definition",
    )
    group.add_argument("--update-all", action="store_true", help="forget the previous lock's versions")
    group.add_argument("--update-base", action="store_true", help="resolve the base image's tag again")
    group.add_argument(
        "--platform", action="append", default=[], metavar="P", help="lock for P (linux-64, linux/arm64, …); repeatable"
    )
    group.add_argument(
        "--exclude-newer", default="", metavar="DATE", help="take nothing published after DATE (RFC 3339 or YYYY-MM-DD)"
    )
    group.add_argument("--solver", choices=["rattler", "conda-lock"], default="rattler", help="who solves conda's side")
    group.add_argument("--pip-resolver", choices=["uv", "pip-tools"], default="uv", help="who solves pip's side")
    group.add_argument(
        "--virtual-package",
        action="append",
        default=[],
        metavar="NAME=V",
        help="what the target has: __glibc=2.35, __cuda=12.4",
    )
    group.add_argument(
        "--attestations",
        choices=["verify", "require"],
        default="",
        help="what the index attests of each file must hold (PEP 740), or must be there too; takes the extra sigstore",
    )
    group.add_argument(
        "--allow-sdist",
        action="append",
        default=[],
        metavar="NAME",
        help="lock NAME without a wheel, running its build code",
    )
    group.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="CHANNEL=URL",
        help="ask URL for CHANNEL (a name or a URL); the lock keeps the channel's own URLs",
    )
    group.add_argument("--offline", action="store_true", help="use caches only")


def solve_options(arguments: argparse.Namespace) -> SolveOptions:
    """Return the solve's options from parsed arguments.

    Raises:
        UsageError: a value is not understood.
    """
    from envbuild.core.errors import UsageError
    from envbuild.core.platforms import parse_platform
    from envbuild.net.offline import is_offline
    from envbuild.solve.options import SolveOptions

    mirrors: dict[str, tuple[str, ...]] = {}
    for text in arguments.mirror:
        channel, separator, mirror = text.partition("=")
        if not separator or not mirror.startswith(("http://", "https://")):
            hint = "for example --mirror conda-forge=https://mirror.example/conda-forge"
            raise UsageError(f"--mirror {text!r} is not CHANNEL=URL, with a URL of http or https", hint=hint)
        mirrors[channel] = (*mirrors.get(channel, ()), mirror)
    return SolveOptions(
        platforms=tuple(parse_platform(text).subdir for text in arguments.platform),
        update=tuple(arguments.update),
        update_all=arguments.update_all,
        update_base=arguments.update_base,
        exclude_newer=cutoff(arguments.exclude_newer),
        solver=arguments.solver,
        pip_resolver=arguments.pip_resolver,
        virtual_packages=tuple(arguments.virtual_package),
        sdist_allowed=tuple(arguments.allow_sdist),
        attestations=arguments.attestations,
        mirrors=mirrors,
        offline=arguments.offline or is_offline(),
    )


def cutoff(text: str) -> str:
    """Return `text` (a date, or a date and time) as RFC 3339 in UTC; a date alone means its last second.

    Raises:
        UsageError: it is neither.
    """
    from datetime import datetime, timezone

    from envbuild.core.errors import UsageError

    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise UsageError(f"--exclude-newer {text!r} is not a date", hint="for example 2026-11-21") from error
    if len(text) == len("2026-11-21"):
        moment = moment.replace(hour=23, minute=59, second=59)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
