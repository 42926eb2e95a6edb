"""The parser, and the one place that turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from envbuild import __version__
from envbuild.cli.parsers import Parser
from envbuild.core.errors import EnvbuildError

if TYPE_CHECKING:
    from envbuild.solve.conda_process import SolverProcess

HOMES = {
    "lock": "lock",
    "show": "show",
    "image": "image",
    "bake": "bake",
    "package": "package",
    "serve": "serve",
    "model": "model",
    "environment": "environment",
    "run": "run",
    "service": "service",
    "deploy": "deploy",
    "endpoint": "endpoint",
    "batch": "batch",
    "trigger": "trigger",
    "azureml-run": "run",
    "diff": "diff",
    "export": "locks",
    "import": "locks",
    "why": "locks",
    "tree": "locks",
    "outdated": "locks",
    "demo": "demo",
    "hook": "hook",
    "init": "init",
    "report": "report",
    "schema": "schema",
    "doctor": "doctor",
    "completion": "completion",
    "clean": "clean",
    "audit": "audit",
    "attest": "attest",
    "verify": "attest",
}
"""The module of `envbuild.cli` that each command lives in: its `add_parser(commands)` declares it and sets `run`."""


GROUPS = {
    "definitions and locks": ("init", "lock", "show", "diff", "why", "tree", "outdated", "export", "import", "audit"),
    "images": ("image", "bake", "report", "attest", "verify"),
    "models and services": (
        "package",
        "serve",
        "run",
        "model",
        "environment",
        "service",
        "deploy",
        "endpoint",
        "batch",
        "trigger",
        "azureml-run",
    ),
    "this machine and your tools": ("demo", "doctor", "clean", "hook", "schema", "completion"),
}
"""How the help lists the commands."""


def parser(command: str = "") -> Parser:
    """Return the parser of all commands; of one alone where it is known, for a quick start."""
    top = Parser(
        prog="envbuild",
        description="From an environment definition to a pinned lock, from the lock to a reproducible image, from a model to an image that serves it.",
        epilog="Exit codes: 0 done; 1 'no' to a question (--check); 2 wrong command line; 3 definition; 4 lock; 5 no solution; "
        "6 plan; 7 engine; 8 network; 9 hash mismatch; 10 workspace; 11 service; 12 a file that cannot be read or written; 70 a defect in envbuild; 130 interrupted.",
    )
    top.add_argument("--version", action="version", version=f"envbuild {__version__}")
    # with `prog` argparse has no need to lay out a usage text, for which it would import much
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, prog="envbuild")
    top.groups = GROUPS
    if command == "--version":
        return top
    homes = [HOMES[command]] if command in HOMES else dict.fromkeys(HOMES.values())
    for home in homes:
        import_module(f"envbuild.cli.{home}").add_parser(commands)
    return top


def run(argv: Sequence[str], *, solver: SolverProcess | None = None) -> int:
    """Run the command line `argv` (without the program's name) and return the exit code.

    `solver` was started early for a command that will need it; whether it does or not, it ends here.
    """
    try:
        return _run(parser(argv[0] if argv else "").parse_args(list(argv), argparse.Namespace(solver_process=solver)))
    finally:
        if solver is not None:
            solver.close()


def _run(arguments: argparse.Namespace) -> int:
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except EnvbuildError as error:
        as_json = getattr(arguments, "json", False) or getattr(arguments, "format", "") == "json"
        return _report(error, as_json=as_json)
    except KeyboardInterrupt:
        print("envbuild: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of our output went away, as `head` does; Python would complain once more while closing
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # noqa: BLE001
        return _defect()
    return code


def _report(error: EnvbuildError, *, as_json: bool) -> int:
    if as_json:
        print(
            json.dumps(
                {"ok": False, "exit_code": error.exit_code, "problems": [one.to_dict() for one in error.problems]}
            )
        )
    for problem in error.problems:
        print(f"error: {problem}", file=sys.stderr)
    return error.exit_code


def _defect() -> int:
    import traceback

    traceback.print_exc()
    print(
        f"envbuild {__version__}: this is a defect in envbuild; please report it with the lines above", file=sys.stderr
    )
    return 70
