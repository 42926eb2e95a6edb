"""Which kind of file something is: by its name where that tells, else by its content."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

Kind = Literal["conda", "requirements", "pyproject", "unknown"]

_REQUIREMENTS = re.compile(r"(.*requirements.*|.*constraints.*|.*)\.(txt|in|pip)", re.IGNORECASE)


def detect_kind(path: Path) -> Kind:
    """Return the kind of the definition at `path`."""
    name = path.name.lower()
    if name.endswith(".toml"):
        return "pyproject"
    if name.endswith((".yml", ".yaml")):
        return "conda"
    if _REQUIREMENTS.fullmatch(name):
        return "requirements"
    return "unknown"
