"""`--format`: what is wrong, as annotations that GitHub, GitLab and SARIF readers put on the line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envbuild.core.errors import Problem

FORMATS = ("text", "github", "gitlab", "json", "sarif")


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add `--format`."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="how to print what is wrong: text, or annotations for GitHub Actions, GitLab's Code Quality, or SARIF readers",
    )


def wants_annotations(arguments: argparse.Namespace) -> bool:
    """Tell whether another form than text is asked for."""
    return bool(getattr(arguments, "format", "text") != "text")


def print_annotations(problems: Iterable[Problem], arguments: argparse.Namespace, *, rule: str) -> None:
    """Print `problems` in the form that the arguments ask for."""
    from envbuild import __version__
    from envbuild.annotations import annotate

    print(annotate(problems, arguments.format, rule=rule, version=__version__), end="")
