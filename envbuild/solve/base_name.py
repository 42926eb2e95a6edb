"""Which image a definition starts from, as far as its own text tells."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from envbuild.core.definition import Definition
from envbuild.core.errors import DefinitionError, Problem
from envbuild.core.reference import ImageReference
from envbuild.solve.python import default_base

_STOCK = ("ubuntu", "debian")
_IS_FILLED_IN = re.compile(r"\$|\{\{|<")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE)


def base_reference(definition: Definition, folder: Path) -> str:
    """Return the image that the definition starts from, as written; of a Dockerfile, the last stage's; empty if none is known.

    Raises:
        DefinitionError: a Dockerfile starts from what is no image reference.
    """
    base = definition.base
    if base.image:
        return base.image
    try:
        if base.context is not None:
            path = folder / base.context.path / base.context.dockerfile_path
            return last_stage_image(path.read_text("utf-8", "replace") if path.is_file() else "")
        if base.dockerfile:
            return last_stage_image(base.dockerfile)
    except DefinitionError as error:
        raise DefinitionError(_placed(one, definition, folder) for one in error.problems) from None
    return default_base(definition)


def _placed(problem: Problem, definition: Definition, folder: Path) -> Problem:
    """Return what is wrong in a line of the Dockerfile as said of the file that the line is in, or of the text in the definition."""
    context = definition.base.context
    if context is not None:
        return replace(problem, file=str(folder / context.path / context.dockerfile_path))
    return definition.origin.problem(f"line {problem.line} of its Dockerfile: {problem.message}", problem.hint)


def last_stage_image(dockerfile: str) -> str:
    """Return the image that the last stage of `dockerfile` is built on; empty where a variable or nothing stands there.

    Raises:
        DefinitionError: what stands there is no image reference.
    """
    stages: dict[str, tuple[str, int]] = {}
    image, line = "", 0
    for found in _FROM.finditer(dockerfile):
        here = found[1], dockerfile.count("\n", 0, found.start(1)) + 1
        image, line = stages.get(found[1].lower(), here)
        if found[2]:
            stages[found[2].lower()] = image, line
    if not image or image == "scratch" or _IS_FILLED_IN.search(image):
        return ""
    try:
        ImageReference.parse(image)
    except DefinitionError as error:
        raise DefinitionError(replace(one, line=line) for one in error.problems) from None
    return image


def is_stock(reference: str) -> bool:
    """Tell whether `reference` is a distribution's own image, which is known to hold no Python."""
    return reference.partition("@")[0].partition(":")[0].removeprefix("docker.io/").removeprefix("library/") in _STOCK
