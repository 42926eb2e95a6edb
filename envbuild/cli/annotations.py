"""`--format`: what is wrong, as annotations that GitHub, GitLab and SARIF readers put on the line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from envbuild.core.errors import EnvbuildError

if TYPE_CHECKING:
    from envbuild.core.errors import Problem

Subject = TypeVar("Subject")
FORMATS = ("text", "github", "gitlab", "json", "sarif")


def add_format(parser: argparse.ArgumentParser, when: str = "") -> None:
    """Add `--format`; `when` says when it has an effect."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help=f"{when}how to print what is wrong: text, or annotations for GitHub Actions, GitLab's Code Quality, or SARIF readers",
    )


def wants_annotations(arguments: argparse.Namespace) -> bool:
    """Tell whether another form than text is asked for."""
    return bool(getattr(arguments, "format", "text") != "text")


def print_annotations(problems: Iterable[Problem], arguments: argparse.Namespace, *, rule: str) -> None:
    """Print `problems` in the form that the arguments ask for."""
    from envbuild import __version__
    from envbuild.annotations import annotate

    print(annotate(problems, arguments.format, rule=rule, version=__version__), end="")


def annotated(
    subjects: Iterable[Subject],
    problems_of: Callable[[Subject], Iterable[Problem]],
    arguments: argparse.Namespace,
    *,
    rule: str,
) -> int:
    """Print the problems of all `subjects` as one document; return 1 where there are any, an error's own code where one is raised."""
    problems: list[Problem] = []
    code = 0
    for subject in subjects:
        try:
            found = list(problems_of(subject))
        except EnvbuildError as error:
            found = list(error.problems)
            code = max(code, error.exit_code)
        problems += found
    print_annotations(problems, arguments, rule=rule)
    return max(code, int(bool(problems)))
