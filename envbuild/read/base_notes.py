"""Azure's warning: Python packages that the base brings are not seen in the environment that is made beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from envbuild.core.definition import Definition
from envbuild.core.errors import Problem

_INSTALLS = re.compile(
    r"\b(?:(?:pip[\d.]*|conda|mamba|micromamba)\s+(?:-\S+\s+)*install|(?:conda|mamba|micromamba)\s+(?:env\s+)?(?:create|update))\b(.*)"
)
_INSTALLERS = {"pip", "setuptools", "wheel", "uv", "conda", "mamba", "-y", "-U", "-q", "--yes", "--upgrade", "--quiet"}
_LONGEST = 80


def note_base_packages(definition: Definition, folder: Path) -> Iterator[Problem]:
    """Yield a note for a base whose Dockerfile or steps install Python packages beside those of `definition`."""
    makes_environment = definition.conda or definition.pip or definition.python
    if definition.user_managed or definition.base_packages or not makes_environment:
        return
    texts = [definition.base.dockerfile, *definition.docker_steps, _of_context(definition, folder)]
    found = next((line for text in texts for line in text.splitlines() if _installs(line)), "")
    if found:
        short = found.strip().removesuffix("\\").strip()
        short = short if len(short) <= _LONGEST else f"{short[:_LONGEST]}…"
        yield definition.origin.problem(
            f"the base installs Python packages ({short}); the environment beside them in /opt/env does not see those",
            hint="ask for them in the definition, or make it user-managed to use the base's own Python",
        )


def _installs(line: str) -> bool:
    found = None if line.lstrip().startswith("#") else _INSTALLS.search(line)
    words = re.split(r"\s+|[;&|\\]", found[1].split("&&")[0]) if found is not None else []
    return found is not None and any(re.split(r"[=<>~!]", word)[0] not in _INSTALLERS for word in words if word)


def _of_context(definition: Definition, folder: Path) -> str:
    context = definition.base.context
    if context is None or not context.content_hash:
        return ""
    try:
        return (folder / context.path / context.dockerfile_path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
