"""Python's version as a definition says it, from conda's and from pip's ways to say it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from envbuild.core.definition import CondaSpec


def python_of(specs: Iterable[CondaSpec]) -> str:
    """Return what the `python` entry of a conda list asks for: `3.10` for `=3.10`, otherwise as conda writes it."""
    for spec in specs:
        if spec.name == "python":
            return bare(spec.version)
    return ""


def bare(version: str) -> str:
    """Return `3.10` for conda's `=3.10` and `3.10.*`; other expressions as they are."""
    found = re.fullmatch(r"=?(\d+(?:\.\d+)*)(?:\.\*)?", version)
    return found[1] if found else version


_PEP_440 = re.compile(r"\s*(?:(?:==|!=|>=|<=|~=|>|<)\s*)?\d+(?:\.\d+)*(?:\.\*)?(?:(?:a|b|rc)\d+)?\s*")


def is_python_version(text: str) -> bool:
    """Tell whether `text` is a version or a specifier (PEP 440) of Python: `3.11`, `>=3.10,<3.13`."""
    return bool(text) and all(_PEP_440.fullmatch(part) for part in text.split(","))
