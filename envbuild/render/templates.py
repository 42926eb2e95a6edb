"""Where the templates are and how they are rendered: strict, sandboxed, quoted by filters; the one user of Jinja."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from envbuild.core.errors import PlanError, Problem
from envbuild.render.dockerfile import json_array, shell_word, word

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment

OWN = "envbuild/"
"""The prefix under which a user's template extends ours: `{% extends "envbuild/Dockerfile.j2" %}`."""


def template_folder() -> Path:
    """Return the folder of our templates: in the installed package, else in the checkout."""
    packaged = Path(__file__).parents[1] / "_templates"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "templates"


def render_template(name: str, values: Mapping[str, object], *, folder: Path | None = None) -> str:
    """Return template `name` with `values`; a template of that name in the user's `folder` goes before ours.

    Raises:
        PlanError: a template is missing or wrong, or names something that does not exist; the file and line are named.
    """
    from jinja2 import TemplateError

    try:
        return _environment(folder).get_template(name).render(values)
    except TemplateError as error:
        raise PlanError(_problem(error, name)) from error


@functools.lru_cache(maxsize=8)
def _environment(folder: Path | None) -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # a definition may come from someone else, so its templates get no way to this machine
    environment = ImmutableSandboxedEnvironment(
        loader=_loader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    filters: dict[str, Callable[..., str]] = {"sh": shell_word, "word": word, "json": json_array}
    environment.filters.update(filters)
    return environment


def _loader(folder: Path | None) -> BaseLoader:
    from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

    ours = FileSystemLoader(template_folder())
    users = [FileSystemLoader(folder)] if folder is not None else []
    return ChoiceLoader([*users, ours, PrefixLoader({OWN.rstrip("/"): ours})])


def _problem(error: Exception, name: str) -> Problem:
    from jinja2 import TemplateNotFound, TemplateSyntaxError

    if isinstance(error, TemplateNotFound):
        return Problem(message=f"template {error.name} is not there", hint=f"ours are {OWN}Dockerfile.j2 and its parts")
    if isinstance(error, TemplateSyntaxError):
        return Problem(message=str(error.message), file=error.filename or error.name or name, line=error.lineno)
    return Problem(message=str(error), file=_failing_file(error) or name, line=_failing_line(error))


def _failing_file(error: Exception) -> str:
    frame = _template_frame(error)
    return frame[0] if frame else ""


def _failing_line(error: Exception) -> int | None:
    frame = _template_frame(error)
    return frame[1] if frame else None


def _template_frame(error: Exception) -> tuple[str, int] | None:
    """Jinja rewrites tracebacks so that their frames name the template's file and line."""
    found: tuple[str, int] | None = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(".j2"):
            found = (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return found
