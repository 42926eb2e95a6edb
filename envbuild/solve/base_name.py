"""Which image a definition starts from, as far as its own text tells."""

from __future__ import annotations

import re
from pathlib import Path

from envbuild.core.definition import Definition
from envbuild.solve.python import default_base

_STOCK = ("ubuntu", "debian")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE)


def base_reference(definition: Definition, folder: Path) -> str:
    """Return the image that the definition starts from, as written; of a Dockerfile, the last stage's; empty if none is known."""
    base = definition.base
    if base.image:
        return base.image
    text = base.dockerfile
    if base.context is not None:
        path = folder / base.context.path / base.context.dockerfile_path
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
    if base:
        return last_stage_image(text)
    return default_base(definition)


def last_stage_image(dockerfile: str) -> str:
    """Return the image that the last stage of `dockerfile` is built on; empty where a variable or nothing stands there."""
    stages: dict[str, str] = {}
    image = ""
    for found in _FROM.finditer(dockerfile):
        image = stages.get(found[1].lower(), found[1])
        if found[2]:
            stages[found[2].lower()] = image
    return "" if "$" in image or image == "scratch" else image


def is_stock(reference: str) -> bool:
    """Tell whether `reference` is a distribution's own image, which is known to hold no Python."""
    return reference.partition("@")[0].partition(":")[0].removeprefix("docker.io/").removeprefix("library/") in _STOCK
